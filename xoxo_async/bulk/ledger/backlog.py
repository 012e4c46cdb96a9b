"""What a ledger still has to send: how orders add up to shares, and what they may cost at today's price; no I/O."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.budget import units
from xoxo_async.bulk.ledger.lines import LineState

__all__ = [
    "DOUBTED",
    "OrderKind",
    "Piece",
    "mail_of",
    "piece_of",
    "price_of",
    "repriced",
    "shares_of",
    "states_to_send",
]

DOUBTED: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL)
"""The states of orders that may exist, and that may yet be sent again: a person may say so of a manual one, too."""


class Piece(NamedTuple):
    """What an order buys: the shares of a backlog are grouped by it.

    Attributes:
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        quantity: Pieces.
    """

    product_id: int
    denomination: Decimal
    quantity: int


class OrderKind(NamedTuple):
    """Orders that are the same in a backlog, as a store groups them.

    Attributes:
        piece: What each buys.
        worth: What each may cost at most, in ten-thousandths; None where nobody knows.
        orders: How many there are.
        rows: Order lines that travel in them.
        addressed: Of these lines, those with an e-mail address. A shared order has none.
        mailed: Of these, those whose codes the vendor mails.
    """

    piece: Piece
    worth: int | None
    orders: int
    rows: int
    addressed: int = 0
    mailed: int = 0


class _Request(msgspec.Struct):
    productId: int  # noqa: N815 - the wire's name
    denomination: Decimal
    quantity: int
    email: str | None = None  # a row of links has none
    notifyReceiverEmail: int = 0  # noqa: N815


_request: Final = msgspec.json.Decoder(_Request).decode


def piece_of(body: str) -> Piece:
    """Return what a stored request buys; its denomination exactly, as money must not become a float.

    Args:
        body: See `LedgerLine.body`.
    """
    request = _request(body)
    return Piece(request.productId, request.denomination, request.quantity)


def mail_of(body: str) -> tuple[bool, bool]:
    """Return whether a stored request has an e-mail address, and whether the vendor mails the codes to it.

    Args:
        body: See `LedgerLine.body`.
    """
    request = _request(body)
    return bool(request.email), bool(request.email and request.notifyReceiverEmail)


def price_of(body: str, pricing: Callable[[int, Decimal, int], Decimal | None]) -> int | None:
    """Return what an order may cost today, in ten-thousandths; None where nobody knows.

    Args:
        body: See `LedgerLine.body`.
        pricing: What a piece may cost today, see `protocol.Pricing`.
    """
    return units(pricing(*piece_of(body)))


def repriced(state: LineState, worth: int | None, price: int | None) -> int | None:
    """Return what an order may cost at most, once prices have changed.

    A planned order costs today's price. One in doubt may exist and have cost the old price, or costs today's when it is
    sent again: it keeps the higher of both, or the one that is known. A placed order has cost what it has cost, and a
    rejected or cancelled one costs nothing; they keep what they have.

    Args:
        state: The order's state.
        worth: What it had.
        price: What it may cost today; None where nobody knows.
    """
    if state is LineState.PLANNED:
        return price
    if state not in DOUBTED:
        return worth
    known = [amount for amount in (worth, price) if amount is not None]
    return max(known, default=None)


def states_to_send(*, doubted: bool) -> tuple[LineState, ...]:
    """Return the states of the orders in a backlog.

    Args:
        doubted: Whether to count in what may have been sent, and may be sent again.
    """
    return (LineState.PLANNED, *DOUBTED) if doubted else (LineState.PLANNED,)


def shares_of(kinds: Iterable[OrderKind]) -> list[OrderKind]:
    """Return a backlog with all orders that buy the same as one: the store makes a `Share` of each.

    `worth` is the sum of all of them then. One unknown amount makes the sum unknown: without it, it would be too low.

    Args:
        kinds: All orders of the backlog.
    """
    shares: dict[Piece, OrderKind] = {}
    for kind in kinds:
        worth = None if kind.worth is None else kind.worth * kind.orders
        before = shares.get(kind.piece)
        if before is None:
            shares[kind.piece] = kind._replace(worth=worth)
        else:
            total = None if worth is None or before.worth is None else before.worth + worth
            shares[kind.piece] = OrderKind(
                kind.piece,
                total,
                before.orders + kind.orders,
                before.rows + kind.rows,
                before.addressed + kind.addressed,
                before.mailed + kind.mailed,
            )
    return list(shares.values())
