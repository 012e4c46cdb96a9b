"""The table in worlds with a stranger's order, a restored copy, a withdrawal, or a connection out of step.

Beside I1 to I5, see `test_model`:

I8: an order of another sender is never adopted. Excepted are worlds in which, before the first refusal as known, an
answer of this ledger was lost: then nothing tells the two orders apart.
I9: once a connection is found out, no line keeps the order of another line that it named.
I10: an order that a look-up has proven stays. If doubt about an earlier answer undid it, its codes would be dropped.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.bulk.ledger.model import Search, Setting, but, changed, numbered
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.table import TRANSITIONS, adoptable, not_suspect, same_order

E = Evidence
S = LineState

STRANGER = Setting(refuses_repeats=True, stranger=True, messages=2)
STRANGER_NEVER = replace(STRANGER, resend="never")
# A vendor that accepts repeats: nothing but the ledger prevents a second order.
COPIES = Setting(refuses_repeats=False, bounded_delay=True, copies=True, restore=True, messages=2)
COPIES_LATE = Setting(refuses_repeats=True, copies=True, restore=True, messages=1, workers=1)
COPIED = replace(COPIES, restore=False, copy_is=E.LEDGER_COPIED)
COPIED_LATE = replace(COPIES_LATE, restore=False, copy_is=E.LEDGER_COPIED)
# An order of somebody else that is older than the job: the copy must not take it for the original's.
COPIED_STRANGER = replace(COPIED_LATE, stranger_before=True)
SHIFTS = Setting(refuses_repeats=False, bounded_delay=True, shifts=True)
SHIFTS_NEVER = Setting(refuses_repeats=False, resend="never", shifts=True, messages=2)
SHIFTS_LATE = Setting(refuses_repeats=True, shifts=True, messages=2, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(STRANGER, id="stranger"),
        pytest.param(STRANGER_NEVER, id="stranger-never"),
        pytest.param(COPIES, id="copies-accepts-repeats"),
        pytest.param(COPIES_LATE, id="copies-refuses-repeats"),
        pytest.param(COPIED, id="copied-accepts-repeats"),
        pytest.param(COPIED_LATE, id="copied-refuses-repeats"),
        pytest.param(COPIED_STRANGER, id="copied-stranger", marks=pytest.mark.nightly),  # the largest one
        pytest.param(SHIFTS, id="shifts-accepts-repeats"),
        pytest.param(SHIFTS_NEVER, id="shifts-accepts-repeats-never"),
        pytest.param(SHIFTS_LATE, id="shifts-refuses-repeats"),
    ],
)
def test_no_world_breaks_an_invariant(setting: Setting, record_property: Callable[[str, object], None]) -> None:
    """I1 to I5 and I8 to I10 hold; a person may ask for a withdrawal at any moment of all these worlds."""
    broken, worlds = Search(setting).run()
    record_property("worlds", worlds)
    assert broken == "", f"{broken} after {worlds} worlds"
    assert worlds > 10_000


def test_a_restoring_ledger_adopts_what_it_finds() -> None:
    """`Rules.restore` is for a ledger that replaces a lost one, whose order looks like a stranger's."""
    assert Search(replace(STRANGER, restore=True)).run()[0] == "I8"


def test_a_copy_adopts_orders_since_its_plan() -> None:
    """Also a stranger's, where everything that the vendor tells agrees and it came after the plan."""
    assert Search(replace(COPIED_STRANGER, stranger=True)).run()[0] == "I8"


def attempts_none(line: LedgerLine, _change: object, _moment: object) -> bool:
    """A guard that looks at sends from this copy alone."""
    return line.attempts == 0


ALL_ADOPTED = numbered("T8", lambda row: but(row, guards=tuple(g for g in row.guards if g is not adoptable)))
ALL_ADOPTED_LATE = numbered("T12", lambda row: but(row, guards=tuple(g for g in row.guards if g is not adoptable)))
NEVER_FOREIGN = numbered("T5", lambda row: but(row, foreign=False))

NO_T15 = tuple(row for row in TRANSITIONS if row.number != "T15")
NO_T15_DOUBT = numbered("T15", lambda row: but(row, suspect=False))
NO_T15_LOOK = numbered("T15", lambda row: but(row, target=S.PLANNED))
T15_OF_PLANNED = numbered("T15", lambda row: but(row, sources=frozenset({S.PLANNED})))

T14_OF_SUSPECT = numbered("T14", lambda row: but(row, guards=(attempts_none,)))
T14_OF_SENT = numbered("T14", lambda row: but(row, guards=(not_suspect,)))

COPIED_NOT_FOREIGN = changed(E.LEDGER_COPIED, lambda row: but(row, foreign=False))
COPIED_NO_LOOK = changed(E.LEDGER_COPIED, lambda row: but(row, target=S.PLANNED))
COPIED_NO_DOUBT = changed(E.LEDGER_COPIED, lambda row: but(row, suspect=False))
COPIED_OF_PLANNED = changed(E.LEDGER_COPIED, lambda row: but(row, sources=frozenset({S.PLANNED})))
NO_COPIED = tuple(row for row in TRANSITIONS if row.evidence is not E.LEDGER_COPIED)
SINCE_PLAN_AGAIN = changed(E.ORDER_SINCE_PLAN, lambda row: but(row, target=S.PLANNED))
SINCE_PLAN_REJECTED = changed(E.ORDER_SINCE_PLAN, lambda row: but(row, target=S.REJECTED))

NO_T16 = tuple(row for row in TRANSITIONS if row.number != "T16")
NO_T16_DOUBT = numbered("T16", lambda row: but(row, suspect=False))
NO_T16_LOOK = numbered("T16", lambda row: but(row, target=S.PLANNED))
T16_OF_PROVEN = numbered("T16", lambda row: but(row, guards=(same_order,)))
T16_OF_ANY_ORDER = numbered("T16", lambda row: but(row, guards=()))

REPEATS_IN_TRANSIT = Setting(refuses_repeats=True, lasting_refusals=True, repeats_in_transit=True)


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [
        pytest.param(replace(STRANGER, table=ALL_ADOPTED), "I8", id="adopted-on-a-first-duplicate"),
        pytest.param(replace(STRANGER, table=ALL_ADOPTED_LATE), "I8", id="adopted-while-a-person-decides"),
        pytest.param(replace(STRANGER, table=NEVER_FOREIGN), "I8", id="a-first-duplicate-not-remembered"),
        # A copy that nobody takes for one: an order of the original is bought again, or cancelled although it exists.
        pytest.param(replace(COPIES, told_of_copies=False, unchecked=("I3",)), "I1", id="not-told-of-the-copy"),
        pytest.param(replace(COPIES, told_of_copies=False), "I3", id="not-told-and-withdrawn"),
        pytest.param(replace(COPIES, table=NO_T15, unchecked=("I3",)), "I1", id="told-in-vain"),
        pytest.param(replace(COPIES, table=NO_T15_LOOK), "I1", id="a-copy-sends-without-a-look"),
        pytest.param(replace(COPIES, table=T15_OF_PLANNED), "I1", id="a-copy-believes-old-absence"),
        # Late requests of the original: with the doubt gone, a refusal is believed.
        pytest.param(replace(COPIES_LATE, table=NO_T15_DOUBT), "I3", id="a-copy-without-doubt"),
        pytest.param(replace(COPIES_LATE, table=T14_OF_SUSPECT), "I3", id="a-suspect-line-cancelled"),
        pytest.param(replace(REPEATS_IN_TRANSIT, table=T14_OF_SENT), "I3", id="a-sent-line-cancelled"),
        # A copy that its store finds out, with no person's word.
        pytest.param(replace(COPIED, table=NO_COPIED, unchecked=("I3",)), "I1", id="found-out-in-vain"),
        pytest.param(replace(COPIED, table=COPIED_NO_LOOK), "I1", id="a-found-copy-sends-without-a-look"),
        pytest.param(replace(COPIED, table=COPIED_OF_PLANNED), "I1", id="a-found-copy-believes-old-absence"),
        pytest.param(replace(COPIED_LATE, table=COPIED_NO_DOUBT), "I3", id="a-found-copy-without-doubt"),
        pytest.param(replace(COPIED_STRANGER, table=COPIED_NOT_FOREIGN), "I8", id="a-found-copy-adopts-any-order"),
        pytest.param(replace(COPIED_STRANGER, dated=False), "I8", id="an-order-older-than-the-job-adopted"),
        pytest.param(replace(COPIED, table=SINCE_PLAN_AGAIN), "I1", id="an-order-since-the-plan-sent-again"),
        pytest.param(replace(COPIED, table=SINCE_PLAN_REJECTED), "I3", id="an-order-since-the-plan-rejected"),
        pytest.param(replace(SHIFTS, table=NO_T16), "I9", id="an-answer-found-out-and-kept"),
        pytest.param(replace(SHIFTS_NEVER, table=NO_T16_LOOK), "I1", id="an-answer-found-out-and-sent-again"),
        pytest.param(replace(SHIFTS_LATE, table=NO_T16_DOUBT), "I3", id="an-answer-found-out-without-doubt"),
        pytest.param(replace(SHIFTS, table=T16_OF_PROVEN), "I10", id="a-look-up-doubted"),
        pytest.param(replace(SHIFTS, table=T16_OF_ANY_ORDER), "I10", id="another-order-doubted"),
    ],
)
def test_the_search_finds_what_is_broken(
    mutant: Setting, expected: str, record_property: Callable[[str, object], None]
) -> None:
    """Every part taken out of the table, or out of the rules around it, breaks an invariant that the search names."""
    broken, worlds = Search(mutant).run()
    record_property("broken", broken)
    assert broken == expected, f"{broken or 'nothing'} broken after {worlds} worlds"


@pytest.mark.parametrize("state", sorted(set(LineState) - {S.PLANNED, S.PLACED, S.REJECTED, S.CANCELLED}))
def test_only_a_planned_line_can_be_withdrawn(state: LineState) -> None:
    """Cancelled in any other state that is not final, a line may turn out to be bought."""
    table = numbered("T14", lambda row: but(row, sources=frozenset({state}), guards=()))
    assert Search(Setting(refuses_repeats=True, table=table)).run()[0] == "I3"
