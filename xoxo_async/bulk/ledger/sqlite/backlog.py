"""The SQL of what a ledger still has to send: what it adds up to, what it may cost today, and which rows are gone."""

import sqlite3
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.protocol import Pricing, Share

__all__ = ["Seen", "has_doubted", "has_planned", "keys_of", "missing_rows", "read_backlog", "reprice", "want_again"]

_CHUNK: Final = 5000
# `piece` is a function of this module: SQLite reads a number as a float, and money must not become one.
_BACKLOG: Final = (
    "SELECT piece(body), count(*), sum(lines), sum(worth), sum(worth IS NULL) FROM lines"
    " WHERE state IN (SELECT value FROM json_each(?)) GROUP BY 1"
)
_DOUBTED: Final = ("sending", "unknown", "conflict", "manual")
_REPRICE: Final = (
    "UPDATE lines SET worth = price(body) WHERE state = 'planned'",
    # One that may exist already may have cost the old price, or costs the new one when it is sent again. Where today's
    # price is not known it keeps what it had: `max` of a number and NULL is NULL, and NULL reserves nothing.
    (
        "UPDATE lines SET worth = max(coalesce(worth, price(body)), coalesce(price(body), worth))"
        " WHERE state IN ('sending', 'unknown', 'conflict', 'manual')"
    ),
    "UPDATE packed_lines SET worth = price(body) WHERE unpacked = 0",
)
_PLANNED: Final = (
    "SELECT seq, key, row, lines FROM lines WHERE state = 'planned' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
)
_PACKED: Final = "SELECT first, key, row FROM packed_lines WHERE pack = ? AND unpacked = 0 ORDER BY first"
_KEYS: Final = (
    "SELECT key, seq, 1 FROM lines WHERE key IN (SELECT value FROM json_each(?1)) UNION ALL"
    " SELECT key, pack, 0 FROM packed_lines WHERE key IN (SELECT value FROM json_each(?1)) AND unpacked = 0"
)


class _Piece(msgspec.Struct):
    """What a stored request says is bought."""

    productId: int  # noqa: N815 - the wire's name
    denomination: Decimal
    quantity: int


_PIECE: Final = msgspec.json.Decoder(_Piece)
_encode: Final = msgspec.json.Encoder().encode


class Seen:
    """Which of the lines that a ledger had are said again by a plan: a bit each, so a million take 125 KB.

    Args:
        last: The greatest `seq` before the plan.
    """

    def __init__(self, last: int) -> None:
        self._bits: Final = bytearray(last // 8 + 1)
        self._packed: Final[dict[int, int]] = {}

    def add(self, seq: int) -> None:
        """Note a line that is an order by itself."""
        if seq // 8 < len(self._bits):
            self._bits[seq // 8] |= 1 << seq % 8

    def add_packed(self, pack: int, first: int) -> None:
        """Note a line that shares an order, by its first voucher's place there."""
        self._packed[pack] = self._packed.get(pack, 0) | 1 << first

    def __contains__(self, seq: int) -> bool:
        return bool(self._bits[seq // 8] & 1 << seq % 8)

    def has_packed(self, pack: int, first: int) -> bool:
        """Return whether a line that shares an order was noted."""
        return bool(self._packed.get(pack, 0) & 1 << first)


def has_planned(connection: sqlite3.Connection) -> bool:
    """Return whether any line waits to be sent."""
    return connection.execute("SELECT 1 FROM lines WHERE state = 'planned' LIMIT 1").fetchone() is not None


def has_doubted(connection: sqlite3.Connection) -> bool:
    """Return whether any line is in doubt, and may be sent again."""
    found = connection.execute("SELECT 1 FROM lines WHERE state IN ('sending', 'unknown', 'conflict') LIMIT 1")
    return found.fetchone() is not None


def want_again(connection: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Have lines sent again after all, once they are proven absent: the input has them again."""
    connection.execute(
        "UPDATE lines SET unwanted = 0 WHERE seq IN (SELECT value FROM json_each(?))", (_encode(list(seqs)),)
    )


def read_backlog(connection: sqlite3.Connection, *, doubted: bool = False) -> list[Share]:
    """Return what is planned and not sent, summed by product, denomination and quantity.

    Args:
        connection: To read with.
        doubted: Whether to count in what may have been sent, and may be sent again.
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
    """Set anew what orders that are not placed may cost at most: rates and fees move between a plan and its sending.

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


def missing_rows(connection: sqlite3.Connection, seen: Seen, last: int) -> Iterator[tuple[str, int]]:
    """Yield key and row of every planned line, up to one `seq`, that a plan did not name.

    Args:
        connection: In a transaction.
        seen: The lines it named.
        last: The greatest `seq` before the plan.
    """
    after = 0
    while rows := connection.execute(_PLANNED, (after, last, _CHUNK)).fetchall():
        after = rows[-1][0]
        for seq, key, row, lines in rows:
            if lines > 1:
                packed = connection.execute(_PACKED, (seq,)).fetchall()
                yield from ((name, number) for first, name, number in packed if not seen.has_packed(seq, first))
            elif seq not in seen:
                yield key, row


def keys_of(connection: sqlite3.Connection, keys: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Return where the lines of some keys are: the order's `seq`, and whether the line is an order by itself."""
    return {key: (seq, bool(alone)) for key, seq, alone in connection.execute(_KEYS, (_encode(list(keys)),))}
