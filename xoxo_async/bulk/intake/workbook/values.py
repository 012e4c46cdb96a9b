"""The values of cells as they go from the process that reads a workbook to the caller's."""

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from xoxo_async.bulk.intake.workbook.formats import Format
from xoxo_async.bulk.intake.workbook.marks import Marks

__all__ = ["rows_of"]

_EXACT: Final = 10**15
"""From here on a number has more than 15 digits. Excel keeps 15, and puts zeros in the place of the others."""
_LONGEST: Final = 2**15


def rows_of(cells: Iterator[list[Any]], left: int, marks: Marks) -> Iterator[tuple[int, list[Any]]]:
    """Yield each row that is not blank: its number from 1, and its cells without the empty ones at its end.

    A cell is None, a text, a flag, or a whole number; or a list of its kind and a text: `number`, `day`, `time`, `bad`.
    A number that its format shows as anything but itself is a list of `shown`, the number, and the parts of `Seen`.

    Args:
        cells: The rows of a reader, from the first row of the sheet on.
        left: How many columns of the sheet are left of them.
        marks: What the sheet says of its cells.
    """
    for at, given in enumerate(cells):
        # Most cells are texts and whole numbers: for these no function is called.
        row = [
            cell
            if type(cell) is str and len(cell) < _LONGEST
            else int(cell)
            if type(cell) is float and -_EXACT < cell < _EXACT and cell.is_integer()
            else _value(cell)
            for cell in given
        ]
        if left:
            row[:0] = [None] * left
        if (bad := marks.bad.get(at)) and (any(row) or _has_error(bad)):
            row.extend([None] * (max(bad) + 1 - len(row)))
            for column, why in bad.items():
                row[column] = ["bad", why]
        for column, how in marks.shown(at):
            if column < len(row):
                row[column] = _shown(row[column], how)
        while row and (row[-1] is None or row[-1] == ""):
            row.pop()
        if row:
            yield at + 1, row


def _has_error(bad: dict[int, str]) -> bool:
    """Return whether a row without values has one that is lost; a merged cell has none to lose."""
    return any(not why.startswith("is part of") for why in bad.values())


def _value(cell: Any) -> Any:
    kind = type(cell)
    if kind is float:
        return _number(cell)
    if kind is int:
        return cell if -_EXACT < cell < _EXACT else ["bad", _too_long(cell)]
    if kind is bool or cell is None:
        return cell
    if kind is date:
        return ["day", cell.isoformat()]
    if kind is datetime:
        return ["time", cell.isoformat()]
    return ["bad", _why_not(cell)]


def _shown(value: Any, how: Format) -> Any:
    """Return a value as a format shows it, where it is a number and shown as anything but itself."""
    if type(value) is int:
        text = str(value)
    elif type(value) is list and value[0] == "number":
        text = value[1]
    else:
        return value
    seen = how.see(Decimal(text))
    return value if seen is None else ["shown", text, *seen]


def _why_not(cell: object) -> str:
    """Return why a cell has no value that a field can have."""
    if isinstance(cell, str):
        return f"has a text of {len(cell):,} characters; a cell of a workbook has {_LONGEST - 1:,} at most"
    if isinstance(cell, time):
        return f"is a time of day ({cell.isoformat()})"
    return "is a length of time" if isinstance(cell, timedelta) else "has a value of an unknown kind"


def _number(number: float) -> Any:
    """Return a number exactly as its program shows it: the 15 digits that a workbook keeps."""
    if -_EXACT < number < _EXACT:
        if number.is_integer():
            return int(number)
        text = repr(number)
        if len(text) > 16:  # 1100.0000000000002 is what a program makes of 1000 * 1.1
            text = f"{number:.15g}"
        return ["number", text]
    return ["bad", _too_long(number)]


def _too_long(number: float) -> str:
    if not math.isfinite(number):
        return "is no number"
    return (
        f"is {Decimal(f'{number:.14e}'):.14e}: a number in a workbook has 15 digits, and the digits after them are"
        " lost; write it as text"
    )
