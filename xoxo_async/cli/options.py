"""Flags that many commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from xoxo_async.file_names import address_in, path_of, way_out

__all__ = ["DAY", "Decorator", "NewFile", "connection_options", "json_option", "with_options", "yes_option"]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DAY: Final = click.DateTime(["%Y-%m-%d"])


class NewFile(click.Path):
    """The path of a file that a command makes. The address of a database would become its name, with the password."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or fail with a usage error that repeats no address."""
        kind = address_in(str(value), kept=False)
        if kind:
            self.fail(f"it takes the path of a file, not {kind}; {way_out(str(value))}", param, ctx)
        return path_of(os.fsdecode(super().convert(value, param, ctx)), kept=False)


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
