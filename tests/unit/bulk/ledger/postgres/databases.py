"""A database with jobs as the tests of this folder want them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.unit.bulk.ledger.facts import alone, fact
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine
from xoxo_async.bulk.ledger.postgres.jobs import JobRow, find_job
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection

START = 1_800_000_000.0


def at_start() -> float:
    """Return the time of a test whose clock stands still."""
    return START


def opened(database: str, job: str = "march", clock: Callable[[], float] = at_start) -> PostgresLedger:
    """Return an opening of a job."""
    return PostgresLedger(database, job=job, codes_key="", clock=clock)


@asynccontextmanager
async def connected(database: str) -> AsyncIterator[DatabaseConnection]:
    """Give a connection."""
    connection = await connect(DatabaseAddress.read(database), purpose="test")
    try:
        yield connection
    finally:
        await connection.close()


async def planned_job(database: str, count: int, job: str = "march") -> JobRow:
    """Plan a job of some lines worth 100 each, numbered from 0, and return it."""
    async with opened(database, job) as ledger:
        await ledger.plan(job, each(alone(*range(count))))
    return await job_of(database, job)


async def job_of(database: str, job: str = "march") -> JobRow:
    """Return a job."""
    async with connected(database) as connection:
        found = await find_job(connection, job)
    assert found is not None
    return found


async def lost(ledger: PostgresLedger, count: int) -> list[LedgerLine]:
    """Send some lines whose answers are lost."""
    return await ledger.record([fact(line, Evidence.OUTCOME_LOST) for line in await ledger.claim(count)])


def doubled(_product: int, value: Decimal, count: int) -> Decimal:
    """Return twice the price."""
    return value * count * 2


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
    " AND wait_event_type = 'Lock'"
)
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = $1"
)


async def lapse(database: str, ledger: PostgresLedger) -> None:
    """End a worker's lease; the worker does not notice."""
    async with connected(database) as connection:
        end = "UPDATE xoxo.worker SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1"
        await connection.execute(end, ledger.worker)


async def waits(database: str, name: str, count: int = 1) -> None:
    """Return once some connections of a name wait for a lock."""
    async with connected(database) as connection:
        while await connection.fetchval(_WAITING, name) < count:
            await asyncio.sleep(0.01)


async def cut(database: str, name: str) -> None:
    """End the connections of a name."""
    async with connected(database) as connection:
        await connection.execute(_CUT, name)


async def lose(database: str, connection: Any) -> None:
    """Lose a ledger's writing connection while its statement waits for a lock; the database runs it to its end."""
    await waits(database, "xoxo ledger writer")
    connection.terminate()


def before(monkeypatch: pytest.MonkeyPatch, text: str, hook: Callable[[Any], Awaitable[object]]) -> None:
    """Await something before the first statement that begins with a text; it gets the statement's connection."""
    done: list[str] = []

    def patch(name: str) -> None:
        call = getattr(asyncpg.Connection, name)

        async def run(self: Any, query: str, *arguments: object, **options: Any) -> Any:
            if query.startswith(text) and not done:
                done.append(query)
                await hook(self)
            return await call(self, query, *arguments, **options)

        monkeypatch.setattr(asyncpg.Connection, name, run)

    patch("execute")
    patch("fetch")


async def raise_generation(connection: DatabaseConnection) -> int:
    """Do the first of what `xoxo ledger check --restored` does, without ending the leases; return the generation."""
    raised = (
        "UPDATE xoxo.meta SET value = 1 + greatest(value::integer, (SELECT max(generation) FROM xoxo.job))"
        " WHERE name = 'generation' RETURNING value::integer"
    )
    return int(await connection.fetchval(raised))


_WRITTEN = ("line", "claim", "placed", "code_mark", "journal", "tally")


async def remember(connection: DatabaseConnection) -> None:
    """Keep what workers write, as a standby has it that gets no later commit."""
    for name in _WRITTEN:
        await connection.execute(f"CREATE TABLE public.old_{name} AS TABLE xoxo.{name}")


async def take_over(database: str, connection: DatabaseConnection) -> None:
    """Put back what was kept, and end the connection of the ledger's writer: that standby has taken over."""
    for name in _WRITTEN:
        await connection.execute(f"DELETE FROM xoxo.{name}")  # noqa: S608 - names of tables
    for name in reversed(_WRITTEN):
        await connection.execute(f"INSERT INTO xoxo.{name} OVERRIDING SYSTEM VALUE TABLE public.old_{name}")
    await cut(database, "xoxo ledger writer")
