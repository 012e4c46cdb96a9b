"""`totals`: the sums of a plan are printed before money moves, without figures that are not known."""

from decimal import Decimal

import pytest

from xoxo_async.bulk.planning.totals import PlanTotals, ProductTotals
from xoxo_async.cli.bulk.totals import mails, print_totals, summary
from xoxo_async.services.account import Balance


def totals(*, balance: int | None = 1000, rate: Decimal | None = Decimal(1), skipped: int = 0) -> PlanTotals:
    """Return the sums of two rows of 250 rupees, with a fee of 2 and a discount of 10 percent."""
    product = ProductTotals(
        name="Home &amp; Living",
        currency="INR",
        lines=2,
        pieces=2,
        face=Decimal(500),
        rate=rate,
        fee=Decimal(2),
        discount=Decimal(10),
        worth=None if rate is None else 5_100_000,
    )
    return PlanTotals(
        lines=2,
        pieces=2,
        by_product={1001: product},
        orders=2,
        skipped=skipped,
        problems="row 4: product_id is missing" if skipped else "",
        balance=None if balance is None else Balance(value=Decimal(balance), currency="INR"),
        expected_s=90.0,
    )


def test_the_cost_stands_beside_the_balance() -> None:
    """The orders, the time, the likely cost and the highest cost are printed."""
    assert summary(totals()) == [
        "2 orders to send, about 1:30 at the present limit",
        "costs about INR 460, at most INR 510; the balance is INR 1,000",
    ]


def test_a_low_balance_names_what_is_missing() -> None:
    """The likely cost counts, because the highest cost is seldom charged."""
    assert summary(totals(balance=400))[-1] == "the balance falls INR 60 short of that"
    assert "short" not in " ".join(summary(totals(balance=480)))


def test_without_a_rate_no_cost_is_said() -> None:
    """Half a sum would be wrong."""
    assert (
        summary(totals(rate=None))[-1]
        == "the cost is not known, because an exchange rate is missing; the balance is INR 1,000"
    )


def test_without_a_balance_no_cost_is_shown() -> None:
    """The number of orders is printed."""
    assert summary(totals(balance=None)) == ["2 orders to send, about 1:30 at the present limit"]


def test_left_out_rows_come_first() -> None:
    """Each has its row number and its problem."""
    assert summary(totals(skipped=1))[0] == "1 bad row left out\nrow 4: product_id is missing"


def test_shared_orders_are_shown_with_rows() -> None:
    """Without a rate limit, no time is printed."""
    shared = totals(balance=None)
    shared.orders, shared.expected_s = 1, None
    assert summary(shared) == ["1 order for 2 rows to send"]


def test_a_plan_of_nothing_new_has_no_cost() -> None:
    """A run of the same file has nothing to send."""
    done = totals()
    done.orders = 0
    assert summary(done) == []


def test_each_product_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    """HTML escapes of the vendor are decoded, and a question mark stands for an unknown cost."""
    print_totals(totals())
    print_totals(totals(rate=None))
    said = capsys.readouterr()
    _, known, _, unknown = said.out.splitlines()
    assert known.split("\t") == ["1001", "Home & Living", "2", "2", "INR 500", "2 %", "10 %", "INR 460"]
    assert unknown.split("\t")[-1] == "?"
    assert "2 rows, 2 vouchers, face value INR 500" in said.err


@pytest.mark.parametrize(
    ("addressed", "mailed", "words"),
    [
        (0, 0, ""),
        (1, 0, "1 row has an address; 0 will be mailed (notify_receiver is not set)"),
        (200, 0, "200 rows have an address; 0 will be mailed (notify_receiver is not set)"),
        (200, 50, "200 rows have an address; 50 will be mailed (notify_receiver is not set in 150)"),
        (200, 200, "200 rows have an address; 200 will be mailed"),
    ],
)
def test_who_is_mailed_is_said(addressed: int, mailed: int, words: str) -> None:
    """A person who gives an address expects a mail, and the vendor sends none unless it is asked to."""
    sums = totals(balance=None)
    sums.addressed, sums.mailed = addressed, mailed
    assert mails(sums) == words
    assert (words in summary(sums)) is bool(words)
