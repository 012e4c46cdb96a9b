"""What the records of an .xls workbook say beside the values that a reader of workbooks gives."""

import struct
from collections.abc import Iterator
from typing import IO, Final

import olefile

from xoxo_async.bulk.intake.workbook.marks import Marks, zeros_of
from xoxo_async.bulk.intake.workbook.refusing import RefusedError, some

__all__ = ["Xls"]

_OTHERS: Final = (
    ("EncryptedPackage", "this workbook has a password; save it without one"),
    ("WordDocument", "this is a Word document, not a workbook"),
    ("PowerPoint Document", "this is a PowerPoint presentation, not a workbook"),
    ("__properties_version1.0", "this is an Outlook message, not a workbook"),
)
_ERRORS: Final = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_EOF, _SHEET, _PASSWORD = 0x0A, 0x85, 0x2F
_ROW, _ERROR, _FORMULA = 0x208, 0x205, 0x06
_TEXTS: Final = {0xFD, 0x204, 0xD6, 0x205}
"""Records of one value that is no number: a text of the list, a text, a text with fonts, a flag."""
_NUMBERS: Final = {0x203, 0x27E}
_SHORT_NUMBERS: Final = 0xBD
"""A record of several numbers side by side."""
_FORMAT, _STYLE = 0x41E, 0xE0


class Xls:
    """The records of an .xls workbook.

    Attributes:
        notes: What a person should know of the whole workbook.

    Args:
        file: The workbook.

    Raises:
        RefusedError: It is damaged, has a password, or is something else.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.notes: Final[list[str]] = []
        self._book: Final = self._stream(file)
        self._starts: Final[dict[str, int]] = {}
        self._formats: Final[dict[int, int]] = {}  # digits that a format shows, by its number
        self._pads: Final[dict[int, int]] = {}  # the same, by the number of the style
        styles = 0
        version = self._book[4:6]
        if version != b"\x00\x06":
            raise RefusedError("this is a workbook of Excel 95 or older; save it as .xlsx")
        for kind, at, size in _records(self._book, 0):
            if kind == _PASSWORD:
                raise RefusedError("this workbook has a password; save it without one")
            if kind == _SHEET and size >= 8:
                self._add_sheet(at, size)
            elif kind == _FORMAT and size >= 5:
                number, length, wide = struct.unpack_from("<HHB", self._book, at)
                if shown := zeros_of(self._text(at + 5, at + size, length, wide)):
                    self._formats[number] = shown
            elif kind == _STYLE and size >= 4:
                if digits := self._formats.get(struct.unpack_from("<2xH", self._book, at)[0]):
                    self._pads[styles] = digits
                styles += 1
        self._sheets: Final[dict[str, Marks]] = {}
        cells = 0
        for name, start in self._starts.items():  # a reader of workbooks reads all of them when it opens the file
            marks = self._sheets[name] = self._scan(start)
            marks.check_size(cells)
            cells += marks.cells

    def marks(self, sheet: str) -> Marks:
        """Return what a sheet says of its cells.

        Args:
            sheet: Its name.
        """
        return self._sheets.get(sheet) or Marks()

    def _scan(self, start: int) -> Marks:
        """Return what the sheet says whose records begin here."""
        marks = Marks()
        book = self._book
        for kind, at, size in _records(book, start):
            if kind == _ROW and size >= 16:
                row, flags = struct.unpack_from("<H10xH", book, at)
                if flags & 0x20:
                    marks.hidden.add(row)
            elif kind in _TEXTS and size >= 6:
                self._cover(marks, at)
                if kind == _ERROR and size >= 8 and book[at + 7]:
                    self._refuse(marks, at, book[at + 6])
            elif kind in _NUMBERS and size >= 6:
                self._number(marks, at)
            elif kind == _SHORT_NUMBERS:
                for number in range((size - 6) // 6):
                    self._number(marks, at, number)
            elif kind == _FORMULA and size >= 14:
                self._number(marks, at)
                if book[at + 12 : at + 14] == b"\xff\xff" and book[at + 6] == 2:
                    self._refuse(marks, at, book[at + 8])
        return marks

    def _cover(self, marks: Marks, at: int) -> None:
        row, column = struct.unpack_from("<HH", self._book, at)
        marks.cover(row, column, row, column)

    def _number(self, marks: Marks, at: int, right: int = 0) -> None:
        """Note a number, `right` columns from the first of its record, and how many digits of it are shown."""
        row, column = struct.unpack_from("<HH", self._book, at)
        column += right
        marks.cover(row, column, row, column)
        if digits := self._pads.get(struct.unpack_from("<H", self._book, at + 4 + 6 * right)[0]):
            marks.pad(row, column, digits)

    def _text(self, at: int, end: int, length: int, wide: int) -> str:
        """Return a text of so many characters, which ends with its record at the latest."""
        data = self._book[at : min(end, at + length * (2 if wide & 1 else 1))]
        return data.decode("utf-16-le" if wide & 1 else "latin-1", "replace")

    def _refuse(self, marks: Marks, at: int, error: int) -> None:
        row, column = struct.unpack_from("<HH", self._book, at)
        marks.cover(row, column, row, column)
        marks.refuse(row, column, f"has the error {_ERRORS.get(error, 'of a formula')}")

    def _stream(self, file: IO[bytes]) -> bytes:
        try:
            with olefile.OleFileIO(file) as container:
                if container.exists("Workbook"):
                    return bytes(container.openstream("Workbook").read())
                if container.exists("Book"):
                    raise RefusedError("this is a workbook of Excel 95 or older; save it as .xlsx")
                for stream, what in _OTHERS:
                    if container.exists(stream):
                        raise RefusedError(what)
                names = some(["/".join(path) for path in container.listdir()])
        except (OSError, ValueError, IndexError, struct.error, TypeError, AttributeError, OverflowError):
            raise RefusedError("this is a damaged workbook (its container cannot be read)") from None
        raise RefusedError(f"this is a document of a program (found in it: {names}), not a workbook")

    def _add_sheet(self, at: int, size: int) -> None:
        start, length, wide = struct.unpack_from("<I2xBB", self._book, at)
        self._starts[self._text(at + 8, at + size, length, wide)] = start
        if self._book[at + 5] in {1, 6}:
            self.notes[:] = ["its macros are not run"]


def _records(book: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield the records from a place to the end of its part: the kind of each, its place, and its length."""
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        at += 4
        if kind == _EOF or at + size > len(book):
            return
        yield kind, at, size
        at += size
