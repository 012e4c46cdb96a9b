"""Lines of CSV that a spreadsheet shows and never runs."""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["BETWEEN", "changes_in_excel", "csv_line", "is_formula", "kept_as_text", "plain_line", "shown"]

# A spreadsheet reads a cell that begins with one of these as a formula; some locales include full-width signs.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# A spreadsheet set to another separator splits a line at these, and a part of a text would become a cell.
_TO_QUOTE: Final = re.compile('[",;|\t\r\n]')
BETWEEN: Final = "\x1f"
"""Stands between the cells of a line while they are checked at once. As a text of its own it fails the check."""
_UNPLAIN: Final = re.compile(f"[\",;|\t\r\n]|(?:^|{BETWEEN})[='+\\-@\uff1d\uff0b\uff0d\uff20]")

_LETTERS: Final = re.compile(r"[^\W\d_]+")
_LOGICAL: Final = frozenset({"true", "false", "wahr", "falsch", "vrai", "faux", "verdadero", "falso", "vero"})
# What Excel reads as a part of a number, a time or an amount, in one language or another.
_PARTS: Final = frozenset(
    {"a", "am", "chf", "e", "eur", "gbp", "inr", "kr", "l", "p", "pm", "r", "rs", "s", "t", "usd"}
)
# The first three letters of the months in English, German, French, Spanish, Italian, Portuguese, Dutch and
# Polish; those in other scripts are not listed.
_MONTHS: Final = re.compile(
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|fév|fev|avr|jui|aoû|aou|déc|ene|abr|ago|dic|gen|mag"
    "|giu|lug|set|ott|out|mrt|mei|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|paz|lis|gru"
)
_BEYOND_LATIN: Final = re.compile("[^\u0000-\u024f]")


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


def kept_as_text(text: str) -> str:
    """Return a text as a cell that Excel does not change when it opens the file: `shown`, and numbers as well.

    Args:
        text: The text.
    """
    return f"'{text}" if changes_in_excel(text) else shown(text)


def changes_in_excel(text: str) -> bool:
    """Return whether Excel may read a cell as a number, a date, a time or a truth value, in some language.

    Then it shows another text: it drops leading zeros, and every digit after the fifteenth. Doubt counts as yes.

    Args:
        text: What the cell holds.
    """
    words = [word.casefold() for word in _LETTERS.findall(text)]
    if not any(map(str.isdigit, text)):
        return text.strip().casefold() in _LOGICAL
    return all(word in _PARTS or _MONTHS.match(word) or _BEYOND_LATIN.search(word) for word in words)


def csv_line(cells: Iterable[str]) -> str:
    """Return cells as one line of CSV, its line end included; quoted where any spreadsheet might split them.

    Args:
        cells: The cells.
    """
    return ",".join(_quoted(cell) for cell in cells) + "\r\n"


def plain_line(joined: str, cells: int) -> str | None:
    """Return cells as one line of CSV if none of them needs quotes or an apostrophe; None otherwise.

    Nearly all lines of an export are plain. One search over the line takes a sixth of the time of one for each cell.

    Args:
        joined: The cells, with `BETWEEN` between them.
        cells: How many they are.
    """
    if _UNPLAIN.search(joined) or joined.count(BETWEEN) != cells - 1:
        return None
    return joined.replace(BETWEEN, ",") + "\r\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell
