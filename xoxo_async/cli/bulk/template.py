"""`xoxo bulk template`: write an orders file to fill in, with the products of the catalog."""

from pathlib import Path
from typing import Any

import click

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import say
from xoxo_async.cli.wording import count

__all__ = ["template"]


@click.command(
    cls=Command,
    epilog="""\b
Examples:
  xoxo bulk template orders.xlsx --country India
  xoxo bulk template orders.csv""",
)
@click.argument("path", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--country", help="Only the products of this country: its name, ISO code or filter code.")
@json_option
@connection_options
def template(path: Path, country: str | None, as_json: bool, **where: Any) -> int:
    """Write an empty orders file, .xlsx or .csv, to fill in. Moves no money, and replaces no file.

    It has the headings that `plan` and `run` read, and an example, which is never issued. A workbook has the products
    of the catalog besides: a product and its denomination are chosen from lists, and nobody has to look up an id.
    """
    from xoxo_async.bulk.template import write_template

    connection = Connection(**where)
    products = ask(connection, lambda xoxo: write_template(xoxo, path, country=country))
    check = command_line("bulk", "plan", str(path), *connection.flags)
    say(f"{count(products, 'product')} in the catalog; {path} is ready to be filled in. Check it with: {check}")
    if as_json:
        print_json({"out": str(path), "products": products, "continue_with": check})
    return 0
