"""Rows of an export as text: CSV, CSV for Excel, or JSON lines."""

from collections.abc import Callable, Sequence
from typing import Final, TextIO

import msgspec

from xoxo_async.bulk.exporting.cells import csv_line, kept_as_text, plain_line, shown
from xoxo_async.bulk.exporting.columns import AnyRow, Columns, kept_columns
from xoxo_async.bulk.exporting.rows import Made

__all__ = ["MARK_OF_UTF_8", "csv_writer", "jsonl_writer"]

MARK_OF_UTF_8: Final = "\ufeff"
"""Excel reads a file that begins with it as UTF-8, and any other one in the encoding of the computer's country."""
_PLAIN: Final = frozenset({"valid_to", "state", "delivery"})
"""Texts that Excel changes in no harmful way."""
_EXACT_DIGITS: Final = 15
"""Digits of a number that Excel keeps."""

_encode: Final = msgspec.json.Encoder().encode


def jsonl_writer(file: TextIO) -> Callable[[Made], object]:
    """Return what writes a row as a JSON object on a line of its own.

    Args:
        file: The open file.
    """
    return lambda made: file.write(_encode(made.row).decode() + "\n")


def csv_writer(file: TextIO, columns: Columns, kept: Sequence[str], *, excel: bool = False) -> Callable[[Made], object]:
    """Write the headings, and return what writes a row.

    Args:
        file: The open file.
        columns: The fixed columns.
        kept: The names of the columns that ride along, in order.
        excel: Whether the file is for Excel: it begins with `MARK_OF_UTF_8`, and Excel changes no code and no text.
    """
    if excel:
        file.write(MARK_OF_UTF_8)
    headings = map(kept_as_text if excel else shown, kept_columns(kept, columns.names))
    file.write(csv_line([*columns.names, *headings]))
    cells_of = columns.cells

    def write(made: Made) -> None:
        row = made.row
        if not excel:
            cells = cells_of(row)
            if kept:
                cells += [row.kept.get(name, "") for name in kept]
            line = plain_line(cells)
            if line is not None:
                file.write(line)
                return
        file.write(csv_line(_guarded(row, columns, kept, excel=excel)))

    return write


def _guarded(row: AnyRow, columns: Columns, kept: Sequence[str], *, excel: bool) -> list[str]:
    guard, texts = (shown, columns.texts) if not excel else (kept_as_text, (columns.texts | columns.cash) - _PLAIN)
    cells: list[str] = []
    for name, text in zip(columns.names, columns.cells(row), strict=True):
        too_long = excel and text.isdigit() and len(text) > _EXACT_DIGITS
        cells.append(guard(text) if name in texts or too_long else text)
    return cells + [guard(row.kept.get(name, "")) for name in kept]
