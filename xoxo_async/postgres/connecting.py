"""Open one connection to a database, and refuse a database that would forget what it has confirmed."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import ipaddress
import logging
import socket
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain
from xoxo_async.postgres.migrating import check_version
from xoxo_async.postgres.pooling import is_pooled, own_setting, refuse_statement_mode
from xoxo_async.postgres.resolving import Resolved, resolve

__all__ = ["connect"]

_LOG: Final = logging.getLogger("xoxo_async")
_UNENCRYPTED: Final[set[str]] = set()
"""The databases that were warned about: a worker opens many connections, and one line is enough."""
_CONNECT_S: Final = 10.0
_STATEMENT_S: Final = 60.0
_KEEPALIVES: Final[Mapping[str, str]] = {
    "keepalives": "",
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""The options of libpq about a socket, and the system's own."""


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
        address: The database's. Its `connect_timeout` holds where it is shorter than `timeout_s`.
        purpose: What the connection is for; `pg_stat_activity` shows it to operators, with the URL's
            `application_name`.
        read_only: Whether a standby will do.
        check: Whether to refuse another schema version, and settings that lose confirmed commits.
        timeout_s: Seconds to connect.
        statement_s: Seconds for a statement.

    Raises:
        DatabaseError: The database cannot be used.
        ConfigError: The URL or a `PG…` variable is wrong, or what it names is missing: a service, a certificate, a key.
    """
    resolved = resolve(address)
    options: dict[str, Any] = {"timeout": min(timeout_s, resolved.connect_s or timeout_s)}
    options["command_timeout"] = statement_s
    if address.statement_cache_size is not None:
        options["statement_cache_size"] = address.statement_cache_size
    if not read_only and "target_session_attrs" not in resolved.options:
        options["target_session_attrs"] = "read-write"
    # The driver reads PGSSLNEGOTIATION only where this is None, and refuses an empty one.
    options["direct_tls"] = resolved.direct_tls
    own_name = resolved.options.get("application_name")
    options["server_settings"] = {"application_name": f"xoxo {purpose}" + (f" ({own_name})" if own_name else "")}
    connection = await _open(address, resolved, options)
    try:
        if await is_pooled(connection):
            await refuse_statement_mode(connection, address)
            if address.statement_cache_size is None:
                # A pooler may give each transaction another connection to the server. There a prepared statement is
                # missing, or one of the same name is another program's.
                connection.terminate()
                connection = await _open(address, resolved, options | {"statement_cache_size": 0})
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


async def _open(address: DatabaseAddress, resolved: Resolved, options: dict[str, Any]) -> DatabaseConnection:
    try:
        connection: DatabaseConnection = await asyncpg.connect(resolved.dsn, **options)
    except (ValueError, asyncpg.InterfaceError) as error:
        if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
            raise explain(error, address) from None
        # The driver's text is not shown, because it may repeat a part of the password.
        raise ConfigError(f"the database's URL ({address.name}) has a part that cannot be read") from None
    except FOREIGN as error:
        raise explain(error, address) from None
    try:
        _keep_alive(connection, resolved.options)
    except ConfigError as error:
        connection.terminate()
        raise ConfigError(f"the database's URL ({address.name}): {error.message}") from None
    return connection


def _keep_alive(connection: DatabaseConnection, options: Mapping[str, str]) -> None:
    """Set what libpq sets on the socket. A system may lack an option, as may a socket that is a file.

    Raises:
        ConfigError: The system refuses a value, whose bounds may be smaller than those of Linux.
    """
    if not _KEEPALIVES.keys() & options.keys():
        return
    transport: Any = getattr(connection, "_transport", None)  # the driver has no public way to its socket
    own_socket = transport.get_extra_info("socket") if transport is not None else None
    if own_socket is None or own_socket.family not in (socket.AF_INET, socket.AF_INET6):
        return
    own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, options.get("keepalives", "1") != "0")
    for name, constant in _KEEPALIVES.items():
        if constant and hasattr(socket, constant) and int(options.get(name, 0)):
            try:
                own_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, constant), int(options[name]))
            except OSError as error:
                raise ConfigError(f"this system does not take the value of {name}: {error.strerror}") from None


async def _check_settings(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Refuse a database that confirms a commit before it is on disk, or whose transactions do not see others' commits.

    It reads what the server, the database and the user set. Behind a pooler, the connection may also have what another
    client has set on it: that is no fault of the user's, and the next transaction may get another connection. Warn once
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
    leaves = row["host"] is not None and not ipaddress.ip_address(row["host"]).is_loopback
    if leaves and not row["tls"] and address.name not in _UNENCRYPTED:
        _UNENCRYPTED.add(address.name)
        _LOG.warning(
            "the connection to %s is not encrypted, and leaves this machine: add ?sslmode=require", address.name
        )
