"""`operations`: what an operator calls; every failure is a `LedgerError` in one line."""

import pytest

from tests.postgres import PostgresServer
from tests.unit.postgres.rows import add_job, add_worker, connected, seqs_of
from xoxo_async.errors import ConfigError, LedgerError
from xoxo_async.postgres.operations import (
    Migrated,
    check_database,
    find_purgeable,
    migrate_database,
    purge_jobs,
    raise_generation,
)

pytestmark = pytest.mark.anyio


async def test_a_database_is_made_ready(postgres: PostgresServer) -> None:
    """With its roles, and twice; then it passes its check."""
    url = await postgres.new_empty_database()
    assert await migrate_database(url, roles=True) == Migrated(0, 1, True)
    assert await migrate_database(url) == Migrated(1, 1, False)
    assert (await check_database(url)).refused == ()


async def test_a_restored_database_gives_no_number_again(database: str) -> None:
    """The generation rises, leases end, and numbers that a worker may still know are skipped."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "planned")
        (before,) = await seqs_of(connection, job)
        await add_worker(connection, job, lease_s=15, holds=[before])
        epoch = await connection.fetchval("SELECT max(epoch) FROM xoxo.claim")
        assert [await raise_generation(database), await raise_generation(database)] == [2, 3]
        assert await connection.fetchval("SELECT count(*) FROM xoxo.worker WHERE lease_until > now()") == 0
        after = await add_job(connection, "april", "planned")
        assert (await seqs_of(connection, after))[0] > before + 1_000_000
        await add_worker(connection, after, lease_s=15, holds=await seqs_of(connection, after))
        assert await connection.fetchval("SELECT max(epoch) FROM xoxo.claim") > epoch + 1_000_000
    assert (await check_database(database)).generation == 3


async def test_a_missing_job_is_named(database: str) -> None:
    """So is one that was purged; one that is still open is no error."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed")
        await add_job(connection, "april", "planned")
    assert [job.name for job in await purge_jobs(database, ["march", "april", "may"])] == ["march"]
    with pytest.raises(LedgerError, match="'march' is purged already"):
        await find_purgeable(database, job="march")
    with pytest.raises(LedgerError, match="'may' is not in this database"):
        await find_purgeable(database, job="may")
    assert (await find_purgeable(database, job="april")).open == {"april": "1 not sent yet"}
    assert (await find_purgeable(database, older_than_days=1)).finished == ()


async def test_what_fails_is_one_line_without_a_password(postgres: PostgresServer) -> None:
    """No schema, no database, no server, no URL."""
    empty = await postgres.new_empty_database()
    for url, match in (
        (empty, "xoxo ledger migrate"),
        (postgres.dsn("nowhere"), "does not exist on this server"),
        ("postgresql://xoxo:s3cret@127.0.0.1:9/x", "cannot be reached"),
    ):
        with pytest.raises(LedgerError, match=match) as caught:
            await raise_generation(url)
        assert "s3cret" not in caught.value.message
        assert "\n" not in caught.value.message
    with pytest.raises(ConfigError):
        await check_database("mysql://x")
