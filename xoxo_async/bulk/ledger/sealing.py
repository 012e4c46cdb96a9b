"""Encrypt the voucher codes that a ledger stores: AES-GCM when the ledger has a key, in clear when it has none.

Voucher codes are bearer cash.
"""

import base64
import binascii
import os
from typing import Final

from xoxo_async.errors import LedgerError

__all__ = ["SEALED_FORM", "CodeBox"]

_SEALED: Final = "sealed1:"
SEALED_FORM: Final = f"{_SEALED}*"
"""What sealed codes look like, as a GLOB pattern."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_CHECK: Final = b"xoxo ledger key check"


class CodeBox:
    """Seals and opens the texts of the `codes` table. Codes that are sealed for one line do not open for another.

    Args:
        key: 32 bytes as URL-safe base64 (`XOXO_LEDGER_KEY`); empty keeps codes in clear.

    Raises:
        LedgerError: When the key is malformed, or `cryptography` is not installed.
    """

    def __init__(self, key: str) -> None:
        self.sealed: Final = bool(key)
        if not key:
            return
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        except ImportError:
            raise LedgerError(
                "XOXO_LEDGER_KEY is set, and encryption is not installed: pip install 'xoxo-async[encryption]'"
            ) from None
        self._cipher: Final = AESGCM(_decoded(key))

    def __repr__(self) -> str:
        return f"CodeBox(sealed={self.sealed})"

    def seal(self, codes: bytes, seq: int) -> str:
        """Return a line's codes as they are stored.

        Args:
            codes: UTF-8 text.
            seq: The line.
        """
        if not self.sealed:
            return codes.decode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, codes, str(seq).encode())
        return _SEALED + base64.b64encode(nonce + sealed).decode()

    def open(self, stored: str, seq: int) -> bytes:
        """Return a line's codes as `seal` got them.

        Args:
            stored: What `seal` returned, with a key or without.
            seq: The line.

        Raises:
            LedgerError: When they were sealed with another key, for another line, or not by this class.
        """
        if not stored.startswith(_SEALED):
            return stored.encode()
        if not self.sealed:
            raise LedgerError("the ledger's voucher codes are encrypted: set XOXO_LEDGER_KEY to read them")
        try:
            blob = base64.b64decode(stored[len(_SEALED) :], validate=True)
            return self._cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], str(seq).encode())
        except Exception as error:  # cryptography's InvalidTag, without importing it where it is not installed
            raise LedgerError(f"the voucher codes of line {seq} do not open with this XOXO_LEDGER_KEY") from error

    def key_check(self) -> str:
        """Return the text by which the ledger recognises its key; empty without a key."""
        return self.seal(_CHECK, 0) if self.sealed else ""

    def require(self, key_check: str) -> None:
        """Refuse a ledger whose codes this box cannot open.

        Args:
            key_check: What the ledger keeps; empty when it was never encrypted.

        Raises:
            LedgerError: When the key is missing or another one.
        """
        if not key_check:
            return
        if not self.sealed:
            raise LedgerError("this ledger's voucher codes are encrypted: set XOXO_LEDGER_KEY to the key it began with")
        try:
            self.open(key_check, 0)
        except LedgerError as error:
            raise LedgerError("XOXO_LEDGER_KEY is not the key this ledger began with") from error


def _decoded(key: str) -> bytes:
    try:
        raw = base64.b64decode(key.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise LedgerError("XOXO_LEDGER_KEY must be 32 bytes as URL-safe base64 (44 characters)")
    return raw
