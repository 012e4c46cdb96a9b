"""The checks of a new holder, and their results, which it writes into the ledger before anything else."""

# ruff: noqa: S608 - the only words put into SQL are this package's own

import sqlite3
from collections.abc import Callable
from typing import Final

from xoxo_async.bulk.ledger.bookkeeping import MAY_EXIST
from xoxo_async.bulk.ledger.clock import Boot, LedgerClock
from xoxo_async.bulk.ledger.facts import LAST_SLOT
from xoxo_async.bulk.ledger.sealing import SEALED_FORM, CodeBox
from xoxo_async.bulk.ledger.sqlite.codes import write_codes
from xoxo_async.bulk.ledger.sqlite.journal import last_row
from xoxo_async.bulk.ledger.sqlite.lock import Notes
from xoxo_async.bulk.ledger.sqlite.meta import COPIED, OLDER, fact, get_meta, set_meta, set_metas
from xoxo_async.bulk.ledger.sqlite.statements import IS_OPEN
from xoxo_async.bulk.ledger.sqlite.watch import is_same_place, place_of

__all__ = ["Holding", "is_copy", "is_older"]

_SEALED: Final = "sealed"
_SEAL_CHUNK: Final = 500

# The index on states limits this to lines in doubt.
_LATEST: Final = (
    "SELECT max(max(coalesce(last_sent_tick, 0), coalesce(last_lookup_at, 0))) FROM lines"
    f" WHERE state IN (?, ?, ?) AND {IS_OPEN}"
)
# What `bookkeeping.counted_anew` says; a test compares the two.
_DOUBT_FROM: Final = f"UPDATE lines SET last_sent_tick = ? WHERE state IN (?, ?, ?) AND {IS_OPEN}"
_IN_CLEAR: Final = "SELECT seq, body FROM codes WHERE seq > ? AND body NOT GLOB ? ORDER BY seq LIMIT ?"


def is_copy(connection: sqlite3.Connection, place: str, notes: Notes) -> bool:
    """Return whether a file may be an older or another copy of the ledger that its holders wrote to.

    That is so if it is another file than before (a copy, a restored backup); if the notes beside it are about another
    ledger, are missing, or name later journal entries; or if that was found before and is not settled yet. A restored
    snapshot of the whole disk cannot be recognised.

    Args:
        connection: To read with.
        place: The file's place, see `place_of`.
        notes: The notes beside it.
    """
    kept = get_meta(connection, "place")
    return (
        bool(get_meta(connection, COPIED))
        or (kept is not None and not is_same_place(kept, place))
        or (kept is not None and notes.ledger != get_meta(connection, "ledger"))
        or is_older(connection, notes)
    )


def is_older(connection: sqlite3.Connection, notes: Notes) -> bool:
    """Return whether a file surely is an older state of this very ledger: the notes beside it name later entries.

    Then this ledger may have sent its planned rows since, so the vendor's orders for them may be its own.

    Args:
        connection: To read with.
        notes: The notes beside it.
    """
    went_on = notes.ledger == get_meta(connection, "ledger") and notes.journal > last_row(connection)
    return went_on or get_meta(connection, COPIED) == OLDER


class Holding:
    """The results of one opening of a ledger, to be written with the mark of its holder.

    Args:
        connection: To read with.
        box: Seals voucher codes; None leaves them as they are.
        file: The descriptor of the ledger's file.
        notes: The notes beside it.
        wall: The wall clock, in epoch seconds.
        boot: The clock of the machine.

    Attributes:
        clock: The ledger's clock, continued from its last value.
        copied: Whether the file may be a copy, see `is_copy`.
        older: Whether it surely is an older state of this ledger, see `is_older`.
        is_first: Whether the ledger had no holder before, so that nothing was sent from it.
        ledger: The ledger's own name.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        box: CodeBox | None,
        file: int,
        notes: Notes,
        wall: Callable[[], float],
        boot: Callable[[], Boot],
    ) -> None:
        self._box: Final = box
        self._place: Final = place_of(file)
        self.ledger: Final = get_meta(connection, "ledger") or ""
        self.copied: Final = is_copy(connection, self._place, notes)
        self.older: Final = is_older(connection, notes)
        self.is_first: Final = get_meta(connection, "place") is None and not self.copied
        latest: float = connection.execute(_LATEST, MAY_EXIST).fetchone()[0] or 0.0
        last_slot = float(get_meta(connection, fact(LAST_SLOT)) or 0.0)
        self.clock: Final = LedgerClock(wall, boot, get_meta(connection, "clock") or "", max(latest, last_slot))
        self._sealed_up_to = 0

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the results, in the transaction that writes the holder's mark.

        Args:
            connection: In that transaction.
        """
        facts = {"place": self._place, "clock": self.clock.anchor.text()}
        set_metas(connection, facts | ({COPIED: OLDER if self.older else "yes"} if self.copied else {}))
        if self.clock.is_new:
            # It is not known how long ago these were sent, so their absence is counted from now on.
            connection.execute(_DOUBT_FROM, (round(self.clock.anchor.now, 3), *MAY_EXIST))

    def seal_some(self, connection: sqlite3.Connection) -> bool:
        """Seal voucher codes that a holder without a key kept in clear; a chunk at a time, and only once.

        Args:
            connection: In a transaction of its own.

        Returns:
            Whether there is more to seal.
        """
        box = self._box
        if box is None or not box.sealed or get_meta(connection, _SEALED):
            return False
        values = (self._sealed_up_to, SEALED_FORM, _SEAL_CHUNK)
        rows: list[tuple[int, str]] = connection.execute(_IN_CLEAR, values).fetchall()
        if rows:
            write_codes(connection, [(seq, box.seal(body.encode(), seq)) for seq, body in rows])
            self._sealed_up_to = rows[-1][0]
            return True
        if self._sealed_up_to:
            self._sealed_up_to = 0  # start again: a chunk whose commit failed is still in clear
            return True
        set_meta(connection, _SEALED, "yes")
        return False
