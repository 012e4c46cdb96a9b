"""`purging`: whole finished jobs alone, and nothing can be bought again under what stays."""

import asyncpg
import pytest

from tests.unit.postgres.rows import add_job, add_worker, connected
from xoxo_async.postgres.purging import find_finished, purge_job

pytestmark = pytest.mark.anyio


async def test_a_finished_job_is_purged_to_its_numbers(database: str) -> None:
    """Keys, receivers, columns that rode along, errors, codes and the journal go; poNumbers and order ids stay."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "placed", "rejected", "cancelled")
        kept = await add_job(connection, "april", "placed")
        rides = "INSERT INTO xoxo.kept (job, key, value) VALUES ($1, 'k', '{}'), ($2, 'k', '{}')"
        await connection.execute(rides, job, kept)
        purged = await purge_job(connection, "march")
        assert purged is not None
        assert (purged.name, purged.rows, purged.orders) == ("march", 3, 3)
        lines = await connection.fetch("SELECT * FROM xoxo.line WHERE job = $1 ORDER BY id", job)
        assert [(row["po_number"], row["body"], row["digest"], row["error"]) for row in lines] == [
            (f"march-po{n}", "", "", "") for n in (1, 2, 3)
        ]
        assert all(row["key"] == f"purged:{row['id']}" for row in lines)
        codes = await connection.fetch("SELECT order_id, codes FROM xoxo.placed ORDER BY id")
        assert [tuple(row.values()) for row in codes] == [(1000 * job + 1, None), (1000 * kept + 1, "code")]
        assert await connection.fetchval("SELECT array_agg(job) FROM xoxo.kept") == [kept]
        journal = await connection.fetch("SELECT DISTINCT job FROM xoxo.journal")
        assert [row["job"] for row in journal] == [kept]


async def test_keys_and_po_numbers_may_be_swapped(database: str) -> None:
    """Each key is there once in a job, also in the middle of a purge."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "placed", "placed")
        swapped = "UPDATE xoxo.line SET key = CASE ordinal WHEN 1 THEN 'march-po2' ELSE 'march-po1' END WHERE job = $1"
        await connection.execute(swapped, job)
        assert await purge_job(connection, "march") is not None


async def test_nothing_is_bought_again_under_it(database: str) -> None:
    """Another job can have neither its poNumbers nor its order ids, and the name is taken."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed")
        order = await connection.fetchval("SELECT order_id FROM xoxo.placed")
        await purge_job(connection, "march")
        with pytest.raises(asyncpg.UniqueViolationError):
            await add_job(connection, "march", "planned")
        other = await add_job(connection, "april")
        line = "INSERT INTO xoxo.line (job, ordinal, account, key, po_number, digest, body, row)"
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(f"{line} VALUES ($1, 1, 0, 'k', 'march-po1', 'd', 'b', 1)", other)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("INSERT INTO xoxo.placed (id, account, order_id) VALUES (99, 0, $1)", order)


@pytest.mark.parametrize(
    ("state", "why"),
    [("planned", "1 not sent yet"), ("sending", "1 not sent yet"), ("unknown", "1 in doubt"),
     ("conflict", "1 in doubt"), ("manual", "1 waiting for a person"), ("pending", "1 waiting for their codes")],
)  # fmt: skip
async def test_an_unfinished_job_stays(database: str, state: str, why: str) -> None:
    """The reason is named, and nothing of it changes."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed", state)
        found = await find_finished(connection)
        assert (found.finished, found.open) == ((), {"march": why})
        assert await purge_job(connection, "march") is None
        assert await connection.fetchval("SELECT count(*) FROM xoxo.line WHERE body <> ''") == 2


async def test_a_job_with_a_worker_stays(database: str) -> None:
    """A worker may be about to record something; a dead one does not count."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "placed")
        await add_worker(connection, job, lease_s=15, holds=[])
        assert (await find_finished(connection)).open == {"march": "1 workers at it"}
        await connection.execute("UPDATE xoxo.worker SET lease_until = 'epoch'")
        assert await purge_job(connection, "march") is not None


async def test_a_job_that_is_being_planned_stays(database: str) -> None:
    """The plan would add its orders to a job that is gone."""
    async with connected(database) as planner, connected(database) as connection:
        await add_job(connection, "march", "placed")
        async with planner.transaction():
            await planner.execute("SELECT pg_advisory_xact_lock(hashtextextended('xoxo plan march', 0))")
            assert await purge_job(connection, "march") is None
        assert await purge_job(connection, "march") is not None


async def test_jobs_are_found_by_their_age(database: str) -> None:
    """Their last entry in the journal counts; a purged job is not found again."""
    async with connected(database) as connection:
        old = await add_job(connection, "old", "placed")
        await add_job(connection, "new", "placed")
        found = await find_finished(connection, before=1000.0 * old + 1)
        assert [job.name for job in found.finished] == ["old"]
        await purge_job(connection, "old")
        assert [job.name for job in (await find_finished(connection)).finished] == ["new"]
        assert await purge_job(connection, "old") is None
        assert await purge_job(connection, "never") is None
