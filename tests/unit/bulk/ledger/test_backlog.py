"""`backlog`: how a store's orders add up to shares, and what they may cost today, with no database."""

from decimal import Decimal

import pytest

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

BODY = '{"productId":7,"denomination":0.1,"quantity":3}'
PIECE = Piece(7, Decimal("0.1"), 3)


def test_a_request_says_exactly_what_it_buys() -> None:
    """Its denomination never becomes a float, and its price is rounded up to a ten-thousandth."""
    assert piece_of(BODY) == PIECE
    assert price_of(BODY, lambda product, denomination, quantity: denomination * quantity / product) == 429
    assert price_of(BODY, lambda *_: None) is None


@pytest.mark.parametrize("state", LineState)
def test_prices_bind_orders_not_yet_placed(state: LineState) -> None:
    """A planned order takes today's price, one in doubt the higher that is known, a final one keeps its own."""
    cases = [(5, 9), (9, 5), (5, None), (None, 9), (None, None)]
    after = [repriced(state, worth, price) for worth, price in cases]
    if state is LineState.PLANNED:
        assert after == [9, 5, None, 9, None]
    elif state in DOUBTED:
        assert after == [9, 9, 5, 9, None]
    else:
        assert after == [5, 9, 5, None, None]


def test_one_unknown_worth_makes_a_share_unknown() -> None:
    """Whether it comes first or last; orders and rows are counted all the same."""
    other = Piece(8, Decimal(1), 1)
    known, unknown = OrderKind(PIECE, 50, 2, 4), OrderKind(PIECE, None, 1, 1)
    assert shares_of([known, OrderKind(PIECE, 10, 1, 1), OrderKind(other, 7, 1, 1)]) == [
        OrderKind(PIECE, 110, 3, 5),
        OrderKind(other, 7, 1, 1),
    ]
    for kinds in ([known, unknown], [unknown, known]):
        assert shares_of(kinds) == [OrderKind(PIECE, None, 3, 5)]


def test_a_backlog_may_count_doubted_orders() -> None:
    """An order that waits for a person may be sent again as well."""
    assert states_to_send(doubted=False) == (LineState.PLANNED,)
    assert LineState.MANUAL in states_to_send(doubted=True)
    assert not {LineState.PLACED, LineState.REJECTED, LineState.CANCELLED} & set(states_to_send(doubted=True))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", (False, False)),
        (',"email":"a@b.de"', (True, False)),
        (',"email":"a@b.de","notifyReceiverEmail":1', (True, True)),
        (',"notifyReceiverEmail":1', (False, False)),
    ],
)
def test_a_request_says_who_is_mailed(more: str, found: tuple[bool, bool]) -> None:
    """Nobody is mailed without an address."""
    assert mail_of(BODY.removesuffix("}") + more + "}") == found
