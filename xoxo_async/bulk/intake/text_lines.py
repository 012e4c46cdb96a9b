"""The lines of a text file: decoded as UTF-8, bounded in length, and counted for error messages."""

import re
from collections.abc import Iterator
from typing import IO, Final

__all__ = ["Place", "UnreadableError", "check_length", "decoded", "printable"]

_LONGEST_LINE: Final = 2**21
"""Characters. All columns of a row together hold less, each at the limit that Python's csv has for a cell."""
_ESCAPED: Final = re.compile("[\udc80-\udcff]")


class UnreadableError(Exception):
    """The file cannot be read from here on.

    Attributes:
        what: Why.
        where: The place within the row; empty for the whole row.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.what: Final = what
        self.where: Final = where


class Place:
    """How far a file was read.

    Attributes:
        row: The last row that was read whole.
    """

    def __init__(self) -> None:
        self.row: int = 0


def decoded(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file; of an endless line, only as much as a row can hold.

    Args:
        file: The file, opened with `surrogateescape`.

    Raises:
        UnreadableError: A line is not UTF-8.
    """
    while line := file.readline(_LONGEST_LINE + 1):
        if not line.isascii() and (bad := _ESCAPED.search(line)):
            raise UnreadableError(f"not UTF-8 (byte 0x{ord(bad[0]) - 0xDC00:02x}); save it as UTF-8")
        yield line


def check_length(line: str) -> None:
    """Raise `UnreadableError` for a line that is longer than any row."""
    if len(line) > _LONGEST_LINE:
        raise UnreadableError(f"a line of it is longer than {_LONGEST_LINE:,} characters")


def printable(text: str) -> str:
    """Return the start of a text without control characters, for an error message."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])
