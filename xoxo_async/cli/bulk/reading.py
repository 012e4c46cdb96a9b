"""Flags that say how ORDERS is read, where the file itself does not show it."""

import csv
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.cli.options import Decorator, with_options

__all__ = ["reading_flags", "reading_options"]


def _as_one(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that gets these flags as one `reading`."""

    @wraps(command)
    def with_reading(
        *args: Any,
        columns: dict[str, str],
        keep: str | tuple[str, ...] | None,
        sheet: str | None,
        delimiter: str | None,
        encoding: str | None,
        decimal: str | None,
        **flags: Any,
    ) -> Any:
        reading = ReadingChoices.of(
            sheet=sheet, columns=columns, keep=keep, delimiter=delimiter, encoding=encoding, decimal=decimal
        )
        return command(*args, reading=reading, **flags)

    return with_reading


def _columns(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return fields by the names of columns."""
    columns: dict[str, str] = {}
    for value in values:
        column, sign, field = (part.strip() for part in value.rpartition("="))
        if not (column and sign and field):
            raise click.BadParameter(f'{value!r} is not COLUMN=FIELD, such as "Employee ID=key"')
        if columns.setdefault(column, field) != field:
            raise click.BadParameter(f"column {column!r} cannot be {columns[column]} and {field}")
    return columns


def _kept(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return the names of columns that ride along, `all`, or None without the flag."""
    names = [name.strip() for row in csv.reader(values) for name in row]
    if set(names) == {"all"}:
        return "all"
    return tuple(dict.fromkeys(name for name in names if name)) or None


reading_options: Final[Decorator] = with_options(
    _as_one,
    click.option("--map", "columns", multiple=True, callback=_columns, metavar="COLUMN=FIELD",
                 help='Which field a column is, such as "Staff=key". Repeat it for more. The ledger keeps it.'),
    click.option("--keep", multiple=True, callback=_kept, metavar="all|NAME,…",
                 help="Let these columns, which are no fields, ride along into exports. The ledger keeps it. 'all'"
                 " refuses a column that is nearly called like a field: name it, too."),
    click.option("--sheet", metavar="NAME", help="The sheet of a workbook [default: the first]."),
    click.option("--delimiter", metavar="C",
                 help="What separates the cells of CSV: one sign, or comma, semicolon, tab, pipe [default: what the"
                 " header shows]."),
    click.option("--encoding", metavar="NAME",
                 help="The encoding of a text file: utf-8, utf-16, windows-1252, … [default: what the file shows]."),
    click.option("--decimal", type=click.Choice([".", ","]),
                 help="The decimal sign of the numbers in CSV [default: what each column proves]."),
)  # fmt: skip
"""The flags that settle how ORDERS is read; the command gets them as `reading`."""


def reading_flags(reading: ReadingChoices) -> list[str]:
    """Return the flags that make the same choices.

    Args:
        reading: The choices.
    """
    flags = [part for column, field in reading.columns.items() for part in ("--map", f"{column}={field}")]
    if reading.keep is not None:
        names = (f'"{name}"' if "," in name else name for name in reading.keep)
        flags += ["--keep", "all" if reading.keep == "all" else ",".join(names)]
    for name in ("sheet", "delimiter", "encoding", "decimal"):
        value = getattr(reading, name)
        flags += [f"--{name}", "tab" if value == "\t" else value] if value is not None else []
    return flags
