"""`xoxo bulk template`: write a file to fill in: of orders, with the products of the catalog, of points or of links."""

from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import NewFile, connection_options, json_option
from xoxo_async.cli.output import say_command
from xoxo_async.cli.wording import count

__all__ = ["template"]

_SENDS: Final = {
    "points": (("points", "send"), ("--sender", "EMAIL")),
    "links": (("links", "generate"), ("--campaign-id", "ID", "--expires-on", "YYYY-MM-DD")),
    "mails": (("links", "send"), ("--campaign-id", "ID", "--expires-on", "YYYY-MM-DD")),
}
"""The command that sends the rows of each kind, and what it needs besides the file."""


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk template orders.xlsx --country India
  xoxo bulk template orders.csv
  xoxo bulk template people.xlsx --kind points""",
)
@click.argument("path", type=NewFile(), metavar="OUT")
@click.option("--kind", type=click.Choice(["orders", *_SENDS]), default="orders", show_default=True,
              help="What its rows are: for `bulk run`, `points send`, `links generate` or `links send`.")  # fmt: skip
@click.option("--country", help="Only the products of this country: its name, ISO code or filter code.")
@json_option
@connection_options
def template(path: Path, kind: str, country: str | None, as_json: bool, **where: Any) -> int:
    """Write an empty file, .xlsx or .csv, to fill in. Moves no money, and replaces no file.

    It has the headings that the commands read, and an example, which is never sent. A workbook of orders has the
    products of the catalog besides: a product and its denomination are chosen from lists, and nobody has to look up an
    id. For points, links and mails no call is made.
    """
    connection = Connection(**where)
    if kind != "orders":
        if country is not None:
            raise click.UsageError(f"--country is for orders: {kind} have no products")
        return _template_of_rows(path, kind, connection, as_json=as_json)
    from xoxo_async.bulk.template import write_template

    products = ask(connection, lambda xoxo: write_template(xoxo, path, country=country))
    check = command_line("bulk", "plan", str(path), *connection.flags)
    say_command(f"{count(products, 'product')} in the catalog; {path} is ready to be filled in. Check it with", check)
    if as_json:
        print_json({"out": str(path), "products": products, "continue_with": check})
    return 0


def _template_of_rows(path: Path, kind: str, connection: Connection, *, as_json: bool) -> int:
    """Write a file of points, links or mails, and return the exit code."""
    from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
    from xoxo_async.bulk.unkeyed.template import write_rows_template

    lines: dict[str, type[Struct]] = {"points": PointsLine, "links": LinkLine, "mails": MailLine}
    write_rows_template(path, lines[kind])
    words, more = _SENDS[kind]
    ledger = str(path.with_suffix(".db"))
    send = command_line(*words, "--file", str(path), "--ledger", ledger, *more, *connection.flags)
    say_command(f"{path} is ready to be filled in. Send it with", send)
    if as_json:
        print_json({"out": str(path), "kind": kind, "continue_with": send})
    return 0
