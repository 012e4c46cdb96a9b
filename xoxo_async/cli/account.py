"""`xoxo balance`: print what the account can spend."""

from typing import Any

import click

from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import out
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.wording import money

__all__ = ["balance"]


@click.command(cls=Command)
@json_option
@connection_options
def balance(as_json: bool, **where: Any) -> None:
    """Show what the account can spend."""
    found = ask(Connection(**where), lambda xoxo: xoxo.account.get_balance())
    if as_json:
        print_json(to_json(found))
    else:
        out(money(found.value, found.currency))
