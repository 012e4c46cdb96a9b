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

    drawn = Table(box=None, header_style="bold" if has_colour(sys.stdout) else "", pad_edge=False)
    for name in header:
        drawn.add_column(name, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))  # Text has no markup: the vendor's words may contain brackets
    try:
        console(sys.stdout).print(drawn)
    except (OSError, ValueError) as error:
        silence(sys.stdout)
        note_lost(error)


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
