"""Rows of an export as a workbook: a sheet of codes, and one of what is missing and why. No cell is a formula."""

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from xoxo_async.bulk.exporting.older import MARK
from xoxo_async.bulk.exporting.rows import FIXED_COLUMNS, Made, kept_columns
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xlsxwriter import Workbook

__all__ = ["check_installed", "workbook_writer"]

_MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, its heading included."""
_MOST_COLUMNS: Final = 16_384
_LONGEST: Final = 32_767
"""Characters of a cell, counted as UTF-16."""
_WIDTHS: Final = {
    "key": 18, "po_number": 28, "order_id": 12, "email": 28, "code": 28, "pin": 10, "valid_to": 12, "error": 40,
    "why": 60,
}  # fmt: skip
_WIDTH: Final = 14
_CODES: Final = FIXED_COLUMNS
_MISSING: Final = (
    "key", "po_number", "order_id", "state", "delivery", "product_id", "denomination", "quantity", "email", "tag",
)  # fmt: skip
_NUMBERS: Final = frozenset({"denomination", "quantity", "amount"})
_EXACT: Final = re.compile(r"(?=[\d.]{1,16}\Z)(?:0|[1-9]\d{0,14})(?:\.(\d{1,6}))?\Z", re.ASCII)
"""A number that a cell holds to the digit: 15 digits, and no exponent."""
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FIRST_DAY: Final = date(1900, 3, 1)
"""Excel counts days from here in the same way as every other program: its 1900 has a 29 February."""
_RICH: Final = re.compile(r"<r>.*</r>\Z", re.DOTALL)


def check_installed() -> None:
    """Refuse a workbook where XlsxWriter is not installed.

    Raises:
        ConfigError: It is not.
    """
    if importlib.util.find_spec("xlsxwriter") is None:
        raise ConfigError("an export to .xlsx needs XlsxWriter: pip install 'xoxo-async[files]'")


@contextmanager
def workbook_writer(file: IO[bytes], folder: Path, kept: Sequence[str]) -> Generator[Callable[[Made], None]]:
    """Return what writes a row into a workbook. The workbook is written to its file at the end of the block.

    A row is held in memory until the next one comes. Rows wait in a folder of their own, which only its owner can read.

    Args:
        file: The open file.
        folder: Where rows wait; it needs as much room as the workbook has unpacked.
        kept: The names of the columns that ride along, in order.

    Raises:
        ConfigError: A text is longer than a cell can hold, or there are more columns than a sheet can have.
        OSError: The file cannot be written.
    """
    from xlsxwriter import Workbook  # noqa: PLC0415 - of an extra
    from xlsxwriter.exceptions import XlsxWriterException  # noqa: PLC0415

    check_installed()
    if len(_CODES) + len(kept) > _MOST_COLUMNS:
        raise ConfigError(f"a sheet has {_MOST_COLUMNS:,} columns at most: export to .csv or .jsonl")
    # A folder that mkdtemp makes is 0700. Without it, a crash could leave codes in files with names that say nothing.
    waiting = tempfile.mkdtemp(prefix=".xoxo-export-", dir=folder)
    book = Workbook(file, {"constant_memory": True, "tmpdir": waiting})
    try:
        writing = _Writing(book, kept)
        yield writing.write
        writing.finish()
        try:
            book.close()
        except XlsxWriterException as error:
            cause = error.args[0] if error.args else error
            raise cause if isinstance(cause, OSError) else OSError(0, str(error)) from error
    finally:
        for sheet in book.worksheets():
            with suppress(AttributeError, OSError):
                sheet.row_data_fh.close()
        shutil.rmtree(waiting, ignore_errors=True)


class _Writing:
    """Both kinds of sheets of one workbook."""

    def __init__(self, book: "Workbook", kept: Sequence[str]) -> None:
        now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
        book.set_properties({"title": "Voucher codes", "created": now})
        book.set_custom_property(MARK, f"{now.isoformat()}Z", "text")
        self._kept: Final = kept
        headings = kept_columns(kept)
        formats = _Formats(book)
        self._codes: Final = _Sheets(book, formats, "codes", [*_CODES, *headings])
        why = [f"{name} (kept)" if name == "why" else name for name in headings]
        self._missing: Final = _Sheets(book, formats, "missing", [*_MISSING, *why, "why"])

    def write(self, made: Made) -> None:
        row, lacks = made
        kept = [row.kept.get(name, "") for name in self._kept]
        if row.code or not lacks:
            self._codes.write([*[getattr(row, name) for name in _CODES], *kept])
        if lacks:
            self._missing.write([*[getattr(row, name) for name in _MISSING], *kept, lacks])

    def finish(self) -> None:
        self._codes.finish()
        self._missing.finish()


class _Formats:
    """The formats of a workbook's cells."""

    def __init__(self, book: "Workbook") -> None:
        self.heading: Final[Any] = book.add_format({"bold": True, "bottom": 1})
        self.text: Final[Any] = book.add_format({"num_format": "@"})
        self.day: Final[Any] = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self.number: Final[Callable[[int], Any]] = cache(
            lambda places: book.add_format({"num_format": "0." + "0" * places if places else "0"})
        )


class _Sheets:
    """Sheets of the same kind: a new one begins where the last one is full."""

    def __init__(self, book: "Workbook", formats: _Formats, name: str, columns: Sequence[str]) -> None:
        self._book: Final = book
        self._formats: Final = formats
        self._name: Final = name
        self._columns: Final = columns
        self._numbers: Final = [column in _NUMBERS for column in columns]
        self._days: Final = columns.index("valid_to") if "valid_to" in columns else -1
        self._sheets = 0
        self._row = 0
        self._sheet: Any = None
        self._begin()

    def write(self, cells: Sequence[object]) -> None:
        self._row += 1
        if self._row == _MOST_ROWS:
            self.finish()
            self._begin()
            self._row = 1
        write, row = self._sheet.write_string, self._row
        for column, cell in enumerate(cells):
            if cell is None or cell == "":
                continue
            text = str(cell)
            if self._numbers[column] or column == self._days:
                self._write_value(column, text)
            elif len(text) > _LONGEST // 2 or text.startswith("<r>"):
                self._write_odd(column, text)
            else:
                write(row, column, text)

    def finish(self) -> None:
        last = len(self._columns) - 1
        self._sheet.autofilter(0, 0, max(self._row, 1), last)

    def _begin(self) -> None:
        self._sheets += 1
        name = self._name if self._sheets == 1 else f"{self._name} {self._sheets}"
        self._sheet = sheet = self._book.add_worksheet(name)
        self._row = 0
        sheet.freeze_panes(1, 0)
        for column, heading in enumerate(self._columns):
            # The column is formatted as text, too: a code that a person types or pastes there keeps its zeros.
            is_text = not self._numbers[column] and column != self._days
            sheet.set_column(column, column, _WIDTHS.get(heading, _WIDTH), self._formats.text if is_text else None)
            sheet.write_string(0, column, heading, self._formats.heading)
        # Otherwise Excel marks each code of digits as a mistake, and offers to make a number of it.
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{_MOST_ROWS}"})

    def _write_value(self, column: int, text: str) -> None:
        """Write an amount or a day; as text, where a cell cannot hold it to the digit."""
        found = _EXACT.match(text)
        if found and self._numbers[column]:
            places = len(found[1] or "")
            self._sheet.write_number(self._row, column, float(text), self._formats.number(places))
            return
        day = _day_of(text) if column == self._days else None
        if day is None:
            self._write_odd(column, text)
        else:
            self._sheet.write_number(self._row, column, day, self._formats.day)

    def _write_odd(self, column: int, text: str) -> None:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        if units > _LONGEST:
            raise ConfigError(
                f"a text of {units:,} characters in the column {self._columns[column]!r} does not fit into a cell of a"
                " workbook: export to .csv or .jsonl"
            )
        if _RICH.match(text):
            # XlsxWriter takes such a string for markup of its own, and would write it as it is, formulas included. In
            # two pieces it is text.
            self._sheet.write_rich_string(self._row, column, text[:1], self._formats.text, text[1:])
        else:
            self._sheet.write_string(self._row, column, text)


@lru_cache(maxsize=4096)
def _day_of(text: str) -> int | None:
    """Return a day as Excel counts days, None if it is no day that each program counts alike."""
    if not _DAY.match(text):
        return None
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if day >= _FIRST_DAY:
            return day.toordinal() - date(1899, 12, 30).toordinal()
    return None
