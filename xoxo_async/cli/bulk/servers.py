"""Find the server that a ledger belongs to: the account's, or a sandbox of its own."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger
    from xoxo_async.cli.connection import Connection

__all__ = ["address_of", "at_its_server", "books_of", "check_sandbox"]


def books_of(ledger: "LedgerAddress") -> Path:
    """Return the file in which the sandbox of a ledger keeps its books.

    It stands beside a ledger's file. A database has no folder, so its sandbox is a file of this user's on this machine.
    All jobs of a database have one sandbox, as they would have one vendor: two would give out the same order ids.

    Args:
        ledger: The ledger.
    """
    if ledger.path is not None:
        return ledger.path.with_name(f"{ledger.path.name}.sandbox")
    import hashlib

    from xoxo_async.environment import state_folder

    database = msgspec.structs.replace(ledger, job=None).name
    digest = hashlib.sha256(database.encode()).hexdigest()[:12]
    return (state_folder() or Path()) / f"ledger-{digest}.sandbox"


def address_of(connection: "Connection") -> str:
    """Return the name that a ledger uses for the address of a connection; empty for the client's base URL.

    Args:
        connection: The connection.
    """
    from xoxo_async.bulk.ledger.owners import OWN_SANDBOX

    return OWN_SANDBOX if connection.sandbox else ""


def at_its_server(connection: "Connection", ledger: "Ledger") -> "Connection":
    """Return a connection to the sandbox if the ledger belongs to its own one, so that no flag is needed.

    Args:
        connection: The connection from the flags.
        ledger: The ledger.
    """
    from xoxo_async.bulk.ledger.owners import is_own_sandbox

    ours = is_own_sandbox(ledger.identity) and not connection.base_url
    return msgspec.structs.replace(connection, sandbox=True) if ours else connection


def check_sandbox(ledger: "Ledger", *, sandbox: bool) -> None:
    """Refuse `--sandbox` for a ledger whose orders are elsewhere, so that no person takes real orders for play.

    Args:
        ledger: The ledger.
        sandbox: Whether `--sandbox` was given. Without it, any ledger is as it should be.

    Raises:
        ConfigError: The ledger's orders are at another server.
    """
    from xoxo_async.bulk.ledger.owners import is_own_sandbox

    if sandbox and ledger.identity is not None and not is_own_sandbox(ledger.identity):
        raise ConfigError(f"the orders of {ledger.name} are at {ledger.identity.address}, not in a sandbox of its own")
