"""What an operator does to a database of ledgers: make or update its schema, check it, restore it, purge it."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from xoxo_async.errors import LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.checking import Checked, check
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain
from xoxo_async.postgres.migrating import migrate
from xoxo_async.postgres.pooling import is_pooled, shares_sessions
from xoxo_async.postgres.purging import FinishedJob, Found, find_finished, purge_job
from xoxo_async.postgres.roles import apply_roles

__all__ = ["Migrated", "check_database", "find_purgeable", "migrate_database", "purge_jobs", "raise_generation"]

_LONG_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_SKIPPED: Final = 1_000_000

_RAISE: Final = (
    "UPDATE xoxo.meta SET value = 1 + greatest(value::integer, (SELECT max(generation) FROM xoxo.job))"
    " WHERE name = 'generation' RETURNING value::integer"
)
_END_LEASES: Final = "UPDATE xoxo.worker SET lease_until = 'epoch' WHERE lease_until > 'epoch'"
# Numbers that were given out after the backup must not be given out again: a worker may still know them.
_SKIP: Final = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, start_value) + $1)
  FROM pg_sequences WHERE schemaname = 'xoxo' AND data_type = 'bigint'::regtype
"""


class Migrated(NamedTuple):
    """What `migrate_database` did.

    Attributes:
        before: The version of the schema before; 0 without one.
        after: The version now.
        roles: Whether the roles were made, and given their rights.
    """

    before: int
    after: int
    roles: bool


@asynccontextmanager
async def _connected(where: str, *, read_only: bool = False, check: bool = True) -> AsyncGenerator[DatabaseConnection]:
    """Connect for a block, and turn what fails there into a `LedgerError`."""
    address = DatabaseAddress.read(where)
    try:
        connection = await connect(
            address, purpose="ledger operations", read_only=read_only, check=check, statement_s=_LONG_S
        )
        try:
            yield connection
        finally:
            connection.terminate()
    except DatabaseError as error:
        raise LedgerError(error.message) from None
    except FOREIGN as error:
        raise LedgerError(explain(error, address).message) from None


async def migrate_database(where: str, *, roles: bool = False) -> Migrated:
    """Make the schema `xoxo`, or bring it to this version. One program at a time does it, and it is safe to repeat.

    Args:
        where: The database's URL.
        roles: Whether to make the roles owner, worker and reader as well, and give them their rights.

    Raises:
        ConfigError: The URL is wrong.
        LedgerError: The database cannot be used, its schema is newer, or the user may not do this.
    """
    address = DatabaseAddress.read(where)
    async with _connected(where, check=False) as connection:
        before, after = await migrate(connection, address)
        if roles:
            await apply_roles(connection, address)
    return Migrated(before, after, roles)


async def check_database(where: str) -> Checked:
    """Check a database: version, settings, rights, clock, jobs, dead workers, and that its counts are right.

    Args:
        where: The database's URL. A standby will do, and is named as one.

    Raises:
        ConfigError: The URL is wrong.
        LedgerError: The database cannot be reached or read.
    """
    address = DatabaseAddress.read(where)
    async with _connected(where, read_only=True, check=False) as connection:
        found = await check(connection, address)
        if not await is_pooled(connection):
            return found
        async with _connected(where, read_only=True, check=False) as other:
            shared = await shares_sessions(connection, other)
        return found._replace(pooler="transaction" if shared else "session")


async def raise_generation(where: str) -> int:
    """Say that a database was restored from a backup, or lost commits in a fail-over. Moves no money.

    Orders that it shows as planned may have been sent. From now on no worker claims any, until a run or a worker has
    opened the job anew: it looks the planned orders up before it sends them. All leases end, and numbers that were
    given out since the backup are not given out again.

    Args:
        where: The database's URL; its user is the owner.

    Returns:
        The new generation.

    Raises:
        ConfigError: The URL is wrong.
        LedgerError: The database cannot be used, or the user is not its owner.
    """
    async with _connected(where) as connection, connection.transaction():
        generation = int(await connection.fetchval(_RAISE))
        await connection.execute(_END_LEASES)
        await connection.fetch(_SKIP, _SKIPPED)
    return generation


async def find_purgeable(where: str, *, job: str | None = None, older_than_days: float | None = None) -> Found:
    """Return the finished jobs that `purge_jobs` may purge, and why the others may not be.

    Args:
        where: The database's URL.
        job: Only this job; None is every job.
        older_than_days: Only jobs about which nothing was recorded for so many days; None is any time.

    Raises:
        ConfigError: The URL is wrong.
        LedgerError: The database cannot be used, or has no such job.
    """
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_S
    async with _connected(where, read_only=True) as connection:
        found = await find_finished(connection, job=job, before=before)
        if job is not None and not found.finished and job not in found.open and before is None:
            known = await connection.fetchval("SELECT true FROM xoxo.job WHERE name = $1", job)
            why = "is purged already" if known else "is not in this database"
            raise LedgerError(f"the job {job!r} {why}")
    return found


async def purge_jobs(where: str, names: list[str]) -> list[FinishedJob]:
    """Purge finished jobs, each in a transaction of its own. It cannot be undone. Moves no money.

    Keys, receivers, products, voucher codes and journal go. A short row an order stays, with its poNumber and its order
    id: neither can be used again, so nothing is bought twice under them.

    Args:
        where: The database's URL; its user is the owner.
        names: The jobs.

    Returns:
        Those that were purged. One that is no longer finished is left as it is.

    Raises:
        ConfigError: The URL is wrong.
        LedgerError: The database cannot be used, or the user is not its owner.
    """
    async with _connected(where) as connection:
        done = [await purge_job(connection, name) for name in names]
    return [job for job in done if job is not None]
