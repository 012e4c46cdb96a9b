"""Encrypt the voucher codes that a ledger stores, with the ledger's key, and recognise that key."""

from typing import Final

from xoxo_async.errors import LedgerError, LedgerKeyError
from xoxo_async.sealing import SEALED, SealError, Seals

__all__ = ["SEALED_FORM", "CodeBox"]

SEALED_FORM: Final = f"{SEALED}*"
"""What sealed codes look like, as a GLOB pattern."""

_CHECK: Final = b"xoxo ledger key check"


class CodeBox:
    """Seals and opens the texts of the `codes` table. Codes that are sealed for one line do not open for another.

    Args:
        key: 32 bytes as URL-safe base64 (`XOXO_LEDGER_KEY`); empty keeps codes in clear.

    Raises:
        LedgerKeyError: When the key is malformed, or `cryptography` is not installed.
    """

    def __init__(self, key: str) -> None:
        try:
            self._seals: Final = Seals(key)
        except SealError as error:
            raise LedgerKeyError(str(error)) from None
        self.sealed: Final = self._seals.closed

    def __repr__(self) -> str:
        return f"CodeBox(sealed={self.sealed})"

    def seal(self, codes: bytes, seq: int) -> str:
        """Return a line's codes as they are stored.

        Args:
            codes: UTF-8 text.
            seq: The line.
        """
        return self._seals.seal(codes, str(seq))

    def open(self, stored: str, seq: int) -> bytes:
        """Return a line's codes as `seal` got them.

        Args:
            stored: What `seal` returned, with a key or without.
            seq: The line.

        Raises:
            LedgerError: When they were sealed with another key, for another line, or not by this class.
        """
        try:
            return self._seals.open(stored, str(seq))
        except SealError as error:
            if not self.sealed:
                raise LedgerError(
                    "the ledger's voucher codes are encrypted: set XOXO_LEDGER_KEY to read them"
                ) from None
            raise LedgerError(f"the voucher codes of line {seq} do not open with this XOXO_LEDGER_KEY") from error

    def key_check(self) -> str:
        """Return the text by which the ledger recognises its key; empty without a key."""
        return self.seal(_CHECK, 0) if self.sealed else ""

    def require(self, key_check: str) -> None:
        """Refuse a ledger whose codes this box cannot open.

        Args:
            key_check: What the ledger keeps; empty when it was never encrypted.

        Raises:
            LedgerKeyError: When the key is missing or another one.
        """
        if not key_check:
            return
        if not self.sealed:
            raise LedgerKeyError(
                "this ledger's voucher codes are encrypted: set XOXO_LEDGER_KEY to their key (a database has one for"
                " all its jobs)"
            )
        try:
            self.open(key_check, 0)
        except LedgerError as error:
            raise LedgerKeyError("XOXO_LEDGER_KEY is not the key of this ledger's voucher codes") from error
