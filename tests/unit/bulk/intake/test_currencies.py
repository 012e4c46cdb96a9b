"""`currencies`: what a sign beside an amount can mean."""

import pytest

from xoxo_async.bulk.intake.currencies import currencies_of


@pytest.mark.parametrize(
    ("sign", "first"),
    [("₹", "INR"), ("Rs.", "INR"), ("inr", "INR"), ("$", "USD"), ("US$", "USD"), ("£", "GBP")],
)
def test_the_usual_currency_comes_first(sign: str, first: str) -> None:
    """A sign that several currencies have means the largest of them, unless the file says otherwise."""
    assert currencies_of(sign)[0] == first


@pytest.mark.parametrize("sign", ["", "EMP", "net", "%", "pcs"])
def test_other_words_are_no_currency(sign: str) -> None:
    """Three letters alone make no currency."""
    assert currencies_of(sign) == ()
