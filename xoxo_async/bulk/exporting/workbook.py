"""Rows of an export as a workbook: a sheet of codes, and one of what is missing and why. No cell is a formula.

XlsxWriter makes the workbook with its headings, formats, filters and properties. The rows are written straight into the
file: through XlsxWriter a million of them take over a minute, and wait in files of their own, codes included.
"""

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from xoxo_async.bulk.exporting.columns import Columns, kept_columns
from xoxo_async.bulk.exporting.older import MARK, PARTS
from xoxo_async.bulk.exporting.rows import Made
from xoxo_async.bulk.exporting.sheets import PLACES, SheetRows, Styles
from xoxo_async.bulk.intake.guard import sheet_text
from xoxo_async.bulk.intake.workbook.marks import column_name
from xoxo_async.errors import ConfigError
from xoxo_async.extras import check_loads

__all__ = ["check_installed", "workbook_writer"]

_MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, its heading included."""
_MOST_BYTES: Final = 2_000_000_000
"""Bytes of a sheet's XML: a part of a workbook that has 2 GB needs a form of ZIP that Excel does not open."""
_MOST_COLUMNS: Final = 16_384
_LEVEL: Final = 3
"""How hard to compress: the file is a fifth larger than at the default level, and written in half the time."""
_WIDTHS: Final = {
    "key": 18, "po_number": 28, "order_id": 12, "email": 28, "code": 28, "pin": 10, "valid_to": 12, "error": 40,
    "why": 60, "name": 28, "citation": 40, "link": 60,
}  # fmt: skip
_WIDTH: Final = 14
_DAYS: Final = frozenset({"valid_to"})
_ROWS: Final = re.compile(r'(?s)(.*)<row r="2".*?</row>(</sheetData>.*)\Z')
"""A sheet of the skeleton: what stands before its sample row, and what stands after it."""
_AT_ONCE: Final = 64 * 1024
"""Characters that are compressed at once: each call takes its time, and a row alone is short."""
_SELECTED: Final = ' tabSelected="1"'
_SIZE: Final = re.compile(r"<dimension [^>]*/>")
_STYLE: Final = re.compile(r'<c r="[A-Z]+2" s="(\d+)"')


def check_installed() -> None:
    """Refuse a workbook where XlsxWriter is not installed.

    Raises:
        ConfigError: It is not.
    """
    check_loads("xlsxwriter", "an export to .xlsx needs XlsxWriter", "files")


@contextmanager
def workbook_writer(
    file: IO[bytes], folder: Path, columns: Columns, kept: Sequence[str]
) -> Generator[Callable[[Made], None]]:
    """Return what writes a row into a workbook. The workbook is whole at the end of the block.

    Rows of what is missing wait in a temporary file without a name; those with codes go straight into the file.

    Args:
        file: The open file.
        folder: Where the temporary file is.
        columns: The fixed columns.
        kept: The names of the columns that ride along, in order.

    Raises:
        ConfigError: A text is longer than a cell can hold, or there are more columns than a sheet can have.
        OSError: The file cannot be written.
    """
    check_installed()
    if len(columns.names) + len(kept) > _MOST_COLUMNS:
        raise ConfigError(f"a sheet has {_MOST_COLUMNS:,} columns at most: export to .csv or .jsonl")
    with ExitStack() as held:
        waiting = held.enter_context(tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", newline=""))
        book = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        held.callback(_close, book)
        writing = _Writing(book, waiting, columns, kept)
        held.callback(writing.abandon)
        yield writing.write
        writing.finish()
        book.close()


def _close(book: zipfile.ZipFile) -> None:
    # After an error. Otherwise it closes itself later, when its file is closed, and complains.
    with suppress(OSError, ValueError):
        book.close()


class _Kind(NamedTuple):
    """A kind of sheets: the first has its name, later ones a number as well."""

    name: str
    columns: tuple[str, ...]

    def nth(self, number: int) -> str:
        return self.name if number == 1 else f"{self.name} {number}"


class _Writing:
    """Both kinds of sheets of one workbook."""

    def __init__(self, book: zipfile.ZipFile, waiting: IO[str], columns: Columns, kept: Sequence[str]) -> None:
        self._book: Final = book
        self._waiting: Final = waiting
        self._cells_of: Final = columns.cells
        self._columns: Final = columns
        self._kept: Final = kept
        self._made_at: Final = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
        headings = kept_columns(kept, columns.names)
        why = [f"{name} (kept)" if name == "why" else name for name in headings]
        self._codes: Final = _Kind(columns.sheet, (*columns.names, *headings))
        self._missing: Final = _Kind("missing", (*columns.missing, *why, "why"))
        self._missing_places: Final = [columns.names.index(name) for name in columns.missing]
        skeleton = self._skeleton([(self._codes, 1, 1), (self._missing, 1, 1)])
        first, second = skeleton.sheets
        self._before: Final = {self._codes: first.before, self._missing: second.before}
        given: dict[str, Any] = {"numbers": columns.numbers, "days": _DAYS, "styles": first.styles}
        self._code_rows: Final = SheetRows(self._codes.columns, **given)
        self._missing_rows: Final = SheetRows(self._missing.columns, **given)
        self._full: Final[list[int]] = []
        """The last row of each sheet of codes that is full."""
        self._row = 1
        self._bytes = 0
        self._lacking: Final[list[int]] = []
        self._lacks = 1
        self._part: IO[bytes] | None = None
        self._held: Final[list[str]] = []
        self._held_length = 0
        for name in PARTS[:-1]:
            self._book.writestr(_entry(name), skeleton.parts[name])
        self._begin()

    def write(self, made: Made) -> None:
        row, lacks = made
        rides = [row.kept.get(name, "") for name in self._kept]
        cells = self._cells_of(row)
        if row.cash or not lacks:
            if self._row == _MOST_ROWS or self._bytes > _MOST_BYTES:
                self._full.append(self._row)
                self._end()
                self._begin()
            self._row += 1
            self._put(self._code_rows.row(self._row, cells + rides))
        if lacks:
            if self._lacks == _MOST_ROWS:
                self._lacking.append(self._lacks)
                self._lacks = 1
            self._lacks += 1
            shown = [cells[place] for place in self._missing_places]
            self._waiting.write(self._missing_rows.row(self._lacks, [*shown, *rides, lacks]) + "\n")

    def finish(self) -> None:
        """Write what stands after the rows, the sheets of what is missing, and the other parts of the workbook."""
        codes, missing = [*self._full, self._row], [*self._lacking, self._lacks]
        wanted = [(self._codes, number, last) for number, last in enumerate(codes, 1)]
        wanted += [(self._missing, number, last) for number, last in enumerate(missing, 1)]
        skeleton = self._skeleton(wanted)
        self._end()
        self._waiting.seek(0)
        for number, last in enumerate(missing, len(codes) + 1):
            with self._open(number) as part:
                part.write(self._before[self._missing].encode())
                for _ in range(last - 1):
                    part.write(self._waiting.readline()[:-1].encode())
                part.write(skeleton.sheets[number - 1].after.encode())
        for name in [name for name in skeleton.parts if name not in PARTS]:
            self._book.writestr(_entry(name), skeleton.parts[name])

    def abandon(self) -> None:
        """Close the part that is open."""
        with suppress(OSError, ValueError, RuntimeError):
            if self._part is not None:
                self._part.close()

    def _begin(self) -> None:
        self._row, self._bytes = 1, 0
        self._part = self._open(len(self._full) + 1)
        before = self._before[self._codes]
        # Of two sheets that are selected, a person who edits one edits both.
        self._put(before.replace(_SELECTED, "") if self._full else before)

    def _end(self) -> None:
        if self._part is not None:
            # What stands after the rows of a sheet depends on their number alone.
            wanted = [(self._codes, 1, self._row), (self._missing, 1, 1)]
            self._put(self._skeleton(wanted).sheets[0].after)
            self._flush()
            self._part.close()
            self._part = None

    def _open(self, number: int) -> IO[bytes]:
        return self._book.open(_entry(f"xl/worksheets/sheet{number}.xml"), "w")

    def _put(self, text: str) -> None:
        self._held.append(text)
        self._held_length += len(text)
        if self._held_length > _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._part is not None:
            self._bytes += self._part.write("".join(self._held).encode())
        self._held.clear()
        self._held_length = 0

    def _skeleton(self, sheets: Sequence[tuple[_Kind, int, int]]) -> "_Skeleton":
        return _skeleton(sheets, self._columns, self._made_at)


class _Sheet(NamedTuple):
    """A sheet of a skeleton: the XML around its rows, and the formats of its sample row."""

    before: str
    after: str
    styles: Styles


class _Skeleton(NamedTuple):
    """A workbook without rows: its sheets, and its other parts."""

    sheets: list[_Sheet]
    parts: dict[str, bytes]


def _skeleton(sheets: Sequence[tuple[_Kind, int, int]], columns: Columns, made_at: datetime) -> _Skeleton:
    """Return a workbook without rows.

    Args:
        sheets: Its sheets: their kind, which of that kind they are, and the number of their last row.
        columns: The fixed columns of the export.
        made_at: When it is made, in UTC.
    """
    from xlsxwriter import Workbook  # noqa: PLC0415 - of an extra

    content = io.BytesIO()
    with Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"title": columns.title, "created": made_at})
        book.set_custom_property(MARK, f"{made_at.isoformat()}Z", "text")
        bold, text = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "@"})
        day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        numbers = [book.add_format({"num_format": "0." + "0" * places if places else "0"}) for places in PLACES]
        for kind, number, last in sheets:
            sheet = book.add_worksheet(kind.nth(number))
            sheet.freeze_panes(1, 0)
            for column, name in enumerate(kind.columns):
                # A column of texts is formatted as text, too: a code that a person pastes there keeps its zeros.
                style = None if name in columns.numbers or name in _DAYS else text
                sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH), style)
                sheet.write_string(0, column, sheet_text(name), bold)
            for column, style in enumerate([text, day, *numbers]):
                sheet.write_blank(1, column, None, style)
            sheet.autofilter(0, 0, last - 1, len(kind.columns) - 1)
            # Otherwise Excel marks each code of digits as a mistake, and offers to make a number of it.
            sheet.ignore_errors({"number_stored_as_text": f"A1:{column_name(len(kind.columns) - 1)}{last}"})
    with zipfile.ZipFile(content) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    return _Skeleton([_sheet_of(parts.pop(f"xl/worksheets/sheet{at}.xml")) for at in range(1, len(sheets) + 1)], parts)


def _sheet_of(content: bytes) -> _Sheet:
    text = content.decode()
    found = _ROWS.match(text)
    if found is None:
        raise ConfigError("this version of XlsxWriter writes sheets in another form: export to .csv or .jsonl")
    _row_1, style, day, *numbers = ["", *_STYLE.findall(text)]
    return _Sheet(_SIZE.sub("", found[1]), found[2], Styles(style, day, numbers))


def _entry(name: str) -> zipfile.ZipInfo:
    """Return a part of the workbook, with the date that Excel gives to every part."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
