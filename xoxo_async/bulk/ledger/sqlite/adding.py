"""The SQL that adds planned orders to a ledger, each request in the form of `shapes`."""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.sqlite.passing import passed
from xoxo_async.bulk.ledger.sqlite.shapes import Shapes

__all__ = ["NewOrder", "add_orders"]

_HASH_BYTES: Final = 32
_NO_HASH: Final = bytes(_HASH_BYTES)


class NewOrder(msgspec.Struct, gc=False):
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
    digests, hashes = _hashes_of([order.digest for order in orders])
    words, values = passed(
        {
            "seq": [order.seq for order in orders],
            "key": [order.key for order in orders],
            "po_number": [order.po_number for order in orders],
            "digest": digests,
            "body": [body for _, body in kept],
            "row": [order.row for order in orders],
            "lines": [order.lines for order in orders],
            "worth": [order.worth for order in orders],
            "shape": [shape for shape, _ in kept],
        }
    )
    # JSON has no bytes, so all hashes come in a row in a parameter of their own.
    its_hash = f"substr(?{len(values) + 1}, 1 + {_HASH_BYTES} * new.key, {_HASH_BYTES})"
    query = (
        f"INSERT INTO lines ({', '.join(words)}, hash, state) SELECT {', '.join(words.values())},"
        f" CASE {words['digest']} WHEN '' THEN {its_hash} END, 'planned' FROM json_each(?1) AS new WHERE true"
    )
    conflict = " ON CONFLICT DO NOTHING" if only_new else ""
    return connection.execute(query + conflict, (*values, hashes)).rowcount


def _hashes_of(digests: list[str]) -> tuple[list[str], bytes]:
    """Return what is kept of some digests: a text of each, and in a row the hash of each.

    The text is empty where a digest is written as `hexdigest` writes it, as nearly all are: the hash is half as long.
    """
    whole = "".join(digests)
    try:
        together = bytes.fromhex(whole)
    except ValueError:
        together = b""
    if together.hex() == whole and all(len(digest) == 2 * _HASH_BYTES for digest in digests):
        return [""] * len(digests), together
    hashes = [_hash_of(digest) for digest in digests]
    kept = ["" if hashed else digest for digest, hashed in zip(digests, hashes, strict=True)]
    return kept, b"".join(hashed or _NO_HASH for hashed in hashes)


def _hash_of(digest: str) -> bytes | None:
    """Return a digest in half the bytes; None if it is not written as `hexdigest` writes it."""
    try:
        hashed = bytes.fromhex(digest)
    except ValueError:
        return None
    return hashed if len(hashed) == _HASH_BYTES and hashed.hex() == digest else None
