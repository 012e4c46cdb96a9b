"""Write tables: aligned on a terminal, tab-separated elsewhere."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from xoxo_async.cli.output import has_colour, is_terminal, note_lost, out, silence

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "table"]

_SIZE: Final = re.compile("[0-9]{1,4}")
_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9.,:]*%?")
_LEAST_TEXT: Final = 4
_GAP: Final = 2
_WIDEST: Final = 1_000_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to standard output: aligned on a terminal, tab-separated elsewhere.

    Args:
        header: The names of the columns.
        rows: The rows.
    """
    cells = ([_CONTROL.sub(" ", "" if cell is None else str(cell)) for cell in row] for row in rows)
    if not is_terminal(sys.stdout):
        for row in (list(header), *cells):
            out("\t".join(row))
        return
    from rich.table import Table
    from rich.text import Text

    screen = console(sys.stdout)
    whole = [list(row) for row in cells]
    widths = _widths(header, whole, screen.width)
    if whole and widths != _widths(header, whole, _WIDEST):  # a column without a value takes the place of others
        used = [place for place in range(len(header)) if any(row[place] for row in whole)]
        header, whole = [header[place] for place in used], [[row[place] for place in used] for row in whole]
        widths = _widths(header, whole, screen.width)
    if widths is None:  # each cell gets a line of its own, behind its name
        drawn = Table.grid(padding=(0, _GAP, 0, 0))
        for row in whole:
            for name, cell in zip(header, row, strict=False):
                drawn.add_row(Text(name), Text(cell))
            drawn.add_row("", "")
    else:
        drawn = Table(box=None, header_style="bold" if has_colour(sys.stdout) else "", pad_edge=False)
        for name, width in zip(header, widths, strict=True):
            drawn.add_column(name, overflow="fold", width=width)
        for row in whole:
            drawn.add_row(*(Text(cell) for cell in row))  # Text has no markup: the vendor's words may contain brackets
    try:
        screen.print(drawn)
    except (OSError, ValueError) as error:
        silence(sys.stdout)
        note_lost(error)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return the widths of columns; None where they do not fit.

    A number is never broken, for its parts look like other numbers. Texts and headings are broken before.

    Args:
        header: The names of the columns.
        rows: The rows.
        room: The width of the terminal.
    """
    from rich.cells import cell_len

    widths, in_words, least = [], [], []
    for place, name in enumerate(header):
        texts = [row[place] for row in rows if place < len(row) and row[place]]
        words = [cell_len(word) for text in texts for word in text.split() if _NUMBER.fullmatch(word)]
        longest = max((cell_len(text) for text in texts), default=1)
        widths.append(max(longest, cell_len(name)))
        in_words.append(max(cell_len(word) for text in (name, *texts, "-") for word in text.split()))
        least.append(max([*words, min(longest, _LEAST_TEXT)]))
    room -= _GAP * (len(widths) - 1)
    if sum(least) > room:
        return None
    for bounds in (in_words, least):  # lines are broken between words first
        while sum(widths) > room and any(width > bound for width, bound in zip(widths, bounds, strict=True)):
            widest = max(range(len(widths)), key=[w - b for w, b in zip(widths, bounds, strict=True)].__getitem__)
            widths[widest] -= 1
    return widths


def console(stream: TextIO) -> "Console":
    """Return a rich console for a terminal, with the terminal's size.

    rich accepts any value of COLUMNS and LINES, and draws nothing for 0. So this function ignores values that are too
    small.

    Args:
        stream: The terminal.
    """
    from rich.console import Console

    return Console(
        file=stream,
        width=_size("COLUMNS", stream, least=20, usual=80),
        height=_size("LINES", stream, least=2, usual=24),
    )


def _size(name: str, stream: TextIO, *, least: int, usual: int) -> int | None:
    """Return a size if the environment has one. None lets rich ask the terminal, and follow its changes."""
    asked = os.environ.get(name)
    if asked is None:
        return None
    if _SIZE.fullmatch(asked) and int(asked) >= least:
        return int(asked)
    with suppress(OSError, ValueError):
        size = os.get_terminal_size(stream.fileno())
        return max(size.columns if name == "COLUMNS" else size.lines, least) if size.columns and size.lines else usual
    return usual
