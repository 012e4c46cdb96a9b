"""Start the job of a command with a ledger, or go on with it."""

from typing import TYPE_CHECKING, Any

from xoxo_async.cli.bulk.servers import books_of
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.unkeyed.forms import FILE_FLAGS, refuse
from xoxo_async.cli.unkeyed.request import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.kinds import JobKind
    from xoxo_async.cli.bulk.session import Work

__all__ = ["connection_of", "send_job"]


def connection_of(flags: "Mapping[str, Any]") -> Connection:
    """Return the connection of a single call.

    Args:
        flags: The flags of the command, of which those about the server count.
    """
    return Connection(base_url=flags["base_url"], client_id=flags["client_id"], sandbox=flags["sandbox"])


def send_job(
    kind: "JobKind",
    ledger: "LedgerAddress",
    work: "Callable[[JobRequest], Work[Any, Any]]",
    *,
    source: str | None,
    quantity: int = 0,
    **flags: Any,
) -> int:
    """Plan the rows of a file and send them, or send what a ledger has left.

    Args:
        kind: What the job is of.
        ledger: Its ledger.
        work: `JobWork`. The command imports it, once it runs: it loads most of the library.
        source: The file; None goes on with the ledger.
        quantity: Rows of one link each, in place of a file.
        flags: The other flags of the command.

    Returns:
        The exit code.
    """
    from xoxo_async.cli.bulk.session import run_work
    from xoxo_async.cli.connect import open_client

    new = source is not None or quantity > 0
    if not new:
        refuse((*FILE_FLAGS, "sender", "expiry_month"), "is about new rows: give them with --file")
    connection = Connection(
        base_url=flags.pop("base_url"),
        client_id=flags.pop("client_id"),
        sandbox=flags.pop("sandbox"),
        books=books_of(ledger),
        rate=flags.pop("rate"),
        paced="other",
        connections=flags["concurrency"] if isinstance(flags["concurrency"], int) else 0,
    )
    request = JobRequest(
        kind=kind,
        action="run" if new else "resume",
        source=source or "",
        quantity=quantity,
        ledger=ledger,
        connection=connection,
        **flags,
    )
    return run_work(work(request), open_client)
