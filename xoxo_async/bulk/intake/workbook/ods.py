"""What the XML of an .ods workbook says beside the values that a reader of workbooks gives."""

from typing import Final

from xoxo_async.bulk.intake.workbook.archive import Archive
from xoxo_async.bulk.intake.workbook.formats import Format
from xoxo_async.bulk.intake.workbook.marks import Marks, Merged
from xoxo_async.bulk.intake.workbook.markup import Attributes, Parser, local, new_parser, parse
from xoxo_async.bulk.intake.workbook.ods_styles import Styles
from xoxo_async.bulk.intake.workbook.refusing import MOST_COLUMNS, as_csv

__all__ = ["Ods"]

_MOST_MARKS: Final = 1_000_000
_MOST_ROWS: Final = 2**21
_NUMBERS: Final = {"float", "currency", "percentage"}


class Ods:
    """The parts of an .ods workbook.

    Attributes:
        notes: What a person should know of the whole workbook.

    Args:
        archive: The container.
    """

    def __init__(self, archive: Archive) -> None:
        self.notes: Final[list[str]] = ["its macros are not run"] if archive.has("Basic/") else []
        scan = _Scan()
        for part in ("styles.xml", "content.xml"):
            if part == "content.xml" or archive.has(part):
                parse(archive.chunks(part), part, scan.start, parser=scan.parser())
        scan.end_sheet()
        self._sheets: Final = scan.sheets

    def marks(self, sheet: str) -> Marks:
        """Return what a sheet says of its cells.

        Args:
            sheet: Its name.
        """
        return self._sheets.get(sheet) or Marks()


class _Scan:
    """Goes through all sheets: a reader of workbooks reads all of them when it opens the file."""

    def __init__(self) -> None:
        self.sheets: Final[dict[str, Marks]] = {}
        self._marks: Marks | None = None  # of the sheet that is being read
        self._merged: Final[list[Merged]] = []
        self._cells = 0
        self._row = 0
        self._repeat = 0  # how often this row stands there
        self._hidden = False
        self._next = 0  # the column of the next cell
        self._cell = (0, 0)  # the first column of this cell, and the one after its last
        self._values: list[tuple[int, int]] = []  # columns of this row with values
        self._bad: list[tuple[int, int, str]] = []
        self._marked = 0
        self._styles: Final = Styles()
        self._columns = 0
        self._column_formats: Final[dict[int, Format]] = {}
        self._row_style = ""
        self._shown: list[tuple[int, Format]] = []

    def parser(self) -> Parser:
        """Return a parser for the next part; it gives the texts of formats, and none of a sheet."""
        return self._styles.listen(new_parser())

    def start(self, name: str, attributes: Attributes) -> None:
        name = local(name)
        if name == "table":
            self.end_sheet()
            self._styles.end()
            self._marks = self.sheets.setdefault(attributes.get("table:name", ""), Marks())
        elif self._marks is None:
            self._styles.start(name, attributes)
        elif name == "table-column":
            self._start_column(attributes)
        elif name == "table-row":
            self._row_style = attributes.get("table:default-cell-style-name", "")
            self._end_row()
            self._row += self._repeat
            self._repeat = _count(attributes, "table:number-rows-repeated")
            self._hidden = attributes.get("table:visibility") in {"collapse", "filter"}
            self._next = 0
        elif name in {"table-cell", "covered-table-cell"}:
            self._start_cell(attributes)
        elif name == "p" and self._cell[1] > self._cell[0]:
            self._values.append(self._cell)

    def end_sheet(self) -> None:
        """Check the size of the sheet that has ended, and of all before it."""
        self._end_row()
        if self._marks is not None:
            self._marks.check_size(self._cells)
            self._cells += self._marks.cells
            self._marks.merge(self._merged, self._marks.first + 1, self._marks.last)
        self._merged.clear()
        self._column_formats.clear()
        self._row, self._repeat, self._columns, self._row_style = 0, 0, 0, ""

    def _end_row(self) -> None:
        """Give the marks what stands in the row that has ended; it may stand there many times."""
        if self._values and self._marks is not None:
            bottom = self._row + self._repeat - 1
            self._marks.cover(self._row, min(first for first, _ in self._values), bottom,
                              max(end for _, end in self._values) - 1)  # fmt: skip
            self._marks.check_size(self._cells)
            for row in range(self._row, bottom + 1):
                self._mark_row(self._marks, row)
        self._values, self._bad, self._shown = [], [], []

    def _mark_row(self, marks: Marks, row: int) -> None:
        if self._hidden:
            self._count(1)
            marks.hidden.add(row)
        for first, end, why in self._bad:
            self._count(end - first)
            for column in range(first, end):
                marks.refuse(row, column, why)
        for column, how in self._shown:
            marks.show(row, column, how)

    def _start_cell(self, attributes: Attributes) -> None:
        first = self._next
        self._next = end = first + _count(attributes, "table:number-columns-repeated")
        self._cell = first, end
        kinds = {value for key, value in attributes.items() if local(key) == "value-type"}
        why = ""
        if "error" in kinds:
            why = "has an error of a formula"
        elif "table:formula" in attributes and not kinds:
            why = "is a formula without a value: open the workbook in its program, and save it"
        if why:
            self._bad.append((first, end, why))
        if kinds or why:
            self._values.append(self._cell)
        rows, columns = (
            _count(attributes, "table:number-rows-spanned"),
            _count(attributes, "table:number-columns-spanned"),
        )
        style = attributes.get("table:style-name", "") or self._row_style
        if (style or self._column_formats) and kinds & _NUMBERS:
            self._show(style, first, min(end, MOST_COLUMNS))
        if rows > 1 or columns > 1:
            self._count(1)
            self._merged.append(((self._row, first), (self._row + rows - 1, first + columns - 1)))

    def _show(self, style: str, first: int, end: int) -> None:
        """Note the format of these numbers."""
        for column in range(first, end):
            how = self._styles.of(style) if style else self._column_formats.get(column)
            if how is not None:
                self._shown.append((column, how))

    def _start_column(self, attributes: Attributes) -> None:
        first = self._columns
        self._columns = min(first + _count(attributes, "table:number-columns-repeated"), MOST_COLUMNS)
        if (how := self._styles.of(attributes.get("table:default-cell-style-name", ""))) is not None:
            self._column_formats.update(dict.fromkeys(range(first, self._columns), how))

    def _count(self, marks: int) -> None:
        self._marked += marks
        if self._marked > _MOST_MARKS:
            raise as_csv("the sheet has too many formulas, errors and hidden rows")


def _count(attributes: Attributes, name: str) -> int:
    """Return a number of repetitions; what is no number, or larger than any sheet, counts as the largest."""
    text = attributes.get(name, "1")
    return max(1, min(int(text), _MOST_ROWS)) if text.isdecimal() and len(text) < 9 else _MOST_ROWS
