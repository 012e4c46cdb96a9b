"""The SQL of the orders that a ledger still has to send: their sums, and what they may cost today."""

# ruff: noqa: S608 - the only words put into SQL are this package's own

import sqlite3
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.backlog import (
    DOUBTED,
    OrderKind,
    Piece,
    mail_of,
    piece_of,
    price_of,
    repriced,
    shares_of,
    states_to_send,
)
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.sqlite.passing import as_json
from xoxo_async.bulk.ledger.sqlite.statements import IS_OPEN
from xoxo_async.bulk.ledger.terms import Pricing, Share

__all__ = ["read_backlog", "reprice"]

# `piece` is a function of this module: SQLite reads a number as a float, and money must not become one.
_BACKLOG: Final = (
    "SELECT piece(body), worth, count(*), sum(lines) FROM orders"
    f" WHERE state IN (SELECT value FROM json_each(?)) AND {IS_OPEN} GROUP BY 1, 2"
)
_REPRICE: Final = (
    (
        "UPDATE lines SET worth = repriced(state, worth, (SELECT body FROM orders AS one WHERE one.seq = lines.seq))"
        f" WHERE state IN (SELECT value FROM json_each(?)) AND {IS_OPEN}"
    ),
    "UPDATE packed_lines SET worth = repriced('planned', worth, body) WHERE unpacked = 0",
)


def read_backlog(connection: sqlite3.Connection, *, doubted: bool = False) -> list[Share]:
    """Return the planned orders, summed by product, denomination and quantity.

    Args:
        connection: To read with.
        doubted: Whether to include orders in doubt, which may be sent again.
    """
    connection.create_function("piece", 1, _piece_text, deterministic=True)
    kinds: list[OrderKind] = []
    for piece, worth, orders, rows in connection.execute(_BACKLOG, (as_json(states_to_send(doubted=doubted)),)):
        product_id, denomination, quantity, addressed, mailed = piece.split()
        bought = Piece(int(product_id), Decimal(denomination), int(quantity))
        kinds.append(OrderKind(bought, worth, orders, rows, rows * int(addressed), rows * int(mailed)))
    return [Share(*kind.piece, kind.orders, kind.rows, kind.worth, *kind[4:]) for kind in shares_of(kinds)]


def _piece_text(body: str) -> str:
    return "{} {} {} {:d} {:d}".format(*piece_of(body), *mail_of(body))


def reprice(connection: sqlite3.Connection, pricing: Pricing) -> None:
    """Update what orders that are not placed may cost at most: rates and fees change between a plan and its sending.

    Args:
        connection: In a transaction.
        pricing: What a piece may cost today.
    """

    def today(state: str, worth: int | None, body: str) -> int | None:
        return repriced(LineState(state), worth, price_of(body, pricing))

    connection.create_function("repriced", 3, today, deterministic=True)
    orders, packed = _REPRICE
    connection.execute(orders, (as_json((LineState.PLANNED, *DOUBTED)),))
    connection.execute(packed)
