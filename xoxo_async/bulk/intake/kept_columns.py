"""The check of the columns that ride along with a row: texts, few enough and short enough for any ledger."""

from collections.abc import Mapping
from typing import Final

from xoxo_async.errors import ArgumentError
from xoxo_async.services import checks

__all__ = ["KeptColumnError", "check_kept"]

_MOST: Final = 100
_LONGEST_NAME: Final = 100
_LONGEST_VALUE: Final = 1_000
_LONGEST: Final = 10_000
"""Characters of all values of a row: a plan holds thousands of rows in memory at once."""
_LAYOUT: Final = str.maketrans("", "", "\t\r\n")


class KeptColumnError(ArgumentError):
    """A column that rides along has a value that cannot.

    Attributes:
        column: Its name.
    """

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column: Final[str] = column


def check_kept(_column: str, value: object) -> None:
    """Raise `ConfigError` unless a value can be the columns that ride along with a row.

    Args:
        value: The value; None is no column.
    """
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ArgumentError(f"must hold texts by name, not {type(value).__name__}")
    if len(value) > _MOST:
        raise ArgumentError(f"holds {len(value):,} columns, and {_MOST} are allowed at most")
    characters = 0
    for name, text in value.items():
        checks.needed("the name of a column", name, longest=_LONGEST_NAME)
        _check_value(name, text)
        characters += len(text)
    if characters > _LONGEST:
        raise ArgumentError(f"has {characters:,} characters in all columns, and {_LONGEST:,} are allowed at most")


def _check_value(name: str, text: object) -> None:
    """Refuse what is no text, is too long, or holds control characters; a cell may have tabs and lines, though."""
    if isinstance(text, str) and len(text) <= _LONGEST_VALUE and text.translate(_LAYOUT).isprintable():
        return
    if isinstance(text, str) and len(text) > _LONGEST_VALUE:
        raise KeptColumnError(
            name, f"has {len(text):,} characters in {name!a}, and {_LONGEST_VALUE:,} are allowed at most in a column"
        )
    if isinstance(text, str):
        raise KeptColumnError(name, f"holds a control character in {name!a}")
    raise KeptColumnError(name, f"must hold a text in {name!a}, not {type(text).__name__}")
