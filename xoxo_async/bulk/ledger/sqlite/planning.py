"""Read and write one plan, chunk by chunk, in one transaction; `plans` decides."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any, Final, Protocol

from xoxo_async.bulk.ledger.bookkeeping import StoredLine, state_for_all
from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.facts import KIND, PLANNED_AT
from xoxo_async.bulk.ledger.kinds import JobKind, check_kind, kind_of
from xoxo_async.bulk.ledger.lines import Evidence, Pack, PlannedLine
from xoxo_async.bulk.ledger.owners import check_identity, check_job
from xoxo_async.bulk.ledger.plans import (
    Mixed,
    Seen,
    clash,
    doubts_of_plan,
    keys_to_withdraw,
    repeated,
)
from xoxo_async.bulk.ledger.sqlite.adding import NewOrder
from xoxo_async.bulk.ledger.sqlite.backlog import read_backlog
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta, read_identity, set_identity, set_metas
from xoxo_async.bulk.ledger.sqlite.packs import has_packs, insert_packed
from xoxo_async.bulk.ledger.sqlite.passing import as_json
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import IS_OPEN, fields, last_seq, read_doubted
from xoxo_async.bulk.ledger.terms import Planned, PlanTerms, Share
from xoxo_async.waiting import shielded

__all__ = ["PlanStep", "run_plan"]

_CHUNK: Final = 1000
_READ_CHUNK: Final = 5000

_NEW: Final = f"(SELECT {fields(('key', 'po_number', 'digest', 'row'))} FROM json_each(?))"
_CLASH: Final = (
    f"SELECT new.key, new.row, old.key, old.row, old.po_number = new.po_number FROM {_NEW} AS new"
    " JOIN orders AS old ON old.po_number = new.po_number OR old.key = new.key"
    " WHERE old.digest <> new.digest OR old.key <> new.key OR old.po_number <> new.po_number LIMIT 1"
)
# A line of this plan has its row number: the same key with another number is a second row.
_REPEATED: Final = (
    f"SELECT new.key, new.row, old.row FROM {_NEW} AS new"
    " JOIN lines AS old ON old.key = new.key WHERE old.seq > ? AND old.row <> new.row ORDER BY new.row LIMIT 20"
)
_FOUND: Final = "SELECT seq FROM lines WHERE key IN (SELECT value FROM json_each(?))"
_STORED: Final = " UNION ALL ".join(
    f"SELECT new.key AS place, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po"
    for seq, first, table in (("old.seq", "NULL", "orders"), ("old.pack", "old.first", "packed_lines"))
)
_HAS_PLANNED: Final = f"SELECT 1 FROM lines WHERE state = 'planned' AND {IS_OPEN} LIMIT 1"
_HAS_DOUBTED: Final = f"SELECT 1 FROM lines WHERE state IN ('sending', 'unknown', 'conflict') AND {IS_OPEN} LIMIT 1"
_PLANNED: Final = (
    f"SELECT seq, key, row, lines FROM lines WHERE state = 'planned' AND {IS_OPEN} AND seq > ? AND seq <= ?"
    " ORDER BY seq LIMIT ?"
)
_PACKED: Final = "SELECT first, key, row FROM packed_lines WHERE pack = ? AND unpacked = 0 ORDER BY first"
_WANT_AGAIN: Final = "UPDATE lines SET unwanted = 0 WHERE seq IN (SELECT value FROM json_each(?))"


class PlanStep(Protocol):
    """Passes a piece of a plan to the writer, see `LedgerWriter.plan`."""

    def __call__(self, run: Callable[[LedgerSession], object] | None, *, last: bool = False) -> "asyncio.Future[Any]":
        """Queue a step; None gives the plan up, `last` commits it."""
        ...


async def run_plan(
    ask: PlanStep, job: str, lines: AsyncIterator[PlannedLine], terms: PlanTerms, then: Callable[[], None]
) -> Planned:
    """Plan lines, all or none; runs on the event loop, its steps in the writer's thread.

    Args:
        ask: Queues a step for the writer.
        job: The job's name.
        lines: The lines.
        terms: What else the plan has to keep to.
        then: Called once the plan is durable, also if the caller is cancelled meanwhile.
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
        done = True  # the writer commits the last step, or rolls it back, also if the caller is gone
        committing = ask(lambda _session: None, last=True)
        # Also if the caller is cancelled now: the plan is committed.
        committing.add_done_callback(lambda ended: None if ended.exception() else then())
        await shielded(committing)
    finally:
        if not done:
            ask(None)
    return plan.outcome()


class _Plan:
    """One plan, step by step; each step gets the session of the one transaction.

    Args:
        job: The job's name.
        terms: What else the plan has to keep to.

    Attributes:
        shares: The planned orders as shares, once the plan is closed; None if only its new lines are planned.
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
        """Return the result of the plan so far."""
        return Planned(
            added=self._added,
            known=self._lines - self._added,
            orders=self._orders,
            withdrawn=self._withdrawn,
            unwanted=self._unwanted,
        )

    def begin(self, session: LedgerSession) -> None:
        """Keep the job's name, account and address, or refuse others; read the state before the plan."""
        connection, identity = session.connection, self._terms.identity
        self._now = session.date()
        known = get_meta(connection, "job")
        check_job(known, self._job)
        if known is None:
            kind = {} if self._terms.kind is JobKind.ORDERS else {fact(KIND): self._terms.kind.value}
            set_metas(connection, {"job": self._job, fact(PLANNED_AT): f"{self._now}"} | kind)
        else:
            check_kind(kind_of(get_meta(connection, fact(KIND))), self._terms.kind)
        owner = read_identity(connection)
        check_identity(owner, identity)
        if owner is None and identity is not None:
            set_identity(connection, identity)
        self._before = last_seq(connection)
        self._had_planned = _has(connection, _HAS_PLANNED)
        # Lines matter as missing from the plan only if they may yet be sent.
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

        def add(session: LedgerSession) -> None:
            self._add(session, lines, last=last)
            session.keep(lines)

        return add

    def _add(self, session: LedgerSession, lines: Sequence[PlannedLine], *, last: bool) -> None:
        connection = session.connection
        if self._mixed is None and any(line.room for line in lines):
            self._mixed = Mixed(self._before, self._seen)
        if self._mixed is None:
            added = self._insert_alone(session, lines)
            if self._seen is not None and added < len(lines):
                for (seq,) in connection.execute(_FOUND, (as_json([line.key for line in lines]),)):
                    self._seen.add(seq)
        else:
            additions = self._mixed.add(lines, _find_stored(connection, lines))
            added = additions.lines
            if additions.alone:
                self._insert_alone(session, additions.alone)
            self._insert_packs(session, additions.packs)
            if last:
                self._insert_packs(session, self._mixed.rest())
        self._lines += len(lines)
        self._added += added
        self._orders = last_seq(connection) - self._before

    def _insert_alone(self, session: LedgerSession, lines: Sequence[PlannedLine]) -> int:
        """Add new lines; refuse lines that contradict stored ones or repeat a row of the same plan.

        A row of an earlier plan may be planned again. Twice in one plan, it may be two gifts for one person.
        """
        added = session.add(_new([(line, 1) for line in lines]), self._now, only_new=True)
        if added < len(lines):
            connection = session.connection
            rows = as_json([(line.key, line.po_number, line.digest, line.row) for line in lines])
            found: tuple[str, int, str, int, int] | None = connection.execute(_CLASH, (rows,)).fetchone()
            if found:
                key, row, old_key, old_row, same_po = found
                raise clash(key, row, old_key, old_row, same_po=bool(same_po))
            twins: list[tuple[str, int, int]] = connection.execute(_REPEATED, (rows, self._before)).fetchall()
            if twins:
                raise repeated(twins)
        return added

    def _insert_packs(self, session: LedgerSession, packs: Sequence[Pack]) -> None:
        """Add finished packs; one of a single line is that line."""
        alone = [pack.order for pack in packs if len(pack.lines) == 1]
        if alone:
            self._insert_alone(session, alone)
        shared = [pack for pack in packs if len(pack.lines) > 1]
        if shared:
            last = last_seq(session.connection)
            session.add(_new([(pack.order, len(pack.lines)) for pack in shared]), self._now)
            insert_packed(session.connection, shared, last)

    def close(self, session: LedgerSession) -> None:
        """Apply the plan to the lines that were there before it; the last step before the commit."""
        connection, terms = session.connection, self._terms
        if terms.facts:
            set_metas(connection, {fact(name): value for name, value in terms.facts.items()})
        missing: list[tuple[str, int]] = []
        if self._seen is not None and terms.missing != "keep":
            missing = list(_missing_rows(connection, self._seen, self._before))
        if keys := keys_to_withdraw(missing, terms):
            self._withdrawn = session.withdraw(keys, "the input no longer has it")
        self._settle_doubted(session)
        if self._had_planned or self._added < self._lines:
            if terms.pricing is not None:
                session.reprice(terms.pricing)
            self.shares = read_backlog(connection) if terms.approve is not None else None
        if terms.restored:
            # In the plan's transaction: a process that dies after the plan would leave rows that are sent without a
            # look-up.
            session.restored(terms.restored, copied=terms.copied)

    def _settle_doubted(self, session: LedgerSession) -> None:
        """Mark the lines in doubt that the input lacks, and unmark those that it has again."""
        if self._seen is None:
            return
        again, gone = doubts_of_plan(read_doubted(session.connection, self._before), self._seen)
        if again:
            _want_again(session.connection, again)
        if gone and self._terms.missing != "keep":
            moment = session.moment()
            newly_missing = [line for line in gone if not line.unwanted]
            moves = state_for_all(Evidence.UNWANTED, newly_missing, moment, reason="the input lacks it")
            session.write(moves, moment.now)
            self._unwanted = len(gone)


def _new(orders: Sequence[tuple[PlannedLine, int]]) -> list[NewOrder]:
    """Return orders of some lines each as they are added; they get the next numbers."""
    new: list[NewOrder] = []
    worth, counted = None, units(None)
    for line, lines in orders:
        if line.worth is not worth:  # a planner gives lines that want the same the same amount
            worth, counted = line.worth, units(line.worth)
        body = line.request.decode()
        new.append(NewOrder(None, line.key, line.po_number, line.digest, body, line.row, lines, counted))
    return new


def _has(connection: sqlite3.Connection, question: str) -> bool:
    return connection.execute(question).fetchone() is not None


def _find_stored(connection: sqlite3.Connection, lines: Sequence[PlannedLine]) -> list[StoredLine]:
    """Return the stored lines, packed or not, with the keys and poNumbers of some lines."""
    wanted = as_json([(line.key, line.po_number) for line in lines])
    return [StoredLine(*row) for row in connection.execute(_STORED, (wanted,))]


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
    """Unmark lines that the input has again, so that they are sent again once they are proven absent."""
    connection.execute(_WANT_AGAIN, (as_json(list(seqs)),))
