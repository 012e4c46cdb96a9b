"""The SQL of the append-only journal. Entries that have much in common are written in few bytes, and read as they are.

An entry names its kind instead of four texts. Entries of lines that follow each other, and are otherwise the same, are
one row: a plan of a million lines is a thousand rows. Such a row stands for one entry of each line. It has the last of
their ids, so no other entry gets one of them, and a journal is read by id as if each entry had its own row.
"""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from xoxo_async.bulk.ledger.lines import JournalRow
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.sqlite.passing import passed

__all__ = ["Journal", "last_row", "read_journal"]

_LEDGER_ENTRY: Final = (
    "INSERT INTO journal (seq, at, from_state, to_state, transition, evidence, attempts, epoch, reason)"
    " VALUES (0, ?, '', '', '-', ?, 0, 0, ?)"
)
_COLUMNS: Final = (
    "from_state", "to_state", "transition", "evidence", "kind", "attempts", "epoch", "order_id", "error_id", "reason",
    "at", "seq", "lines", "id",
)  # fmt: skip
_KINDS: Final = "SELECT from_state, to_state, transition, evidence, kind FROM kinds"
_NEW_KIND: Final = "INSERT INTO kinds (from_state, to_state, transition, evidence) VALUES (?, ?, ?, ?)"
_PLANNED: Final = ("", "planned", "T0", "planned")

_READ: Final = (
    "SELECT id, seq, at, from_state, to_state, transition, evidence, attempts, epoch, order_id, error_id, reason, lines"
    " FROM entries WHERE id > ?1"
)
_OF_LINE: Final = "AND ?2 BETWEEN seq AND seq + lines - 1 AND id - lines + 1 + ?2 - seq > ?1"


_Kind = tuple[str, str, str, str]
_Entry = tuple[str, str, str, str, int, int, int | None, str, str]
"""What entries of several lines can have in common: their kind, and the facts."""


class Journal:
    """Writes the journal of one ledger. It alone writes, so it remembers what it saw, until a transaction fails."""

    def __init__(self) -> None:
        self._kinds: Final[dict[tuple[str, ...], int]] = {}
        self._last: int | None = None

    def forget(self) -> None:
        """Forget what was seen: a transaction was undone, and its kinds and entries with it."""
        self._kinds.clear()
        self._last = None

    def note_moves(self, connection: sqlite3.Connection, moves: Sequence[Move], now: float) -> int:
        """Write the entries of decided changes.

        Args:
            connection: In a transaction that writes.
            moves: In order.
            now: When they were made, by the wall clock.

        Returns:
            The id of the last entry.
        """
        entries: list[_Entry] = []
        seqs: list[int] = []
        lines: list[int] = []
        follows = 0  # no line has this number
        for move in moves:
            after, seq = move.after, move.after.seq
            entry = (
                move.before.state, after.state, move.transition, move.evidence,
                after.attempts, after.epoch, move.order_id, move.error_id, move.reason,
            )  # fmt: skip
            # Neighbours that are the same in all but their line are one row.
            if seq == follows and entry == entries[-1] and entry[2] != ALARM:
                lines[-1] += 1
            else:
                entries.append(entry)
                seqs.append(seq)
                lines.append(1)
            follows = seq + 1
        return self._write(connection, now, entries, seqs, lines)

    def note_planned(self, connection: sqlite3.Connection, now: float, after: int, last: int) -> None:
        """Write the entries (T0) of new lines.

        Args:
            connection: In a transaction that writes.
            now: When they were planned, by the wall clock.
            after: The last line before them.
            last: The last one of them.
        """
        if last > after:
            self._write(connection, now, [(*_PLANNED, 0, 0, None, "", "")], [after + 1], [last - after])

    def _write(
        self,
        connection: sqlite3.Connection,
        now: float,
        entries: Sequence[_Entry],
        seqs: Sequence[int],
        lines: Sequence[int],
    ) -> int:
        """Write rows; return the id of the last entry."""
        *texts, attempts, epochs, orders, errors, reasons = zip(*entries, strict=True)
        kinds = list(zip(*texts, strict=True))
        told = {kind: self._told(connection, kind) for kind in dict.fromkeys(kinds)}
        ids: Sequence[int | None] = [None] * len(lines)
        if sum(lines) > len(lines):
            last = last_row(connection) if self._last is None else self._last
            ids = list(accumulate(lines, initial=last))[1:]
        of_kinds = zip(*[told[kind] for kind in kinds], strict=True)
        columns = (*of_kinds, attempts, epochs, orders, errors, reasons, [now] * len(lines), seqs, lines, ids)
        words, values = passed(dict(zip(_COLUMNS, columns, strict=True)), keyed=True)
        query = f"INSERT INTO journal ({', '.join(words)}) SELECT {', '.join(words.values())} FROM json_each(?1) AS new"
        self._last = connection.execute(query, values).lastrowid or 0
        return self._last

    def note_ledger(self, connection: sqlite3.Connection, now: float, evidence: str, reason: str) -> None:
        """Write an entry about the ledger as a whole; its `seq` is 0.

        Args:
            connection: In a transaction that writes.
            now: When it happened, by the wall clock.
            evidence: What happened.
            reason: Why.
        """
        self._last = connection.execute(_LEDGER_ENTRY, (now, evidence, reason)).lastrowid

    def _told(self, connection: sqlite3.Connection, kind: _Kind) -> tuple[str, str, str, str, int | None]:
        """Return how rows tell their kind: by its number. Alarms have an index, and tell it in words."""
        if kind[2] == ALARM:
            return (*kind, None)
        return "", "", "", "", self._kinds.get(kind) or self._kind(connection, kind)

    def _kind(self, connection: sqlite3.Connection, facts: _Kind) -> int:
        """Return the number of a kind that was not seen yet."""
        self._kinds.update({tuple(row): kind for *row, kind in connection.execute(_KINDS)})
        if facts not in self._kinds:
            texts = tuple(map(str, facts))
            self._kinds[texts] = connection.execute(_NEW_KIND, texts).lastrowid or 0
        return self._kinds[facts]


def last_row(connection: sqlite3.Connection) -> int:
    """Return the id of the last journal entry, 0 without one."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])


def read_journal(connection: sqlite3.Connection, seq: int | None, after: int, limit: int) -> list[JournalRow]:
    """Return journal entries in order.

    Args:
        connection: To read with.
        seq: Only this line's; None is all.
        after: Only entries with a greater id.
        limit: How many at most.
    """
    if seq is None:
        rows = connection.execute(f"{_READ} ORDER BY id LIMIT ?2", (after, limit))
    else:
        rows = connection.execute(f"{_READ} {_OF_LINE} ORDER BY id LIMIT ?3", (after, seq, limit))
    found: list[JournalRow] = []
    for last, first, *entry, lines in rows:
        begin = last - lines + 1
        wanted = range(max(after + 1 - begin, 0), lines) if seq is None else (seq - first,)
        found += [JournalRow(begin + at, first + at, *entry) for at in wanted[: limit - len(found)]]
        if len(found) == limit:
            break
    return found
