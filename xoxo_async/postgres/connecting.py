"""Open one connection to a database, and refuse a database that would forget what it has confirmed."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import ipaddress
import logging
from typing import Any, Final

import asyncpg

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain
from xoxo_async.postgres.migrating import check_version
from xoxo_async.postgres.pooling import is_pooled, own_setting, refuse_statement_mode

__all__ = ["connect"]

_LOG: Final = logging.getLogger("xoxo_async")
_CONNECT_S: Final = 10.0
_STATEMENT_S: Final = 60.0


async def connect(
    address: DatabaseAddress,
    *,
    purpose: str,
    read_only: bool = False,
    check: bool = True,
    timeout_s: float = _CONNECT_S,
    statement_s: float = _STATEMENT_S,
) -> DatabaseConnection:
    """Open a connection of one's own. The caller closes it.

    It is no pool's: a pool may fail to take a connection back after the work is done, and the work's result is lost.
    Behind a pooler such as pgbouncer it keeps no prepared statement, unless the address says how many.

    Args:
        address: The database's.
        purpose: What the connection is for; `pg_stat_activity` shows it to operators.
        read_only: Whether a standby will do.
        check: Whether to refuse another schema version, and settings that lose confirmed commits.
        timeout_s: Seconds to connect.
        statement_s: Seconds for a statement.

    Raises:
        DatabaseError: The database cannot be used.
        ConfigError: The URL is wrong.
    """
    options: dict[str, Any] = {"timeout": timeout_s, "command_timeout": statement_s}
    if address.statement_cache_size is not None:
        options["statement_cache_size"] = address.statement_cache_size
    if not read_only and "target_session_attrs" not in address.dsn:
        options["target_session_attrs"] = "read-write"
    connection = await _open(address, purpose, options)
    try:
        if await is_pooled(connection):
            await refuse_statement_mode(connection, address)
            if address.statement_cache_size is None:
                # A pooler may give each transaction another connection to the server. There a prepared statement is
                # missing, or one of the same name is another program's.
                connection.terminate()
                connection = await _open(address, purpose, options | {"statement_cache_size": 0})
        if check:
            await check_version(connection, address)
            if not read_only:
                await _check_settings(connection, address)
    except FOREIGN as error:
        connection.terminate()
        raise explain(error, address) from None
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _open(address: DatabaseAddress, purpose: str, options: dict[str, Any]) -> DatabaseConnection:
    try:
        connection: DatabaseConnection = await asyncpg.connect(
            address.dsn,
            server_settings={"application_name": f"xoxo {purpose}"},
            **options,
        )
    except (ValueError, asyncpg.InterfaceError) as error:
        if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
            raise explain(error, address) from None
        # The driver's text is not shown, because it may repeat a part of the password.
        raise ConfigError(f"the database's URL ({address.name}) has a part that cannot be read") from None
    except FOREIGN as error:
        raise explain(error, address) from None
    return connection


async def _check_settings(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Refuse a database that confirms a commit before it is on disk, or whose transactions do not see others' commits.

    It reads what the server, the database and the user set. Behind a pooler, the connection may also have what another
    client has set on it: that is no fault of the user's, and the next transaction may get another connection. Warn
    where others can read what is sent.
    """
    row = await connection.fetchrow(
        f"SELECT current_setting('fsync') AS fsync, {own_setting('synchronous_commit')} AS commits,"
        f" {own_setting('default_transaction_isolation')} AS isolation,"
        " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,"
        " host(inet_server_addr()) AS host"
    )
    if row is None:
        raise DatabaseError(f"the database {address.name} gave no answer", final=False)
    for name, value, advice in (
        ("fsync", row["fsync"], "in postgresql.conf"),
        ("synchronous_commit", row["commits"], "for this user at least: ALTER ROLE … SET synchronous_commit = on"),
    ):
        if value == "off":
            raise DatabaseError(
                f"the database {address.name} has {name} = off: a crash would lose intents whose orders were sent. Set"
                f" it to on ({advice})",
                final=True,
            )
    if row["isolation"] != "read committed":
        raise DatabaseError(
            f"the database {address.name} has default_transaction_isolation = {row['isolation']}: workers would end one"
            " another's transactions. Set it to 'read committed' (for this user at least: ALTER ROLE … SET"
            " default_transaction_isolation = 'read committed')",
            final=True,
        )
    if row["host"] is not None and not row["tls"] and not ipaddress.ip_address(row["host"]).is_loopback:
        _LOG.warning(
            "the connection to %s is not encrypted, and leaves this machine: add ?sslmode=require", address.name
        )
