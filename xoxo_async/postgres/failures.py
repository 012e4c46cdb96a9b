"""What a database's errors mean: one clear line, and whether the same work may succeed later."""

import socket
import ssl
from typing import Final, Protocol

import asyncpg

__all__ = ["FOREIGN", "DatabaseError", "explain", "is_about_a_value", "is_out_of_step", "is_passing", "is_repeated"]

FOREIGN: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
)
"""Everything that a call of the driver raises when a database or the way to it fails."""

_PASSING: Final = ("08", "40", "53", "57")
"""Classes of SQLSTATE that pass: the connection, a conflict of transactions, a full server, an operator's stop."""

_OF_VALUES: Final = ("21", "22", "23", "54")
"""Classes of SQLSTATE that are about a value: it is out of range, or breaks a rule of its table."""

_SAID: Final = {
    "28P01": "refuses the user or the password",
    "28000": "refuses the user: its pg_hba.conf does not let it in",
    "3D000": "does not exist on this server",
    "3F000": "does not have the schema `xoxo`: run `{migrate}` once",
    "42P01": "does not have the tables of this version: run `{migrate}` once",
    "42703": "does not have the tables of this version: run `{migrate}`",
    "42501": "does not give this user the rights that are needed: see `{roles}`",
    "26000": "has no such prepared statement: a pooler mixes connections. Leave statement_cache_size out of the URL",
    "42P05": "has such a prepared statement: a pooler mixes connections. Leave statement_cache_size out of the URL",
    "25006": "is read-only: it is a standby, or an operator has set it so",
    "53100": "has no room left on its disk",
    "53300": "has no connection left",
    "57P01": "was shut down by its operator",
    "57P02": "has crashed and starts again",
    "57P03": "is starting or stopping",
    "57014": "took too long",
}


_POOLER: Final = "08P01"
_POOLER_SAYS: Final = (("does not exist", "3D000"), ("no such database", "3D000"), ("authentication failed", "28P01"))
"""What a pooler says with one and the same SQLSTATE, and the server's own for it."""


class Named(Protocol):
    """An address, such as `DatabaseAddress`."""

    @property
    def name(self) -> str:
        """The address without its password."""
        ...

    def command(self, *words: str) -> str:
        """Return a `xoxo` command on it, quoted for a shell."""
        ...


class DatabaseError(Exception):
    """A database cannot be used, or a statement failed. It keeps no password, and no value of a row.

    Attributes:
        message: What is wrong, in one line that names the database.
        final: Whether the same work fails again until a person changes something.
        sqlstate: The database's own code; empty without one.
    """

    def __init__(self, message: str, *, final: bool, sqlstate: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.final = final
        self.sqlstate = sqlstate


def explain(error: BaseException, address: Named) -> DatabaseError:
    """Return a driver's error as ours.

    Args:
        error: One of `FOREIGN`, or any other error of the driver.
        address: The database's.
    """
    where = f"the database {address.name}"
    if isinstance(error, DatabaseError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        state = _state_of(error)
        final = not state.startswith(_PASSING)
        said = _said(state, address) or ("ended the connection" if state.startswith("08") else None)
        # Not the server's detail: it may repeat the values of a row, such as a voucher code.
        text = f"{where} {said}" if said else f"{where} refused a statement: {type(error).__name__} ({state})"
        return DatabaseError(text, final=final, sqlstate=state)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return DatabaseError(f"{where} {_SAID['25006']}", final=True, sqlstate="25006")
    text, final = _of_the_way(error)
    return DatabaseError(f"{where} {text}", final=final)


def _said(state: str, address: Named) -> str:
    """Return what a failure is in our words, with the whole command that mends it; empty if there are none."""
    return (
        _SAID.get(state, "")
        .replace("{migrate}", address.command("ledger", "migrate"))
        .replace("{roles}", address.command("ledger", "migrate", "--roles", "print"))
    )


def _state_of(error: asyncpg.PostgresError) -> str:
    state = str(getattr(error, "sqlstate", None) or "")
    return next((ours for text, ours in _POOLER_SAYS if text in str(error)), state) if state == _POOLER else state


def is_about_a_value(error: DatabaseError) -> bool:
    """Return whether a statement was refused for a value in it: one with other values may well succeed.

    Args:
        error: What `explain` has made of the driver's.
    """
    return error.sqlstate.startswith(_OF_VALUES) or isinstance(error.__cause__, ValueError)


def is_repeated(error: BaseException) -> bool:
    """Return whether a statement was refused because a unique value was there already.

    Args:
        error: One of `FOREIGN`.
    """
    return getattr(error, "sqlstate", None) == "23505"


def is_out_of_step(error: BaseException) -> bool:
    """Return whether the driver no longer follows its connection, which is to be given up.

    It also happens when a server that stops says so just while a statement is sent.

    Args:
        error: One of `FOREIGN`.
    """
    return isinstance(error, asyncpg.InternalClientError)


def is_passing(error: BaseException) -> bool:
    """Return whether a statement failed since two transactions were in each other's way: it may be repeated at once.

    Args:
        error: One of `FOREIGN`, or a `DatabaseError`.
    """
    return str(getattr(error, "sqlstate", None) or "").startswith("40")


def _of_the_way(error: BaseException) -> tuple[str, bool]:
    """Return what failed on the way to a database, and whether it goes on failing."""
    match error:
        case socket.gaierror():
            return "cannot be reached: its host has no address", False
        case ssl.SSLError():
            return f"cannot be reached over TLS: {error.reason or 'no reason was given'}", True
        case TimeoutError():
            return "does not answer", False
        case ConnectionError() if "rejected SSL upgrade" in str(error):
            return "has no TLS, and the URL's sslmode (or PGSSLMODE) requires it", True
        case OSError() | EOFError():
            return f"cannot be reached: {getattr(error, 'strerror', None) or 'the connection ended'}", False
        case asyncpg.InterfaceError() if "clos" in str(error):
            return "ended the connection", False
        case asyncpg.InternalClientError():
            return "and its driver are out of step: the connection was given up", False
        case _:
            return f"cannot be used: {type(error).__name__}", True
