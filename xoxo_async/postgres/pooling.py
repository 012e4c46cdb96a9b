"""Recognise a pooler such as pgbouncer between a program and the database's server, and what it does to a session.

A pooler in transaction mode gives each transaction another connection to the server. What a session has on it, such as
prepared statements or LISTEN, then belongs to whoever gets that connection next.
"""

from typing import Final

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN, DatabaseError

__all__ = ["is_pooled", "own_setting", "refuse_statement_mode", "shares_sessions"]

_LOOKS: Final = 5
_PID: Final = "SELECT pg_backend_pid()"
_FORBIDDEN: Final = "statement pooling"


async def is_pooled(connection: DatabaseConnection) -> bool:
    """Return whether a connection leads to a pooler. It leaves no prepared statement behind.

    A server tells a new connection the process that serves it. A pooler tells a number of its own, since that process
    changes.

    Args:
        connection: Just opened.
    """
    return await _process_of(connection) != connection.get_server_pid()


def own_setting(name: str) -> str:
    """Return the SQL of a setting as the server, the database and the user have it.

    Another client of the pooler may have changed it on the connection to the server that this one gets, with SET.

    Args:
        name: The setting's.
    """
    return f"(SELECT reset_val FROM pg_settings WHERE name = '{name}')"  # noqa: S608 - this package's own names


async def refuse_statement_mode(connection: DatabaseConnection, address: DatabaseAddress) -> None:
    """Refuse a pooler that allows no transactions.

    Args:
        connection: To a pooler.
        address: The database's, for the message.

    Raises:
        DatabaseError: It is in statement mode.
    """
    try:
        async with connection.transaction():
            await _process_of(connection)
    except FOREIGN as error:
        if _FORBIDDEN not in str(error):  # it ends the connection, so the SQLSTATE is one of several
            raise
        raise DatabaseError(
            f"the database {address.name} is behind a pooler in statement mode, which allows no transaction: set its"
            " pool_mode to transaction or session, or name the port of the server itself",
            final=True,
        ) from None


async def shares_sessions(one: DatabaseConnection, other: DatabaseConnection) -> bool:
    """Return whether a pooler gives connections of the server from one session to another, as in transaction mode.

    Where it does, one process of the server serves both connections, or several processes serve one of them. In session
    mode each connection keeps its own process.

    Args:
        one: A connection to the pooler.
        other: Another one, by the same user to the same database.
    """
    first: set[int] = set()
    second: set[int] = set()
    for _ in range(_LOOKS):  # another program may take a connection between the two, so one look may miss it
        first.add(await _process_of(one))
        second.add(await _process_of(other))
    return len(first) > 1 or len(second) > 1 or bool(first & second)


async def _process_of(connection: DatabaseConnection) -> int:
    # Without a name: a named statement stays on the server's connection, and the next program has the same names.
    statement = await connection.prepare(_PID, name="")
    return int(await statement.fetchval())
