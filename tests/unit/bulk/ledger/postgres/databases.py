"""A database with jobs as the tests of this folder want them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

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
