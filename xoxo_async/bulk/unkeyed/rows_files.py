"""Files of recipients, of rows of links and of addresses, in every form that a file of orders may have."""

import os
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final, Literal, TypeVar

import msgspec

from xoxo_async.bulk.intake.matching import FieldSet
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.reading import ReadingChoices
from xoxo_async.bulk.intake.rows_file import RowKind, RowsFile
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.turning import Turns, as_amount, as_kept, as_phone, as_whole, turn_row
from xoxo_async.bulk.unkeyed.line_fields import LINK_FIELDS, MAIL_FIELDS, POINTS_FIELDS
from xoxo_async.bulk.unkeyed.lines import LinkLine, MailLine, PointsLine
from xoxo_async.errors import ConfigError
from xoxo_async.services import checks

__all__ = ["read_rows", "row_kind"]

LineT = TypeVar("LineT", bound=msgspec.Struct)

_TURNS: Final[Turns] = {"amount": as_amount, "phone": as_phone, "quantity": as_whole, "kept": as_kept}
"""The columns that do not hold a text."""


def read_rows(
    path: str | os.PathLike[str],
    line: type[LineT],
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep: Literal["all"] | Collection[str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> RowsFile[LineT]:
    """Read recipients of points, rows of links, or addresses from a file.

    Moves nothing. The file may have every form that `read_orders` takes: CSV in any dialect, a sheet of a workbook, or
    JSONL. A column is recognised by the name of a field, or by a usual name such as `Employee ID`, `Points`, `E-mail`.

    Args:
        path: The file, or `-` for standard input.
        line: What a row is: `PointsLine`, `LinkLine` or `MailLine`.
        format: As for `read_orders`, and so are the others.
        sheet: The sheet of a workbook; by default the first.
        columns: Fields by the names of columns in the file: `{"Staff": "key"}`.
        keep: Columns that are no fields and ride along, or `all`.
        delimiter: What separates the cells of CSV.
        encoding: The encoding of the text.
        decimal: The decimal sign of all numbers in CSV, `.` or `,`.

    Returns:
        The lines, streamed when iterated.

    Raises:
        PlanError: Raised by the iteration, for a file or rows that cannot be read: every bad row is named.
        ConfigError: An argument makes no sense.

    Example:
        ```python
        people = read_rows("people.csv", PointsLine, keep=["Team"])
        ```
    """
    choices = ReadingChoices.of(
        sheet=sheet, columns=columns, keep=keep, delimiter=delimiter, encoding=encoding, decimal=decimal
    )
    return RowsFile(path, row_kind(line), format, choices)


def row_kind(line: type[LineT]) -> RowKind[LineT]:
    """Return what the rows are that make a kind of line.

    Args:
        line: The line.

    Raises:
        ConfigError: No file has such rows.
    """
    words = _WORDS.get(line)
    if words is None:
        raise ConfigError(f"line must be PointsLine, LinkLine or MailLine, not {getattr(line, '__name__', line)}")
    fields, one, many, done = words
    needed = [field.name for field in msgspec.structs.fields(line) if field.required]
    numbers = [field.name for field in fields.fields if field.kind in {"whole", "amount"}]

    def is_line(row: FileRow, problems: Problems) -> bool:
        """Return whether a row has what its line cannot be without; the job checks the rest."""
        wrong = {name: "is missing" for name in needed if row.fields.get(name) is None}
        for name in numbers:
            value = row.fields.get(name)
            if value is not None and not isinstance(value, int | Decimal):
                wrong[name] = f"must be a number, not {checks.shown(value)}"
        for name, what in wrong.items():
            column = row.key_column if name == "key" else name
            problems.add(row.number, what, column=column, value=row.fields.get(name), given=row.given)
        return not wrong

    return RowKind(line=line, fields=fields, one=one, many=many, done=done, read=_read, is_line=is_line)


def _read(
    number: int,
    fields: Mapping[str, object],
    problems: Problems,
    key_column: str,
    given: Mapping[str, object] | None,
) -> FileRow:
    return turn_row(number, fields, _TURNS, problems, keys=("key",), key_column=key_column, given=given)


_WORDS: Final[dict[type[object], tuple[FieldSet, str, str, str]]] = {
    PointsLine: (POINTS_FIELDS, "recipient", "recipients", "paid"),
    LinkLine: (LINK_FIELDS, "link row", "rows of links", "made"),
    MailLine: (MAIL_FIELDS, "address", "addresses", "mailed"),
}
"""What a row of each kind is called, and what happens to it."""
