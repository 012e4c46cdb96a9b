"""`point_checks`: the fields of a row of points are checked before anything is sent."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk.unkeyed.point_checks import check_points
from xoxo_async.errors import ConfigError

GOOD: dict[str, Any] = {"email": "ann@example.com", "name": "Ann", "amount": Decimal(5)}


def problems_of(fields: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a row, by column."""
    found: dict[str, str] = {}

    def note(column: str, error: ConfigError) -> None:
        found[column] = error.message.removeprefix(f"{column} ")

    checked = check_points({**GOOD, **fields}, note)
    assert (checked is None) == bool(found)
    return found


@pytest.mark.parametrize(("given", "exact"), [
    (500, "500"), ("7.0", "7"), (7.0, "7"), (Decimal("5E+2"), "500"), (Decimal("1500.00"), "1500"),
])  # fmt: skip
def test_a_good_amount_is_exact_and_plain(given: object, exact: str) -> None:
    """Nothing is rounded, and 500 is sent as 500, however a spreadsheet shows it."""
    checked = check_points({**GOOD, "amount": given}, lambda *_: pytest.fail("it is right"))
    assert checked is not None
    assert (str(checked.amount), checked.phone, checked.citation) == (exact, "", "")


@pytest.mark.parametrize(("column", "value", "problem"), [
    ("email", None, "is missing"),
    ("email", "", "is missing"),
    ("email", "ann and bob", "must be one e-mail address"),
    ("email", 5, "must be a text, not int"),
    ("phone", "9.19877E+11", "is 9.19877E+11: a spreadsheet wrote a long number"),
    ("phone", "call her", "must be one phone number"),
    ("name", None, "is missing"),
    ("name", "  ", "is missing"),
    ("name", "x" * 256, "has 256 characters"),
    ("amount", None, "is missing"),
    ("amount", 0, "must be a number above 0, not 0"),
    ("amount", Decimal(-5), "must be a number above 0, not -5"),
    ("amount", "1,000", "must be a number above 0, not '1,000'; write 1000"),
    ("amount", 10**13, "must be a number above 0"),
    ("amount", Decimal("12.5"), "must be a whole number of points, not 12.5"),
    ("amount", "0.1", "must be a whole number of points, not '0.1'"),
    ("amount", True, "must be a number above 0, not bool"),
    ("citation", "x" * 2001, "has 2,001 characters"),
    ("citation", "two\nlines", "must be a text of at most 2000 printable characters"),
])  # fmt: skip
def test_a_bad_value_is_named(column: str, value: object, problem: str) -> None:
    """Column and reason; the row's number is the caller's."""
    found = problems_of({column: value})
    assert list(found) == [column]
    assert found[column].startswith(problem)


def test_a_phone_alone_reaches_nobody() -> None:
    """The vendor's call has no field for it, so the reason says what it needs."""
    assert "takes no phone" in problems_of({"email": None, "phone": "+91-9876543210"})["email"]


def test_every_bad_column_is_named() -> None:
    """A person corrects a row once."""
    assert list(problems_of({"email": "x", "name": "", "amount": 0})) == ["email", "name", "amount"]


def test_no_problem_shows_an_address() -> None:
    """Messages reach logs; the file of problems has the row."""
    assert "example.com" not in str(problems_of({"email": "ann@example.com;bob@example.com"}))
