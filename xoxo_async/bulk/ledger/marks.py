"""Keyed hashes of voucher codes, so that a ledger recognises a repeated code even if it keeps no codes.

The key is random and made with the ledger. The ledger keeps it, sealed if its codes are sealed: with the key in clear,
a person with the file could test whether a guessed code is among the issued ones.
"""

import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.errors import LedgerError, LedgerKeyError

__all__ = ["CodeMarks"]


class CodeMarks:
    """The marks of voucher codes in one ledger.

    Args:
        box: Returns what seals the ledger's codes; called only when the key is made or opened.
    """

    def __init__(self, box: Callable[[], CodeBox]) -> None:
        self._box: Final = box
        self._keyed: blake2b | None = None

    def key_to_store(self, stored: str | None, box: CodeBox | None) -> str | None:
        """Return the key that the ledger keeps from now on; None if it keeps the one it has.

        Args:
            stored: What it keeps; None for a new ledger, whose key is made here. A key in clear is sealed once codes
                are sealed.
            box: What seals the codes that this holder keeps; None if it keeps none.
        """
        if stored is None:
            return self._box().seal(secrets.token_hex(32).encode(), 0)
        if box is not None and box.sealed:
            clear = box.open(stored, 0)
            if clear.decode() == stored:
                return box.seal(clear, 0)
        return None

    def key_check(self) -> str:
        """Return the text by which the ledger recognises the key that seals the marks' key; empty without one."""
        return self._box().key_check()

    @property
    def has_key(self) -> bool:
        """Whether the key was opened."""
        return self._keyed is not None

    def open_key(self, stored: str | None) -> None:
        """Open the ledger's key.

        Args:
            stored: What the ledger keeps.

        Raises:
            LedgerKeyError: When it is sealed, and this holder does not have the right `XOXO_LEDGER_KEY`.
        """
        try:
            self._keyed = blake2b(key=self._box().open(stored or "", 0), digest_size=8)
        except LedgerError as error:
            raise LedgerKeyError(
                "repeated voucher codes cannot be recognised without the XOXO_LEDGER_KEY of this ledger;"
                " set it, also where no codes are kept"
            ) from error

    def mark(self, name: str) -> int:
        """Return the mark of a code: a keyed hash of 64 bits.

        A copy of the keyed hash takes a seventh of the time of an HMAC, which begins with two hashes.

        Args:
            name: The code's `StoredCode.name`.
        """
        if self._keyed is None:
            raise LedgerError("the key of the code marks was not opened")
        hashed = self._keyed.copy()
        hashed.update(name.encode())
        return int.from_bytes(hashed.digest(), "big", signed=True)
