"""Print a listing as a table for a person, as JSON for a script, or as CSV for a spreadsheet."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any, Final, Literal

import click

from xoxo_async.bulk.exporting.cells import csv_line, shown
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.options import Decorator, json_option, with_options
from xoxo_async.cli.output import out
from xoxo_async.cli.tables import table

__all__ = ["Output", "Rows", "listing_options", "print_listing"]

Output = Literal["table", "json", "csv"]
Rows = tuple[Sequence[str], Iterable[Sequence[object]]]
"""The names of the columns, and the rows."""


def _one_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that gets `--output` and `--json` as one value."""

    @wraps(command)
    def with_output(*args: Any, output: Output | None, as_json: bool, **flags: Any) -> Any:
        if as_json and output not in {None, "json"}:
            raise click.UsageError(f"--json is --output json: give it or --output {output}")
        return command(*args, output="json" if as_json else output or "table", **flags)

    return with_output


listing_options: Final[Decorator] = with_options(
    _one_output,
    click.option("--output", type=click.Choice(["table", "json", "csv"]),
                 help="How to print the list [default: table]; csv guards cells against formulas."),
    json_option,
)  # fmt: skip
"""The flags of a command that prints a list; the command gets them as `output`."""


def print_listing(
    output: Output, rows: Callable[[], Rows], *, facts: Callable[[], object], plain: Callable[[], Rows] | None = None
) -> None:
    """Print a list.

    Args:
        output: How.
        rows: Returns the table, for a person.
        facts: Returns the JSON.
        plain: Returns the table for CSV, with numbers as they are; `rows` by default.
    """
    match output:
        case "json":
            print_json(facts())
        case "csv":
            header, cells = (plain or rows)()
            _print_csv([header, *cells])
        case "table":
            table(*rows())


def _print_csv(rows: Iterable[Sequence[object]]) -> None:
    for row in rows:
        out(csv_line(shown(_text(cell)) if not isinstance(cell, int | Decimal) else _text(cell) for cell in row)[:-2])


def _text(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return f"{cell:f}"
        case _:
            return str(cell)
