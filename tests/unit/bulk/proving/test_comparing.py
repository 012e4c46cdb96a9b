"""`comparing`: what is planted is found, exactly, and nothing else."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.proving.books import NOW, SCOPE, line, order
from xoxo_async.bulk.intake.keys import derive_po_number
from xoxo_async.bulk.proving.comparing import cases_of, judge, needs_lookup
from xoxo_async.bulk.proving.facts import Asked, Case, LineFacts, OrderFacts
from xoxo_async.bulk.proving.result import Finding


def cases(
    lines: Sequence[LineFacts], orders: Sequence[OrderFacts], asked: dict[str, Asked] | None = None
) -> list[Case]:
    """Return the cases of facts that fit into memory."""
    by_id = {one.order_id: one for one in orders}
    return list(
        cases_of(
            sorted(lines, key=lambda one: one.po_number),
            sorted((one for one in orders if one.po_number), key=lambda one: one.po_number or ""),
            order_of=by_id.get,
            asked_of=(asked or {}).get,
        )
    )


def compare(
    lines: Sequence[LineFacts], orders: Sequence[OrderFacts], asked: dict[str, Asked] | None = None
) -> list[Finding]:
    return [finding for case in cases(lines, orders, asked) for finding in judge(case, SCOPE)]


NOT_THERE = Asked()

Plant = Callable[[int], tuple[LineFacts | None, list[OrderFacts], set[str]]]
PLANTS: dict[str, Plant] = {
    "agrees": lambda n: (line(n), [order(n)], set()),
    "missing at the vendor": lambda n: (line(n), [], {"missing"}),
    "twice": lambda n: (line(n), [order(n), order(n, order_id=9000 + n)], {"repeated"}),
    "another order id": lambda n: (line(n), [order(n, order_id=9000 + n)], {"different"}),
    "another product": lambda n: (line(n), [order(n, products=(1001, 1002))], {"different"}),
    "another value": lambda n: (line(n), [order(n, values=(Decimal(50),))], {"different"}),
    "another quantity": lambda n: (line(n), [order(n, quantities=(3,))], {"different"}),
    "another poNumber": lambda n: (line(n), [order(n, po_number=f"foreign-{n}")], {"different"}),
    "another charge": lambda n: (line(n), [order(n, charged=Decimal("190.51"))], {"charges"}),
    "another currency": lambda n: (line(n), [order(n, currency="USD")], {"charges"}),
    "another delivery": lambda n: (line(n), [order(n, delivery="cancelled")], {"delivery"}),
    "an order of a rejected row": lambda n: (line(n, state="rejected", order_id=None), [order(n)], {"unlisted"}),
    "an order of a planned row": lambda n: (line(n, state="planned", order_id=None), [order(n)], {"unlisted"}),
    "an order of a packed row": lambda n: (line(n, lines=0), [order(n)], {"unlisted"}),
    "an order of a lost row": lambda n: (None, [order(n, po_number=derive_po_number("march", f"E-{n}"))], {"unlisted"}),
    "an order of another job": lambda n: (None, [order(n, po_number=derive_po_number("april", f"E-{n}"))], set()),
    "an order without a poNumber": lambda n: (None, [order(n, po_number="")], set()),
    "in doubt": lambda n: (line(n, state="unknown", order_id=None), [], {"unknown"}),
    "rejected": lambda n: (line(n, state="rejected", order_id=None), [], set()),
    "an odd delivery": lambda n: (line(n), [order(n, delivery="on its way")], {"unknown"}),
    "no value told": lambda n: (line(n), [order(n, values=())], {"unknown"}),
    "no charge in the ledger": lambda n: (line(n, charged=None), [order(n)], {"unknown"}),
}


@given(st.lists(st.sampled_from(sorted(PLANTS)), max_size=12))
def test_exactly_what_is_planted_is_found(names: list[str]) -> None:
    """Any number of discrepancies, among lines that agree: each is found once, and no other."""
    lines: list[LineFacts] = []
    orders: list[OrderFacts] = []
    planted: list[tuple[int, str]] = []
    for number, name in enumerate(names, 1):
        ours, theirs, kinds = PLANTS[name](number)
        lines += [ours] if ours is not None else []
        orders += theirs
        planted += [(number, kind) for kind in kinds]
    asked = {one.po_number: NOT_THERE for one in lines if one.state == "placed"}
    found = compare(lines, orders, {po: one for po, one in asked.items() if po not in {o.po_number for o in orders}})
    ids = {f"po-{number:04}": number for number in range(1, len(names) + 1)}
    ids |= {derive_po_number("march", f"E-{number}"): number for number in range(1, len(names) + 1)}
    assert sorted((ids[one.po_number], one.kind) for one in found) == sorted(planted)


def test_a_finding_names_row_order_and_both_sides() -> None:
    """A person can look it up without the ledger."""
    (found,) = compare([line(7)], [order(7, values=(Decimal(50),))])
    assert (found.key, found.row, found.po_number, found.order_id) == ("k7", 7, "po-0007", 1007)
    assert (found.ledger, found.vendor) == ("100", "50")
    assert found.why == "the value of a piece is 100 in the ledger and 50 at the vendor"


@pytest.mark.parametrize(
    ("prices", "proves"),
    [((Decimal(100),), True), ((Decimal(200),), True), ((Decimal("1.2"),), False), ((), False)],
)
def test_a_price_can_prove_a_value(prices: tuple[Decimal, ...], proves: bool) -> None:
    """One piece or all of them. Another price may be in another currency, so it decides nothing."""
    found = compare([line(1)], [order(1, values=(), prices=prices)])
    assert [one.kind for one in found] == ([] if proves else ["unknown"])


def test_a_lagging_history_proves_nothing() -> None:
    """The order is there by look-up, and only the history shows that there is no second one."""
    (case,) = cases([line(1)], [])
    assert needs_lookup(case, SCOPE)
    (found,) = compare([line(1)], [], {"po-0001": Asked(by_po=order(1, po_number=None))})
    assert (found.kind, "its history does not show it" in found.why) == ("unknown", True)


def test_a_look_up_fills_gaps() -> None:
    """Then the line agrees. What the look-up contradicts is found as well."""
    bare = order(1, products=(), quantities=())
    (case,) = cases([line(1)], [bare])
    assert needs_lookup(case, SCOPE)
    assert compare([line(1)], [bare], {"po-0001": Asked(by_po=order(1))}) == []
    (found,) = compare([line(1)], [bare], {"po-0001": Asked(by_po=order(1, products=(1002,)))})
    assert (found.kind, found.vendor) == ("different", "1002")


def test_an_order_under_no_poNumber_is_asked() -> None:  # noqa: N802 - the vendor's word
    """The history shows the id and leaves out the poNumber field; a look-up by poNumber proves that they belong."""
    nameless = order(1, po_number=None)
    (case,) = cases([line(1)], [nameless])
    assert needs_lookup(case, SCOPE)
    assert compare([line(1)], [nameless], {"po-0001": Asked(by_po=order(1, po_number=None))}) == []
    (found,) = compare([line(1)], [nameless])
    assert (found.kind, "does not say its poNumber" in found.why) == ("unknown", True)


def test_cut_days_are_said_and_not_looked_up() -> None:
    """A line that may be of a day that was not read is unknown; if the history shows it, it agrees."""
    early = line(1, first_sent_at=NOW - 86_400, last_sent_at=NOW - 86_400)
    (case,) = cases([early], [])
    assert not needs_lookup(case, SCOPE)
    (found,) = judge(case, SCOPE)
    assert (found.kind, "a day that was not read" in found.why) == ("unknown", True)
    assert compare([early], [order(1)]) == []
    (found,) = compare([early], [], {"po-0001": Asked(by_po=order(1, day="2026-03-08"))})
    assert (found.kind, "2026-03-08" in found.why) == ("unknown", True)


def test_a_new_order_may_still_come() -> None:
    """Within ten minutes of its send an absent order is unknown, after that it is missing."""
    new = line(1, last_sent_at=SCOPE.now - 599)
    assert [one.kind for one in compare([new], [], {"po-0001": NOT_THERE})] == ["unknown"]
    old = line(1, last_sent_at=SCOPE.now - 601)
    assert [one.kind for one in compare([old], [], {"po-0001": NOT_THERE})] == ["missing"]


def test_thorough_asks_whatever_was_sent() -> None:
    """Also rejected rows; never one that was not sent, and never twice."""
    placed, rejected, planned_ = (
        line(1),
        line(2, state="rejected", order_id=None),
        line(3, state="planned", order_id=None, first_sent_at=None),
    )
    asked = [needs_lookup(case, SCOPE, thorough=True) for case in cases([placed, rejected, planned_], [order(1)])]
    assert asked == [True, True, False]
    (again,) = cases([placed], [order(1)], {"po-0001": Asked(by_po=order(1))})
    assert not needs_lookup(again, SCOPE, thorough=True)
    (found,) = compare([rejected], [], {"po-0002": Asked(by_po=order(2))})
    assert found.kind == "unlisted"


def test_a_poNumber_of_the_jobs_look_is_unknown() -> None:  # noqa: N802 - the vendor's word
    """Its key cannot be read out of it, so it may be a lost row's or another job's."""
    alike = derive_po_number("march", "Müller@example.com")
    (found,) = compare([], [order(1, po_number=alike)])
    assert (found.kind, "begins as this job's do" in found.why) == ("unknown", True)
    assert compare([], [order(1, po_number=derive_po_number("march-2", "A"))]) == []
