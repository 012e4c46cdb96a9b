"""Lines of CSV that a spreadsheet shows and never runs."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from xoxo_async.bulk.intake.guard import changes_in_excel, is_formula, kept_as_text, shown

__all__ = ["changes_in_excel", "csv_line", "is_formula", "kept_as_text", "plain_line", "shown"]

# A spreadsheet set to another separator splits a line at these, and a part of a text would become a cell.
_TO_QUOTE: Final = re.compile('[",;|\t\r\n]')
_BETWEEN: Final = "\x1f"
"""Stands between the cells of a line while they are checked at once. As a text of its own it fails the check."""
_TO_GUARD: Final = re.compile(f"{_BETWEEN}[='+\\-@\uff1d\uff0b\uff0d\uff20]")


def csv_line(cells: Iterable[str]) -> str:
    """Return cells as one line of CSV, its line end included; quoted where any spreadsheet might split them.

    Args:
        cells: The cells.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\r\n"


def plain_line(cells: Sequence[str]) -> str | None:
    """Return cells as one line of CSV if none of them needs quotes or an apostrophe; None otherwise.

    Nearly all lines of an export are plain. Searches over the line take a twentieth of the time of one for each cell;
    seven for one character each, those of `_TO_QUOTE`, take a fifth of that of the pattern.

    Args:
        cells: The cells.
    """
    joined = _BETWEEN.join(cells)
    if (
        "," in joined
        or '"' in joined
        or ";" in joined
        or "|" in joined
        or "\t" in joined
        or "\r" in joined
        or "\n" in joined
        or _TO_GUARD.search(_BETWEEN + joined)
        or joined.count(_BETWEEN) != len(cells) - 1
    ):
        return None
    return joined.replace(_BETWEEN, ",") + "\r\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell
