"""`auth.lease`: one holder at a time by the database's clock, and who may write a row."""

import asyncio
import time
from contextlib import suppress

import asyncpg
import pytest

from xoxo_async.auth.lease import Lease, TokenRow
from xoxo_async.errors import AuthError, ConfigError
from xoxo_async.postgres.address import DatabaseAddress

pytestmark = pytest.mark.anyio


def lease_on(database: str, *, lasts_s: float = 30, account: str = "one") -> Lease:
    return Lease(DatabaseAddress.read(database), account, lasts_s=lasts_s)


async def test_one_holder_at_a_time(database: str) -> None:
    """The second gets the lease when the first gives it back; another account has a lease of its own."""
    first, second, other = lease_on(database), lease_on(database), lease_on(database, account="two")
    assert await first.take() == (0, None)
    assert await second.take() is None
    assert await second.holder() == first._owner.rpartition(":")[0]
    assert await other.take() is not None
    assert await first.take() is not None  # the answer to its first attempt may have been lost
    await first.release()
    assert await second.take() is not None
    assert second.before == ""
    for lease in (second, other):
        await lease.release()


async def test_a_lease_ends_by_the_databases_clock(database: str) -> None:
    """A holder that does not extend its lease loses it, and the next one reads who it was."""
    first, second = lease_on(database, lasts_s=0.3), lease_on(database)
    taken_at = time.monotonic()
    await first.take()
    while await second.take() is None:
        assert time.monotonic() - taken_at < 30
        await asyncio.sleep(0.02)
    assert time.monotonic() - taken_at >= 0.3
    assert second.before == first._owner.rpartition(":")[0]
    assert not await first.extend()
    assert not await first.prove()
    await first.release()  # gives back nothing that another one holds
    assert await second.prove()
    await second.release()


async def test_an_extended_lease_stays(database: str) -> None:
    """A lease counts from its last extension."""
    first, second = lease_on(database), lease_on(database)
    await first.take()
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE xoxo.token SET owned_until = owned_until - interval '20 seconds'")
    assert await first.extend()
    (left_s,) = await connection.fetchrow(
        "SELECT extract(epoch FROM owned_until - clock_timestamp())::float FROM xoxo.token"
    )
    await connection.close()
    assert 15 < left_s <= 30  # it was ten before
    assert await second.take() is None
    await first.release()
    await second.release()


async def test_a_former_holder_writes_an_unchanged_row(database: str) -> None:
    """It may hold the only live pair; and it never writes over a pair that was stored since."""
    first, second, third = (lease_on(database, lasts_s=0.05) for _ in range(3))
    await first.take()
    await asyncio.sleep(0.1)
    await second.take()
    assert await first.write("of the first", 1) == 1
    assert await second.write("of the second", 1) == 2  # the holder of the lease may always write
    assert await first.write("again", 1) is None
    assert await third.read() == (2, "of the second")
    for lease in (first, second, third):
        await lease.release()


async def test_a_row_that_is_gone_is_made_again(database: str) -> None:
    """A pair is not lost because somebody deleted the row; its number goes on from what the holder knows."""
    lease = lease_on(database)
    await lease.take()
    connection = await asyncpg.connect(database)
    await connection.execute("DELETE FROM xoxo.token")
    await connection.close()
    assert await lease.write("pair", 8) == 8
    assert await lease.read() == (8, "pair")
    await lease.release()


async def test_the_number_never_goes_back(database: str) -> None:
    """A database that lost commits gets a number beyond the one that others have seen, and never a lower one."""
    lease = lease_on(database)
    await lease.take()
    assert await lease.write("pair", 8) == 8
    assert await lease.write("next", 3) == 9
    await lease.release()


async def test_a_broken_connection_is_opened_again(database: str) -> None:
    """A statement that met the break fails, and the next one has a new connection."""
    row, other = TokenRow(DatabaseAddress.read(database), "one"), await asyncpg.connect(database)
    assert await row.read() == (0, None)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = $2"
    while await other.fetch(end, "xoxo token", database.rpartition("/")[2]):
        await asyncio.sleep(0.02)
    await other.close()
    with suppress(AuthError):  # the driver may have noticed the break already
        await row.read()
    assert await row.read() == (0, None)
    await row.close()
    await row.close()


async def test_missing_rights_are_a_config_error(database: str) -> None:
    """Another attempt does not help: a person must grant the rights."""
    connection = await asyncpg.connect(database)
    await connection.execute("DROP TABLE xoxo.token")
    await connection.close()
    row = TokenRow(DatabaseAddress.read(database), "one")
    with pytest.raises(ConfigError, match="xoxo ledger migrate"):
        await row.read()
    await row.close()


async def test_a_row_shows_no_pair(database: str) -> None:
    """The repr of a row has its number alone."""
    lease = lease_on(database)
    await lease.take()
    await lease.write("bearer", 1)
    assert repr(await lease.read()) == "Row(gen=1)"
    await lease.release()
