"""Rows of an .xlsx sheet of which nothing but their place has to be known: values without formulas, errors and formats.

Most rows are such. One expression matches a whole row; to go through it element by element takes five times as long.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from xoxo_async.bulk.intake.workbook.marks import column_number

__all__ = ["PlainRows"]

_START: Final = b"<row "
_END: Final = b"</row>"
_LONGEST: Final = 2**20
"""Bytes. A row that is longer is given to the parser as it comes."""
_MOST_STYLES: Final = 500
_TEXT: Final = rb"[^<>&\x00-\x08\x0b\x0c\x0e-\x1f]*"


class PlainRows:
    """Takes the plain rows out of the XML of a sheet, and knows the rectangle around their values.

    What is left is XML as well, because a whole element is taken out at a time.

    Attributes:
        top: The first row with a value, from 0; -1 without any.
        bottom: The last one.
        left: The first column with a value.
        right: The last one.

    Args:
        formats: The numbers of the styles that show a number in a way of their own.
        styles: How many styles there are.
    """

    def __init__(self, formats: Iterable[str], styles: int) -> None:
        self.top: int = -1
        self.bottom: int = -1
        self.left: int = -1
        self.right: int = -1
        self._columns: Final[dict[bytes, int]] = {}  # of all letters that were seen
        self._match: Final = _row(set(formats), styles).match

    @property
    def found(self) -> bool:
        """Whether there was any."""
        return self.bottom >= 0

    def others(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the rest of the XML, piece by piece.

        Args:
            chunks: The XML.
        """
        rest = b""
        for chunk in chunks:
            data = rest + chunk
            is_ascii, match, take = data.isascii(), self._match, self._take
            at, start, rest = 0, data.find(_START), b""
            while start >= 0:
                row = match(data, start)
                if row is not None and (is_ascii or _is_text(row[0])):
                    take(*row.groups())
                    if at < start:
                        yield data[at:start]
                    at = end = row.end()
                else:
                    end = data.find(_END, start) + len(_END)
                    if end < len(_END):
                        if len(data) - start < _LONGEST:
                            data, rest = data[:start], data[start:]
                        break
                start = end if data.startswith(_START, end) else data.find(_START, end)
            if at < len(data):
                yield data[at:]
        if rest:
            yield rest

    def _take(self, number: bytes, first: bytes | None, last: bytes | None) -> None:
        """Widen the rectangle to a row by the columns of its first and its last value."""
        if first is None:
            return
        at = int(number) - 1
        self.bottom = max(self.bottom, at)
        self.top = at if self.top < 0 else min(self.top, at)
        columns = self._columns
        for letters in (first, last or first):
            column = columns.get(letters)
            if column is None:
                column = columns[letters] = column_number(letters.decode())
                self.left = column if self.left < 0 else min(self.left, column)
                self.right = max(self.right, column)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _row(formats: set[str], styles: int) -> "re.Pattern[bytes]":
    """Return what matches a plain row: its number, and the columns of its first and its last value."""
    plain = [str(number) for number in range(min(styles, _MOST_STYLES)) if str(number) not in formats]
    any_style = rb'(?: s="[0-9]{1,6}")?'
    number = rb'(?: s="(?:%s)")' % "|".join(plain).encode() if plain else rb"(?!)"
    number += rb"?" if "0" not in formats else rb""
    kinds = any_style + rb' t="(?:s|b|str)"'
    shown = (
        any_style + rb'(?: t="(?:n|s|b|str)")?' if not formats else rb"(?:" + kinds + rb"|" + number + rb'(?: t="n")?)'
    )
    inline = any_style + rb' t="inlineStr"><is><t(?: xml:space="preserve")?>' + _TEXT + rb"</t></is></c>"
    cell = rb"(?:" + shown + rb"><v>" + _TEXT + rb"</v></c>|" + inline + rb")"
    place, blank = rb'<c r="([A-Z]{1,3})\1"', rb'<c r="[A-Z]{1,3}\1"' + any_style + rb"/>"
    return re.compile(
        rb'<row r="([1-9][0-9]{0,6})"(?: (?!hidden="[1t])[A-Za-z0-9:]+="[^"<&]*")*>(?:' + blank + rb")*"
        rb"(?:" + place + cell + rb"(?:" + place + cell + rb"|" + blank + rb")*)?</row>"
    )
