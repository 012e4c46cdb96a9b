"""Which order a voucher code came with first, known by a keyed hash: a ledger that keeps no codes knows it as well.

The key is random and made with the ledger. It is kept in the ledger, sealed where the ledger's codes are sealed: with
it in clear, somebody who has the file could try out whether a guessed code is among those that were issued.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.statements import get_meta, set_meta
from xoxo_async.errors import LedgerError

__all__ = ["CodeMarks"]

_KEY: Final = "marks_key"
_TAKE: Final = "INSERT OR IGNORE INTO code_marks (mark, seq) SELECT key, value FROM json_each(?)"
_OWNERS: Final = "SELECT mark, seq FROM code_marks WHERE mark IN (SELECT value FROM json_each(?))"
_encode: Final = msgspec.json.Encoder().encode

Claim = tuple[int, int]
"""A code's mark, and the line whose order listed the code."""


class CodeMarks:
    """The marks of voucher codes in one ledger.

    Args:
        box: Returns what seals the ledger's codes; called only when the key is made or opened.
    """

    def __init__(self, box: Callable[[], CodeBox]) -> None:
        self._box: Final = box
        self._keyed: blake2b | None = None

    def make_key(self, connection: sqlite3.Connection, box: CodeBox | None) -> None:
        """Make the key of a new ledger, and seal one that is in clear once codes are sealed.

        Args:
            connection: In a transaction.
            box: What seals the codes that this holder keeps; None where it keeps none.
        """
        stored = get_meta(connection, _KEY)
        if stored is None:
            set_meta(connection, _KEY, self._box().seal(secrets.token_hex(32).encode(), 0))
        elif box is not None and box.sealed:
            clear = box.open(stored, 0)
            if clear.decode() == stored:
                set_meta(connection, _KEY, box.seal(clear, 0))

    def open_key(self, connection: sqlite3.Connection) -> None:
        """Read the key, once.

        Raises:
            LedgerError: When it is sealed, and this holder does not have the right `XOXO_LEDGER_KEY`.
        """
        if self._keyed is None:
            try:
                self._keyed = blake2b(key=self._box().open(get_meta(connection, _KEY) or "", 0), digest_size=8)
            except LedgerError as error:
                raise LedgerError(
                    "repeated voucher codes cannot be recognised without the XOXO_LEDGER_KEY that this ledger began"
                    " with; set it, also where no codes are kept"
                ) from error

    def mark(self, name: str) -> int:
        """Return the mark of a code: a keyed hash of 64 bits.

        A copy of the keyed hash takes a seventh of the time of an HMAC, which has two hashes to begin.

        Args:
            name: The code's `StoredCode.name`.
        """
        if self._keyed is None:
            raise LedgerError("the key of the code marks was not opened")
        hashed = self._keyed.copy()
        hashed.update(name.encode())
        return int.from_bytes(hashed.digest(), "big", signed=True)

    def take(self, connection: sqlite3.Connection, claims: Sequence[Claim]) -> dict[Claim, int]:
        """Keep marks, each for the line that claims it first.

        Args:
            connection: In a transaction.
            claims: The marks, and their lines.

        Returns:
            The claims that are refused, and the line that has the mark.
        """
        wanted = dict(reversed(claims))  # the first claim of a mark counts
        if connection.execute(_TAKE, (_encode(wanted),)).rowcount == len(claims):
            return {}
        return self.of_others(connection, claims)  # or the line's own: it was looked up again

    def of_others(self, connection: sqlite3.Connection, claims: Sequence[Claim]) -> dict[Claim, int]:
        """Return the claims to marks of other lines, and the line that has the mark.

        Args:
            connection: To read with.
            claims: The marks, and the lines that ask.
        """
        owners: dict[int, int] = dict(connection.execute(_OWNERS, (_encode([mark for mark, _ in claims]),)).fetchall())
        return {claim: owners[claim[0]] for claim in claims if owners.get(claim[0], claim[1]) != claim[1]}
