"""Encrypt the texts that a store keeps: AES-GCM with a key (`XOXO_LEDGER_KEY`), in clear without one.

Voucher codes and tokens are bearer cash. This module raises `SealError` alone. Its callers turn it into messages that
name what does not open.
"""

import base64
import binascii
import os
from typing import Final

__all__ = ["SEALED", "SealError", "Seals"]

SEALED: Final = "sealed1:"
"""What every sealed text begins with."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealError(Exception):
    """A key cannot be used, or a text does not open with it. The message repeats neither."""


class Seals:
    """Seals and opens texts. What is sealed for one label does not open for another one.

    Args:
        key: 32 bytes as URL-safe base64; empty keeps texts in clear.

    Attributes:
        closed: Whether there is a key.

    Raises:
        SealError: The key is malformed, or `cryptography` is not installed.
    """

    def __init__(self, key: str) -> None:
        self.closed: Final = bool(key)
        if not key:
            return
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        except ImportError:
            raise SealError(
                "XOXO_LEDGER_KEY is set, and encryption is not installed: pip install 'xoxo-async[encryption]'"
            ) from None
        self._cipher: Final = AESGCM(_decoded(key))

    def __repr__(self) -> str:
        return f"Seals(closed={self.closed})"

    def seal(self, text: bytes, label: str) -> str:
        """Return a text as it is stored.

        Args:
            text: UTF-8 text.
            label: What the text belongs to.
        """
        if not self.closed:
            return text.decode()
        nonce = os.urandom(_NONCE_BYTES)
        return SEALED + base64.b64encode(nonce + self._cipher.encrypt(nonce, text, label.encode())).decode()

    def open(self, stored: str, label: str) -> bytes:
        """Return a text as `seal` got it.

        Args:
            stored: What `seal` returned, with a key or without.
            label: What the text belongs to.

        Raises:
            SealError: There is no key, or the text was sealed with another one or for another label.
        """
        if not stored.startswith(SEALED):
            return stored.encode()
        if not self.closed:
            raise SealError("it is encrypted, and XOXO_LEDGER_KEY is not set")
        try:
            blob = base64.b64decode(stored[len(SEALED) :], validate=True)
            return self._cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], label.encode())
        except Exception as error:  # cryptography's InvalidTag, without importing it where it is not installed
            raise SealError("it does not open with this XOXO_LEDGER_KEY") from error


def _decoded(key: str) -> bytes:
    try:
        raw = base64.b64decode(key.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise SealError("XOXO_LEDGER_KEY must be 32 bytes as URL-safe base64 (44 characters)")
    return raw
