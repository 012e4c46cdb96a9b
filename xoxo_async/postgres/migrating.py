"""The versions of the schema `xoxo`, and the steps from one to the next."""

from importlib import resources
from typing import Final

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain

__all__ = ["SCHEMA_VERSION", "check_version", "migrate"]

SCHEMA_VERSION: Final = 1
"""The version that this package works with: the number of the last file in `migrations`."""

_LOCK: Final = 0x786F786F  # "xoxo"
_VERSION: Final = "SELECT value FROM xoxo.meta WHERE name = 'schema_version'"
_SET_VERSION: Final = (
    "INSERT INTO xoxo.meta (name, value) VALUES ('schema_version', $1)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


async def version_of(connection: DatabaseConnection) -> int:
    """Return the version of the schema; 0 where there is none."""
    if await connection.fetchval("SELECT to_regclass('xoxo.meta')") is None:
        return 0
    return int(await connection.fetchval(_VERSION) or 0)


async def check_version(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Refuse a schema of another version.

    Args:
        connection: To the database.
        address: The database's, for messages.

    Raises:
        DatabaseError: The schema is absent, older or newer.
    """
    version = await version_of(connection)
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        await _require_nothing(connection, address)
        raise DatabaseError(
            f"the database {address.name} does not have the schema `xoxo`: run `{address.command('ledger', 'migrate')}`"
            " once",
            final=True,
        )
    older = version < SCHEMA_VERSION
    advice = (
        f"run `{address.command('ledger', 'migrate')}`" if older else "install the version of xoxo-async that made it"
    )
    raise DatabaseError(
        f"the database {address.name} has version {version} of the schema `xoxo`, and this program needs"
        f" {SCHEMA_VERSION}: {advice}",
        final=True,
    )


async def migrate(connection: DatabaseConnection, address: DatabaseAddress) -> tuple[int, int]:
    """Make the schema, or bring it to this version; all steps or none, one program at a time. Safe to repeat.

    Args:
        connection: To the database, opened with `check=False`.
        address: The database's, for messages.

    Returns:
        The version before and after.

    Raises:
        DatabaseError: The schema is newer, or a step failed.
    """
    try:
        async with connection.transaction():
            # Until the end of the transaction: two programs that are deployed at once do not both make the tables.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            before = await version_of(connection)
            if before > SCHEMA_VERSION:
                await check_version(connection, address)
            if before == 0:
                await _require_nothing(connection, address)
            for version in range(before + 1, SCHEMA_VERSION + 1):
                await connection.execute(_step(version))
            if before != SCHEMA_VERSION:
                await connection.execute(_SET_VERSION, str(SCHEMA_VERSION))
    except FOREIGN as error:
        raise explain(error, address) from None
    return before, SCHEMA_VERSION


async def _require_nothing(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Refuse tables without a version: somebody has changed it by hand, and it cannot be guessed."""
    if await connection.fetchval("SELECT to_regclass('xoxo.line')") is not None:
        raise DatabaseError(
            f"the database {address.name} has the tables of the schema `xoxo`, and not their version: put the row"
            " schema_version of xoxo.meta back as it was, or restore a backup",
            final=True,
        )


def _step(version: int) -> str:
    return resources.files("xoxo_async.postgres").joinpath("migrations", f"{version:04}.sql").read_text()
