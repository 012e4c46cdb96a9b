"""The SQL of the orders that a ledger still has to send: their sums, and what they may cost today."""

import sqlite3
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.protocol import Pricing, Share

__all__ = ["read_backlog", "reprice"]

# `piece` is a function of this module: SQLite reads a number as a float, and money must not become one.
_BACKLOG: Final = (
    "SELECT piece(body), count(*), sum(lines), sum(worth), sum(worth IS NULL) FROM lines"
    " WHERE state IN (SELECT value FROM json_each(?)) GROUP BY 1"
)
_DOUBTED: Final = ("sending", "unknown", "conflict", "manual")
_REPRICE: Final = (
    "UPDATE lines SET worth = price(body) WHERE state = 'planned'",
    # An order that may exist may have cost the old price, or costs the new one when it is sent again. If today's price
    # is not known it keeps its old one: `max` of a number and NULL is NULL, and NULL reserves nothing.
    (
        "UPDATE lines SET worth = max(coalesce(worth, price(body)), coalesce(price(body), worth))"
        " WHERE state IN ('sending', 'unknown', 'conflict', 'manual')"
    ),
    "UPDATE packed_lines SET worth = price(body) WHERE unpacked = 0",
)


class _Piece(msgspec.Struct):
    """The product, value and quantity of a stored request."""

    productId: int  # noqa: N815 - the wire's name
    denomination: Decimal
    quantity: int


_PIECE: Final = msgspec.json.Decoder(_Piece)
_encode: Final = msgspec.json.Encoder().encode


def read_backlog(connection: sqlite3.Connection, *, doubted: bool = False) -> list[Share]:
    """Return the planned orders, summed by product, denomination and quantity.

    Args:
        connection: To read with.
        doubted: Whether to include orders in doubt, which may be sent again.
    """
    connection.create_function("piece", 1, _piece_text, deterministic=True)
    states = ("planned", *_DOUBTED) if doubted else ("planned",)
    shares: list[Share] = []
    for piece, orders, rows, worth, unknown in connection.execute(_BACKLOG, (_encode(states),)).fetchall():
        product_id, denomination, quantity = piece.split()
        shares.append(
            Share(int(product_id), Decimal(denomination), int(quantity), orders, rows, None if unknown else worth)
        )
    return shares


def _piece_text(body: str) -> str:
    piece = _PIECE.decode(body)
    return f"{piece.productId} {piece.denomination} {piece.quantity}"


def reprice(connection: sqlite3.Connection, pricing: Pricing) -> None:
    """Update what orders that are not placed may cost at most: rates and fees change between a plan and its sending.

    Args:
        connection: In a transaction.
        pricing: What a piece may cost today.
    """

    def price(body: str) -> int | None:
        piece = _PIECE.decode(body)
        return units(pricing(piece.productId, piece.denomination, piece.quantity))

    connection.create_function("price", 1, price, deterministic=True)
    for statement in _REPRICE:
        connection.execute(statement)
