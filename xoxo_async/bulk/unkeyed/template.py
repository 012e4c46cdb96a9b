"""An empty file of recipients, of rows of links or of addresses, to fill in. It makes no call."""

import io
import os
from collections.abc import Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.intake.template_file import (
    ROWS,
    Column,
    csv_of,
    is_workbook,
    new_template,
    new_workbook,
    start_sheet,
    write_new,
)
from xoxo_async.bulk.intake.template_marks import EXAMPLE_KEY
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
from xoxo_async.bulk.unkeyed.link_sending import MOST_LINKS
from xoxo_async.errors import ConfigError

__all__ = ["write_rows_template"]

_KEY: Final = Column("key", 34, EXAMPLE_KEY, is_text=True)
_EMAIL: Final = Column("email", 28, "asha.rao@example.com", is_text=True)
_MOST_POINTS: Final = 10**13 - 1

_COLUMNS: Final[dict[type[msgspec.Struct], tuple[str, tuple[Column, ...]]]] = {
    PointsLine: (
        "Points",
        (
            _KEY,
            _EMAIL,
            Column("name", 24, "Asha Rao", is_text=True),
            Column("amount", 12, 500, is_text=False),
            Column("citation", 40, "Five years with us", is_text=True),
        ),
    ),
    LinkLine: ("Links", (_KEY, Column("quantity", 12, 1, is_text=False))),
    MailLine: ("Mails", (_KEY, _EMAIL)),
}
"""The sheet and the columns for each kind of line."""
_WHOLE: Final = {"amount": _MOST_POINTS, "quantity": MOST_LINKS}
"""The columns of whole numbers from 1, with the greatest."""


def write_rows_template(path: str | os.PathLike[str], line: type[msgspec.Struct]) -> None:
    """Write a file of points, links or mails to fill in: the headings of `read_rows`, and an example. Moves nothing.

    In a workbook ids and addresses are text, so that a zero at their start stays, and a number that is not whole is
    refused as it is typed. The example is never sent: `read_rows` leaves a row with its key out, and `recognised` says
    so. Columns of your own may stand beside these.

    Args:
        path: The new file; `.xlsx` or `.csv`.
        line: What a row is: `PointsLine`, `LinkLine` or `MailLine`.

    Raises:
        ConfigError: The file has another ending, is there already or cannot be written; no file has such lines; or
            XlsxWriter is not installed.

    Example:
        ```python
        write_rows_template("people.csv", PointsLine)
        ```
    """
    known = _COLUMNS.get(line)
    if known is None:
        raise ConfigError(f"line must be PointsLine, LinkLine or MailLine, not {getattr(line, '__name__', line)}")
    target = new_template(path)
    title, columns = known
    write_new(target, _workbook(title, columns) if is_workbook(target) else csv_of(columns))


def _workbook(title: str, columns: Sequence[Column]) -> bytes:
    out = io.BytesIO()
    book = new_workbook(out)
    sheet = book.add_worksheet(title)
    start_sheet(book, sheet, columns)
    for at, column in enumerate(columns):
        if most := _WHOLE.get(column.name):
            rule = {"validate": "integer", "criteria": "between", "minimum": 1, "maximum": most}
            sheet.data_validation(1, at, ROWS, at, {**rule, "error_message": "A whole number from 1."})
    book.close()
    return out.getvalue()
