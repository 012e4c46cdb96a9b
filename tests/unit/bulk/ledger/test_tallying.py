"""`tallying`: what moves change is what a full count finds."""

from decimal import Decimal
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.ledger.budget import commitment, is_unpriced
from xoxo_async.bulk.ledger.counting import OrderGroup, add_up
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.tallying import (
    Spent,
    TallyRow,
    ends_of,
    groups_of,
    planned_rows,
    spent_by,
    tally_of,
)

P = LineState.PLACED

LINES = st.builds(
    LedgerLine,
    seq=st.just(1),
    key=st.just("k"),
    po_number=st.just("po"),
    digest=st.just("d"),
    body=st.just("{}"),
    row=st.just(1),
    lines=st.integers(1, 2),
    worth=st.sampled_from([None, 50_000, 70_000]),
    state=st.sampled_from(LineState),
    delivery=st.sampled_from(Delivery),
    amount_charged=st.sampled_from([None, Decimal(0), Decimal("4.5")]),
    currency=st.sampled_from(["", "INR", "USD"]),
)


def move(before: LedgerLine, after: LedgerLine, transition: str = "T3") -> Move:
    return Move(before, after, transition, "", None, "", "")


def counted(lines: list[LedgerLine]) -> object:
    """Return a full count."""
    groups = [
        OrderGroup(line.state, line.delivery, line.currency, line.amount_charged, line.lines == 1, 1) for line in lines
    ]
    return add_up(groups, (), packs=0, alarms=(), alarms_total=0)


def by_itself(line: LedgerLine) -> TallyRow:
    """Return the row that a full count of one line makes."""
    charge = line.amount_charged if line.state is P else None
    currency = line.currency if line.state is P else ""
    single = line.lines == 1
    return TallyRow(line.state, line.delivery, currency, single, 1, charge is not None, charge or Decimal(0))


def summed(rows: list[TallyRow]) -> list[TallyRow]:
    """Add up the rows of all workers, as the database does."""
    sums: dict[tuple[LineState, Delivery, str, bool], TallyRow] = {}
    for row in rows:
        old = sums.get(row[:4], row._replace(orders=0, priced=0, charged=Decimal(0)))
        sums[row[:4]] = TallyRow(*row[:4], old.orders + row.orders, old.priced + row.priced, old.charged + row.charged)
    return list(sums.values())


@given(st.lists(st.lists(LINES, min_size=2, max_size=4), max_size=5))
def test_the_changes_add_up_to_a_full_count(histories: list[list[LedgerLine]]) -> None:
    """Also where a line moves more than once in one transaction."""
    histories = [
        [msgspec.structs.replace(line, seq=seq, lines=history[0].lines) for line in history]
        for seq, history in enumerate(histories)
    ]
    moves = [move(*pair) for history in histories for pair in pairwise(history)]
    rows = summed([*(by_itself(history[0]) for history in histories), *tally_of(ends_of(moves))])
    assert add_up(groups_of(rows), (), packs=0, alarms=(), alarms_total=0) == counted(
        [history[-1] for history in histories]
    )


@given(LINES, LINES, st.sampled_from(["INR", "USD", ""]))
def test_the_budget_changes_by_the_difference(before: LedgerLine, after: LedgerLine, currency: str) -> None:
    """What is spent is what the line commits after the move, without what it committed before."""
    assert spent_by([(before, after)], currency) == Spent(
        commitment(after, currency) - commitment(before, currency),
        is_unpriced(after, currency) - is_unpriced(before, currency),
    )


def test_two_alarms_of_a_line_count_once() -> None:
    """Two alarms of one transaction both begin with the line as it was: its order stays one order."""
    line = LedgerLine(1, "k", "po", "d", "{}", 1, state=P, delivery=Delivery.DELIVERED)
    pending = msgspec.structs.replace(line, delivery=Delivery.PENDING)
    assert tally_of(ends_of([move(line, pending, ALARM), move(line, pending, ALARM)])) == [
        TallyRow(P, Delivery.DELIVERED, "", True, -1, 0, Decimal(0)),
        TallyRow(P, Delivery.PENDING, "", True, 1, 0, Decimal(0)),
    ]


def test_a_move_within_a_group_changes_nothing() -> None:
    """A look-up that says absent moves no count."""
    line = LedgerLine(1, "k", "po", "d", "{}", 1, state=LineState.UNKNOWN)
    assert tally_of([(line, msgspec.structs.replace(line, lookups=1))]) == []


def test_new_orders_are_planned() -> None:
    """Orders of one line, and orders that lines share, are apart."""
    assert planned_rows(3, 0) == [TallyRow(LineState.PLANNED, Delivery.NONE, "", True, 3, 0, Decimal(0))]
    assert [row.orders for row in planned_rows(3, 2)] == [2, 3]
