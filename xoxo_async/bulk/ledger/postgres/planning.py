"""Read and write one plan, chunk by chunk, in one transaction; `plans` decides, and `adding` adds its lines.

Other workers go on while a plan is made, also while `approve` asks a person: the plan holds an advisory lock, which
stops other plans of its job, and the new lines, which nobody sees. Lines that were there before, and the row of the
job, are locked only in the last step, after `approve`. What `approve` is asked about is found by doing that step and
undoing it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.bookkeeping import MAY_EXIST
from xoxo_async.bulk.ledger.facts import KIND, PLANNED_AT
from xoxo_async.bulk.ledger.kinds import JobKind, check_kind
from xoxo_async.bulk.ledger.lines import LineState, PlannedLine
from xoxo_async.bulk.ledger.plans import check_identity, check_job, doubts_of_plan, keys_to_withdraw
from xoxo_async.bulk.ledger.postgres.adding import Adding, SeenOrdinals
from xoxo_async.bulk.ledger.postgres.connections import Link
from xoxo_async.bulk.ledger.postgres.facts import set_facts
from xoxo_async.bulk.ledger.postgres.jobs import (
    JobRow,
    account_of,
    bind,
    bound_meanwhile,
    find_job,
    make_job,
    reread,
)
from xoxo_async.bulk.ledger.postgres.kept import add_kept_names
from xoxo_async.bulk.ledger.postgres.packs import packed_keys
from xoxo_async.bulk.ledger.postgres.reading import FIRST_ORDINAL, lock_next
from xoxo_async.bulk.ledger.postgres.sums import add_to_tally
from xoxo_async.bulk.ledger.postgres.whole import Whole, read_backlog, undisturbed
from xoxo_async.bulk.ledger.postgres.work import bound_wait
from xoxo_async.bulk.ledger.protocol import Identity, Planned, PlanTerms, Share
from xoxo_async.bulk.ledger.tallying import PLANNER, planned_rows
from xoxo_async.errors import LedgerConflictError
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN
from xoxo_async.waiting import outlast

__all__ = ["run_plan"]

_CHUNK: Final = 5000
_BIG: Final = 1000
_TURNS: Final = 5
_POLL_S: Final = 0.05
_LONGEST_POLL_S: Final = 1.0

_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('xoxo plan ' || $1, 0))"
_OPEN: Final = "SELECT state, sum(orders)::bigint AS orders FROM xoxo.tally WHERE job = $1 GROUP BY state"
_PLANNED: Final = (
    "SELECT ordinal, id, key, row, lines FROM xoxo.line WHERE job = $1 AND ordinal > $2 AND ordinal <= $3"
    " AND state = 'planned' ORDER BY ordinal LIMIT $4"
)
_GROWN: Final = (
    "UPDATE xoxo.job SET lines = $2, state = CASE state WHEN 'done' THEN 'running' ELSE state END WHERE id = $1"
)
# Not the long texts: nothing searches them, and sorting a sample of them takes a second.
_ANALYZE: Final = (
    "ANALYZE xoxo.line (id, job, ordinal, key, po_number, account, state, look), xoxo.journal (id, line, job)"
)


class Outcome(NamedTuple):
    """What becomes of the lines that were there before a plan.

    Attributes:
        withdrawn: Lines that were withdrawn.
        unwanted: Lines in doubt that the plan does not name.
        shares: The planned orders as shares, for `approve`; None if only the plan's new lines are planned.
    """

    withdrawn: int = 0
    unwanted: int = 0
    shares: list[Share] | None = None


class _OutsideError(Exception):
    """The caller's lines, or its `approve`, raised an error. An OSError of theirs is no failure of the database."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Final = error


class _UndoneError(Exception):
    """Undoes the last step of a plan that was only tried."""


async def run_plan(
    link: Link,
    now: Callable[[], float],
    name: str,
    lines: AsyncIterator[PlannedLine],
    terms: PlanTerms,
    *,
    known: str | None,
    committed: Callable[[JobRow], None],
) -> Planned:
    """Plan lines, all or none.

    Args:
        link: A connection of the plan's own.
        now: The ledger's clock.
        name: The job's name.
        lines: The lines.
        terms: What else the plan has to keep to.
        known: The job that the ledger is for; None where any will do.
        committed: Called with the job once the plan is durable, also if the caller is cancelled meanwhile.

    Raises:
        DatabaseError: When the database fails, or is lost.
    """
    check_job(known, name)
    try:
        return await link.run(lambda connection: _plan(connection, now, name, lines, terms, committed))
    except _OutsideError as error:
        raise error.error from None


async def _plan(
    connection: DatabaseConnection,
    now: Callable[[], float],
    name: str,
    lines: AsyncIterator[PlannedLine],
    terms: PlanTerms,
    committed: Callable[[JobRow], None],
) -> Planned:
    if terms.identity is not None:
        # Not in the transaction: the first plan of another job of this account would wait for its end.
        await account_of(connection, terms.identity)
    await _bound(connection, name, terms.identity)
    transaction = connection.transaction()
    await transaction.__aenter__()
    try:
        plan = await _begun(connection, now, name, terms)
        await plan.add_all(lines)
        await plan.ask()
    except BaseException as error:
        await transaction.__aexit__(type(error), error, error.__traceback__)
        raise

    async def finish() -> Planned:
        try:
            planned = await plan.finish()
        except BaseException as error:
            await transaction.__aexit__(type(error), error, error.__traceback__)
            raise
        await transaction.__aexit__(None, None, None)
        committed(plan.job)
        await plan.analyze()
        return planned

    # It goes on if the caller is cancelled from here on, and the connection is not closed before its end.
    return await outlast(asyncio.ensure_future(finish()))


async def _bound(connection: DatabaseConnection, name: str, identity: Identity | None) -> None:
    """Bind a job that has no account yet.

    Before the plan, and not in it: claims wait for the row of the job while it is bound. And not at the end of the
    plan: its lines are the account's, and the account's poNumbers must not be there already.
    """
    job = await find_job(connection, name)
    if job is not None and job.identity is None and identity is not None:
        async with connection.transaction():
            await bound_wait(connection)
            await bind(connection, job, identity)


async def _begun(connection: DatabaseConnection, now: Callable[[], float], name: str, terms: PlanTerms) -> "_Plan":
    """Wait for other plans of the job, find or make it, and return a plan with the state before it."""
    wait_s = _POLL_S
    while not await connection.fetchval(_LOCK, name):
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_POLL_S)
    job = await find_job(connection, name)
    if job is None:
        job = await make_job(connection, name, terms.identity)
    check_identity(job.identity, terms.identity)
    if job.identity is None and terms.identity is not None:
        job = await bind(connection, job, terms.identity)  # another program has just made it without an account
    orders = {LineState(row["state"]): row["orders"] for row in await connection.fetch(_OPEN, job.id)}
    if job.kind is not None or orders:  # lines that were armed one by one are orders
        check_kind(job.kind or JobKind.ORDERS, terms.kind)
    had_planned = orders.get(LineState.PLANNED, 0) > 0
    # Lines matter as missing from the plan only if they may yet be sent.
    open_ = had_planned or any(orders.get(state, 0) > 0 for state in MAY_EXIST)
    return _Plan(connection, now, terms, job, SeenOrdinals(job.lines) if open_ else None, had_planned=had_planned)


class _Plan:
    """One plan, step by step, in one transaction.

    Args:
        connection: In the transaction.
        now: The ledger's clock.
        terms: What the plan has to keep to.
        job: The job, as it was before the plan.
        seen: Notes which of its lines the plan names; None if none can be missing.
        had_planned: Whether lines were planned before.

    Attributes:
        job: The job; after the end of the plan, as it is then.
    """

    def __init__(
        self,
        connection: DatabaseConnection,
        now: Callable[[], float],
        terms: PlanTerms,
        job: JobRow,
        seen: SeenOrdinals | None,
        *,
        had_planned: bool,
    ) -> None:
        self.job = job
        self._connection: Final = connection
        self._now: Final = now
        self._terms: Final = terms
        self._seen: Final = seen
        self._had_planned: Final = had_planned
        self._adding: Final = Adding(connection, job, now(), seen)

    def _result(self, outcome: Outcome) -> Planned:
        adding = self._adding
        return Planned(
            added=adding.added,
            known=adding.lines - adding.added,
            orders=adding.single + adding.shared,
            withdrawn=outcome.withdrawn,
            unwanted=outcome.unwanted,
        )

    async def add_all(self, lines: AsyncIterator[PlannedLine]) -> None:
        """Add the lines, in chunks."""
        chunk: list[PlannedLine] = []
        more = True
        while more:
            try:
                async for line in lines:
                    chunk.append(line)
                    if len(chunk) == _CHUNK:
                        break
                else:
                    more = False
            except Exception as error:
                raise _OutsideError(error) from error
            await self._adding.add(chunk, last=not more)
            chunk = []

    async def ask(self) -> None:
        """Ask `approve` about the plan. Nothing is locked meanwhile that another worker waits for."""
        if self._terms.approve is None:
            return
        outcome = await self._tried()
        try:
            await self._terms.approve(self._result(outcome), outcome.shares)
        except Exception as error:
            raise _OutsideError(error) from error

    async def _tried(self) -> Outcome:
        """Apply the plan to what was there before it, and undo that."""
        part = self._connection.transaction()
        await part.__aenter__()
        outcome = await self._settled()
        await part.__aexit__(_UndoneError, _UndoneError(), None)
        return outcome

    async def finish(self) -> Planned:
        """Apply the plan to what was there before it, and count its lines; the row of the job comes last."""
        outcome = await self._settled()
        job, adding = self.job, self._adding
        await add_to_tally(self._connection, job.id, PLANNER, planned_rows(adding.single, adding.shared))
        if adding.last > job.lines:
            await self._connection.execute(_GROWN, job.id, adding.last)
        first = {}
        if job.kind is None:
            kind = self._terms.kind
            first = {PLANNED_AT: f"{self._now()}"} | ({} if kind is JobKind.ORDERS else {KIND: kind.value})
        await set_facts(self._connection, job.id, first | self._terms.facts)
        await add_kept_names(self._connection, job.id, adding.kept.names)
        before, self.job = self.job, await reread(self._connection, self.job)
        if adding.added and before.account != self.job.account:
            raise bound_meanwhile(self.job.name)  # the new lines are the old account's
        return self._result(outcome)

    async def analyze(self) -> None:
        """Tell the database how many lines there are: with the statistics of an empty table it would read them all."""
        if self._adding.added >= _BIG:
            try:
                await self._connection.execute(_ANALYZE)
            except FOREIGN:
                return  # the plan is durable, and autovacuum does the same later

    async def _settled(self) -> Outcome:
        """Apply the plan to the lines that were there before it."""
        for _ in range(_TURNS):
            with suppress(LedgerConflictError):  # perhaps another worker has just sent a line that the plan lacks
                return await undisturbed(self._connection, self._settle)
        return await undisturbed(self._connection, self._settle)

    async def _settle(self) -> Outcome:
        terms = self._terms
        await bound_wait(self._connection)  # from here on, other workers may wait for what is locked
        whole = Whole(self._connection, await reread(self._connection, self.job), self._now())
        withdrawn = unwanted = 0
        if self._seen is not None and terms.missing != "keep":
            missing = [row async for row in self._missing_rows(self._seen)]
            if keys := keys_to_withdraw(missing, terms):
                withdrawn = await whole.withdraw(keys, "the input no longer has it")
        if self._seen is not None:
            unwanted = await self._settle_doubted(whole, self._seen)
        shares: list[Share] | None = None
        if self._had_planned or self._adding.added < self._adding.lines:
            if terms.pricing is not None:
                await whole.reprice(terms.pricing)
            shares = await read_backlog(self._connection, self.job.id) if terms.approve is not None else None
        if terms.restored:
            await whole.restored(terms.restored, copied=terms.copied)
        return Outcome(withdrawn, unwanted, shares)

    async def _settle_doubted(self, whole: Whole, seen: SeenOrdinals) -> int:
        """Mark the lines in doubt that the input lacks, and unmark those that it has again; count the former."""
        after, unwanted = FIRST_ORDINAL, 0
        while rows := await lock_next(self._connection, self.job.id, MAY_EXIST, after, self.job.lines, _CHUNK):
            after = rows[-1][0]
            alone = {ordinal: one for ordinal, one in rows if one.line.lines == 1}
            # By ordinal, as they were seen.
            numbered = [msgspec.structs.replace(one.line, seq=ordinal) for ordinal, one in alone.items()]
            again, gone = doubts_of_plan(numbered, seen)
            await whole.want_again([alone[ordinal].line.seq for ordinal in again])
            if self._terms.missing != "keep":
                await whole.unwanted([alone[line.seq] for line in gone if not line.unwanted])
                unwanted += len(gone)
        return unwanted

    async def _missing_rows(self, seen: SeenOrdinals) -> AsyncIterator[tuple[str, int]]:
        """Yield key and row of every planned line before the plan that it did not name."""
        after, last = FIRST_ORDINAL, self.job.lines
        while rows := await self._connection.fetch(_PLANNED, self.job.id, after, last, _CHUNK):
            after = rows[-1]["ordinal"]
            packs = [row["id"] for row in rows if row["lines"] > 1]
            packed: dict[int, list[tuple[int, str, int]]] = {}
            for pack, first, key, number in await packed_keys(self._connection, packs) if packs else ():
                packed.setdefault(pack, []).append((first, key, number))
            for row in rows:
                if row["lines"] > 1:
                    for first, key, number in packed.get(row["id"], ()):
                        if not seen.has_packed(row["ordinal"], first):
                            yield key, number
                elif row["ordinal"] not in seen:
                    yield row["key"], row["row"]
