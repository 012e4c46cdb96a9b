"""The SQL that adds planned orders to a ledger, each request in the form of `shapes`."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.sqlite.shapes import Shapes
from xoxo_async.bulk.ledger.sqlite.statements import passed

__all__ = ["NewOrder", "add_orders"]

_HASH_BYTES: Final = 32
_NO_HASH: Final = bytes(_HASH_BYTES)
_COLUMNS: Final = ("seq", "key", "po_number", "digest", "body", "row", "lines", "worth", "shape")


class NewOrder(NamedTuple):
    """An order to be added.

    Attributes:
        seq: Its number; None takes the next one.
        key: As in `LedgerLine`, and so are the others.
    """

    seq: int | None
    key: str
    po_number: str
    digest: str
    body: str
    row: int
    lines: int
    worth: int | None


def add_orders(
    connection: sqlite3.Connection, shapes: Shapes, orders: Sequence[NewOrder], *, only_new: bool = False
) -> int:
    """Add planned orders; return how many were added.

    Args:
        connection: In a transaction that writes.
        shapes: The ledger's.
        orders: The orders.
        only_new: Whether to leave out those whose key or poNumber is there. Otherwise one of these is an error.
    """
    if not orders:
        return 0
    kept = shapes.keep(connection, [(order.body, order.po_number) for order in orders])
    rows: list[tuple[object, ...]] = []
    hashes: list[bytes] = []
    for order, (shape, body) in zip(orders, kept, strict=True):
        seq, key, po_number, digest, _, row, lines, worth = order
        hashed = _hash_of(digest)
        hashes.append(hashed or _NO_HASH)
        rows.append((seq, key, po_number, "" if hashed else digest, body, row, lines, worth, shape))
    words, values = passed(dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)))
    # JSON has no bytes, so all hashes come in a row in a parameter of their own.
    its_hash = f"substr(?{len(values) + 1}, 1 + {_HASH_BYTES} * new.key, {_HASH_BYTES})"
    query = (
        f"INSERT INTO lines ({', '.join(words)}, hash, state) SELECT {', '.join(words.values())},"
        f" CASE {words['digest']} WHEN '' THEN {its_hash} END, 'planned' FROM json_each(?1) AS new WHERE true"
    )
    conflict = " ON CONFLICT DO NOTHING" if only_new else ""
    return connection.execute(query + conflict, (*values, b"".join(hashes))).rowcount


def _hash_of(digest: str) -> bytes | None:
    """Return a digest in half the bytes; None if it is not written as `hexdigest` writes it."""
    try:
        hashed = bytes.fromhex(digest)
    except ValueError:
        return None
    return hashed if len(hashed) == _HASH_BYTES and hashed.hex() == digest else None
