"""The file of a template: a new .xlsx or .csv with headings and one example, which is left out when it is read."""

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xoxo_async.errors import ConfigError
from xoxo_async.extras import check_loads
from xoxo_async.public_names import LazyModule

if TYPE_CHECKING:
    import xlsxwriter
else:
    xlsxwriter = LazyModule("xlsxwriter")  # an extra

__all__ = ["ROWS", "Column", "csv_of", "is_workbook", "new_template", "new_workbook", "start_sheet", "write_new"]

ROWS: Final = 50_000
"""Rows of a sheet that have drop-down lists and formats."""


class Column(NamedTuple):
    """A column of a template.

    Attributes:
        name: Its heading, the name of a field.
        width: How wide it is, in characters.
        example: What the example has there.
        is_text: Whether its cells are text, so that a zero at their start stays.
    """

    name: str
    width: int
    example: str | int | Decimal
    is_text: bool


def new_template(path: str | os.PathLike[str]) -> Path:
    """Return where a template goes, if one can be written there: by its ending, and because nothing is there yet.

    Args:
        path: The new file.

    Raises:
        ConfigError: It has another ending or is there already, or XlsxWriter is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in {".xlsx", ".csv"}:
        raise ConfigError(f"a template ends in .xlsx or .csv, not {target.suffix or 'nothing'}")
    if is_workbook(target):
        check_loads("xlsxwriter", "a template in .xlsx needs XlsxWriter", "files")
    if target.exists() or target.is_symlink():
        raise _there(target)
    return target


def is_workbook(path: Path) -> bool:
    """Return whether a template is a workbook, by its ending."""
    return path.suffix.lower() == ".xlsx"


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there; nothing is left of it if that fails.

    Args:
        path: The file.
        content: All of it.

    Raises:
        ConfigError: It is there, or cannot be written.
    """
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
            except BaseException:
                with suppress(OSError):
                    path.unlink()
                raise
    except FileExistsError:
        raise _there(path) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None


def _there(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already; a template never replaces a file: choose another name")


def csv_of(columns: Sequence[Column]) -> bytes:
    """Return the headings and the example as CSV.

    Args:
        columns: The columns.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerow([column.example for column in columns])
    return out.getvalue().encode()


def new_workbook(out: io.BytesIO) -> "xlsxwriter.Workbook":
    """Return an empty workbook, in which no text becomes a formula or a link.

    Args:
        out: Where it is written when it is closed.
    """
    return xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})


def start_sheet(book: "xlsxwriter.Workbook", sheet: Any, columns: Sequence[Column]) -> None:
    """Write the headings and the example into a sheet.

    Args:
        book: Its workbook.
        sheet: The sheet.
        columns: The columns.
    """
    bold = book.add_format({"bold": True, "bottom": 1})
    text = book.add_format({"num_format": "@"})
    example = book.add_format({"italic": True, "font_color": "#767676", "num_format": "@"})
    number = book.add_format({"italic": True, "font_color": "#767676"})
    for at, column in enumerate(columns):
        sheet.set_column(at, at, column.width, text if column.is_text else None)
        sheet.write_string(0, at, column.name, bold)
        if isinstance(column.example, str):
            sheet.write_string(1, at, column.example, example)
        else:
            sheet.write_number(1, at, column.example, number)
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()  # for those who print it
    sheet.fit_to_pages(1, 0)
