"""The apostrophe before a text that a spreadsheet would change: how a file gets it, and how a reader takes it off."""

import re
from typing import Final

__all__ = ["changes_in_excel", "is_formula", "kept_as_text", "sheet_text", "shown", "unguarded"]

# A spreadsheet reads a cell that begins with one of these as a formula; some locales include full-width signs.
_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")

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
    return text[:1] in _FORMULA


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


def sheet_text(text: str) -> str:
    """Return a text as XlsxWriter writes it into a sheet as a text.

    It takes `<r>…</r>` for its own rich text and writes it as XML, which may break the file. A blank at the end
    prevents that, and readers of files ignore it.

    Args:
        text: The text.
    """
    return f"{text} " if text.endswith("</r>") else text


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


def unguarded(text: str) -> str:
    """Return the text of a CSV cell without the apostrophe that `shown` or `kept_as_text` put before it.

    Every text that they changed comes back. People put the same apostrophe before `0012` in a spreadsheet, and mean the
    same. A text that nobody guards, such as `'s-Hertogenbosch`, stays as it is.

    Args:
        text: The cell.
    """
    rest = text[1:]
    guarded = text.startswith("'") and (rest.startswith("'") or is_formula(rest) or changes_in_excel(rest))
    return rest if guarded else text
