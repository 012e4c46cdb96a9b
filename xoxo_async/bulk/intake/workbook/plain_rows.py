"""Rows of an .xlsx sheet of which nothing but their place has to be known: values without formulas, errors and formats.

Most rows are such. One expression matches a whole row; to go through it element by element takes five times as long.
It is a fast way and no other reading: a sheet that is not surely as programs write it is parsed as a whole.
"""

import itertools
import re
from collections.abc import Generator, Iterable, Iterator
from typing import Final

from xoxo_async.bulk.intake.workbook.marks import column_number

__all__ = ["NotPlainError", "PlainRows"]

_OPEN: Final = b"<sheetData>"
_CLOSE: Final = b"</sheetData>"
_START: Final = b"<row "
_END: Final = b"</row>"
_LONGEST: Final = 2**20
"""Bytes. A row that is longer is given to the parser as it comes, and so is all that follows it."""
_MOST_STYLES: Final = 500
_MOST_LAYOUTS: Final = 1000
_LONGEST_HEAD: Final = 256
_CHARACTER: Final = rb"\x00-\x08\x0b\x0c\x0e-\x1f"
_TEXT: Final = rb"[^<>&" + _CHARACTER + rb"]*"
_NO_CHARACTERS: Final = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
"""What Python decodes and XML may not have: U+FFFE and U+FFFF."""
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_HEAD: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"(?:<\?xml(?: (?!encoding)[a-z]+=[\"'][a-z0-9.]+[\"']| encoding=[\"'](?i:utf-8)[\"'])*\?>)?"
)
_COLUMN: Final = re.compile(rb'<c r="([A-Z]+)')
_NAME: Final = re.compile(rb" ([A-Za-z0-9:]+)=")


class NotPlainError(Exception):
    """It is not sure that the sheet says the same without its plain rows, so all of it has to be parsed."""


class PlainRows:
    """Takes the plain rows out of the XML of a sheet, and knows the rectangle around their values.

    What is left is XML as well, because a whole element is taken out at a time. The last one of several stays without
    its cells, so that the parser ends the cell before them and knows its place.

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
        self._layouts: Final[dict[tuple[bytes, ...], bool]] = {}  # whether rows with such cells are in order
        self._last: bytes = b""  # the number of the last row that was taken, while the parser does not know it
        self._over: bool = False
        self._match: Final = _row(set(formats), styles).match

    @property
    def found(self) -> bool:
        """Whether there was any with a value."""
        return self.bottom >= 0

    def others(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the rest of the XML, piece by piece.

        Args:
            chunks: The XML.

        Raises:
            NotPlainError: There is something that programs do not write there.
        """
        pieces = _usual(chunks)
        rest = yield from _up_to_rows(pieces)
        for piece in itertools.chain([b""], pieces):
            rest = yield from self._take_from(rest + piece)
            if self._over:
                yield from pieces
        if rest:
            yield self._place() + rest

    def _take_from(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Take out the plain rows with which a piece begins, and those after others; return what is not whole."""
        is_ascii, match = data.isascii(), self._match
        at = start = 0
        while True:
            row = match(data, start)
            if row is not None and self._is_sure(row, is_ascii=is_ascii):
                if at < start:
                    yield self._place() + data[at:start]
                number, _, first, last = row.groups()
                self._last = number
                if first is not None:
                    self._cover(int(number) - 1, first, last or first)
                at = start = row.end()
                continue
            end = _end_of_other(data, start)
            if end <= 0:
                break
            start = end
        if end < 0:
            self._over, start = True, len(data)
        if at < start:
            yield self._place() + data[at:start]
        return data[start:]

    def _place(self) -> bytes:
        """Return the last row that was taken, without its cells; nothing if the parser is there already."""
        number, self._last = self._last, b""
        return b'<row r="%s"/>' % number if number else b""

    def _is_sure(self, row: "re.Match[bytes]", *, is_ascii: bool) -> bool:
        """Return whether the parser would find the same in a row: its cells are in order, and it is whole XML."""
        text, attributes = row[0], row[2]
        if not is_ascii and not _is_text(text):
            return False
        layout = (attributes, *_COLUMN.findall(text))
        known = self._layouts.get(layout)
        if known is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            names, columns = _NAME.findall(attributes), list(layout[1:])
            in_order = columns == sorted(columns, key=lambda letters: (len(letters), letters))
            known = self._layouts[layout] = in_order and len({b"r", *names}) == len(names) + 1
        return known

    def _cover(self, at: int, first: bytes, last: bytes) -> None:
        """Widen the rectangle to a row by the columns of its first and its last value."""
        self.bottom = max(self.bottom, at)
        self.top = at if self.top < 0 else min(self.top, at)
        columns = self._columns
        for letters in (first, last):
            column = columns.get(letters)
            if column is None:
                column = columns[letters] = column_number(letters.decode())
                self.left = column if self.left < 0 else min(self.left, column)
                self.right = max(self.right, column)


def _usual(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks. A comment or the like may have a row that is none, and another encoding other letters."""
    head, end = b"", b""
    for chunk in chunks:
        data = chunk
        if not end:
            head += chunk
            if len(head) < _LONGEST_HEAD:
                continue
            data = head
        yield _checked(data, end)
        end = data[-1:]
    if not end:
        yield _checked(head, end)


def _checked(data: bytes, before: bytes) -> bytes:
    """Return a chunk that has no markup but elements.

    Args:
        data: The chunk.
        before: The end of the chunk before; empty for the first.
    """
    found = None if before else _HEAD.match(data)
    seen = before + data[found.end() if found else 0 :]
    if b"<!" in seen or b"<?" in seen:
        raise NotPlainError
    return data


def _up_to_rows(pieces: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    """Yield all that is before the rows, and return what came of them."""
    data = b""
    for piece in pieces:
        data += piece
        end = data.find(_OPEN) + len(_OPEN)
        if end >= len(_OPEN):
            yield data[:end]
            return data[end:]
        yield data[: -len(_OPEN)]
        data = data[-len(_OPEN) :]
    yield data
    return b""


def _end_of_other(data: bytes, start: int) -> int:
    """Return where a row that is not plain ends: 0 if it is not whole, and -1 if the parser gets all that follows."""
    blanks = _BLANKS.match(data, start)
    at = blanks.end() if blanks else start
    if data.startswith(_CLOSE, at):
        return -1
    if data.startswith(_START, at):
        end = data.find(_END, at)
        if end >= 0:
            return end + len(_END)
    elif not _START.startswith(begun := data[at : at + len(_CLOSE)]) and not _CLOSE.startswith(begun):
        raise NotPlainError
    return 0 if len(data) - start < _LONGEST else -1


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return not any(character in data for character in _NO_CHARACTERS)


def _row(formats: set[str], styles: int) -> "re.Pattern[bytes]":
    """Return what matches a plain row: its number, its attributes, the columns of its first and its last value."""
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
    attribute = rb'[A-Za-z]+(?:[0-9]+[A-Za-z]+)*(?::[A-Za-z]+)?="[^"<&' + _CHARACTER + rb']*"'
    return re.compile(
        rb'[ \t\r\n]*<row r="([1-9][0-9]{0,6})"((?: (?!hidden="[1t])' + attribute + rb")*)>(?:" + blank + rb")*"
        rb"(?:" + place + cell + rb"(?:" + place + cell + rb"|" + blank + rb")*)?</row>"
    )
