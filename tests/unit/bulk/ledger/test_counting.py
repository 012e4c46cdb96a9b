"""`counting`: how groups of lines add up, with no database."""

from decimal import Decimal

from xoxo_async.bulk.ledger.counting import OrderGroup, PackedGroup, add_up
from xoxo_async.bulk.ledger.lines import Alarm, Delivery, LineState

ALARM = Alarm(key="k", row=1, order_id=7, at=0.0, text="two orders")


def test_each_order_line_is_counted_once() -> None:
    """A pack is an order, and its lines are counted by themselves: each is issued when its own codes have come."""
    placed, none, pending = LineState.PLACED, Delivery.NONE, Delivery.PENDING
    counts = add_up(
        [
            OrderGroup(placed, Delivery.DELIVERED, "INR", Decimal("0.10"), single=True, orders=3),
            OrderGroup(placed, pending, "INR", Decimal("0.20"), single=False, orders=1),
            OrderGroup(placed, Delivery.CANCELLED, "EUR", None, single=True, orders=2),
            OrderGroup(LineState.SENDING, none, "", Decimal(9), single=True, orders=4),
            OrderGroup(LineState.REJECTED, none, "", None, single=True, orders=5),
            OrderGroup(LineState.CANCELLED, none, "", None, single=True, orders=6),
        ],
        [PackedGroup(placed, pending, dealt=True, lines=7), PackedGroup(placed, pending, dealt=False, lines=1)],
        packs=1,
        alarms=(ALARM,),
        alarms_total=9,
    )
    assert (counts.issued, counts.pending, counts.rejected, counts.unknown, counts.not_sent) == (10, 3, 5, 4, 6)
    assert (counts.rows, counts.orders, counts.delivery_cancelled) == (28, 21, 2)
    assert counts.charged == {"INR": Decimal("0.50")}
    assert (counts.alarms, counts.alarms_total) == ((ALARM,), 9)


def test_an_empty_ledger_counts_nothing() -> None:
    """It has no state with zero lines."""
    counts = add_up([], [], packs=0, alarms=(), alarms_total=0)
    assert (counts.rows, counts.states, counts.charged) == (0, {}, {})


def test_a_cancellation_in_doubt_is_unknown() -> None:
    """Cancelled points are issued and taken back, at no cost; an order whose delivery was cancelled is pending."""
    placed = LineState.PLACED
    counts = add_up(
        [
            OrderGroup(placed, Delivery.DELIVERED, "points", Decimal(5), single=True, orders=3),
            OrderGroup(placed, Delivery.CANCELLING, "points", Decimal(5), single=True, orders=2),
            OrderGroup(placed, Delivery.CANCELLED, "points", Decimal(0), single=True, orders=1),
            OrderGroup(placed, Delivery.CANCELLED, "INR", Decimal(5), single=True, orders=1),
        ],
        [],
        packs=0,
        alarms=(),
        alarms_total=0,
    )
    assert (counts.rows, counts.issued, counts.unknown, counts.pending) == (7, 4, 2, 1)
    assert (counts.delivery_cancelled, counts.taken_back) == (1, 1)
    assert counts.charged == {"points": Decimal(25), "INR": Decimal(5)}
