"""Lines of CSV that a spreadsheet shows and never runs."""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["csv_line", "is_formula", "shown"]

# A spreadsheet reads a cell that begins with one of these as a formula; some locales include full-width signs.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# A spreadsheet set to another separator splits a line at these, and a part of a text would become a cell.
_TO_QUOTE: Final = re.compile('[",;|\t\r\n]')


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run a cell instead of showing it.

    Args:
        text: What the cell holds.
    """
    return _FORMULA.match(text) is not None


def shown(text: str) -> str:
    """Return a text as a cell that a spreadsheet shows: behind an apostrophe, where it would run it.

    A text that begins with an apostrophe gets a second one. So a reader gets every text back by removing one apostrophe
    from each cell that begins with one.

    Args:
        text: The text.
    """
    return f"'{text}" if is_formula(text) or text.startswith("'") else text


def csv_line(cells: Iterable[str]) -> str:
    """Return cells as one line of CSV, its line end included; quoted where any spreadsheet might split them.

    Args:
        cells: The cells.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\r\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell
