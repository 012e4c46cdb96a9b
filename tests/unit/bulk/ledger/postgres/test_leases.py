"""Leases by the database's clock: renewed while they last, and never again once they are over."""

import asyncio
import re

import pytest

from tests.unit.bulk.ledger.ledgers import each, line
from tests.unit.bulk.ledger.machines import Machine
from tests.unit.bulk.ledger.postgres.databases import connected, planned_job
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.postgres import leases
from xoxo_async.bulk.ledger.postgres import ledger as ledgers
from xoxo_async.bulk.ledger.postgres.clock import SharedClock
from xoxo_async.bulk.ledger.postgres.connections import Link
from xoxo_async.bulk.ledger.postgres.leases import Lease, fence
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.postgres.address import DatabaseAddress

pytestmark = pytest.mark.anyio

_END = "UPDATE xoxo.worker SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1"

_SET_BACK = "UPDATE xoxo.worker SET lease_until = clock_timestamp() + interval '1 hour' WHERE id = $1"


async def test_a_lease_is_renewed_only_while_it_lasts(database: str) -> None:
    """A worker that woke too late registers anew, under another number."""
    link = Link(DatabaseAddress.read(database), "test")
    lease = Lease(link, SharedClock())
    await lease.begin(None)
    assert await lease.renew()
    number = lease.worker
    await link.run(lambda c: c.execute(_END, number))
    assert not await lease.renew()
    await lease.register()
    assert lease.worker > number
    assert await lease.renew()
    await lease.end()
    await link.close()


async def test_a_fence_ends_only_leases_that_are_over(database: str) -> None:
    """For ever: also where the database's clock is set back."""
    link = Link(DatabaseAddress.read(database), "test")
    alive, dead = Lease(link, SharedClock()), Lease(link, SharedClock())
    await asyncio.gather(alive.begin(None), dead.begin(None))
    await link.run(lambda c: c.execute(_END, dead.worker))
    await link.run(fence)
    rows = await link.run(lambda c: c.fetch("SELECT id FROM xoxo.worker WHERE lease_until = 'epoch'"))
    assert [row["id"] for row in rows] == [dead.worker]
    await alive.end()
    await dead.end()
    await link.close()


async def test_the_end_of_a_worker_leaves_no_row(database: str) -> None:
    """Unless it holds claims: then its row is the proof that others may take them."""
    link = Link(DatabaseAddress.read(database), "test")
    lease = Lease(link, SharedClock())
    await lease.begin(None)
    await lease.end()
    assert await link.run(lambda c: c.fetchval("SELECT count(*) FROM xoxo.worker")) == 0
    await link.close()


async def test_the_lease_tells_the_time(database: str) -> None:
    """The clock of the ledger is the database's."""
    link = Link(DatabaseAddress.read(database), "test")
    clock = SharedClock()
    lease = Lease(link, clock)
    await lease.begin(None)
    server = float(await link.run(lambda c: c.fetchval("SELECT extract(epoch FROM clock_timestamp())")))
    assert abs(clock.now() - server) < 5
    await lease.end()
    await link.close()


async def test_a_lease_never_outlasts_a_clock_that_is_set_back(database: str) -> None:
    """A dead worker's lines come free, and its doubts are settled, without waiting for the old time to come again."""
    link = Link(DatabaseAddress.read(database), "test")
    job = (await planned_job(database, 1)).id
    alive, dead = Lease(link, SharedClock()), Lease(link, SharedClock())
    await alive.begin(job)
    await dead.begin(job)
    assert await dead.settles(job)
    assert not await alive.settles(job)
    await link.run(lambda c: c.execute(_SET_BACK, dead.worker))
    await link.run(lambda c: c.execute("UPDATE xoxo.job SET settler_until = clock_timestamp() + interval '1 hour'"))
    await link.run(fence)
    rows = await link.run(lambda c: c.fetch("SELECT id FROM xoxo.worker WHERE lease_until = 'epoch'"))
    assert [row["id"] for row in rows] == [dead.worker]
    assert await alive.settles(job)
    await alive.end()
    await dead.end()
    await link.close()


async def test_a_paused_machine_writes_no_old_stamp(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends when it wakes, and loses the answer: for the others, the send is as late as it was."""
    machine = Machine()
    real = ledgers.SharedClock
    monkeypatch.setattr(ledgers, "SharedClock", lambda fixed: real(fixed, boot=machine.read_boot))
    async with PostgresLedger(database, job="march", codes_key="") as sleeper:
        await sleeper.plan("march", each([line(1), line(2)]))
        first, _ = await sleeper.claim(2)
        machine.seconds -= 1800  # what the others count, this machine does not
        async with connected(database) as connection:
            await connection.execute(_END, sleeper.worker)
            lost = Change(seq=first.seq, evidence=Evidence.OUTCOME_LOST, epoch=first.epoch, at=sleeper.now())
            (after,) = await sleeper.record([lost])
            server = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
        assert after.state is LineState.UNKNOWN
        assert after.last_sent_tick is not None
        assert abs(after.last_sent_tick - server) < 5
        assert abs(sleeper.now() - server) < 5
        other = [one async for one in sleeper.lines(states=(LineState.SENDING,))]
        assert other[0].last_sent_tick is not None
        assert abs(other[0].last_sent_tick - server - MAX_HOLD_S) < 5
        (told,) = [row async for row in sleeper.journal(seq=0)]
        assert re.search(r"180[0-9] s ahead", told.reason)


async def test_lines_in_doubt_are_counted_anew_once(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """The database's clock is ahead of the worker's: told once, and followed; what is settled stays as it is."""
    async with PostgresLedger(database, job="march", codes_key="") as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        (sent,) = await ledger.claim(1)
        await ledger.record([Change(seq=sent.seq, evidence=Evidence.OUTCOME_LOST, epoch=sent.epoch)])
        machine = Machine()
        clock = SharedClock(boot=machine.read_boot)
        link = Link(DatabaseAddress.read(database), "test")
        lease = Lease(link, clock)
        await lease.begin(1)
        machine.seconds -= 100
        await lease.measure()
        await lease.measure()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "100 s ahead of this worker's" in caplog.text
        unknown, planned = [one async for one in ledger.lines()]
        assert unknown.last_sent_tick == pytest.approx(clock.since + MAX_HOLD_S, abs=1)
        assert planned.last_sent_tick is None
        await lease.end()
        await link.close()


async def test_who_settles_goes_on_settling(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass of look-ups may take longer than a lease: meanwhile nobody else begins with the same lines."""
    monkeypatch.setattr(leases, "LEASE_S", 0.6)
    monkeypatch.setattr(leases, "_RENEW_S", 0.1)
    async with PostgresLedger(database, job="march", codes_key="") as other:
        async with PostgresLedger(database, job="march", codes_key="") as settler:
            await settler.plan("march", each([line(1)]))
            assert await settler.settles()
            for _ in range(8):
                await asyncio.sleep(0.2)  # the lease is over twice, were it not renewed
                assert not await other.settles()
        assert await other.settles()
