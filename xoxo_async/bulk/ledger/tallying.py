"""What decided moves do to a job's counts and to its budget. Uses no database; no I/O.

A full count of a million lines takes a second, so a ledger keeps its counts as it goes. Each worker adds to rows of its
own, so that workers never wait for each other; the counts of a job are the sums over all workers. A single row may be
negative: one worker claims a line, and another one places it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.budget import commitment, is_unpriced
from xoxo_async.bulk.ledger.counting import OrderGroup
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move

__all__ = ["PLANNER", "Spent", "TallyRow", "ends_of", "groups_of", "planned_rows", "spent_by", "tally_of"]

PLANNER: Final = 0
"""The worker in whose rows plans count: one plan of a job at a time."""


class TallyRow(NamedTuple):
    """Orders that count the same: how many there are, or by how many their number changes.

    Attributes:
        state: Their state.
        delivery: Whether their codes have come.
        currency: Of what they were charged; empty where nothing was charged.
        single: Whether each is one order line; otherwise each is shared by several.
        orders: How many.
        priced: How many of them have a charge.
        charged: The sum of these charges.
    """

    state: LineState
    delivery: Delivery
    currency: str
    single: bool
    orders: int
    priced: int
    charged: Decimal


class Spent(NamedTuple):
    """What moves change in a job's budget.

    Attributes:
        committed: By how much more the job has cost or may yet cost, in ten-thousandths of the account's currency.
        unpriced: By how many more orders there are whose cost nobody can bound.
    """

    committed: int
    unpriced: int


def ends_of(moves: Sequence[Move]) -> list[tuple[LedgerLine, LedgerLine]]:
    """Return each line as it was before the first of its moves, and as it is after the last one.

    Args:
        moves: The moves of one transaction, in order; a line may occur more than once.
    """
    after = {move.after.seq: move.after for move in moves}
    if len(after) == len(moves):
        return [(move.before, move.after) for move in moves]
    before = {move.before.seq: move.before for move in reversed(moves)}
    return [(before[seq], line) for seq, line in after.items()]


def tally_of(ends: Sequence[tuple[LedgerLine, LedgerLine]]) -> list[TallyRow]:
    """Return by how much the counts of a job change.

    Args:
        ends: See `ends_of`.

    Returns:
        One row a group that changes, in one order for all workers.
    """
    sums: dict[tuple[LineState, Delivery, str, bool], tuple[int, int, Decimal]] = {}
    for sign, lines in ((-1, [before for before, _ in ends]), (1, [after for _, after in ends])):
        # Most lines of a transaction count the same. So they are counted first, and what differs is added up.
        alike = Counter([(line.state, line.delivery, line.currency, line.amount_charged, line.lines) for line in lines])
        for (state, delivery, currency, charge, lines_of_order), number in alike.items():
            placed = state is _PLACED
            group = state, delivery, currency if placed else "", lines_of_order == 1
            orders, priced, charged = sums.get(group, _NOTHING)
            change = sign * number
            if placed and charge is not None:
                priced, charged = priced + change, charged + change * charge
            sums[group] = (orders + change, priced, charged)
    return [TallyRow(*group, *total) for group, total in sorted(sums.items()) if any(total)]


def planned_rows(single: int, shared: int) -> list[TallyRow]:
    """Return by how much the counts change with new orders.

    Args:
        single: New orders of one line each.
        shared: New orders that lines share.
    """
    return [
        TallyRow(LineState.PLANNED, Delivery.NONE, "", alone, orders, 0, Decimal(0))
        for alone, orders in ((False, shared), (True, single))
        if orders
    ]


def groups_of(rows: Iterable[TallyRow]) -> list[OrderGroup]:
    """Return a job's counts as `counting.add_up` takes them.

    Args:
        rows: The sums over all workers.
    """
    groups: list[OrderGroup] = []
    for row in rows:
        if row.orders:
            groups.append(OrderGroup(row.state, row.delivery, row.currency, None, row.single, row.orders))
        if row.priced:
            # A group that is not single is not counted: this one only brings in the sum of the charges.
            groups.append(OrderGroup(row.state, row.delivery, row.currency, row.charged, False, 1))
    return groups


def spent_by(ends: Sequence[tuple[LedgerLine, LedgerLine]], currency: str) -> Spent:
    """Return what moves change in a job's budget.

    Args:
        ends: See `ends_of`.
        currency: The account's, see `facts.CURRENCY`.
    """
    return Spent(
        sum(commitment(after, currency) - commitment(before, currency) for before, after in ends),
        sum(is_unpriced(after, currency) - is_unpriced(before, currency) for before, after in ends),
    )


_PLACED: Final = LineState.PLACED  # Python 3.11 finds a member of an enum ten times slower than a name of the module
_NOTHING: Final = (0, 0, Decimal(0))
