"""`jobs`: several jobs share a database, each with its account, facts and generation."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import CODES, each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, lost, opened, planned_job, raise_generation
from xoxo_async.bulk.ledger.facts import KIND
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres import claiming, pausing, planning
from xoxo_async.bulk.ledger.postgres import ledger as ledgers
from xoxo_async.bulk.ledger.postgres import work as works
from xoxo_async.bulk.ledger.postgres.jobs import bind, find_job, make_job, read_open, require_fit
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.errors import BudgetError, ConfigError, LedgerConflictError, LedgerError
from xoxo_async.postgres import operations

pytestmark = pytest.mark.anyio

OURS = Identity("https://one.example", "abc")
OTHERS = Identity("https://two.example", "")


def looked_up(line: LedgerLine, order: int) -> Change:
    """Return what a look-up by poNumber found."""
    return Change(seq=line.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=line.epoch, order_id=order)


async def test_a_job_is_made_once(database: str) -> None:
    """Who makes it second gets the first one's; its account is one row for all jobs of the account."""
    async with connected(database) as connection:
        job = await make_job(connection, "march", OURS)
        assert (job.identity, job.is_planned, job.copied, job.lines, job.facts) == (OURS, False, False, 0, {})
        assert await make_job(connection, "march", OTHERS) == job
        april = await make_job(connection, "april", OURS)
        assert april.account == job.account
        assert await find_job(connection, "april") == april
        assert await find_job(connection, "may") is None
        assert (await make_job(connection, "may")).identity is None
        names = await connection.fetch("SELECT name FROM xoxo.job ORDER BY id")
        assert [row["name"] for row in names] == ["march", "april", "may"]


async def test_a_ledger_names_one_of_several_jobs(database: str) -> None:
    """Without a name it is the only job; with several, the error names some, and the URL that names one."""
    await planned_job(database, 1)
    async with PostgresLedger(database) as ledger:
        assert ledger.job == "march"
    async with connected(database) as connection:
        for number in range(7):
            await make_job(connection, f"j{number}")
    with pytest.raises(LedgerError, match=r"several jobs \(march, j0, j1, j2, j3 and others\): name one.*#JOB"):
        await PostgresLedger(database).open()


async def test_jobs_do_not_see_each_other(database: str) -> None:
    """Lines, counts, journal, keys and facts are the job's own."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each([line(1), line(2)]), PlanTerms(identity=OURS, facts={"a": "1"}))
        await april.plan("april", each([line(1)]), PlanTerms(identity=OTHERS))
        await april.record([placed((await april.claim(5))[0])])
        assert [one.key async for one in march.lines()] == ["k1", "k2"]
        assert [one.state async for one in april.lines()] == [LineState.PLACED]
        assert ((await march.counts()).rows, (await april.counts()).rows) == (2, 1)
        assert len([row async for row in march.journal()]) == 2
        assert await april.get_fact("a") is None
        assert len(await march.claim(5)) == 2
        assert await april.find("k2") is None


async def test_a_job_moves_to_another_account(database: str) -> None:
    """Its orders and codes go with it; where that account has one of them already, nothing changes."""
    async with opened(database, "march") as march, opened(database, "april") as april, opened(database, "may") as may:
        await march.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        await march.record([placed((await march.claim(1))[0], 7)])
        await april.plan("april", each([line(1)]), PlanTerms(identity=OTHERS))
        with pytest.raises(LedgerError, match=r"cannot belong to https://two\.example: another job of that account"):
            await march.rebind(OTHERS, reason="moved")
        assert (await job_of(database)).identity == OURS
        assert [row async for row in march.journal(seq=0)] == []
        await march.rebind(Identity("https://three.example", "x"), reason="moved")
        await may.plan("may", each([line(1)]), PlanTerms(identity=OURS))  # the poNumber is free again
        (sent,) = await may.claim(1)
        await may.record([placed(sent, 7)])  # and so are the order and its code
        assert (await may.counts()).issued == 1
        assert (await may.counts()).alarms == ()


async def test_jobs_without_an_account_are_apart(database: str) -> None:
    """Nobody knows that they are of one account: poNumbers, orders and codes of one are free for the other."""
    async with opened(database, "march") as march, opened(database, "april") as april, opened(database, "may") as may:
        for ledger, name in ((march, "march"), (april, "april"), (may, "may")):
            await ledger.plan(name, each([line(1)]))
            assert ledger.identity is None
            await ledger.record([placed((await ledger.claim(1))[0], 7)])
            assert ((await ledger.counts()).issued, (await ledger.counts()).alarms) == (1, ())
        await march.rebind(OURS, reason="known now", expected=None)
        await april.rebind(OTHERS, reason="known now", expected=None)
        with pytest.raises(LedgerError, match=r"cannot belong to https://one\.example: another job of that account"):
            await may.rebind(OURS, reason="known now", expected=None)
        identities = [(await job_of(database, name)).identity for name in ("march", "april", "may")]
        assert identities == [OURS, OTHERS, None]
        assert [one.state async for one in march.lines()] == [LineState.PLACED]


async def test_a_code_of_another_job_is_an_alarm(database: str) -> None:
    """One code under two orders of an account is a mistake, also where they are of two jobs."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        await april.plan("april", each([line(2)]), PlanTerms(identity=OURS))
        await march.record([placed((await march.claim(1))[0], 7)])
        (sent,) = await april.claim(1)
        await april.record([msgspec.structs.replace(placed(sent, 8), codes=CODES)])
        counts = await april.counts()
        assert (counts.issued, counts.pending, counts.alarms_total) == (0, 1, 1)
        assert "a voucher code that order 7 (row 1, key k1" in counts.alarms[0].text
        assert "march" in counts.alarms[0].text


async def test_a_restored_database_doubts_every_job(database: str) -> None:
    """Each job's planned lines may have been sent; they are withdrawn or sent only after they were doubted."""
    for job in ("march", "april"):
        async with opened(database, job) as ledger:
            await ledger.plan(job, each([line(1)]), PlanTerms(identity=Identity("https://one.example", job)))
    async with opened(database) as ledger:
        await ledger.restored(reason="a person's word")  # has a generation of its own already
    assert await operations.raise_generation(database) == 3
    async with opened(database, "march") as march, opened(database, "april") as april:
        for ledger in (march, april):
            assert ledger.copied
            assert ledger.older
        with pytest.raises(LedgerConflictError, match="may have been sent; nothing was withdrawn"):
            await april.withdraw(None, reason="gone")
        assert await april.restored(reason="a backup was put back") == 1
        assert not april.copied
        assert [row.reason async for row in april.journal(seq=0)] == ["generation 3: a backup was put back"]
        assert march.copied
    async with opened(database, "may") as ledger:
        await ledger.plan("may", each([line(5)]))
        assert not ledger.copied


async def test_open_jobs_have_work_for_a_worker(database: str) -> None:
    """A paused job is still settled, and late codes are asked for; a delivered one is no work. Each has its kind."""
    for job in ("done", "doubted", "late", "paused", "planned"):
        async with opened(database, job) as ledger:
            await ledger.plan(job, each([line(1)]), PlanTerms(identity=Identity("https://one.example", job)))
            if job == "done":
                await ledger.record([placed((await ledger.claim(1))[0])])
            elif job == "doubted":
                await lost(ledger, 1)
            elif job == "late":
                proof = placed((await ledger.claim(1))[0])
                await ledger.record([msgspec.structs.replace(proof, delivery=Delivery.PENDING, codes=None)])
            elif job == "paused":
                await ledger.pause("funds")
    async with opened(database, "points") as ledger:
        terms = PlanTerms(identity=Identity("https://one.example", "points"), facts={KIND: JobKind.POINTS})
        await ledger.plan("points", each([line(1)]), terms)
    found = await read_open(database)
    assert list(found) == ["doubted", "late", "paused", "planned", "points"]
    assert [job for job, kind in found.items() if kind != JobKind.ORDERS] == ["points"]


async def test_open_jobs_of_no_database(database: str) -> None:
    """One clear line, without the password."""
    with pytest.raises(LedgerError, match=r"postgresql://xoxo@127\.0\.0\.1:1/none cannot be reached"):
        await read_open("postgresql://xoxo:secret@127.0.0.1:1/none")
    with pytest.raises(ConfigError):
        await read_open("march.db")


async def test_an_unfit_database_is_refused(database: str) -> None:
    """Without a job, and without a ledger that is opened in it; the owner of a fit one is let in."""
    await require_fit(database)
    async with connected(database) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with pytest.raises(LedgerError, match="synchronous_commit = off"):
        await require_fit(database)


async def test_an_open_ledger_sees_a_restore(database: str) -> None:
    """Its next claim or single line sends nothing, and it says why; it goes on once the lines are looked up."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each([line(1), line(2)]), PlanTerms(identity=OURS))
        assert (await april.arm("april", line(5), identity=OURS)).mine
        assert len(await march.claim(1)) == 1
        async with connected(database) as connection:
            await raise_generation(connection)
        assert await march.claim(1) == []
        assert march.copied
        with pytest.raises(LedgerError, match="may have been sent") as refused:
            await april.arm("april", line(6), identity=OURS)
        assert not isinstance(refused.value, LedgerConflictError)
        assert april.copied
        assert (await april.counts()).rows == 1
        async with opened(database, "april") as other:
            await other.restored(reason="a backup was put back")
        assert (await april.arm("april", line(6), identity=OURS)).mine
        assert not april.copied


async def test_recovery_tells_of_a_restored_database(database: str) -> None:
    """Every run begins with it, so no run begins with an old generation."""
    await planned_job(database, 1)
    async with opened(database) as ledger:
        async with connected(database) as connection:
            await raise_generation(connection)
        assert not ledger.copied
        await ledger.recover()
        assert ledger.copied


async def test_a_restore_stops_a_claim_midway(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was reserved before a person said so is not armed after it."""
    await planned_job(database, 1)
    arm = claiming.Claiming._arm

    async def restore_and_arm(self: claiming.Claiming, *arguments: Any) -> None:
        monkeypatch.setattr(claiming.Claiming, "_arm", arm)
        async with connected(database) as connection:
            await raise_generation(connection)
        await arm(self, *arguments)

    monkeypatch.setattr(claiming.Claiming, "_arm", restore_and_arm)
    async with opened(database) as ledger:
        assert await ledger.claim(1) == []
        assert (await ledger.counts()).states == {LineState.PLANNED: 1}
        assert ledger.copied


async def test_a_rebound_job_is_of_one_account(database: str) -> None:
    """A worker that has it open writes its results for the new account, and sends nothing more for the old one."""
    async with opened(database) as ours, opened(database) as other:
        await ours.plan("march", each([line(1), line(2), line(3)]), PlanTerms(identity=OURS))
        first, second = await ours.claim(2)
        await other.rebind(OTHERS, reason="moved")
        (done,) = await ours.record([placed(first, 7)])
        assert done.state is LineState.PLACED
        (doubted,) = await other.record([placed(second, 7)])
        assert doubted.state is LineState.UNKNOWN  # both answers name order 7
        with pytest.raises(LedgerError, match="bound to another account or address while this ledger was open"):
            await ours.claim(1)
        with pytest.raises(LedgerError, match="bound to another account or address while this ledger was open"):
            await ours.arm("march", line(4))
        assert len(await other.claim(1)) == 1
        async with connected(database) as connection:
            accounts = "SELECT DISTINCT account FROM xoxo.line UNION SELECT account FROM xoxo.placed"
            assert len(await connection.fetch(accounts)) == 1


async def test_a_write_waits_for_a_rebind(database: str) -> None:
    """Its write began before the job was bound to another account, and waited for the line."""
    async with opened(database) as ours, connected(database) as connection:
        await ours.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        (sent,) = await ours.claim(1)
        async with connection.transaction():
            bound = await bind(connection, await job_of(database), OTHERS)
            result = asyncio.ensure_future(ours.record([placed(sent, 7)]))
            while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)
        assert (await result)[0].state is LineState.PLACED
        assert await connection.fetchval("SELECT account FROM xoxo.placed") == bound.account


async def test_a_job_is_bound_by_one_of_two(database: str) -> None:
    """Both saw a job without an account; the second one to bind it is refused, and sees whose it is."""
    await planned_job(database, 1)
    async with opened(database) as ours, opened(database) as other:
        await ours.rebind(OURS, reason="none yet", expected=None)
        with pytest.raises(LedgerConflictError, match="another program has bound the job 'march'"):
            await other.rebind(OTHERS, reason="none yet", expected=None)
        assert other.identity == OURS
        await other.rebind(OTHERS, reason="a person's word")
        assert (await job_of(database)).identity == OTHERS


async def test_a_new_currency_counts_at_once(database: str) -> None:
    """A result counts what was charged in the currency that the job has when it is written."""
    async with opened(database) as ours, opened(database) as other:
        await ours.plan("march", each(alone(1, 2, 3)), PlanTerms(identity=OURS))
        (sent,) = await ours.claim(1)
        await other.set_fact("currency", "INR")
        proof = msgspec.structs.replace(placed(sent, 7), amount_charged=Decimal(130))
        await ours.record([proof])
        assert await other.committed() == 130
        with pytest.raises(BudgetError):
            await other.claim(1, budget=Decimal(200))


STOPS = [
    (ledgers, "set_facts", lambda ledger: ledger.set_fact("a", "b")),
    (ledgers, "note_job", lambda ledger: ledger.rebind(OTHERS, reason="moved")),
    (pausing, "note_job", lambda ledger: ledger.unpause()),
    (planning, "set_facts", lambda ledger: ledger.plan("march", each([line(1), line(2), line(3)]))),
]


@pytest.mark.parametrize(("module", "last", "work"), STOPS)
async def test_a_stopped_process_stops_nobody(
    module: ModuleType, last: str, work: Callable[[PostgresLedger], Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped in a transaction that holds the job's row: the database undoes it, and others claim."""
    monkeypatch.setattr(works, "_BOUND", "SET LOCAL idle_in_transaction_session_timeout = '100ms'")
    real = getattr(module, last)
    stopped = asyncio.Event()
    goes_on = asyncio.Event()

    async def stop(*arguments: Any) -> None:
        await real(*arguments)
        stopped.set()
        await goes_on.wait()

    async with opened(database) as ours, opened(database) as other:
        await ours.plan("march", each([line(1), line(2)]), PlanTerms(identity=OURS))
        await ours.pause("a test")
        monkeypatch.setattr(module, last, stop)
        task = asyncio.ensure_future(work(ours))
        await stopped.wait()
        monkeypatch.setattr(module, last, real)
        with anyio.fail_after(20):
            await other.unpause()
            assert len(await other.claim(1)) == 1
        goes_on.set()
        with pytest.raises(LedgerError):
            await task


async def test_a_plan_that_binds_its_job_stops_nobody(database: str) -> None:
    """While a person is asked about it, others claim what was planned before."""
    asked = asyncio.Event()
    answered = asyncio.Event()

    async def approve(*_: object) -> None:
        asked.set()
        await answered.wait()

    await planned_job(database, 1)
    async with opened(database) as ours, opened(database) as other:
        terms = PlanTerms(identity=OURS, approve=approve)
        plan = asyncio.ensure_future(ours.plan("march", each(alone(0, 1)), terms))
        await asked.wait()
        with anyio.fail_after(20):
            assert len(await other.claim(1)) == 1
        answered.set()
        assert (await plan).added == 1


async def test_two_jobs_with_one_order_are_told(database: str) -> None:
    """A line that was placed and delivered may lose its order to another job: whoever reads either job sees it."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        await april.plan("april", each([line(2)]), PlanTerms(identity=OURS))
        await march.record([placed((await march.claim(1))[0], 7)])
        (theirs,) = await april.record([placed((await april.claim(1))[0], 7)])
        (ours,) = [one async for one in march.lines()]
        assert (ours.state, theirs.state) == (LineState.UNKNOWN, LineState.UNKNOWN)
        (alarm,) = (await march.counts()).alarms
        assert "order 7 was named for key k1 (row 1), and also for key k2 (row 2) of the job april" in alarm.text
        (alarm,) = (await april.counts()).alarms
        assert "order 7 was named for key k2 (row 2), and also for key k1 (row 1) of the job march" in alarm.text
        # One look-up finds it under its poNumber, and then the other one does as well: only a person can tell.
        (theirs,) = await april.record([looked_up(theirs, 7)])
        (ours,) = await march.record([looked_up(ours, 7)])
        assert (ours.state, theirs.state) == (LineState.MANUAL, LineState.PLACED)
        for ledger in (march, april):
            counts = await ledger.counts()
            assert counts.alarms_total == 1
            assert counts.states == dict.fromkeys([LineState.MANUAL if ledger is march else LineState.PLACED], 1)


async def test_an_order_of_one_job_is_no_alarm(database: str) -> None:
    """Two lines of a job that claim one order are both looked up, which settles it."""
    async with opened(database) as ledger:
        await ledger.plan("march", each([line(1), line(2)]), PlanTerms(identity=OURS))
        for sent in await ledger.claim(2):
            await ledger.record([placed(sent, 7)])
        counts = await ledger.counts()
        assert (counts.states, counts.alarms_total) == ({LineState.UNKNOWN: 2}, 0)
