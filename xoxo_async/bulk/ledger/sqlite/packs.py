"""The SQL of packed lines: the order of each line, and how a refused order gives its lines back."""

# ruff: noqa: S608 - the only names put into SQL are this module's own

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.lines import Pack, PackedLine, PlannedLine
from xoxo_async.bulk.ledger.packing import with_places
from xoxo_async.bulk.ledger.sqlite.passing import as_json

__all__ = [
    "has_packs",
    "insert_packed",
    "keys_of",
    "pack_of",
    "read_packed",
    "unpack",
]

_PACKED: Final = msgspec.json.Decoder(list[PackedLine])

_COLUMNS: Final = ("pack", "first", "pieces", "key", "po_number", "digest", "body", "row", "worth")
_FIELDS: Final = [f"json_extract(value, '$[{i}]')" for i in range(len(_COLUMNS))]
_PACK: Final = f"INSERT INTO packed_lines ({', '.join(_COLUMNS)}) SELECT {', '.join(_FIELDS)} FROM json_each(?)"
_READ: Final = (
    f"SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB) FROM"
    f" (SELECT json_array({', '.join(_COLUMNS)}) AS line FROM packed_lines"
    " WHERE unpacked = 0 AND pack IN (SELECT value FROM json_each(?)) ORDER BY pack, first)"
)
_KEYS: Final = (
    "SELECT key, seq, 1 FROM lines WHERE key IN (SELECT value FROM json_each(?1)) UNION ALL"
    " SELECT key, pack, 0 FROM packed_lines WHERE key IN (SELECT value FROM json_each(?1)) AND unpacked = 0"
)
_UNPACK: Final = (
    "INSERT INTO lines (key, po_number, digest, body, row, worth, state)"
    " SELECT key, po_number, digest, body, row, worth, 'planned' FROM packed_lines"
    " WHERE unpacked = 0 AND pack IN (SELECT value FROM json_each(?)) ORDER BY pack, first"
)
_UNPACKED: Final = "UPDATE packed_lines SET unpacked = 1 WHERE pack IN (SELECT value FROM json_each(?))"


def has_packs(connection: sqlite3.Connection) -> bool:
    """Return whether any line was ever packed in this ledger."""
    return connection.execute("SELECT 1 FROM packed_lines LIMIT 1").fetchone() is not None


def insert_packed(connection: sqlite3.Connection, packs: Sequence[Pack], last: int) -> None:
    """Add the lines of orders that several share.

    Args:
        connection: In a transaction that has added the orders.
        packs: The orders; none of their lines is in the ledger yet.
        last: The `seq` before the first of them.
    """
    lines: list[tuple[object, ...]] = []
    for seq, (_, packed) in enumerate(packs, last + 1):
        for first, line in with_places(packed):
            lines.append((seq, first, line.pieces, *_fixed(line), units(line.worth)))
    connection.execute(_PACK, (as_json(lines),))


def _fixed(line: PlannedLine) -> tuple[str, str, str, str, int]:
    return line.key, line.po_number, line.digest, line.request.decode(), line.row


def unpack(connection: sqlite3.Connection, seqs: Collection[int]) -> int:
    """Plan each line of refused orders as an order by itself: no order of theirs exists. Return how many they are.

    Args:
        connection: In a transaction.
        seqs: The refused orders.
    """
    refused = as_json(list(seqs))
    planned = connection.execute(_UNPACK, (refused,)).rowcount
    connection.execute(_UNPACKED, (refused,))
    return planned


def read_packed(connection: sqlite3.Connection, seqs: Collection[int]) -> list[PackedLine]:
    """Return the lines that travel in some orders, in the order in which their codes are dealt."""
    return _PACKED.decode(connection.execute(_READ, (as_json(list(seqs)),)).fetchone()[0])


def pack_of(connection: sqlite3.Connection, key: str) -> int | None:
    """Return the order that the line of a key travels in, None when it travels alone or is not there."""
    row = connection.execute("SELECT pack FROM packed_lines WHERE key = ? AND unpacked = 0", (key,)).fetchone()
    return int(row[0]) if row else None


def keys_of(connection: sqlite3.Connection, keys: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Return the place of the lines of some keys: the order's `seq`, and whether the line is an order by itself."""
    return {key: (seq, bool(alone)) for key, seq, alone in connection.execute(_KEYS, (as_json(list(keys)),))}
