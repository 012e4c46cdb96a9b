"""`xoxo bulk withdraw`: cancel rows that were never sent, so that no later run sends them."""

from typing import TYPE_CHECKING

import click

from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option, reason_option
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import COUNTS, print_json
from xoxo_async.cli.options import json_option
from xoxo_async.cli.output import out
from xoxo_async.cli.wording import count

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["withdraw"]


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk withdraw EMP-17 EMP-18 --ledger march.db --reason "left the company"
  xoxo bulk withdraw --planned --ledger march.db --reason "the campaign is off" """,
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--planned", is_flag=True, help="Withdraw all rows that were never sent.")
@ledger_option
@reason_option
@json_option
def withdraw(keys: tuple[str, ...], planned: bool, ledger: "LedgerAddress", reason: str, as_json: bool) -> None:
    """Withdraw rows that were never sent, so that no later run sends them. KEY is a row's key. Moves no money."""
    if bool(keys) == planned:
        raise click.UsageError("give the KEY of each row, or --planned for all of them")
    if not reason.strip():
        raise click.UsageError("--reason must not be blank: the journal keeps it")

    async def work(opened: "Ledger") -> "tuple[int, Counts]":
        await opened.recover()  # a line that a dead process had claimed may have been sent
        return await opened.withdraw(keys or None, reason=reason), await opened.counts()

    cancelled, counts = with_ledger(ledger, work, store_codes=False)
    if as_json:
        facts = {name: getattr(counts, name) for name in COUNTS}
        print_json({"withdrawn": cancelled, "ledger": str(ledger), **facts})
    else:
        out(f"{count(cancelled, 'row')} withdrawn for good")
