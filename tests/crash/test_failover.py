"""A standby takes over: a worker buys nothing twice, also where that standby lacks what the primary had confirmed."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import asyncpg
import pytest

from tests.pgbouncer import PGBOUNCER, running_pgbouncer
from tests.postgres import PostgresServer, running_postgres, standby_of
from tests.unit.bulk.ledger.ledgers import each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, opened
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.errors import LedgerError

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LINES = [line(number) for number in range(4)]


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """Run a server that a test may end."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Run its standby. Commits wait for none."""
    with standby_of(primary) as server:
        yield server


async def either(primary: PostgresServer, standby: PostgresServer) -> str:
    """Make a database, and return the URL of whichever server accepts writes."""
    direct = await primary.new_database()
    return direct.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")


async def catch_up(primary: PostgresServer) -> None:
    """Wait until the standby has all commits so far."""
    connection = await asyncpg.connect(primary.dsn())
    try:
        while not await connection.fetchval(
            "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_insert_lsn()), false) FROM pg_stat_replication"
        ):
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def take_over(primary: PostgresServer, standby: PostgresServer, *, running: bool = False) -> None:
    """Crash the primary, and have the standby take over."""
    primary.stop(how="immediate")
    if not running:
        await standby.async_start()
    standby.promote()


async def claims(ledger: PostgresLedger) -> list[LedgerLine]:
    """Claim until the ledger has found out what it is connected with."""
    taken: list[LedgerLine] = []
    for _ in range(3):
        with suppress(LedgerError):  # the connection was lost in the claim
            taken += await ledger.claim(4)
    return taken


async def test_a_lost_result_is_not_sent_again(primary: PostgresServer, standby: PostgresServer) -> None:
    """The standby shows its line as still being sent, by a claim that this worker does not hold any more."""
    url = await either(primary, standby)
    async with opened(url) as ledger:
        await ledger.plan("march", each(LINES))
        (first,) = await ledger.claim(1)
        await ledger.claim(1)
        await catch_up(primary)
        standby.stop()
        await ledger.record([placed(first)])
        await take_over(primary, standby)
        assert await claims(ledger) == []
        assert ledger.copied
        assert "lost commits" in (await ledger.paused() or "")
        await ledger.recover()
        states = {one.key: one.state async for one in ledger.lines()}
    assert states["k0"] is states["k1"] is LineState.UNKNOWN  # both are looked up


async def test_a_lost_claim_of_a_dead_worker(primary: PostgresServer, standby: PostgresServer) -> None:
    """It died with the primary, so nobody else knows that its line was sent: the new timeline says that it may be."""
    url = await either(primary, standby)
    async with opened(url) as ledger:
        await ledger.plan("march", each(LINES))
        async with opened(url) as other:
            await ledger.claim(1)
            await catch_up(primary)
            standby.stop()
            assert await other.claim(1)
            await take_over(primary, standby)
            assert await claims(ledger) == []
        assert ledger.copied
        assert await ledger.paused() is None  # the next shift looks the planned lines up, and goes on
        (told,) = [row.reason async for row in ledger.journal(seq=0)]
        assert "another server has taken over the database (timeline 2 after 1)" in told
        assert await ledger.restored(reason="as the next run does") == 3
        async with opened(url) as third:
            await third.recover()
            assert not third.copied


async def test_a_fresh_worker_notices_a_fail_over(primary: PostgresServer, standby: PostgresServer) -> None:
    """All workers have died, so only the job remembers on which server it was worked on."""
    url = await either(primary, standby)
    async with opened(url) as ledger:
        await ledger.plan("march", each(LINES))
        await ledger.recover()
        await catch_up(primary)
        standby.stop()
        assert await ledger.claim(1)
    await take_over(primary, standby)
    async with opened(url) as fresh:
        assert fresh.copied
        assert await fresh.claim(4) == []
        assert await fresh.restored(reason="as the next run does") == 4
    async with opened(url) as again:
        assert not again.copied


@pytest.mark.parametrize("way", ["arm", "fact", "plan"])
async def test_a_fail_over_after_a_new_job(primary: PostgresServer, standby: PostgresServer, way: str) -> None:
    """The opening that made the job has died, and no worker opened it before the fail-over."""
    url = await either(primary, standby)
    async with opened(url) as ledger:
        assert await ledger.recover() == 0  # as `Once` does before its first message
        if way == "plan":
            await ledger.plan("march", each(LINES))
        else:
            if way == "fact":
                await ledger.set_fact("bounds", "{}")
            await ledger.arm("march", LINES[0])
        await catch_up(primary)
        standby.stop()
        lost = [(await ledger.arm("march", LINES[1])).line] if way != "plan" else await ledger.claim(1)
    await take_over(primary, standby)
    async with opened(url) as fresh:
        assert fresh.copied
        with pytest.raises(LedgerError, match="older"):
            await fresh.arm("march", LINES[int(lost[0].key[1:])])  # it was sent


async def test_a_synchronous_standby_goes_on(primary: PostgresServer, standby: PostgresServer) -> None:
    """It has every commit, so nothing is looked up for it."""
    url = await either(primary, standby)
    async with connected(primary.dsn(url.rpartition("/")[2])) as connection:
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await connection.execute("SELECT pg_reload_conf()")
        while await connection.fetchval("SHOW synchronous_standby_names") != "*":
            await asyncio.sleep(0.02)
    async with opened(url) as ledger:
        await ledger.plan("march", each(LINES))
        (first,) = await ledger.claim(1)
        await ledger.record([placed(first)])
        await take_over(primary, standby, running=True)
        assert {one.key for one in await claims(ledger)} == {"k1", "k2", "k3"}
        assert not ledger.copied


@pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer: apt-get install pgbouncer")
async def test_a_pooler_hides_no_other_server(primary: PostgresServer) -> None:
    """The worker's connection to the pooler stays, so only the server's own answer shows that it is another one."""
    direct = await primary.new_database()
    with running_pgbouncer(primary, "transaction") as port:
        async with opened(direct.replace(f":{primary.port}/", f":{port}/")) as ledger:
            await ledger.plan("march", each(LINES))
            await ledger.claim(1)
            connects = ledger._opened().writer.connects
            primary.stop()
            await primary.async_start()
            async with connected(direct) as connection:
                await connection.execute("UPDATE xoxo.line SET state = 'planned', rev = 0")
                await connection.execute("UPDATE xoxo.job SET frontier = 0")
            assert await claims(ledger) == []
            assert ledger.copied
            assert ledger._opened().writer.connects in {connects, connects + 1}
