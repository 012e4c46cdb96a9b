"""Rows of a workbook's sheet as XML: every text to the character, a number or a day only where it is exact."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from xoxo_async.bulk.intake.workbook.marks import column_name
from xoxo_async.errors import ConfigError

__all__ = ["PLACES", "SheetRows", "Styles"]

PLACES: Final = range(7)
"""Decimal places of the numbers that have a format."""
_LONGEST: Final = 32_767
"""Characters of a cell, counted as UTF-16."""
_BETWEEN: Final = "\x1f"
_ODD: Final = re.compile("[&<>\x00-\x1e\ufffe\uffff\ud800-\udfff]|_x[0-9a-fA-F]{4}_|\x1f[^\\S\x1f]|[^\\S\x1f]\x1f")
"""What a cell cannot hold as it is, in the cells of a row with `_BETWEEN` around each. To Python that is a blank.
Here it is none, since it stands beside empty cells."""
_UNUSUAL: Final = re.compile("[^ !-%'-;=?-~\x1f]")
"""What is neither printable ASCII nor `_BETWEEN`, and markup. Most rows have none of it, and this takes a tenth of the
time of `_ODD`."""
_ESCAPE_LIKE: Final = re.compile("_(?=x[0-9a-fA-F]{4}_)")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_NUMBER: Final = re.compile(r"(?=[\d.]{1,16}\Z)(?:0|[1-9]\d{0,14})(?:\.(\d{1,6}))?\Z", re.ASCII)
"""A number that a cell holds to the digit: 15 digits, and no exponent."""
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FIRST_DAY: Final = date(1900, 3, 1)
"""Before it, Excel counts days in another way than every other program: its 1900 has a 29 February."""
_DAY_0: Final = date(1899, 12, 30).toordinal()


class Styles(NamedTuple):
    """The numbers of the formats in a workbook.

    Attributes:
        text: Of texts.
        day: Of days.
        numbers: Of numbers, by decimal places.
    """

    text: str
    day: str
    numbers: Sequence[str]


class SheetRows:
    """Makes the rows of sheets with the same columns.

    Args:
        columns: Their headings.
        numbers: Which of them hold amounts.
        days: Which of them hold days.
        styles: The formats.
    """

    def __init__(
        self, columns: Sequence[str], *, numbers: frozenset[str], days: frozenset[str], styles: Styles
    ) -> None:
        self._columns: Final = columns
        self._letters: Final = [column_name(column) for column in range(len(columns))]
        self._starts: Final = [f'<c r="{letters}' for letters in self._letters]
        # Most amounts and days of a job are the same few ones.
        day, number = lru_cache(maxsize=4096)(self._day), lru_cache(maxsize=4096)(self._number)
        self._values: Final = [day if name in days else number if name in numbers else None for name in columns]
        self._styles: Final = styles
        self._text: Final = f'" s="{styles.text}" t="inlineStr"><is><t>'

    def row(self, number: int, cells: Sequence[str]) -> str:
        """Return a row.

        Args:
            number: Its number, from 1.
            cells: Its cells; an empty one is left out.

        Raises:
            ConfigError: A text is longer than a cell can hold.
        """
        is_plain = _is_plain(cells)
        opened = f"{number}{self._text}"
        parts = [f'<row r="{number}">']
        for start, value_of, text in zip(self._starts, self._values, cells, strict=False):
            if not text:
                continue
            if value_of is not None and (value := value_of(text)):
                parts.append(f"{start}{number}{value}")
            elif is_plain:
                parts.append(f"{start}{opened}{text}</t></is></c>")
            else:
                parts.append(f"{start}{self._odd(number, start, text)}")
        parts.append("</row>")
        return "".join(parts)

    def _day(self, text: str) -> str:
        """Return the rest of a cell with a day; empty where it is none that a cell can hold."""
        day = _day_of(text)
        return f'" s="{self._styles.day}"><v>{day}</v></c>' if day else ""

    def _number(self, text: str) -> str:
        """Return the rest of a cell with a number; empty where a cell cannot hold it to the digit."""
        number = _NUMBER.match(text)
        return f'" s="{self._styles.numbers[len(number[1] or "")]}"><v>{text}</v></c>' if number else ""

    def _odd(self, number: int, start: str, text: str) -> str:
        """Return the rest of a cell with a text that needs care."""
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        if units > _LONGEST:
            name = self._columns[self._starts.index(start)]
            raise ConfigError(
                f"a text of {units:,} characters in the column {name!r} does not fit into a cell of a workbook: export"
                " to .csv or .jsonl"
            )
        # A workbook spells a control character _x0007_, and the underscore of a text that looks like that _x005F_.
        text = _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", _ESCAPE_LIKE.sub("_x005F_", text))
        text = escape(text.encode("utf-8", "replace").decode())
        return f'{number}" s="{self._styles.text}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _is_plain(cells: Sequence[str]) -> bool:
    """Return whether each of some cells can be written as it is."""
    joined = f"{_BETWEEN}{_BETWEEN.join(cells)}{_BETWEEN}"
    if len(joined) > _LONGEST // 2 or joined.count(_BETWEEN) != len(cells) + 1:
        return False
    if _UNUSUAL.search(joined):
        return not _ODD.search(joined)
    has_ends = f" {_BETWEEN}" in joined or f"{_BETWEEN} " in joined
    return not has_ends and ("_x" not in joined or not _ESCAPE_LIKE.search(joined))


def _day_of(text: str) -> int:
    """Return a day as a workbook counts days; 0 if it is no day that each program counts alike."""
    if _DAY.match(text):
        with suppress(ValueError):
            day = date.fromisoformat(text)
            return day.toordinal() - _DAY_0 if day >= _FIRST_DAY else 0
    return 0
