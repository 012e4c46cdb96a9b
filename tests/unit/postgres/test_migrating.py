"""The schema is made once, whole, whoever comes first."""

import asyncio

import asyncpg
import pytest

from tests.postgres import PostgresServer
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.failures import DatabaseError
from xoxo_async.postgres.migrating import SCHEMA_VERSION, migrate

pytestmark = pytest.mark.anyio


async def migrated(url: str) -> tuple[int, int]:
    address = DatabaseAddress.read(url)
    connection = await connect(address, purpose="tests", check=False)
    try:
        return await migrate(connection, address)
    finally:
        await connection.close()


async def test_it_is_made_once(postgres: PostgresServer) -> None:
    """A second time changes nothing."""
    url = await postgres.new_empty_database()
    assert await migrated(url) == (0, SCHEMA_VERSION)
    assert await migrated(url) == (SCHEMA_VERSION, SCHEMA_VERSION)
    await (await connect(DatabaseAddress.read(url), purpose="tests")).close()


async def test_deployed_twice_at_once(postgres: PostgresServer) -> None:
    """One makes it, the other one waits and finds it."""
    url = await postgres.new_empty_database()
    assert sorted(await asyncio.gather(migrated(url), migrated(url))) == [(0, SCHEMA_VERSION), (SCHEMA_VERSION,) * 2]


async def test_a_newer_schema_is_left_alone(database: str) -> None:
    """An old program does not touch what a newer one made."""
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE xoxo.meta SET value = '99' WHERE name = 'schema_version'")
    await connection.close()
    with pytest.raises(DatabaseError, match="version 99"):
        await migrated(database)


@pytest.mark.parametrize("change", ["UPDATE xoxo.meta SET value = '0'", "DELETE FROM xoxo.meta"])
async def test_tables_without_a_version_are_not_made_again(database: str, change: str) -> None:
    """It was changed by hand. The error says so, also to a worker, and does not advise to migrate."""
    connection = await asyncpg.connect(database)
    await connection.execute(f"{change} WHERE name = 'schema_version'")
    await connection.close()
    with pytest.raises(DatabaseError, match="and not their version: put the row schema_version"):
        await migrated(database)
    with pytest.raises(DatabaseError, match="and not their version: put the row schema_version"):
        await connect(DatabaseAddress.read(database), purpose="tests")
