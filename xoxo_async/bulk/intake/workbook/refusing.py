"""The one error of the process that reads a workbook, and the bounds that it holds."""

from typing import Final

__all__ = [
    "LONGEST_MESSAGE",
    "MOST_CELLS",
    "MOST_COLUMNS",
    "MOST_CPU_S",
    "MOST_MEMBERS",
    "MOST_MEMORY",
    "MOST_RATIO",
    "MOST_UNPACKED",
    "UNCLEAR",
    "RefusedError",
    "as_csv",
    "some",
]

MOST_MEMORY: Final = 190 * 2**20
"""Bytes that the process may hold. A native reader that needs more is ended by the system, and nothing else with it."""
MOST_CPU_S: Final = 40
"""Seconds of a processor. A sheet of the largest size that is read needs a few."""
MOST_CELLS: Final = 1_000_000
"""Cells in the rectangle around all values of a sheet: the reader holds this rectangle in memory."""
MOST_COLUMNS: Final = 1000
MOST_MEMBERS: Final = 5000
"""Files inside of a workbook."""
MOST_UNPACKED: Final = 400 * 2**20
"""Bytes of all that is read of a workbook, unpacked."""
MOST_RATIO: Final = 500
"""How much smaller a large member may be packed than unpacked. Wide and equal rows reach some hundred."""
LONGEST_MESSAGE: Final = 16 * 2**20
"""Bytes of a batch of rows on their way to the caller."""
UNCLEAR: Final = "this is a damaged workbook (it does not say clearly where its cells are)"
_NAMED: Final = 8


class RefusedError(Exception):
    """The workbook cannot be read; the text says what it is, to follow the name of the file."""


def as_csv(what: str) -> RefusedError:
    """Return the error for a sheet that is too large for a workbook, and not for CSV.

    Args:
        what: What is too large.
    """
    return RefusedError(f"{what}; save the sheet as CSV in UTF-8: a CSV file may have any size")


def some(names: list[str]) -> str:
    """Return the first names of a list, without control characters, and how many more there are."""
    shown = ["".join(c if c.isprintable() else "?" for c in name[:40]) for name in names[:_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
