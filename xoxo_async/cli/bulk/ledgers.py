"""From the path of a ledger to the open ledger, and to the server that it is of."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from xoxo_async.cli.connection import Connection
from xoxo_async.cli.event_loop import run_async

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["address_of", "at_its_server", "books_of", "with_ledger"]

T = TypeVar("T")


def with_ledger(
    path: Path,
    work: Callable[["Ledger"], Awaitable[T]],
    *,
    read_only: bool = False,
    store_codes: bool = True,
) -> T:
    """Open a ledger that exists, work on it, close it.

    Args:
        path: The ledger.
        work: What to do with it.
        read_only: Whether to look only, also while somebody else works on it.
        store_codes: Whether codes are looked at; without, no key is needed.
    """
    from xoxo_async.bulk.ledger.opening import open_ledger

    async def opened() -> T:
        async with open_ledger(path, must_exist=True, read_only=read_only, store_codes=store_codes) as ledger:
            return await work(ledger)

    return run_async(opened)


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
