"""What one plan reads and writes, chunk by chunk, all in one transaction; `plans` decides."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from xoxo_async.bulk.ledger.bookkeeping import state_for_all
from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.lines import Evidence, Pack, PlannedLine
from xoxo_async.bulk.ledger.plans import (
    Known,
    Mixed,
    Seen,
    check_identity,
    check_job,
    clash,
    doubts_of_plan,
    keys_to_withdraw,
    repeated,
)
from xoxo_async.bulk.ledger.protocol import Planned, PlanTerms, Share
from xoxo_async.bulk.ledger.sqlite.backlog import read_backlog
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta, read_identity, set_identity, set_metas
from xoxo_async.bulk.ledger.sqlite.packs import has_packs, insert_packs
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import FIXED, fields, last_seq, note_planned, read_doubted

__all__ = ["PlanStep", "run_plan"]

_CHUNK: Final = 1000
_READ_CHUNK: Final = 5000

_NEW: Final = f"(SELECT {fields(FIXED[1:])} FROM json_each(?))"
_INSERT: Final = (
    f"INSERT INTO lines ({', '.join(FIXED[1:])}, state) SELECT {fields(FIXED[1:])}, 'planned' FROM json_each(?)"
    " WHERE true ON CONFLICT DO NOTHING"
)
_CLASH: Final = (
    f"SELECT new.key, new.row, old.key, old.row, old.po_number = new.po_number FROM {_NEW} AS new"
    " JOIN lines AS old ON old.po_number = new.po_number OR old.key = new.key"
    " WHERE old.digest <> new.digest OR old.key <> new.key OR old.po_number <> new.po_number LIMIT 1"
)
# A line of this plan has the row number it came with: the same key under another number is a second row.
_REPEATED: Final = (
    f"SELECT new.key, new.row, old.row FROM {_NEW} AS new"
    " JOIN lines AS old ON old.key = new.key WHERE old.seq > ? AND old.row <> new.row ORDER BY new.row LIMIT 20"
)
_FOUND: Final = "SELECT seq FROM lines WHERE key IN (SELECT value FROM json_each(?))"
_KNOWN: Final = " UNION ALL ".join(
    f"SELECT new.key AS place, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po"
    for seq, first, table in (("old.seq", "NULL", "lines"), ("old.pack", "old.first", "packed_lines"))
)
_HAS_PLANNED: Final = "SELECT 1 FROM lines WHERE state = 'planned' LIMIT 1"
_HAS_DOUBTED: Final = "SELECT 1 FROM lines WHERE state IN ('sending', 'unknown', 'conflict') LIMIT 1"
_PLANNED: Final = (
    "SELECT seq, key, row, lines FROM lines WHERE state = 'planned' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
)
_PACKED: Final = "SELECT first, key, row FROM packed_lines WHERE pack = ? AND unpacked = 0 ORDER BY first"
_WANT_AGAIN: Final = "UPDATE lines SET unwanted = 0 WHERE seq IN (SELECT value FROM json_each(?))"

_encode: Final = msgspec.json.Encoder().encode


class PlanStep(Protocol):
    """How a piece of a plan reaches the writer, see `LedgerWriter.plan`."""

    def __call__(self, run: Callable[[LedgerSession], object] | None, *, last: bool = False) -> "asyncio.Future[Any]":
        """Ask for a step; None gives the plan up, `last` commits it."""
        ...


async def run_plan(
    ask: PlanStep, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms, then: Callable[[], None]
) -> Planned:
    """Plan lines, all or none; runs on the event loop, its steps in the writer's thread.

    Args:
        ask: Asks the writer for a step.
        job: The job's name.
        lines: The lines.
        terms: What else the plan has to keep to.
        then: Called once the plan is durable, also where the caller is cancelled meanwhile.
    """
    plan = _Plan(job, terms)
    done = False
    try:
        await ask(plan.begin)
        chunk: list[PlannedLine] = []
        async for line in lines:
            chunk.append(line)
            if len(chunk) == _CHUNK:
                await ask(plan.adding(chunk))
                chunk = []
        await ask(plan.adding(chunk, last=True))
        await ask(plan.close)
        if terms.approve is not None:
            await terms.approve(plan.outcome(), plan.shares)
        done = True  # the writer commits the last step, or rolls it back, whether or not anyone waits
        committing = ask(lambda _session: None, last=True)
        # Also where the caller is cancelled in this moment: the plan stands.
        committing.add_done_callback(lambda ended: None if ended.exception() else then())
        await asyncio.shield(committing)
    finally:
        if not done:
            ask(None)
    return plan.outcome()


class _Plan:
    """One plan, step by step; each step is given the session of the one transaction.

    Args:
        job: The job's name.
        terms: What else the plan has to keep to.

    Attributes:
        shares: What is to be sent now, once the plan is closed; None where its new lines are all of it.
    """

    def __init__(self, job: str, terms: PlanTerms) -> None:
        self.shares: list[Share] | None = None
        self._job: Final = job
        self._terms: Final = terms
        self._lines = self._added = self._orders = self._withdrawn = self._unwanted = 0
        self._before = 0
        self._now = 0.0
        self._had_planned = False
        self._seen: Seen | None = None
        self._mixed: Mixed | None = None

    def outcome(self) -> Planned:
        """Return what the plan did so far."""
        return Planned(
            added=self._added,
            known=self._lines - self._added,
            orders=self._orders,
            withdrawn=self._withdrawn,
            unwanted=self._unwanted,
        )

    def begin(self, session: LedgerSession) -> None:
        """Keep the job's name and whose orders these are, or refuse others; look at what is there before the plan."""
        connection, identity = session.connection, self._terms.identity
        self._now = session.date()
        known = get_meta(connection, "job")
        check_job(known, self._job)
        if known is None:
            set_metas(connection, {"job": self._job, fact(PLANNED_AT): f"{self._now}"})
        owner = read_identity(connection)
        check_identity(owner, identity)
        if owner is None and identity is not None:
            set_identity(connection, identity)
        if self._terms.facts:
            set_metas(connection, {fact(name): value for name, value in self._terms.facts.items()})
        self._before = last_seq(connection)
        self._had_planned = _has(connection, _HAS_PLANNED)
        # Only where lines may yet be sent can one of them be missing from the plan.
        if self._had_planned or _has(connection, _HAS_DOUBTED):
            self._seen = Seen(self._before)
        if has_packs(connection):
            self._mixed = Mixed(self._before, self._seen)

    def adding(self, lines: Sequence[PlannedLine], *, last: bool = False) -> Callable[[LedgerSession], None]:
        """Return the step that adds a chunk.

        Args:
            lines: The chunk.
            last: Whether no more come: packs that are not full are closed then.
        """
        return lambda session: self._add(session.connection, lines, last=last)

    def _add(self, connection: sqlite3.Connection, lines: Sequence[PlannedLine], *, last: bool) -> None:
        if self._mixed is None and any(line.room for line in lines):
            self._mixed = Mixed(self._before, self._seen)
        if self._mixed is None:
            added = self._insert_alone(connection, lines)
            if self._seen is not None and added < len(lines):
                for (seq,) in connection.execute(_FOUND, (_encode([line.key for line in lines]),)):
                    self._seen.add(seq)
        else:
            additions = self._mixed.add(lines, _find_known(connection, lines))
            added = additions.lines
            if additions.alone:
                self._insert_alone(connection, additions.alone)
            self._insert_packs(connection, additions.packs)
            if last:
                self._insert_packs(connection, self._mixed.rest())
        self._lines += len(lines)
        self._added += added
        self._orders = last_seq(connection) - self._before

    def _insert_alone(self, connection: sqlite3.Connection, lines: Sequence[PlannedLine]) -> int:
        """Add lines that are new, and refuse those that contradict what is there, or repeat a row of the same plan.

        A row planned before is the same row, said again. Twice in one plan, it may be two gifts for one person.
        """
        rows = _encode(
            [
                (line.key, line.po_number, line.digest, line.request.decode(), line.row, 1, units(line.worth))
                for line in lines
            ]
        )
        last = last_seq(connection)
        added = connection.execute(_INSERT, (rows,)).rowcount
        if added < len(lines):
            found: tuple[str, int, str, int, int] | None = connection.execute(_CLASH, (rows,)).fetchone()
            if found:
                key, row, old_key, old_row, same_po = found
                raise clash(key, row, old_key, old_row, same_po=bool(same_po))
            twins: list[tuple[str, int, int]] = connection.execute(_REPEATED, (rows, self._before)).fetchall()
            if twins:
                raise repeated(twins)
        note_planned(connection, self._now, last)
        return added

    def _insert_packs(self, connection: sqlite3.Connection, packs: Sequence[Pack]) -> None:
        """Add finished packs; one of a single line is that line."""
        alone = [pack.order for pack in packs if len(pack.lines) == 1]
        if alone:
            self._insert_alone(connection, alone)
        shared = [pack for pack in packs if len(pack.lines) > 1]
        if shared:
            last = last_seq(connection)
            insert_packs(connection, shared, last)
            note_planned(connection, self._now, last)

    def close(self, session: LedgerSession) -> None:
        """Settle what the plan means for the lines that were there before it; the last step but the commit."""
        connection, terms = session.connection, self._terms
        missing: list[tuple[str, int]] = []
        if self._seen is not None and terms.missing != "keep":
            missing = list(_missing_rows(connection, self._seen, self._before))
        if keys := keys_to_withdraw(missing, terms):
            self._withdrawn = session.withdraw(keys, "the input has it no longer")
        self._settle_doubted(session)
        if self._had_planned or self._added < self._lines:
            if terms.pricing is not None:
                session.reprice(terms.pricing)
            self.shares = read_backlog(connection) if terms.approve is not None else None
        if terms.restored:
            # Not after the plan: a process that dies in between would leave rows that are sent without a look-up.
            session.restored(terms.restored, copied=terms.copied)

    def _settle_doubted(self, session: LedgerSession) -> None:
        """Keep in mind which lines in doubt the input has no longer, and which it has again."""
        if self._seen is None:
            return
        again, gone = doubts_of_plan(read_doubted(session.connection, self._before), self._seen)
        if again:
            _want_again(session.connection, again)
        if gone and self._terms.missing != "keep":
            moment = session.moment()
            news = [line for line in gone if not line.unwanted]
            moves = state_for_all(Evidence.UNWANTED, news, moment, reason="the input lacks it")
            session.write(moves, moment.now)
            self._unwanted = len(gone)


def _has(connection: sqlite3.Connection, question: str) -> bool:
    return connection.execute(question).fetchone() is not None


def _find_known(connection: sqlite3.Connection, lines: Sequence[PlannedLine]) -> list[Known]:
    """Return what the ledger has under the keys and poNumbers of some lines, packed or not."""
    asked = _encode([(line.key, line.po_number) for line in lines])
    return [Known(*row) for row in connection.execute(_KNOWN, (asked,))]


def _missing_rows(connection: sqlite3.Connection, seen: Seen, last: int) -> Iterator[tuple[str, int]]:
    """Yield key and row of every planned line, up to one `seq`, that a plan did not name."""
    after = 0
    while rows := connection.execute(_PLANNED, (after, last, _READ_CHUNK)).fetchall():
        after = rows[-1][0]
        for seq, key, row, lines in rows:
            if lines > 1:
                packed = connection.execute(_PACKED, (seq,)).fetchall()
                yield from ((name, number) for first, name, number in packed if not seen.has_packed(seq, first))
            elif seq not in seen:
                yield key, row


def _want_again(connection: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Have lines sent again after all, once they are proven absent: the input has them again."""
    connection.execute(_WANT_AGAIN, (_encode(list(seqs)),))
