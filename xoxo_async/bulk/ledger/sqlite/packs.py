"""The SQL of packed lines: which are known, which travel in which order, and how a refused order gives them back."""

# ruff: noqa: S608 - the only names put into SQL are this module's own

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.lines import PackedLine, PlannedLine
from xoxo_async.bulk.ledger.packing import Pack

__all__ = [
    "Known",
    "count_packed",
    "count_packs",
    "find_known",
    "has_packs",
    "insert_packs",
    "pack_of",
    "read_packed",
    "unpack",
]

_encode: Final = msgspec.json.Encoder().encode
_PACKED: Final = msgspec.json.Decoder(list[PackedLine])

_COLUMNS: Final = ("pack", "first", "pieces", "key", "po_number", "digest", "body", "row", "worth")
_FIELDS: Final = [f"json_extract(value, '$[{i}]')" for i in range(len(_COLUMNS))]
_PACK: Final = f"INSERT INTO packed_lines ({', '.join(_COLUMNS)}) SELECT {', '.join(_FIELDS)} FROM json_each(?)"
_ORDER: Final = (
    "INSERT INTO lines (seq, key, po_number, digest, body, row, lines, worth, state)"
    f" SELECT {', '.join(_FIELDS[:8])}, 'planned' FROM json_each(?)"
)
_KNOWN: Final = " UNION ALL ".join(
    f"SELECT new.key AS place, old.key, old.po_number, old.digest, old.row, {seq}, {first}"
    " FROM (SELECT key, json_extract(value, '$[0]') AS line, json_extract(value, '$[1]') AS po FROM json_each(?1))"
    f" AS new JOIN {table} AS old ON old.key = new.line OR old.po_number = new.po"
    for seq, first, table in (("old.seq", "NULL", "lines"), ("old.pack", "old.first", "packed_lines"))
)
_READ: Final = (
    f"SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB) FROM"
    f" (SELECT json_array({', '.join(_COLUMNS)}) AS line FROM packed_lines"
    " WHERE unpacked = 0 AND pack IN (SELECT value FROM json_each(?)) ORDER BY pack, first)"
)
_COUNT: Final = (
    "SELECT o.state, o.delivery, o.state = 'placed' AND o.held >= p.first + p.pieces, count(*)"
    " FROM packed_lines AS p JOIN lines AS o ON o.seq = p.pack WHERE p.unpacked = 0 GROUP BY 1, 2, 3"
)
_UNPACK: Final = (
    "INSERT INTO lines (key, po_number, digest, body, row, worth, state)"
    " SELECT key, po_number, digest, body, row, worth, 'planned' FROM packed_lines"
    " WHERE unpacked = 0 AND pack IN (SELECT value FROM json_each(?)) ORDER BY pack, first"
)
_UNPACKED: Final = "UPDATE packed_lines SET unpacked = 1 WHERE pack IN (SELECT value FROM json_each(?))"


class Known(NamedTuple):
    """A planned line's match among what the ledger holds.

    Attributes:
        place: The planned line's place in what was asked.
        key: The key of what is there.
        po_number: Its poNumber.
        digest: Its digest.
        row: Its row.
        seq: Its order's number.
        first: Its first voucher's place there; None where it is an order by itself.
    """

    place: int
    key: str
    po_number: str
    digest: str
    row: int
    seq: int
    first: int | None


def has_packs(connection: sqlite3.Connection) -> bool:
    """Return whether any line was ever packed in this ledger."""
    return connection.execute("SELECT 1 FROM packed_lines LIMIT 1").fetchone() is not None


def find_known(connection: sqlite3.Connection, lines: Sequence[PlannedLine]) -> list[Known]:
    """Return what the ledger has under the keys and poNumbers of some lines, packed or not."""
    asked = _encode([(line.key, line.po_number) for line in lines])
    return [Known(*row) for row in connection.execute(_KNOWN, (asked,))]


def insert_packs(connection: sqlite3.Connection, packs: Sequence[Pack], last: int) -> None:
    """Add orders of several lines, and their lines.

    Args:
        connection: In a transaction.
        packs: The orders, none of which, nor of whose lines, is known.
        last: The greatest `seq` there is.
    """
    orders: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    for seq, (order, packed) in enumerate(packs, last + 1):
        orders.append((seq, *_fixed(order), len(packed), units(order.worth)))
        first = 0
        for line in packed:
            lines.append((seq, first, line.pieces, *_fixed(line), units(line.worth)))
            first += line.pieces
    connection.execute(_ORDER, (_encode(orders),))
    connection.execute(_PACK, (_encode(lines),))


def _fixed(line: PlannedLine) -> tuple[str, str, str, str, int]:
    return line.key, line.po_number, line.digest, line.request.decode(), line.row


def unpack(connection: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Plan the lines of refused orders each by itself: no order of theirs exists.

    Args:
        connection: In a transaction.
        seqs: The refused orders.
    """
    asked = _encode(list(seqs))
    connection.execute(_UNPACK, (asked,))
    connection.execute(_UNPACKED, (asked,))


def read_packed(connection: sqlite3.Connection, seqs: Collection[int]) -> list[PackedLine]:
    """Return the lines that travel in some orders, in the order in which their codes are dealt."""
    return _PACKED.decode(connection.execute(_READ, (_encode(list(seqs)),)).fetchone()[0])


def pack_of(connection: sqlite3.Connection, key: str) -> int | None:
    """Return the order that the line of a key travels in, None when it travels alone or is not there."""
    row = connection.execute("SELECT pack FROM packed_lines WHERE key = ? AND unpacked = 0", (key,)).fetchone()
    return int(row[0]) if row else None


def count_packs(connection: sqlite3.Connection) -> int:
    """Count the orders that lines travel in; one that was refused, and gave its lines back, is none."""
    return int(connection.execute("SELECT count(DISTINCT pack) FROM packed_lines WHERE unpacked = 0").fetchone()[0])


def count_packed(connection: sqlite3.Connection) -> list[tuple[str, str, int, int]]:
    """Count packed lines by their order's state and delivery, and by whether their own codes have come."""
    return connection.execute(_COUNT).fetchall()
