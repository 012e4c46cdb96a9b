"""`xoxo bulk run`, `resume` and `reconcile`: send and settle the lines of a ledger."""

from typing import Any

import click

from xoxo_async.cli.bulk.options import row_options, spend_options, work_options
from xoxo_async.cli.bulk.reading import reading_options
from xoxo_async.cli.bulk.request import RunRequest
from xoxo_async.cli.bulk.servers import books_of
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command, complete_files

__all__ = ["reconcile", "resume", "run"]


@click.command(
    cls=Command,
    counts_rows=True,
    epilog="""\b
Examples:
  xoxo bulk run orders.csv --ledger march.db --sandbox          try it without an account
  xoxo bulk run orders.csv --ledger march.db                    the same with real money
  xoxo bulk run orders.csv --ledger march.db --max-spend 50000 --yes --json

Ctrl-C ends a run in order: it waits for the requests in flight, records their results, and prints the command
that continues.""",
)
@click.argument("orders", shell_complete=complete_files)
@row_options
@reading_options
@work_options
@spend_options
def run(orders: str, **flags: Any) -> int:
    """Issue the vouchers of ORDERS (CSV, a workbook or JSONL; - is standard input). Moves money.

    It checks every row before it sends the first one. If a row is bad, it sends nothing, unless --skip-invalid is
    given. A second run issues only the rows that are not issued yet.
    """
    return _work("run", flags, orders=orders)


@click.command(cls=Command, counts_rows=True, epilog="Example:  xoxo bulk resume --ledger march.db")
@work_options
@spend_options
def resume(**flags: Any) -> int:
    """Continue the job of a ledger: settle unknown rows, and send the rows that are left. Moves money."""
    return _work("resume", flags)


@click.command(cls=Command, counts_rows=True, epilog="Example:  xoxo bulk reconcile --ledger march.db")
@work_options
def reconcile(**flags: Any) -> int:
    """Look up unknown and pending rows, and settle them. Never sends an order."""
    return _work("reconcile", flags)


def _work(action: str, flags: dict[str, Any], orders: str = "") -> int:
    from xoxo_async.cli.bulk.orders_work import OrdersWork
    from xoxo_async.cli.bulk.session import run_work
    from xoxo_async.cli.connect import open_client

    connection = Connection(
        base_url=flags.pop("base_url"),
        client_id=flags.pop("client_id"),
        sandbox=flags.pop("sandbox"),
        books=books_of(flags["ledger"]),
        rate=flags.pop("rate"),
        connections=flags["concurrency"] if isinstance(flags["concurrency"], int) else 0,
    )
    request = RunRequest(action=action, source=orders, connection=connection, **flags)
    return run_work(OrdersWork(request), open_client)
