"""`PostgresLedger` with two workers: none writes over the other, and what one may be sending the other one doubts.

Each test of a danger also runs with the fault that would let it happen, and must fail then.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.postgres.world import RULES, planned_line, world
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LineState
from xoxo_async.bulk.ledger.postgres import claiming, columns, leases, records, statements
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.errors import BudgetError, LedgerConflictError, LedgerError

pytestmark = pytest.mark.anyio

Scenario = Callable[[str], Awaitable[None]]


async def late_byte(database: str) -> None:
    """A worker that is taken for dead sends at the end of its hold, and its order shows late: it is bought once."""
    async with world(database, lines=1) as one:
        sleeper, other = one.workers
        await one.claim(sleeper, 1)
        await one.lapse(sleeper)
        one.now += 16
        assert await other.ledger.recover() == 1
        one.now += MAX_HOLD_S - 17
        one.send(sleeper, 0, "lost", lag_s=RULES.settle_s - 1)
        for _ in range(30):
            one.now += 10
            await one.look_up(other, 0)
            await one.claim(other, 1)
            one.send(other, 0, "placed", lag_s=0)
            await one.record(other, 1)
        await one.check()
        assert [line.state async for line in other.ledger.lines()] == [LineState.PLACED]


async def look_up_beside_a_plan(database: str) -> None:
    """A look-up that was decided before the row became unwanted has it not sent again."""
    async with world(database, lines=1) as one:
        first, other = one.workers
        await one.claim(first, 1)
        one.send(first, 0, "lost before", lag_s=0)
        await one.record(first, 1)
        one.now += RULES.settle_s + 1
        await one.look_up(first, 0)
        one.now += RULES.spacing_s + 1
        read = records.read_stored

        async def read_then_wait(connection: Any, seqs: Any, **options: Any) -> Any:
            found = await read(connection, seqs, **options)
            records.read_stored = read
            await one.plan_without(other, 0)
            return found

        records.read_stored = read_then_wait
        try:
            await one.look_up(first, 0)
        finally:
            records.read_stored = read
        await one.claim(first, 1)
        (line,) = [line async for line in first.ledger.lines()]
        assert (line.state, line.unwanted) == (LineState.UNKNOWN, True)


async def fact_about_a_line_taken_over(database: str) -> None:
    """A worker that still holds a line takes a person's word about the line as others have left it."""
    async with world(database, lines=1) as one:
        sleeper, other = one.workers
        await one.claim(sleeper, 1)
        await one.lapse(sleeper)
        await other.ledger.recover()
        (line,) = [line async for line in other.ledger.lines()]
        given_up = Change(seq=line.seq, evidence=Evidence.LOOKUPS_EXHAUSTED, epoch=line.epoch)
        (line,) = await other.ledger.record([given_up])
        word = Change(seq=line.seq, evidence=Evidence.PERSON_REJECTED, epoch=line.epoch, reason="asked the vendor")
        (after,) = await sleeper.ledger.record([word])
        assert after.state is LineState.REJECTED


async def live_holder(database: str) -> None:
    """Nobody takes lines from a worker whose lease lasts."""
    async with world(database, lines=3) as one:
        first, other = one.workers
        await one.claim(first, 2)
        assert await other.ledger.recover() == 0
        assert [line.state async for line in other.ledger.lines()] == [LineState.SENDING] * 2 + [LineState.PLANNED]


def t7_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the absence from the recovery, and not from the end of the hold."""
    state = claiming.state_for_all

    def at_now(evidence: Any, lines: Any, moment: Any, **_options: Any) -> Any:
        return state(evidence, lines, moment, at=moment.now)

    monkeypatch.setattr(claiming, "state_for_all", at_now)


def epoch_instead_of_rev(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare state and epoch, and not the revision."""

    def without_rev(update: Callable[[int], str], first: int) -> str:
        return update(first).replace("l.rev = new.was", "l.epoch <= new.epoch AND new.was >= 0")

    for kind in columns.KINDS:
        monkeypatch.setitem(statements.PARTS, kind, partial(without_rev, statements.PARTS[kind]))
    statements.statement_of.cache_clear()


def refusal_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a line that is held also where it refuses a fact."""
    monkeypatch.setattr(records, "_refuses", lambda _requests: False)


def recover_while_the_lease_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every worker for dead."""
    monkeypatch.setattr(leases, "_DEAD", leases._DEAD.replace("w.lease_until = 'epoch'", "true"))


DANGERS = [
    (late_byte, t7_at_now),
    (look_up_beside_a_plan, epoch_instead_of_rev),
    (fact_about_a_line_taken_over, refusal_from_the_cache),
    (live_holder, recover_while_the_lease_lives),
]


@pytest.mark.parametrize(("scenario", "_fault"), DANGERS)
async def test_a_danger_is_met(scenario: Scenario, _fault: object, database: str) -> None:
    """See the scenario."""
    await scenario(database)


@pytest.mark.parametrize(("scenario", "fault"), DANGERS)
async def test_the_fault_is_seen(
    scenario: Scenario, fault: Callable[[pytest.MonkeyPatch], None], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fault, the scenario fails: so it tests something."""
    fault(monkeypatch)
    try:
        with pytest.raises((AssertionError, LedgerConflictError)):
            await scenario(database)
    finally:
        monkeypatch.undo()
        statements.statement_of.cache_clear()


async def test_a_worker_that_slept_goes_on(database: str) -> None:
    """Its lines were taken over; a late proof of it counts, everything else is superseded, and it claims anew."""
    async with world(database, lines=4) as one:
        sleeper, other = one.workers
        number = sleeper.ledger.worker
        await one.claim(sleeper, 2)
        await one.lapse(sleeper)
        assert await other.ledger.recover() == 2
        one.send(sleeper, 0, "placed", lag_s=0)
        one.send(sleeper, 0, "refused", lag_s=0)
        await one.record(sleeper, 2)
        states = [line.state async for line in other.ledger.lines()]
        assert states == [LineState.PLACED, LineState.UNKNOWN, LineState.PLANNED, LineState.PLANNED]
        assert len(await sleeper.ledger.claim(5)) == 2
        assert sleeper.ledger.worker != number
        assert await other.ledger.recover() == 0


async def test_lines_that_were_only_reserved_are_planned(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that sleeps between its two steps has sent nothing: others get its lines, and its intent is refused."""
    async with world(database, lines=3) as one:
        sleeper, other = one.workers
        arm = claiming.Claiming._arm
        taken: list[tuple[str, int, bool]] = []

        async def sleep_then_arm(self: claiming.Claiming, *arguments: Any) -> None:
            monkeypatch.setattr(claiming.Claiming, "_arm", arm)
            assert [line.key for line in await other.ledger.claim(5)] == ["k2"]
            await one.lapse(sleeper)
            assert await other.ledger.recover() == 0
            lines = await other.ledger.claim(5)
            taken.extend((line.key, line.attempts, line.suspect) for line in lines)
            await arm(self, *arguments)

        monkeypatch.setattr(claiming.Claiming, "_arm", sleep_then_arm)
        assert await sleeper.ledger.claim(2) == []
        assert taken == [("k0", 1, False), ("k1", 1, False)]
        assert (await other.ledger.counts()).states == {LineState.SENDING: 3}


async def test_a_budget_holds_for_all_workers(database: str) -> None:
    """Two workers that claim at once never spend more than the budget together."""
    budget = Decimal(500)
    async with world(database) as one:
        first, other = one.workers
        await first.ledger.plan(one.job, each(alone(*range(40))), one.terms)
        await first.ledger.set_fact("currency", "INR")

        async def drain(ledger: PostgresLedger) -> int:
            taken = 0
            while True:
                try:
                    lines = await ledger.claim(2, budget=budget)
                except BudgetError:
                    return taken
                taken += len(lines)

        taken = await asyncio.gather(*(drain(worker.ledger) for worker in (first, other, first, other)))
        assert sum(taken) == 5
        assert await other.ledger.committed() == 500


async def test_one_worker_settles(database: str) -> None:
    """One settles at a time, and another one takes over when its lease for that has ended with it."""
    async with world(database, lines=1) as one:
        first, other = one.workers
        assert await first.ledger.settles()
        assert not await other.ledger.settles()
        assert await first.ledger.settles()
        await first.ledger.aclose()
        assert await other.ledger.settles()


async def test_an_order_of_another_job_is_its_own(database: str) -> None:
    """An answer that names the order of another job's line puts both in doubt, each in its own job."""
    async with world(database, workers=1, lines=1) as one:
        (mine,) = await one.workers[0].ledger.claim(1)
        proof = Change(
            seq=mine.seq, evidence=Evidence.ANSWERED_PLACED, epoch=mine.epoch, order_id=7, delivery=Delivery.DELIVERED
        )
        await one.workers[0].ledger.record([proof])
        async with PostgresLedger(database, job="april", codes_key="", clock=lambda: one.now) as april:
            await april.plan("april", each([planned_line(9)]), one.terms)
            (theirs,) = await april.claim(1)
            same = Change(seq=theirs.seq, evidence=Evidence.ANSWERED_PLACED, epoch=theirs.epoch, order_id=7)
            (after,) = await april.record([same])
            assert after.state is LineState.UNKNOWN
            assert (await april.counts()).states == {LineState.UNKNOWN: 1}
        assert (await one.workers[0].ledger.counts()).states == {LineState.UNKNOWN: 1}
        await one.check()


async def test_a_commit_in_doubt_is_settled(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost after the commit of a result: it is found to be written, and written once."""
    async with world(database, workers=1, lines=1) as one:
        (line,) = await one.workers[0].ledger.claim(1)
        write = records.write

        async def write_and_lose(connection: Any, what: Any) -> Any:
            await write(connection, what)
            monkeypatch.setattr(records, "write", write)
            connection.terminate()
            return await connection.fetchval("SELECT 1")

        monkeypatch.setattr(records, "write", write_and_lose)
        lost = Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch)
        (after,) = await one.workers[0].ledger.record([lost])
        assert after.state is LineState.UNKNOWN
        told = [row.transition async for row in one.workers[0].ledger.journal(seq=line.seq)]
        assert told == ["T0", "T1", "T6"]


async def test_a_claim_in_doubt_is_given_back(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost after the commit of a claim: nobody has its lines, so it gives them back first."""
    async with world(database, workers=1, lines=2) as one:
        ledger = one.workers[0].ledger
        write = claiming.write

        async def write_and_lose(connection: Any, what: Any) -> Any:
            await write(connection, what)
            monkeypatch.setattr(claiming, "write", write)
            connection.terminate()
            return await connection.fetchval("SELECT 1")

        monkeypatch.setattr(claiming, "write", write_and_lose)
        lines = await ledger.claim(2)
        assert [(line.key, line.attempts, line.suspect) for line in lines] == [("k0", 2, False), ("k1", 2, False)]
        assert (await ledger.counts()).states == {LineState.SENDING: 2}


async def test_a_cancelled_caller_leaves_no_worker(database: str) -> None:
    """The end of a cancelled block writes what is left and ends the lease: nobody waits for it to run out."""
    async with PostgresLedger(database, job="march", codes_key="") as other:
        with anyio.CancelScope() as scope:
            async with PostgresLedger(database, job="march", codes_key="") as ledger:
                await ledger.plan("march", each([planned_line(1)]))
                (line,) = await ledger.claim(1)
                change = Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error="lost")
                recording = asyncio.ensure_future(ledger.record([change]))
                scope.cancel()
                await anyio.sleep_forever()
        assert [after.state for after in await recording] == [LineState.UNKNOWN]
        assert [one.lines for one in await other.holders()] == [0]


async def test_a_cancelled_opening_leaves_no_worker(database: str) -> None:
    """It is closed again before the cancellation goes on, wherever it was."""
    async with PostgresLedger(database, job="march", codes_key="") as other:
        await other.plan("march", each([planned_line(1)]))
        for turns in range(40):
            opening = asyncio.ensure_future(PostgresLedger(database, job="march", codes_key="").open())
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await opening
        assert len(await other.holders()) == 1


async def test_a_given_up_result_ends_silently(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that ends says that the database fails; a traceback of asyncio's beside it would tell nobody more."""
    loop = asyncio.get_running_loop()
    told: list[object] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    futures: list[asyncio.Future[object]] = [loop.create_future()]
    async with PostgresLedger(database, job="march", codes_key="") as ledger:
        monkeypatch.setattr(ledger._open_writer(), "record", lambda *_: futures[0])
        recording = asyncio.create_task(ledger.record([]))
        await asyncio.sleep(0.05)
        recording.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recording
    futures[0].set_exception(LedgerError("the database does not answer"))
    monkeypatch.undo()
    await asyncio.sleep(0)
    futures.clear()
    gc.collect()
    assert told == []
