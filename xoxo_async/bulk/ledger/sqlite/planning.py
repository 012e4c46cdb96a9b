"""What one plan adds to a ledger: new lines, alone or packed; known ones are passed over, contradictions refused."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.lines import LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.packing import Pack, Packer
from xoxo_async.bulk.ledger.sqlite.backlog import Seen, has_doubted, has_planned, missing_rows
from xoxo_async.bulk.ledger.sqlite.packs import find_known, has_packs, insert_packs
from xoxo_async.bulk.ledger.sqlite.statements import FIXED, fields, last_seq, read_doubted
from xoxo_async.errors import LedgerConflictError, PlanError

__all__ = ["Planning", "note_planned"]

_PLAN: Final = (
    f"INSERT INTO lines ({', '.join(FIXED[1:])}, state) SELECT {fields(FIXED[1:])}, 'planned' FROM json_each(?)"
    " WHERE true ON CONFLICT DO NOTHING"
)
_NOTE_PLANNED: Final = (
    "INSERT INTO journal (seq, at, from_state, to_state, transition, evidence, attempts, epoch)"
    " SELECT seq, ?, '', 'planned', 'T0', 'planned', 0, 0 FROM lines WHERE seq > ? ORDER BY seq"
)
_CLASH: Final = (
    f"SELECT new.key, new.row, old.key, old.row, old.po_number = new.po_number FROM"
    f" (SELECT {fields(FIXED[1:])} FROM json_each(?)) AS new"
    " JOIN lines AS old ON old.po_number = new.po_number OR old.key = new.key"
    " WHERE old.digest <> new.digest OR old.key <> new.key OR old.po_number <> new.po_number LIMIT 1"
)
_FOUND: Final = "SELECT seq FROM lines WHERE key IN (SELECT value FROM json_each(?))"
# Rows of this plan hold the row number they came with: who meets one under another number is a second row.
_REPEATED: Final = (
    f"SELECT new.key, new.row, old.row FROM (SELECT {fields(FIXED[1:])} FROM json_each(?)) AS new"
    " JOIN lines AS old ON old.key = new.key WHERE old.seq > ? AND old.row <> new.row ORDER BY new.row LIMIT 20"
)

_encode: Final = msgspec.json.Encoder().encode


class Planning:
    """One plan, piece by piece, all in one transaction.

    Args:
        connection: In that transaction.
        now: For the journal, in epoch seconds.
    """

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection: Final = connection
        self._now: Final = now
        self._before: Final = last_seq(connection)
        self._packer: Final = Packer()
        self._packs = has_packs(connection)
        # Only where lines may yet be sent can one of them be missing from the plan.
        self._passed_over = False
        self.had_planned: Final = has_planned(connection)
        """Whether lines waited to be sent before this plan."""
        self._seen: Final = Seen(self._before) if self.had_planned or has_doubted(connection) else None

    def add(self, lines: Sequence[PlannedLine], *, last: bool) -> tuple[int, int]:
        """Add planned lines.

        Args:
            lines: Of one plan, a piece.
            last: Whether no more come: packs that are not full are closed then.

        Returns:
            How many of them were new, and how many orders the whole plan has added.
        """
        if self._packs or any(line.room for line in lines):
            added = self._add_packable(lines)
        else:
            added = _insert_planned(self._connection, lines, self._now, self._before)
            if self._seen is not None and added < len(lines):
                for (seq,) in self._connection.execute(_FOUND, (_encode([line.key for line in lines]),)):
                    self._seen.add(seq)
        self._passed_over = self._passed_over or added < len(lines)
        if last:
            self._insert(tuple(self._packer.rest()))
        return added, last_seq(self._connection) - self._before

    @property
    def passed_over(self) -> bool:
        """Whether the plan named lines that the ledger had already."""
        return self._passed_over

    def missing(self) -> list[tuple[str, int]]:
        """Return key and row of every line that waited to be sent before this plan, and that it does not name."""
        return [] if self._seen is None else list(missing_rows(self._connection, self._seen, self._before))

    def doubted(self) -> tuple[list[int], list[LedgerLine]]:
        """Return the lines in doubt that the plan names although they were unwanted, and those that it does not name.

        An order that lines share is looked up as a whole, and is of no concern here.
        """
        again: list[int] = []
        gone: list[LedgerLine] = []
        if self._seen is not None:
            for line in read_doubted(self._connection, self._before):
                if line.seq not in self._seen:
                    gone.append(line)
                elif line.unwanted:
                    again.append(line.seq)
        return again, gone

    def _add_packable(self, lines: Sequence[PlannedLine]) -> int:
        """Add lines of which some may share an order, and find those that do so already."""
        self._packs = True
        known = self._known(lines)
        fresh: dict[str, PlannedLine] = {}
        alone: list[PlannedLine] = []
        packs: list[Pack] = []
        repeated: list[tuple[str, int, int]] = []
        for place, line in enumerate(lines):
            twin = self._packer.open.get(line.key) or fresh.get(line.key)
            if place in known:
                continue
            if twin is not None:
                if twin.digest != line.digest:
                    raise LedgerConflictError(_clash(line.key, line.row, twin.key, twin.row, 0))
                repeated.append((line.key, line.row, twin.row))
                continue
            fresh[line.key] = line
            if not line.room:
                alone.append(line)
            elif (pack := self._packer.add(line)) is not None:
                packs.append(pack)
        if repeated:
            raise _repeated(repeated)
        if alone:
            _insert_planned(self._connection, alone, self._now, self._before)
        self._insert(packs)
        return len(fresh)

    def _known(self, lines: Sequence[PlannedLine]) -> set[int]:
        """Return the places of the lines the ledger has; refuse contradictions, and rows of this plan said twice."""
        known: set[int] = set()
        repeated: list[tuple[str, int, int]] = []
        for found in find_known(self._connection, lines):
            line = lines[found.place]
            if (found.key, found.po_number, found.digest) != (line.key, line.po_number, line.digest):
                same_po = found.po_number == line.po_number
                raise LedgerConflictError(_clash(line.key, line.row, found.key, found.row, same_po))
            if found.seq > self._before and found.row != line.row:
                repeated.append((line.key, line.row, found.row))
            if self._seen is not None and found.first is None:
                self._seen.add(found.seq)
            elif self._seen is not None and found.first is not None:
                self._seen.add_packed(found.seq, found.first)
            known.add(found.place)
        if repeated:
            raise _repeated(repeated)
        return known

    def _insert(self, packs: Sequence[Pack]) -> None:
        """Add finished packs; one of a single line is that line."""
        alone = [pack.order for pack in packs if len(pack.lines) == 1]
        if alone:
            _insert_planned(self._connection, alone, self._now, self._before)
        shared = [pack for pack in packs if len(pack.lines) > 1]
        if shared:
            last = last_seq(self._connection)
            insert_packs(self._connection, shared, last)
            note_planned(self._connection, self._now, last)


def _insert_planned(connection: sqlite3.Connection, lines: Sequence[PlannedLine], now: float, since: int) -> int:
    """Add lines that are new, and refuse those that contradict what is there, or repeat a row of the same plan.

    A row planned before is the same row, said again. Twice in one plan, it may be two gifts for one person.

    Args:
        connection: In a transaction.
        lines: The lines.
        now: For the journal.
        since: The last `seq` before this plan.

    Returns:
        How many were new.

    Raises:
        LedgerConflictError: Naming the first contradiction.
        PlanError: Naming the rows that repeat another one.
    """
    rows = _rows_of(lines)
    last = last_seq(connection)
    added = connection.execute(_PLAN, (rows,)).rowcount
    if added < len(lines):
        clash: tuple[str, int, str, int, int] | None = connection.execute(_CLASH, (rows,)).fetchone()
        if clash:
            raise LedgerConflictError(_clash(*clash))
        repeated: list[tuple[str, int, int]] = connection.execute(_REPEATED, (rows, since)).fetchall()
        if repeated:
            raise _repeated(repeated)
    note_planned(connection, now, last)
    return added


def _rows_of(lines: Sequence[PlannedLine]) -> bytes:
    """Return planned lines as the JSON that statements take."""
    return _encode(
        [
            (line.key, line.po_number, line.digest, line.request.decode(), line.row, 1, units(line.worth))
            for line in lines
        ]
    )


def note_planned(connection: sqlite3.Connection, now: float, after: int) -> None:
    """Write the journal rows (T0) of every line with a greater `seq`."""
    connection.execute(_NOTE_PLANNED, (now, after))


def _clash(key: str, row: int, old_key: str, old_row: int, same_po: int) -> str:
    """Say in what a planned line contradicts one that is there.

    Args:
        key: The new line's key.
        row: The new line's row.
        old_key: The other one's key.
        old_row: The other one's row.
        same_po: Whether their poNumbers are the same.
    """
    if key != old_key and same_po:
        return f"row {row} (key {key}) has the poNumber of row {old_row} (key {old_key}), which is planned already"
    return f"row {row} (key {key}) was planned with other contents (row {old_row}); what is planned never changes"


def _repeated(rows: Iterable[tuple[str, int, int]]) -> PlanError:
    """Return the error for rows that repeat another one of their plan.

    Args:
        rows: (key, row, the row it repeats).
    """
    problems = tuple(f"row {row}, column key: {key} stands in row {old} already" for key, row, old in rows)
    return PlanError("rows repeat others, nothing was sent\n  " + "\n  ".join(problems), problems=problems)
