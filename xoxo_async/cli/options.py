"""Flags that many commands share."""

from collections.abc import Callable
from typing import Any, Final

import click

__all__ = ["DAY", "Decorator", "connection_options", "json_option", "with_options", "yes_option"]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DAY: Final = click.DateTime(["%Y-%m-%d"])


def with_options(*options: Decorator) -> Decorator:
    """Return a decorator that adds flags. `--help` lists them in this order.

    Args:
        options: Results of `click.option`, or other decorators that add flags.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


json_option: Final[Decorator] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
)
yes_option: Final[Decorator] = click.option("--yes", is_flag=True, help="Do not ask before real money moves.")
connection_options: Final[Decorator] = with_options(
    click.option("--base-url", default="", metavar="URL", help="The API's address [env: XOXO_BASE_URL; or STAGING]."),
    click.option("--client-id", default="", metavar="ID", help="The client id [env: XOXO_CLIENT_ID]."),
    click.option("--sandbox", is_flag=True, help="Start a sandbox server for this command alone; no real money moves."),
)
