"""Order lines from CSV, JSONL and workbooks."""

import os
from collections.abc import Collection, Mapping
from typing import Final, Literal, TypeAlias

from xoxo_async.bulk.intake.fields import is_turned, read_alike, read_fields
from xoxo_async.bulk.intake.order_fields import ORDER_FIELDS
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.rows import report_fields
from xoxo_async.bulk.intake.rows_file import RowKind, RowsFile
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.errors import ConfigError

__all__ = ["ORDERS", "OrdersFile", "read_orders"]

OrdersFile: TypeAlias = RowsFile[OrderLine]
"""The order lines of a file; see `read_orders`."""


def _is_line(row: FileRow, problems: Problems) -> bool:
    """Return whether a row can be an order line; note what cannot be read.

    A number must be right, and anything else must have the type of its column. The job checks the contents of texts:
    code that iterates over a file may correct its texts before.
    """
    unread: list[str] = []

    def note(column: str, error: ConfigError) -> None:
        if not is_turned(column, row.fields.get(column)):
            unread.append(column)
            where = row.key_column if column == "key" else column
            what = error.message.removeprefix(f"{column} ")
            problems.add(row.number, what, column=where, value=row.fields.get(column), given=row.given)

    report_fields(row.fields, note)
    return not unread


ORDERS: Final = RowKind(
    line=OrderLine,
    fields=ORDER_FIELDS,
    one="order",
    many="orders",
    done="ordered",
    read=read_fields,
    is_line=_is_line,
    read_alike=read_alike,
)
"""The rows of a file of orders."""


def read_orders(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep: Literal["all"] | Collection[str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> OrdersFile:
    """Read order lines from a file.

    CSV and a sheet of a workbook (`.xlsx`, `.xls`, `.ods`) have a header row. A column is recognised by the name of a
    field of `OrderLine`, or by a usual name such as `Employee ID`, `Amount` or `E-mail`. JSONL has one object a line
    with the fields, and `details` besides. Without a `key` column, `po_number` is the key. A row with the key of a
    template's example is left out.

    The file shows its separator and its encoding. A number with separators is read by what its whole column proves: a
    column with `1.000,50` has decimal commas. A number that could be two (`1,000`), in a column that proves neither, is
    a problem of its row.

    Args:
        path: The file, or `-` for standard input.
        format: `csv`, `jsonl` or `workbook`; by default the content decides.
        sheet: The sheet of a workbook; by default the first.
        columns: Fields by the names of columns in the file: `{"Staff": "key"}`.
        keep: Columns that are no fields and ride along, or `all`. Otherwise a file with such a column is refused.
            `all` also refuses one that is nearly called like a field which the file lacks: name it as well, in a list.
        delimiter: What separates the cells of CSV: one sign, or `comma`, `semicolon`, `tab`, `pipe`.
        encoding: The encoding of the text, `utf-8`, `utf-16`, `windows-1252` or another.
        decimal: The decimal sign of all numbers in CSV, `.` or `,`.

    Returns:
        The lines, streamed when iterated.

    Raises:
        PlanError: Raised by the iteration, for a file or rows that cannot be read as orders: every bad row is named.
        ConfigError: An argument makes no sense.
    """
    choices = ReadingChoices.of(
        sheet=sheet, columns=columns, keep=keep, delimiter=delimiter, encoding=encoding, decimal=decimal
    )
    return RowsFile(path, ORDERS, format, choices)
