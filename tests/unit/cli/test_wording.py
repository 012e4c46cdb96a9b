"""`wording`: money, numbers and times are formatted for a person."""

from decimal import Decimal

import pytest

from xoxo_async.cli.wording import age, amounts, money, stopping


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (Decimal(1250), "INR 1,250"),
        (Decimal("1250.50"), "INR 1,250.50"),
        (Decimal("1E+3"), "INR 1,000"),
        (Decimal("-0.10"), "INR -0.10"),
    ],
)
def test_money_is_exact_and_readable(value: Decimal | None, shown: str) -> None:
    """Amounts keep their digits, in groups of three, after the currency."""
    assert money(value, "INR") == shown


def test_sums_name_every_currency() -> None:
    """Sums are sorted by currency, and an empty sum is a word."""
    assert amounts({"USD": Decimal(5), "INR": Decimal(1000)}) == "INR 1,000, USD 5"
    assert amounts({}) == "nothing"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (40, "40 s"), (300, "5 min"), (12_000, "3 h 20 min"), (90_000, "1 day 1 h"), (190_000, "2 days 4 h")],
)
def test_an_age_has_two_units_at_most(seconds: float, shown: str) -> None:
    """Nothing is older than it is, and a clock that was set back gives no age below 0."""
    assert age(seconds) == shown


def test_a_stop_names_what_is_sent() -> None:
    """A job of points has no orders."""
    assert stopping("SIGINT", 1, 30.0, "points").startswith("Stopping: no new points; waiting up to 30 s for 1 already")


def test_a_stop_says_how_to_hurry() -> None:
    """Ctrl-C is a key; another signal has its name."""
    assert stopping("SIGINT", 0, 30.0) == (
        "Stopping: no new orders; waiting up to 30 s for 0 already sent. Press Ctrl-C again to stop at once."
    )
    assert stopping("SIGTERM", 1200, 2.5) == (
        "Stopping (SIGTERM): no new orders; waiting up to 2.5 s for 1,200 already sent."
        " Send SIGTERM again to stop at once."
    )
