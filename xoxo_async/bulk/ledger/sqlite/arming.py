"""The SQL of lines that are to be sent at once: what the ledger has of them, and how new ones are added."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.bookkeeping import StoredLine
from xoxo_async.bulk.ledger.lines import LedgerLine
from xoxo_async.bulk.ledger.sqlite.statements import FIXED, fields

__all__ = ["find_stored", "insert_lines"]

_STORED: Final = " UNION ALL ".join(
    f"SELECT new.key, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po{where}"
    for seq, first, table, where in (
        ("old.seq", "NULL", "lines", ""),
        ("old.pack", "old.first", "packed_lines", " WHERE old.unpacked = 0"),
    )
)
_INSERT: Final = (
    f"INSERT INTO lines ({', '.join(FIXED)}, state) SELECT {fields(FIXED)}, 'planned' FROM json_each(?) WHERE true"
)
_encode: Final = msgspec.json.Encoder().encode


def find_stored(connection: sqlite3.Connection, lines: Sequence[tuple[str, str]]) -> list[StoredLine]:
    """Return the stored lines that have a key or a poNumber of some lines; those of an order taken apart stand alone.

    Args:
        connection: To read with.
        lines: Key and poNumber of each line; `place` counts them from 0.
    """
    return [StoredLine(*row) for row in connection.execute(_STORED, (_encode(lines),))]


def insert_lines(connection: sqlite3.Connection, lines: Sequence[LedgerLine]) -> None:
    """Add planned lines under the numbers that they have.

    Args:
        connection: In a transaction.
        lines: The lines.
    """
    rows = [
        (line.seq, line.key, line.po_number, line.digest, line.body, line.row, line.lines, line.worth) for line in lines
    ]
    connection.execute(_INSERT, (_encode(rows),))
