"""`checking`: what a worker would refuse, what is wrong, and what an operator should know."""

from pathlib import Path

import asyncpg
import pytest

from tests.postgres import PostgresServer
from tests.unit.postgres.rows import add_job, add_worker, connected, seqs_of, user_of
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.checking import Checked, check
from xoxo_async.postgres.connecting import connect

pytestmark = pytest.mark.anyio


async def checked(url: str) -> Checked:
    address = DatabaseAddress.read(url)
    connection = await connect(address, purpose="tests", check=False, read_only=True)
    try:
        return await check(connection, address)
    finally:
        connection.terminate()


async def test_a_sound_database_has_no_faults(database: str) -> None:
    """Its jobs are counted, and a recount agrees."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed", "pending", "planned", "rejected")
        await add_job(connection, "april", "planned")
    found = await checked(database)
    assert (found.refused, found.wrong, found.warnings) == ((), (), ())
    assert [(job.name, job.orders) for job in found.jobs] == [
        ("march", {"placed": 2, "planned": 1, "rejected": 1}),
        ("april", {"planned": 1}),
    ]
    assert (found.version, found.generation) == (1, 1)
    assert found.rights is not None
    assert found.rights.role == "owner"
    assert abs(found.clock_ahead_s) < 2


async def test_counts_that_a_recount_denies_are_named(database: str) -> None:
    """The job, the state and both numbers."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed", "planned")
        await connection.execute("UPDATE xoxo.tally SET orders = orders + 1 WHERE state = 'planned'")
        await connection.execute("UPDATE xoxo.tally SET charged = charged + 5 WHERE state = 'placed'")
    found = await checked(database)
    assert len(found.wrong) == 2
    assert all(text.startswith("job march: 1 orders ") for text in found.wrong)
    assert any("planned" in text and "say 2 at" in text for text in found.wrong)
    assert any("placed (delivered) at 100 INR" in text and "105" in text for text in found.wrong)


async def test_counts_of_workers_add_up(database: str) -> None:
    """One worker claims a line and another one places it: a single row may be negative."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "planned")
        for worker, state, orders in ((1, "planned", -1), (1, "sending", 1), (2, "sending", -1), (2, "rejected", 1)):
            await connection.execute(
                "INSERT INTO xoxo.tally (job, worker, state, delivery, currency, single, orders, priced, charged)"
                " VALUES ($1, $2, $3, '', '', true, $4, 0, 0)",
                job, worker, state, orders,
            )  # fmt: skip
        await connection.execute("UPDATE xoxo.line SET state = 'rejected'")
    assert (await checked(database)).wrong == ()


async def test_dead_workers_with_orders_are_shown(database: str) -> None:
    """They matter where nobody else is at work; an order in flight has an age."""
    async with connected(database) as connection:
        job = await add_job(connection, "march", "planned", "planned", "manual")
        first, second, _third = await seqs_of(connection, job)
        await add_worker(connection, job, lease_s=-5, holds=[first])
        dead = (await checked(database)).warnings
        await add_worker(connection, job, lease_s=15, holds=[second])
    found = await checked(database)
    (march,) = found.jobs
    assert (march.workers, march.expired) == (1, 1)
    assert march.oldest_sending_s is not None
    assert 0 <= march.oldest_sending_s < 60
    assert march.looks == {"person": 1}
    where = DatabaseAddress.read(database).command("bulk", "resume", job="march")
    assert any(f"`{where}`" in text for text in dead)
    assert not any("bulk resume" in text for text in found.warnings)
    status = DatabaseAddress.read(database).command("bulk", "status", job="march")
    assert any(f"a person must decide 1 order: `{status}`" in text for text in found.warnings)


async def test_a_restored_database_says_so(database: str) -> None:
    """Jobs of an older generation look their planned orders up first."""
    async with connected(database) as connection:
        await add_job(connection, "march", "planned")
        await connection.execute("UPDATE xoxo.meta SET value = '2' WHERE name = 'generation'")
    found = await checked(database)
    assert (found.generation, found.jobs[0].behind) == (2, True)
    assert any("restored" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("setting", "refused"),
    [("synchronous_commit = off", "synchronous_commit = off"), ("default_transaction_read_only = on", "read-only")],
)
async def test_what_a_worker_refuses_is_refused(database: str, setting: str, refused: str) -> None:
    """The check goes on, and shows the rest."""
    connection = await asyncpg.connect(database)
    await connection.execute(f"ALTER DATABASE {Path(database).name} SET {setting}")
    await connection.close()
    found = await checked(database)
    assert len(found.refused) == 1
    assert refused in found.refused[0]
    assert found.version == 1


async def test_a_reader_may_check(database: str) -> None:
    """The database is sound, so nothing is refused; who lacks only some rights of a worker is refused with a list."""
    async with connected(database) as connection:
        await add_job(connection, "march", "placed")
    reader = await user_of(database, "xoxo_reader")
    found = await checked(reader)
    assert (found.refused, found.wrong) == ((), ())
    assert [job.name for job in found.jobs] == ["march"]
    assert any("only reads" in text for text in found.warnings)
    async with connected(database) as connection:
        await connection.execute(f"GRANT INSERT ON xoxo.journal TO {reader.partition('//')[2].partition('@')[0]}")
    assert "INSERT on line" in (await checked(reader)).refused[0]


async def test_without_the_schema_the_command_is_named(postgres: PostgresServer) -> None:
    """Nothing of it is read then."""
    found = await checked(await postgres.new_empty_database())
    assert (found.version, found.jobs, found.rights) == (0, (), None)
    assert "xoxo ledger migrate" in found.refused[0]
