"""What a sheet says of its cells beside their values: errors, formulas without a value, hidden rows, merged cells."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from xoxo_async.bulk.intake.workbook.formats import Format
from xoxo_async.bulk.intake.workbook.refusing import MOST_CELLS, MOST_COLUMNS, as_csv

__all__ = ["Marks", "Merged", "cell_name", "column_name", "column_number"]

_TOP: Final = 10
"""Rows below the first in which the header may stand."""
_MOST_WIDE: Final = 100
_MOST_FORMATS: Final = 2**16 - 1
_MOST_FORMATTED: Final = 4 * MOST_CELLS

Merged = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last cell of a merged range, each by row and column from 0."""


class Marks:
    """Facts about the cells of one sheet. All rows and columns count from 0.

    Attributes:
        bad: Why a cell cannot be trusted, by row and column.
        hidden: Rows that are not shown.
        notes: What else a person should know.
        wide: Merged cells near the top that cover several columns: the first and last row, and their names: `B1:C1`.
    """

    def __init__(self) -> None:
        self.bad: Final[dict[int, dict[int, str]]] = {}
        self.hidden: Final[set[int]] = set()
        self.notes: Final[list[str]] = []
        self.wide: Final[list[tuple[int, int, str]]] = []
        self._formats: Final[list[Format]] = []
        self._numbers: Final[dict[int, int]] = {}  # of the formats, by their identity
        self._columns: Final[dict[int, array[int]]] = {}  # the number of each cell's format, by column and row
        self._held = 0
        self._top = self._left = 2**32
        self._bottom = self._right = -1

    def refuse(self, row: int, column: int, why: str) -> None:
        """Note a cell that cannot be trusted."""
        self.bad.setdefault(row, {})[column] = why

    def show(self, row: int, column: int, how: Format) -> None:
        """Note the format that a number has."""
        number = self._numbers.get(id(how))
        if number is None:
            self._formats.append(how)
            number = self._numbers[id(how)] = len(self._formats)
            if number >= _MOST_FORMATS:
                raise as_csv("the sheet has too many number formats")
        cells = self._columns.setdefault(column, array("H"))
        if (missing := row + 1 - len(cells)) > 0:
            self._held += missing
            if self._held > _MOST_FORMATTED:
                raise as_csv("numbers with formats are spread too far over the sheet")
            cells.frombytes(bytes(2 * missing))
        cells[row] = number

    def shown(self, row: int) -> Iterator[tuple[int, Format]]:
        """Yield the columns of a row with numbers that have a format, and these formats."""
        for column, cells in self._columns.items():
            if row < len(cells) and (number := cells[row]):
                yield column, self._formats[number - 1]

    def cover(self, top: int, left: int, bottom: int, right: int) -> None:
        """Note that there are values in a rectangle."""
        self._top, self._left = min(self._top, top), min(self._left, left)
        self._bottom, self._right = max(self._bottom, bottom), max(self._right, right)

    @property
    def first(self) -> int:
        """The first row with a value."""
        return self._top

    @property
    def last(self) -> int:
        """The last row with a value; -1 where there is none."""
        return self._bottom

    def holds(self, top: int, left: int, bottom: int, right: int) -> bool:
        """Return whether a rectangle is within the one around all values."""
        return self._top <= top and self._left <= left and bottom <= self._bottom and right <= self._right

    @property
    def cells(self) -> int:
        """How many cells the rectangle around all values has."""
        return (self._bottom - self._top + 1) * (self._right - self._left + 1) if self._bottom >= 0 else 0

    def check_size(self, before: int = 0) -> None:
        """Raise `RefusedError` where the rectangle around all values is too large to be read.

        Args:
            before: How many cells other sheets have that are read as well.
        """
        columns = self._right + 1
        if columns > MOST_COLUMNS:
            raise as_csv(f"a value stands in column {column_name(self._right)} ({columns:,} columns); at most"
                         f" {MOST_COLUMNS:,} columns are read")  # fmt: skip
        cells = self.cells
        if cells + before > MOST_CELLS:
            raise as_csv(f"the sheet has {cells:,} cells down to row {self._bottom + 1:,}; at most {MOST_CELLS:,} are"
                         " read from a workbook")  # fmt: skip

    def merge(self, ranges: Iterable[Merged], first: int, last: int) -> None:
        """Refuse the cells of merged ranges but the first of each: a reader finds nothing in them.

        Args:
            ranges: The merged ranges.
            first: The first row that counts: the one below the header.
            last: The last row with values.
        """
        left = MOST_CELLS
        for (top, start), (bottom, end) in ranges:
            end = min(end, MOST_COLUMNS)  # noqa: PLW2901 - nothing is read beyond
            rows = range(max(top, first), min(bottom, last) + 1)
            names = f"{cell_name(top, start)}:{cell_name(bottom, end)}"
            why = f"is part of the merged cells {names}, which have one value"
            if end > start and top < first + _TOP and len(self.wide) < _MOST_WIDE:
                self.wide.append((top + 1, bottom + 1, names))
            left -= len(rows) * (end - start + 1)
            if left < 0:
                raise as_csv("the sheet has too many merged cells")
            for row in rows:
                for column in range(start, end + 1):
                    if (row, column) != (top, start):
                        self.bad.setdefault(row, {}).setdefault(column, f"{why}; unmerge them")


def column_name(column: int) -> str:
    """Return the letters of a column, counted from 0: `A`, `Z`, `AA`."""
    name, column = "", column + 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def column_number(name: str) -> int:
    """Return the number of a column, counted from 0, by its letters.

    Args:
        name: The letters, `AA`, from A to Z.
    """
    column = 0
    for letter in name:
        column = column * 26 + ord(letter) - 64
    return column - 1


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell: `A1` for the first."""
    return f"{column_name(column)}{row + 1}"
