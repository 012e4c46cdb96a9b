"""The counts of a ledger, kept as its lines move: a full count of a million lines takes a second."""

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import Counts, Delivery, LineState
from xoxo_async.bulk.ledger.sqlite.meta import get_meta
from xoxo_async.bulk.ledger.sqlite.passing import as_json
from xoxo_async.bulk.ledger.sqlite.sums import count_groups
from xoxo_async.bulk.ledger.tallying import TallyRow, groups_of

__all__ = ["Tally", "count", "count_all", "read_tally"]

_TALLY: Final = "tally"
"""The name of the meta fact with the counts. A ledger of an older form has none before its first new holder."""
_ALL: Final = (
    "SELECT state, delivery, CASE state WHEN 'placed' THEN currency ELSE '' END, lines = 1, amount_charged, count(*)"
    " FROM lines GROUP BY 1, 2, 3, 4, 5"
)
_Group = tuple[LineState, Delivery, str, bool]
_Total = tuple[int, int, Decimal]
_NOTHING: Final[_Total] = (0, 0, Decimal(0))
_DECODER: Final = msgspec.json.Decoder(list[TallyRow])


def read_tally(connection: sqlite3.Connection) -> list[TallyRow] | None:
    """Return the counts that a ledger keeps; None if it keeps none yet.

    Args:
        connection: To read with.
    """
    kept = get_meta(connection, _TALLY)
    return None if kept is None else _DECODER.decode(kept)


def count_all(connection: sqlite3.Connection) -> list[TallyRow]:
    """Return the same from a full count: reads every line.

    Args:
        connection: To read with.
    """
    sums: dict[_Group, _Total] = {}
    for state, delivery, currency, single, charged, number in connection.execute(_ALL):
        group = LineState(state), Delivery(delivery), currency, bool(single)
        orders, priced, total = sums.get(group, _NOTHING)
        if charged is None or state != LineState.PLACED:
            sums[group] = (orders + number, priced, total)
        else:
            sums[group] = (orders + number, priced + number, total + Decimal(charged) * number)
    return _rows(sums)


def count(connection: sqlite3.Connection) -> Counts:
    """Return the ledger in numbers, from one snapshot. It reads no line: the numbers are kept as lines move.

    The lines that share orders are the exception: whose codes have come is seen only in the lines.
    """
    connection.execute("BEGIN")
    try:
        kept = read_tally(connection)
        rows = count_all(connection) if kept is None else kept
        return count_groups(connection, groups_of(rows), has_packs=not all(row.single for row in rows))
    finally:
        connection.execute("ROLLBACK")


class Tally:
    """Keeps the counts of one ledger: read once, and to be written with each transaction that changes them."""

    def __init__(self) -> None:
        self._sums: dict[_Group, _Total] | None = None
        self._changed = False

    def forget(self) -> None:
        """Forget everything: a transaction was undone, and its changes with it."""
        self._sums, self._changed = None, False

    def begin(self, connection: sqlite3.Connection) -> None:
        """Read the counts, before the first change of a transaction is written. In an older ledger they are counted.

        Args:
            connection: In a transaction that writes.
        """
        if self._sums is None:
            kept = read_tally(connection)
            rows = count_all(connection) if kept is None else kept
            self._sums = {row[:4]: row[4:] for row in rows}
            self._changed = kept is None

    def add(self, changes: Iterable[TallyRow]) -> None:
        """Add changes of this transaction.

        Args:
            changes: By how much the counts change.
        """
        sums = self._sums
        if sums is None:
            raise LookupError("the counts were not read before they changed")
        for row in changes:
            orders, priced, charged = sums.get(row[:4], _NOTHING)
            sums[row[:4]] = (orders + row.orders, priced + row.priced, charged + row.charged)
            self._changed = True

    def take(self) -> dict[str, str]:
        """Return the counts as a fact, to be written before the commit; empty if they did not change."""
        if not self._changed or self._sums is None:
            return {}
        self._changed = False
        return {_TALLY: as_json(_rows(self._sums))}


def _rows(sums: dict[_Group, _Total]) -> list[TallyRow]:
    return [TallyRow(*group, *total) for group, total in sorted(sums.items()) if any(total)]
