"""Add up a store's groups of lines to `Counts`; no I/O."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.lines import (
    Alarm,
    Counts,
    Delivery,
    Evidence,
    JournalRow,
    LedgerLine,
    LineState,
    PackedLine,
    is_taken_back,
)
from xoxo_async.bulk.ledger.moves import ALARM
from xoxo_async.bulk.ledger.table import REPORTED_AS

__all__ = [
    "ALARMS_SHOWN",
    "SETTLED",
    "SETTLED_BY",
    "TOLD_AT_ONCE",
    "OrderGroup",
    "PackedGroup",
    "add_up",
    "alarms_of",
    "is_dealt",
]

ALARMS_SHOWN: Final = 100
"""How many alarms `Counts` has; it counts them all."""

TOLD_AT_ONCE: Final = (Evidence.PERSON_PLACED, Evidence.LATE_PROOF)
"""A person who names a wrong order reads so at once: that is no alarm, although the journal has it."""

SETTLED: Final = Evidence.ANSWERED_DONE
SETTLED_BY: Final = Evidence.PERSON_CLOSED
"""An alarm about the answer of a call without a key is settled once a person has closed its line."""


class OrderGroup(NamedTuple):
    """Orders that count the same.

    Attributes:
        state: Their state.
        delivery: Whether their codes have come.
        currency: Of what they were charged.
        charged: What each was charged; None where the vendor did not say.
        single: Whether each is one order line. A pack's lines are counted by themselves, see `PackedGroup`.
        orders: How many there are.
    """

    state: LineState
    delivery: Delivery
    currency: str
    charged: Decimal | None
    single: bool
    orders: int


class PackedGroup(NamedTuple):
    """Lines in packs that count the same.

    Attributes:
        state: The state of their orders.
        delivery: Whether all codes of their orders have come.
        dealt: Whether their own codes have come.
        lines: How many there are.
    """

    state: LineState
    delivery: Delivery
    dealt: bool
    lines: int


def is_dealt(order: LedgerLine, line: PackedLine) -> bool:
    """Return whether a line that shares an order has all its codes: an order's codes are dealt in order of place.

    Args:
        order: The order.
        line: A line that travels in it.
    """
    return order.state is LineState.PLACED and order.held >= line.end


def alarms_of(journal: Iterable[JournalRow], lines: Mapping[int, LedgerLine]) -> tuple[tuple[Alarm, ...], int]:
    """Return the first alarms, each once however often it was noticed, and how many there are.

    Two entries are the same alarm where they say the same about one line. SQL that says this is much faster, since an
    alarm may be noticed by every resume; this function is what such SQL has to agree with.

    Args:
        journal: The journal, oldest first.
        lines: The lines that it is about, as they stand.
    """
    alarms: dict[tuple[int, str], Alarm] = {}
    for entry in journal:
        if entry.transition != ALARM or entry.evidence in TOLD_AT_ONCE:
            continue
        line = lines[entry.seq]
        if entry.evidence == SETTLED and line.evidence == SETTLED_BY:
            continue
        alarm = Alarm(key=line.key, row=line.row, order_id=line.order_id, at=entry.at, text=entry.reason)
        alarms.setdefault((entry.seq, entry.reason), alarm)
    return tuple(alarms.values())[:ALARMS_SHOWN], len(alarms)


def add_up(
    orders: Iterable[OrderGroup],
    packed: Iterable[PackedGroup],
    *,
    packs: int,
    alarms: tuple[Alarm, ...],
    alarms_total: int,
) -> Counts:
    """Return a ledger in numbers.

    Args:
        orders: All orders, also those that lines share.
        packed: All lines that share an order.
        packs: How many orders lines share now; a refused order that gave its lines back does not count.
        alarms: The first alarms.
        alarms_total: How many there are.
    """
    reported: dict[str, int] = {"issued": 0, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0}
    states: dict[LineState, int] = {}
    charged: dict[str, Decimal] = {}
    single_orders = cancelled = taken_back = 0

    def count(state: LineState, delivery: Delivery, lines: int, *, dealt: bool) -> None:
        nonlocal cancelled
        states[state] = states.get(state, 0) + lines
        in_doubt = state is LineState.PLACED and delivery is Delivery.CANCELLING
        reported["unknown" if in_doubt else REPORTED_AS.get(state) or ("issued" if dealt else "pending")] += lines
        if state is LineState.PLACED and delivery is Delivery.CANCELLED and not dealt:
            cancelled += lines

    for group in orders:
        if group.single:
            single_orders += group.orders
            back = group.orders if is_taken_back(group.state, group.delivery, group.currency) else 0
            taken_back += back
            count(group.state, group.delivery, group.orders, dealt=bool(back) or group.delivery is Delivery.DELIVERED)
        if group.state is LineState.PLACED and group.charged is not None:
            charged[group.currency] = charged.get(group.currency, Decimal(0)) + group.charged * group.orders
    for part in packed:
        count(part.state, part.delivery, part.lines, dealt=part.dealt or part.delivery is Delivery.DELIVERED)
    return Counts(
        rows=sum(states.values()),
        delivery_cancelled=cancelled,
        taken_back=taken_back,
        states=states,
        charged=charged,
        orders=single_orders + packs,
        alarms=alarms,
        alarms_total=alarms_total,
        **reported,
    )
