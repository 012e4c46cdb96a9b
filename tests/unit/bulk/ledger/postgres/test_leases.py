"""Leases by the database's clock: renewed while they last, and never again once they are over."""

import asyncio

import pytest

from tests.unit.bulk.ledger.postgres.databases import planned_job
from xoxo_async.bulk.ledger.postgres.clock import SharedClock
from xoxo_async.bulk.ledger.postgres.connections import Link
from xoxo_async.bulk.ledger.postgres.leases import Lease, fence
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
