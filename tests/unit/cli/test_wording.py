"""`wording`: money, numbers and times are formatted for a person."""

from decimal import Decimal

import pytest

from xoxo_async.cli.wording import amounts, money


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
