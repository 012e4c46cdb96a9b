"""The SQL of lines that are to be sent at once: what the ledger has of them."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from typing import Final

from xoxo_async.bulk.ledger.bookkeeping import StoredLine
from xoxo_async.bulk.ledger.sqlite.passing import as_json

__all__ = ["find_stored"]

_STORED: Final = " UNION ALL ".join(
    f"SELECT new.key, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po{where}"
    for seq, first, table, where in (
        ("old.seq", "NULL", "orders", ""),
        ("old.pack", "old.first", "packed_lines", " WHERE old.unpacked = 0"),
    )
)


def find_stored(connection: sqlite3.Connection, lines: Sequence[tuple[str, str]]) -> list[StoredLine]:
    """Return the stored lines that have a key or a poNumber of some lines; those of an order taken apart stand alone.

    Args:
        connection: To read with.
        lines: Key and poNumber of each line; `place` counts them from 0.
    """
    return [StoredLine(*row) for row in connection.execute(_STORED, (as_json(lines),))]
