"""`jobs`: several jobs share a database, each with its account, facts and generation."""

from typing import Any

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import CODES, each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, lost, opened, planned_job
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.postgres import claiming
from xoxo_async.bulk.ledger.postgres.jobs import find_job, list_jobs, make_job, open_jobs, raise_generation
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.errors import ConfigError, LedgerConflictError, LedgerError

pytestmark = pytest.mark.anyio

OURS = Identity("https://one.example", "abc")
OTHERS = Identity("https://two.example", "")


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
        assert [job.name for job in await list_jobs(connection)] == ["march", "april", "may"]


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
    async with connected(database) as connection:
        assert await raise_generation(connection) == 3
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
    """A paused job is still settled, and late codes are asked for; a delivered one is no work."""
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
    assert await open_jobs(database) == ["doubted", "late", "paused", "planned"]


async def test_open_jobs_of_no_database(database: str) -> None:
    """One clear line, without the password."""
    with pytest.raises(LedgerError, match=r"postgresql://xoxo@127\.0\.0\.1:1/none cannot be reached"):
        await open_jobs("postgresql://xoxo:secret@127.0.0.1:1/none")
    with pytest.raises(ConfigError):
        await open_jobs("march.db")


async def test_an_open_ledger_learns_that_the_database_was_restored(database: str) -> None:
    """Its next claim or single line sends nothing, and it says why; it goes on once the lines are looked up."""
    async with opened(database, "march") as march, opened(database, "april") as april:
        await march.plan("march", each([line(1), line(2)]), PlanTerms(identity=OURS))
        assert (await april.arm("april", line(5), identity=OURS)).mine
        assert len(await march.claim(1)) == 1
        async with connected(database) as connection:
            await raise_generation(connection)
        assert await march.claim(1) == []
        assert march.copied
        with pytest.raises(LedgerConflictError, match="may have been sent"):
            await april.arm("april", line(6), identity=OURS)
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


async def test_a_claim_is_refused_in_the_middle_of_a_restore(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
