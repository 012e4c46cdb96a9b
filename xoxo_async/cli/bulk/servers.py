"""Which server a ledger is of: the account's, or a sandbox of its own beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from xoxo_async.cli.connection import Connection

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["address_of", "at_its_server", "books_of"]


def books_of(ledger: Path) -> Path:
    """Return where the sandbox of a ledger keeps its books.

    Args:
        ledger: The ledger.
    """
    return ledger.with_name(f"{ledger.name}.sandbox")


def address_of(connection: Connection) -> str:
    """Return what a ledger calls the address of a connection; empty where that is the client's base URL.

    Args:
        connection: The connection.
    """
    from xoxo_async.bulk.identity import OWN_SANDBOX

    return OWN_SANDBOX if connection.sandbox else ""


def at_its_server(connection: Connection, ledger: "Ledger") -> Connection:
    """Return a connection to the sandbox where a ledger is of its own one: no flag has to say so again.

    Args:
        connection: What the flags say.
        ledger: The ledger.
    """
    from xoxo_async.bulk.identity import is_of_own_sandbox

    ours = is_of_own_sandbox(ledger) and not connection.base_url
    return msgspec.structs.replace(connection, sandbox=True) if ours else connection
