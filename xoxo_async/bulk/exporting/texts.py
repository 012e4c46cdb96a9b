"""Rows of an export as text: CSV, CSV for Excel, or JSON lines."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, TextIO

import msgspec

from xoxo_async.bulk.exporting.cells import BETWEEN, csv_line, kept_as_text, plain_line, shown
from xoxo_async.bulk.exporting.rows import FIXED_COLUMNS, ExportRow, Made, kept_columns

__all__ = ["MARK_OF_UTF_8", "csv_writer", "jsonl_writer"]

MARK_OF_UTF_8: Final = "\ufeff"
"""Excel reads a file that begins with it as UTF-8, and any other one in the encoding of the computer's country."""
_TEXTS: Final = frozenset({"key", "po_number", "state", "delivery", "email", "valid_to", "currency", "error", "tag"})
"""Columns with texts of the caller or the vendor. Codes and PINs are not among them: they stay exact."""
_FOR_EXCEL: Final = frozenset({*_TEXTS, "code", "pin"} - {"valid_to", "state", "delivery"})
_EXACT_DIGITS: Final = 15
"""Digits of a number that Excel keeps."""

_fixed: Final = attrgetter(*FIXED_COLUMNS)
_encode: Final = msgspec.json.Encoder().encode


def jsonl_writer(file: TextIO) -> Callable[[Made], object]:
    """Return what writes a row as a JSON object on a line of its own.

    Args:
        file: The open file.
    """
    return lambda made: file.write(_encode(made.row).decode() + "\n")


def csv_writer(file: TextIO, kept: Sequence[str], *, excel: bool = False) -> Callable[[Made], object]:
    """Write the headings, and return what writes a row.

    Args:
        file: The open file.
        kept: The names of the columns that ride along, in order.
        excel: Whether the file is for Excel: it begins with `MARK_OF_UTF_8`, and Excel changes no code and no text.
    """
    if excel:
        file.write(MARK_OF_UTF_8)
    file.write(csv_line([*FIXED_COLUMNS, *map(kept_as_text if excel else shown, kept_columns(kept))]))

    cells = len(FIXED_COLUMNS) + len(kept)
    no_kept = BETWEEN * len(kept)

    def write(made: Made) -> None:
        row = made.row
        if not excel:
            rides = "".join([BETWEEN + row.kept.get(name, "") for name in kept]) if row.kept else no_kept
            line = plain_line(_joined(row) + rides, cells)
            if line is not None:
                file.write(line)
                return
        file.write(csv_line(_guarded(row, kept, excel=excel)))

    return write


def _joined(row: ExportRow) -> str:
    """Return the fixed columns with `BETWEEN` between them: spelled out, since this takes half the time of a loop."""
    number = "" if row.order_id is None else row.order_id
    return (
        f"{row.key}\x1f{row.po_number}\x1f{number}\x1f{row.state}\x1f{row.delivery}\x1f{row.product_id}"
        f"\x1f{row.denomination}\x1f{row.quantity}\x1f{row.email}\x1f{row.code}\x1f{row.pin}\x1f{row.valid_to}"
        f"\x1f{row.amount}\x1f{row.currency}\x1f{row.error}\x1f{row.tag}"
    )


def _guarded(row: ExportRow, kept: Sequence[str], *, excel: bool) -> list[str]:
    guard, texts = (kept_as_text, _FOR_EXCEL) if excel else (shown, _TEXTS)
    cells: list[str] = []
    for name, value in zip(FIXED_COLUMNS, _fixed(row), strict=True):
        text = "" if value is None else str(value)
        too_long = excel and text.isdigit() and len(text) > _EXACT_DIGITS
        cells.append(guard(text) if name in texts or too_long else text)
    return cells + [guard(row.kept.get(name, "")) for name in kept]
