"""The lines of a text file: bounded in length, and counted for error messages."""

from typing import Final

__all__ = ["LONGEST_LINE", "Place", "UnreadableError", "check_length", "printable"]

LONGEST_LINE: Final = 2**21
"""Characters. All columns of a row together hold less, each at the limit that Python's csv has for a cell."""


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


def check_length(line: str) -> None:
    """Raise `UnreadableError` for a line that is longer than any row."""
    if len(line) > LONGEST_LINE:
        raise UnreadableError(f"a line of it is longer than {LONGEST_LINE:,} characters")


def printable(text: str) -> str:
    """Return the start of a text without control characters, for an error message."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])
