"""`xoxo bulk status --problems FILE`: write every troubled row of a ledger into a file, one after another."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from xoxo_async.bulk.exporting.cells import csv_line, shown
from xoxo_async.cli.bulk.row_file import row_file
from xoxo_async.cli.bulk.troubled import cells_of, line_to_json
from xoxo_async.cli.json_output import json_text
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.kinds import JobKind
    from xoxo_async.bulk.ledger.lines import LedgerLine

__all__ = ["check_problems_file", "write_problems"]

_COLUMNS: Final = ("key", "row", "state", "po_number", "order_id", "sent_at", "attempts", "error_id", "why")
_HEADER: Final = ",".join(_COLUMNS).encode()
_NAMES: Final = frozenset({"key", "row", "state", "error_id", "error", "resolve"})
"""What every object of an older file has, and no other file that a command writes or reads."""


def check_problems_file(path: Path) -> None:
    """Refuse a file that cannot hold troubled rows, before the ledger is read.

    Args:
        path: The file.

    Raises:
        ConfigError: Its name ends in something else than .csv or .jsonl.
    """
    if path.suffix.lower() not in {".csv", ".jsonl"}:
        raise ConfigError(f"the file of --problems must end in .csv or .jsonl here, not {path.suffix or 'nothing'}")


async def write_problems(
    path: Path, lines: "AsyncIterator[LedgerLine]", where: "LedgerAddress", kind: "JobKind"
) -> int:
    """Write troubled lines into a private file; memory stays flat, however many there are.

    Args:
        path: The file, see `check_problems_file`. In CSV no cell is a formula. An object of JSONL is one of `problems`
            in the JSON of `status`, with the commands that decide about the row.
        lines: The lines.
        where: Their ledger.
        kind: What its job is of.

    Returns:
        How many order lines they are.

    Raises:
        ConfigError: The file cannot be written, or is there and has something else.
    """
    is_csv = path.suffix.lower() == ".csv"
    rows = 0
    with row_file(path, _HEADER.__eq__ if is_csv else _is_older, "rows of an older status") as file:
        if is_csv:
            file.write(csv_line(_COLUMNS))
        async for line in lines:
            if is_csv:
                cells = cells_of(line)
                file.write(csv_line(shown(cells[name]) for name in _COLUMNS))
            else:
                file.write(f"{json_text(line_to_json(line, where, kind))}\n")
            rows += line.lines
    return rows


def _is_older(first: bytes) -> bool:
    """Return whether the first line of a file is an object that `write_problems` wrote."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(first, type=dict[str, object]).keys() >= _NAMES
    return False
