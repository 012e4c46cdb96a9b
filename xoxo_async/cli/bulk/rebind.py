"""`xoxo bulk rebind`: record a person's decision that a ledger belongs to another client id or address."""

from typing import TYPE_CHECKING, Any

import click

from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option, reason_option
from xoxo_async.cli.bulk.servers import address_of, books_of
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import out

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["rebind"]


@click.command(
    cls=Command,
    epilog='Example:  xoxo bulk rebind --ledger march.db --reason "new client id for the same account"',
)
@ledger_option
@reason_option
@json_option
@connection_options
def rebind(ledger: "LedgerAddress", reason: str, as_json: bool, **where: Any) -> None:
    """Bind a ledger to the account and address of this command. Moves no money.

    Use it if the client id was replaced in the vendor's dashboard, or if the server has another address. Never bind a
    ledger to another account: there every order of the ledger looks absent, and is bought again.
    It takes your word, and asks the vendor nothing.
    """
    if not reason.strip():
        raise click.UsageError("--reason must not be blank: the journal keeps it")
    from xoxo_async.bulk.issuer import BulkIssuer

    connection = Connection(books=books_of(ledger), **where)

    async def work(opened: "Ledger") -> tuple[str, str]:
        before = opened.identity
        async with open_client(connection, say_lookups=False) as client:
            await BulkIssuer(client, opened, address=address_of(connection)).rebind(reason=reason)
        after = opened.identity
        return before.address if before else "", after.address if after else ""

    was, now = with_ledger(ledger, work, store_codes=False)
    if as_json:
        print_json({"ledger": str(ledger), "was": was, "address": now})
    else:
        out(f"{ledger} now belongs to this account at {now}" + (f" (before: {was})" if was and was != now else ""))
