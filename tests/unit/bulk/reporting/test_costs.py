"""What a job cost: products, labels, plan against outcome, receivers."""

from decimal import Decimal

import pytest

from tests.unit.bulk.reporting.jobs import CARD, SHOP, group, overview
from xoxo_async.bulk.ledger.lines import POINTS, Delivery, LineState
from xoxo_async.bulk.ledger.overview import Label, LabelGroup, Receivers
from xoxo_async.bulk.reporting.costs import bill_of, labels_of, products_of, receivers_of

NOTES = {1: SHOP, 2: CARD}


def test_products_come_dearest_first() -> None:
    """With their rows, those that are placed, and what these cost."""
    cards, shops = products_of(overview().groups, NOTES)
    assert (shops.name, shops.lines, shops.placed, shops.face, shops.charged) == (
        "Shop & <Sons>", 9, 5, Decimal(500), {"INR": Decimal(485)},
    )  # fmt: skip
    assert (cards.name, cards.lines, cards.placed, cards.charged) == ("Card", 1, 1, {"INR": Decimal(500)})


def test_a_withdrawn_line_is_no_cost() -> None:
    """Nor is an order that gave its lines back."""
    assert products_of([group(state=LineState.CANCELLED), group(lines=0, single=False)], NOTES) == []


def test_cancelled_points_are_no_product() -> None:
    """They were placed and taken back: nothing stands of their pieces and value, as in the headline and the bill."""
    groups = [
        group(product_id=None, currency=POINTS, charged=Decimal(charged), delivery=delivery)
        for charged, delivery in ((100, Delivery.DELIVERED), (0, Delivery.CANCELLED), (100, Delivery.CANCELLING))
    ]
    (points,) = products_of(groups, {})
    one = group()
    assert (points.lines, points.placed) == (3 * one.lines, 3 * one.lines)
    assert (points.pieces, points.face) == (2 * one.pieces, 2 * one.pieces * one.denomination)
    assert points.charged == {POINTS: 200 * one.orders}


def test_a_bill_adds_up() -> None:
    """Value, fees and discounts make the expected cost; what is not placed and the difference lead to the charge."""
    bill = bill_of(overview().groups, NOTES, "INR")
    # Nine of 100 rupees at +2 % and -5 %, and 6.25 dollars at 80.
    assert (bill.face, bill.fees, bill.discounts) == (Decimal("1400.00"), Decimal("18.00"), Decimal("45.00"))
    assert bill.expected == Decimal("1373.00")
    assert (bill.not_placed, bill.charged, bill.difference) == (Decimal("388.00"), Decimal(985), Decimal("0.00"))
    assert bill.expected - bill.not_placed + bill.difference == bill.charged
    assert bill.at_most == Decimal("1020.00")
    assert [row.product for row in bill.rows] == ["Card", "Shop & <Sons>"]


def test_a_difference_is_of_what_was_told() -> None:
    """An order without a charge counts as expected, and one in another currency is told apart."""
    bill = bill_of(
        [group(charged=Decimal(99)), group(charged=None), group(currency="USD", charged=Decimal(2))], {1: SHOP}, "INR"
    )
    assert (bill.charged, bill.difference, bill.untold) == (Decimal(99), Decimal("2.00"), 1)
    assert bill.foreign == {"USD": Decimal(2)}


def test_an_unknown_price_stays_unknown() -> None:
    """A product that the ledger knows no price of makes the expected cost unknown, and never wrong."""
    bill = bill_of([group(), group(product_id=3, worth=None)], {1: SHOP}, "INR")
    assert (bill.expected, bill.difference, bill.at_most) == (None, None, None)
    assert bill.charged == Decimal(194)
    assert bill.rows[1].product == "product 3"


def labelled(*values: str, lines: int = 1) -> Label:
    """Return a label with placed lines."""
    groups = [LabelGroup(value, LineState.PLACED, "INR", Decimal(10), lines) for value in values]
    return Label("Team", len(values), groups)


def test_groups_of_a_label_are_shown() -> None:
    """The dearest first; withdrawn lines are left out."""
    [team] = labels_of(overview().labels)
    assert [(one.value, one.lines, one.placed, one.charged) for one in team.shown] == [
        ("blue", 2, 1, {"INR": Decimal(500)}),
        ("red", 5, 5, {"INR": Decimal(485)}),
    ]


def test_what_names_persons_is_not_shown() -> None:
    """Addresses, a value for nearly every row, and too many values."""
    names, addresses, single = labelled("Ann", "Bob", "Cy"), labelled("ann@example.com", "x", lines=9), labelled("x")
    many = Label("Name", 500, [])
    facts = labels_of([names, addresses, many, single, labelled("x", lines=2)])
    assert [bool(fact.shown) for fact in facts] == [False, False, False, False, True]
    assert [bool(fact.why_not) for fact in facts] == [True, True, True, True, False]


@pytest.mark.parametrize("name", ["PIN", "Gift code", "voucherCode", "E-Mail", "Access token", "Passwort", "Card link"])
def test_what_works_as_cash_is_not_shown(name: str) -> None:
    """Its column is known by its name, however many rows share a value."""
    [fact] = labels_of([Label(name, 1, [LabelGroup("1234", LineState.PLACED, "INR", Decimal(10), 50)])])
    assert (fact.shown, fact.why_not) == ([], "its name says that it holds codes, or what reaches a person")


def test_a_few_own_values_are_not_shown() -> None:
    """Rows without a value do not make those with one a group."""
    few = [LabelGroup(value, LineState.PLACED, "INR", None, 1) for value in ("4711", "0815")]
    blank = LabelGroup("", LineState.PLACED, "INR", None, 500)
    [fact] = labels_of([Label("Door", 3, [blank, *few])])
    assert "may be personal" in fact.why_not


def test_days_are_a_group() -> None:
    """A date looks like a phone number to a pattern, and is none."""
    [fact] = labels_of([labelled("2026-03-01", "2026-04-01", lines=9)])
    assert [one.value for one in fact.shown] == ["2026-03-01", "2026-04-01"]


def test_a_domain_of_one_person_is_not_named() -> None:
    """It may be a person's own."""
    receivers = [
        Receivers("email", "example.com", True, 5),
        Receivers("email", "ann.example", True, 1),
        Receivers("email", "", True, 4),
        Receivers("phone", "", False, 2),
        Receivers("none", "", False, 1),
    ]
    assert [(one.to, one.mailed, one.lines) for one in receivers_of(receivers)] == [
        ("addresses at example.com", True, 5),
        ("addresses at other domains", True, 5),
        ("a phone number only", False, 2),
        ("nobody: the row names no receiver", False, 1),
    ]
