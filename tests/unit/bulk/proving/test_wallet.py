"""`wallet`: charges add up to the wallet's movement, or it is said why not."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk.proving.wallet import Paid, WalletFacts, judge_paid, judge_wallet, payment_facts, sums_of
from xoxo_async.services.account.replies import Payment

HUNDRED = Decimal(100)
FITS = WalletFacts(
    currency="INR",
    rows=3,
    issued=HUNDRED * 2,
    named=2,
    ours=HUNDRED,
    others=HUNDRED,
    added=HUNDRED * 9,
    ends=((Decimal(0), -1), (Decimal(700), 1)),
    ledger=HUNDRED,
    vendor=HUNDRED,
    other_orders=1,
    other_charged=HUNDRED,
)
NAMELESS = FITS._replace(named=0, unnamed=2, ours=Decimal(0), others=Decimal(0), rest=HUNDRED * 2)


@pytest.mark.parametrize(
    ("facts", "kind", "why"),
    [
        (FITS, "", ""),
        (FITS._replace(has_orders=False, rows=0), "", ""),
        (
            FITS._replace(refused="no access"),
            "unknown",
            "charges are not compared with it: no access",
        ),
        (FITS._replace(rows=0), "unknown", "has no rows for these days"),
        (FITS._replace(odd=("R1 of 2026-03-10",)), "unknown", "a row that cannot be counted: R1 of 2026-03-10"),
        (FITS._replace(unnamed=1, rest=HUNDRED), "unknown", "1 row over 100 that name no order of the history"),
        (FITS._replace(ends=((HUNDRED, -1), (HUNDRED * 2, 1), (HUNDRED * 3, -1))), "wallet", "do not follow"),
        (FITS._replace(ends=((HUNDRED, 1),)), "wallet", "do not follow"),
        (FITS._replace(ends=()), "", ""),
        (NAMELESS, "", ""),
        (NAMELESS._replace(issued=Decimal(150)), "wallet", "cost 200, and the payment report took 150"),
        (NAMELESS._replace(issued=Decimal(250)), "unknown", "it is not known what the rest was for"),
        (FITS._replace(rounded=2, ends=((HUNDRED, 1),)), "unknown", "the fractions of 2 charges are not compared"),
        (NAMELESS._replace(rounded=1, issued=Decimal("199.5")), "unknown", "the fractions of 1 charge are not"),
        (NAMELESS._replace(uncharged=2), "unknown", "does not tell the charge of 2 orders"),
    ],
)
def test_each_movement_is_judged(facts: WalletFacts, kind: str, why: str) -> None:
    """A shortfall is a contradiction; money that nobody can name is unknown."""
    found = judge_wallet(facts)
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert all(why in one.why for one in found)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"rows": 0, "paid": Decimal(0)}, "took nothing for order 7"),
        ({"rows": 2, "paid": HUNDRED * 2}, "took money 2 times for order 7"),
        ({"paid": Decimal("99.99")}, "order 7 cost 100, and the payment report took 99.99"),
        ({"refunded": HUNDRED}, "gave 100 back for order 7"),
        ({"refunded": HUNDRED, "cancelled": True}, ""),
        ({"charged": None}, ""),
    ],
)
def test_each_order_is_paid_once(changes: dict[str, Any], why: str) -> None:
    """A refund fits only an order whose delivery was cancelled."""
    paid = Paid("po", "k", 1, 7, HUNDRED, 1, HUNDRED, Decimal(0), cancelled=False)._replace(**changes)
    found = list(judge_paid([paid]))
    assert [why in one.why for one in found] == ([True] if why else [])


def test_a_new_order_may_still_be_paid() -> None:
    """Its payment is unknown then, and a sum that falls short is too."""
    paid = Paid("po", "k", 1, 7, HUNDRED, 0, Decimal(0), Decimal(0), cancelled=False, recent=True)
    assert [one.kind for one in judge_paid([paid])] == ["unknown"]
    assert [one.kind for one in judge_wallet(NAMELESS._replace(issued=HUNDRED, recent=True))] == ["unknown"]


def test_whole_amounts_are_compared_to_the_unit() -> None:
    """The vendor's page calls amounts integers: a fraction that is cut off is no discrepancy, a unit is."""
    paid = Paid("po", "k", 1, 7, Decimal("99.99"), 1, Decimal(99), Decimal(0), cancelled=False)
    assert list(judge_paid([paid], rounded=True)) == []
    assert len(list(judge_paid([paid._replace(paid=Decimal(98))], rounded=True))) == 1


@pytest.mark.parametrize(
    ("reason", "movement"),
    [
        ("Funds added", "in"),
        ("Refunded", "back"),
        ("Brand Voucher(s) Issued", "out"),
        ("Brand Voucher Issued", "out"),
        ("Adjustment", ""),
        (None, ""),
    ],
)
def test_the_reason_gives_the_direction(reason: str | None, movement: str) -> None:
    """The amount has no sign."""
    assert payment_facts(Payment(reason=reason)).movement == movement


@pytest.mark.parametrize(
    ("reference", "order_id"),
    [("6000001", 6000001), ("REF6000001", 6000001), ("A1-B2", None), ("", None), (None, None)],
)
def test_a_reference_names_an_order(reference: str | None, order_id: int | None) -> None:
    """It is the order's id, perhaps behind letters."""
    assert payment_facts(Payment(reference_id=reference)).order_id == order_id


def test_a_cancelled_row_moves_nothing() -> None:
    """A row without a status counts as complete."""
    assert not payment_facts(Payment(transaction_status="Cancelled")).complete
    assert payment_facts(Payment(transaction_status=None)).complete


def test_the_sums_list_other_money_apart() -> None:
    """Funds and other jobs are no part of the job's own movement."""
    sums = sums_of(FITS)
    assert (sums.paid, sums.other, sums.other_orders, sums.added) == (HUNDRED, HUNDRED, 1, HUNDRED * 9)
    assert (sums.opening, sums.closing) == (Decimal(0), Decimal(700))
    assert sums_of(NAMELESS).paid is None
