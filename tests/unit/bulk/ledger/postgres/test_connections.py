"""A connection comes back after a failure, and says at once what will not pass."""

import asyncio

import asyncpg
import pytest

from xoxo_async.bulk.ledger.postgres.connections import Link, ledger_error
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import DatabaseError

pytestmark = pytest.mark.anyio


async def ask(connection: DatabaseConnection) -> int:
    return int(await connection.fetchval("SELECT 1"))


async def test_a_lost_connection_comes_back(database: str) -> None:
    """What only reads is done again; what may have written is not."""
    link = Link(DatabaseAddress.read(database), "test")
    lost = 0

    async def lose(connection: DatabaseConnection) -> int:
        nonlocal lost
        lost += 1
        if lost == 1:
            connection.terminate()
        return await ask(connection)

    assert await link.run(lose, again=True) == 1
    lost = 0
    with pytest.raises(DatabaseError) as raised:
        await link.run(lose)
    assert not raised.value.final
    assert await link.run(lose) == 1
    await link.close()


async def test_a_confused_driver_is_given_up(database: str) -> None:
    """A server that stops may say so just while a statement is sent."""
    link = Link(DatabaseAddress.read(database), "test")
    asked: list[DatabaseConnection] = []

    async def confuse(connection: DatabaseConnection) -> int:
        asked.append(connection)
        if len(asked) == 1:
            raise asyncpg.InternalClientError("got a message in no state")
        return await ask(connection)

    assert await link.run(confuse, again=True) == 1
    assert asked[0].is_closed()
    assert link.connects == 2
    await link.close()


async def test_a_database_that_is_away_is_waited_for(database: str) -> None:
    """As long as patience lasts; then every call fails at once, until the database is back."""
    link = Link(DatabaseAddress.read("postgresql://xoxo@127.0.0.1:9/none"), "test", patience_s=0.3)
    with pytest.raises(DatabaseError) as raised:
        await link.run(ask)
    assert not raised.value.final
    assert not link.patient
    async with asyncio.timeout(5):
        with pytest.raises(DatabaseError):
            await link.run(ask)
    assert "127.0.0.1:9" in ledger_error(raised.value).message


async def test_a_wrong_statement_is_final(database: str) -> None:
    """It fails at once, and the connection serves the next piece of work."""
    link = Link(DatabaseAddress.read(database), "test")
    with pytest.raises(DatabaseError) as raised:
        await link.run(lambda connection: connection.execute("SELECT nothing FROM nowhere"), again=True)
    assert raised.value.final
    assert await link.run(ask) == 1
    await link.close()


async def test_an_open_transaction_ends_with_its_work(database: str) -> None:
    """Work that fails in a transaction of its own leaves nothing open, and nothing written."""
    link = Link(DatabaseAddress.read(database), "test")

    async def begin(connection: DatabaseConnection) -> None:
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO xoxo.meta VALUES ('a', 'b')")
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        await link.run(begin)
    left = await link.run(lambda c: c.fetchval("SELECT count(*) FROM xoxo.meta WHERE name = 'a'"))
    assert left == 0
    await link.close()
