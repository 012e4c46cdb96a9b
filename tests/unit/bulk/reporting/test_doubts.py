"""What is left to do, and how the rest was proven."""

import pytest

from tests.unit.bulk.reporting.jobs import BEGAN, group, line, overview
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.overview import Refused
from xoxo_async.bulk.reporting.doubts import alarms_of, evidence_of, open_rows_of, open_totals_of, refusals_of


def test_refusals_say_what_to_do() -> None:
    """With the vendor's words beyond the known meaning; a doubt without an error id is no refusal."""
    [refusal] = refusals_of(overview().refused)
    assert (refusal.meaning, refusal.words, refusal.lines, refusal.row) == (
        "The denomination is not offered.", "No", 1, 4,
    )  # fmt: skip
    assert "xoxo catalog vouchers" in refusal.advice


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (JobKind.ORDERS, "A person decided that there is no order."),
        (JobKind.POINTS, "A person decided that it was not done."),
    ],
)
@pytest.mark.parametrize("error_id", ["", "PLE10018"])
def test_a_persons_decision_is_no_refusal(kind: JobKind, meaning: str, error_id: str) -> None:
    """The person's reason stands there, and nobody is told to order what was decided against."""
    [one] = refusals_of([Refused(LineState.REJECTED, error_id, "not wanted by HR", 1, 4, by_person=True)], kind)
    assert (one.meaning, one.words, one.by_person) == (meaning, "Not wanted by HR", True)
    assert one.advice.startswith("Nothing, as a person has decided.")
    assert "vendor" not in one.advice


def test_open_orders_are_counted_by_state() -> None:
    """Those for a person first; a pending order is placed, and its codes are to come."""
    groups = [*overview().groups, group(delivery=Delivery.CANCELLED), group(state=LineState.CANCELLED)]
    assert [(total.state, total.orders) for total in open_totals_of(groups)] == [
        ("manual", 1),
        ("unknown", 1),
        ("pending", 1),
        ("cancelled", 1),
    ]


def test_cancelled_points_are_not_open() -> None:
    """They were sent and taken back, and nothing is left to do; a cancellation in doubt is a person's."""
    groups = [group(delivery=delivery) for delivery in (Delivery.CANCELLED, Delivery.CANCELLING)]
    assert [total.state for total in open_totals_of(groups, JobKind.POINTS)] == ["cancelling"]
    placed = LineState.PLACED
    lines = [line(1, state=placed, delivery=Delivery.CANCELLED), line(2, state=placed, delivery=Delivery.CANCELLING)]
    assert [row.row for row in open_rows_of(lines, BEGAN, JobKind.POINTS)] == [2]


def test_open_rows_have_po_number_and_age() -> None:
    """A key that is an address is masked, and the error is in words."""
    rows = open_rows_of(overview().open, BEGAN + 3600)
    assert [(row.state, row.key, row.po_number, row.age_s, row.why) for row in rows] == [
        ("manual", "b***@example.com", "po-7", 3540, "The answer was lost"),
        ("unknown", "K8", "po-8", 3540, "The line was not sent."),
        ("pending", "K9", "po-9", 3540, "Its codes have not come yet."),
    ]
    assert "secret" not in repr(rows)


def test_the_oldest_rows_are_named() -> None:
    """Twenty-five of each state."""
    rows = open_rows_of([line(row, last_sent_at=BEGAN - row) for row in range(60)], BEGAN)
    assert [row.row for row in rows] == list(range(59, 34, -1))


def test_evidence_is_counted_by_lines() -> None:
    """The most frequent first, each with its meaning."""
    facts = evidence_of(overview().groups)
    assert (facts[0].fact, facts[0].state, facts[0].lines) == ("answered_placed", "placed", 6)
    assert all(fact.meaning for fact in facts)
    assert sum(fact.lines for fact in facts) == 10


def test_alarms_are_masked() -> None:
    """Their words may name a key."""
    [alarm] = alarms_of(overview().counts.alarms)
    assert alarm.text == "two rows of a***@example.com share an order"
