"""`numerals`: what a text is as a number, by what its whole column proves."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xoxo_async.bulk.intake.numerals import NumberColumn, readings_of
from xoxo_async.bulk.intake.tables import BadCell

TEXTS = {
    "1000": ("1000", "1000"),
    "1000.50": ("1000.50", None),
    "1.000": ("1.000", "1000"),
    "0.500": ("0.500", None),
    "1,000": ("1000", "1.000"),
    "10,50": (None, "10.50"),
    "1,000.50": ("1000.50", None),
    "1.000,50": (None, "1000.50"),
    "1,00,000": ("100000", None),
    "12,34,56,789.5": ("123456789.5", None),
    "1.000.000": (None, "1000000"),
    "1,000,000": ("1000000", None),
    "1'000.50": ("1000.50", None),
    "1\u00a0000,50": (None, "1000.50"),
    "1 000": ("1000", "1000"),
    "₹1,00,000": ("100000", None),
    "INR 500": ("500", "500"),
    "500 EUR": ("500", "500"),
    "Rs. 1,500.00": ("1500.00", None),
    "-5": ("-5", "-5"),
    "1,0,0": (None, None),
    "1,00,00": (None, None),
    "1.00.000": (None, None),
    "1,000.000,5": (None, None),
    "1 00": (None, None),
    "1_000": (None, None),
    "$5$": (None, None),
    "EMP 500": (None, None),
    "ten": (None, None),
    "١٢": (None, None),
    "1,5e3": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_with_either_sign(text: str) -> None:
    """A grouping that nobody writes is no number."""
    readings = readings_of(text)
    point, comma = (None if one is None else Decimal(one) for one in TEXTS[text])
    assert (readings.point, readings.comma) == (point, comma)


def read(texts: list[str], **how: object) -> list[Decimal | str | BadCell | None]:
    """Read a column as a table does: learn it at the first text that needs proof."""
    column = NumberColumn(**how)  # type: ignore[arg-type]
    values: list[Decimal | str | BadCell | None] = []
    for row, text in enumerate(texts, 2):
        value = column.read(text, row)
        if value is None:
            for later, other in enumerate(texts[row - 2 :], row):
                column.learn(other, later)
            column.settle()
            value = column.read(text, row)
        values.append(value)
    return values


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,000", "1,000.50"], ["1000", "1000.50"]),
        (["1.000", "1.000,50"], ["1000", "1000.50"]),
        (["1.000", "10.50", "0.500"], ["1.000", "10.50", "0.500"]),
        (["500", "2,000", "1,00,000"], ["500", "2000", "100000"]),
        (["2.000", "x", "1.000.000"], ["2000", "x", "1000000"]),
        (["1 000", "500"], ["1000", "500"]),
    ],
)
def test_the_whole_column_proves_the_sign(texts: list[str], values: list[str]) -> None:
    """A later text decides on an earlier one."""
    assert [str(value) for value in read(texts)] == values


def test_a_column_that_proves_nothing_is_refused() -> None:
    """Both readings are named at the first row; later rows refer to it, and plain numbers stay."""
    plain, first, second = read(["500", "1,000", "2,000"])
    assert plain == 500
    assert isinstance(first, BadCell)
    assert isinstance(second, BadCell)
    assert "it can be 1000 (decimal point) or 1 (decimal comma), and nothing in the column says which" in first.why
    assert "2000 (decimal point) or 2 (decimal comma), as in row 3" in second.why


@pytest.mark.parametrize("texts", [["1.000", "10.50"], ["1,000", "1.000.000"], ["10,5", "1,000"]])
def test_a_thousand_of_another_style_is_refused(texts: list[str]) -> None:
    """Three digits behind the sign that no other number of the column has are more likely a thousand."""
    bad = next(value for value in read(texts) if isinstance(value, BadCell))
    assert "no row has three digits behind it" in bad.why


def test_two_signs_in_a_column_are_refused() -> None:
    """The error names a row of each; what could be either is refused too."""
    point, comma, either = read(["10.50", "10,50", "1,000"])
    assert point == Decimal("10.50")
    for bad in (comma, either):
        assert isinstance(bad, BadCell)
        assert "row 2 (10.50) has a decimal point and row 3 (10,50) has a decimal comma" in bad.why


@pytest.mark.parametrize(("sign", "value"), [(".", 1000), (",", 1)])
def test_a_given_sign_settles_it(sign: str, value: int) -> None:
    """A number with the other sign is refused."""
    settled, other = read(["1,000", "10,5" if sign == "." else "10.5"], given=sign)
    assert settled == value
    assert isinstance(other, BadCell)
    assert "is no number with a decimal" in other.why


def test_lost_digits_of_an_id_are_refused() -> None:
    """Many ids become the same text; an amount may have an exponent."""
    (bad,) = read(["9.19877E+11"], whole=True)
    assert isinstance(bad, BadCell)
    assert "its last digits are lost" in bad.why
    assert read(["5E+2"]) == [Decimal("5E+2")]


def test_currency_signs_need_a_field_for_them() -> None:
    """Without one the text is no number, so that no currency is dropped."""
    assert read(["₹500"]) == ["₹500"]
    column = NumberColumn(signs=True)
    column.learn("₹500", 2)
    column.settle()
    assert (column.read("₹500", 2), column.currencies) == (500, {"₹500": ("INR",)})


STYLES = {
    "plain": lambda whole, cents: f"{whole}.{cents:02}",
    "English": lambda whole, cents: f"{whole:,}.{cents:02}",
    "German": lambda whole, cents: f"{whole:,}".replace(",", ".") + f",{cents:02}",
    "French": lambda whole, cents: f"{whole:,}".replace(",", "\u202f") + f",{cents:02}",
    "Swiss": lambda whole, cents: f"{whole:,}".replace(",", "'") + f".{cents:02}",
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 99)), min_size=1, max_size=8),
    st.lists(st.sampled_from(sorted(STYLES)), min_size=1, max_size=8),
    st.booleans(),
)
def test_no_number_becomes_another(numbers: list[tuple[int, int]], styles: list[str], without_cents: bool) -> None:
    """However a column is written, each number is what was meant, or it is refused."""
    texts, meant = [], []
    for at, (whole, cents) in enumerate(numbers):
        text = STYLES[styles[at % len(styles)]](whole, cents)
        meant.append(Decimal(whole) if without_cents else Decimal(whole) + Decimal(cents) / 100)
        texts.append(text[:-3] if without_cents else text)
    alike = len({styles[at % len(styles)] for at in range(len(numbers))}) == 1
    for value, number in zip(read(texts), meant, strict=True):
        assert value == number or isinstance(value, BadCell)
        assert value == number or without_cents or not alike
