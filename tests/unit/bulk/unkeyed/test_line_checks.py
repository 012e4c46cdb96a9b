"""`line_checks`: the one check of a row of points, of links or of mails."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk import LinkLine, MailLine, PointsLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.unkeyed.line_checks import check_line

GOOD: dict[type[object], dict[str, Any]] = {
    PointsLine: {"key": "A", "email": "ann@example.com", "name": "Ann", "amount": Decimal(5)},
    LinkLine: {"key": "A"},
    MailLine: {"key": "A", "email": "ann@example.com"},
}


def problems_of(line: type[object], fields: dict[str, Any]) -> tuple[str, ...]:
    problems = Problems()
    checked = check_line(line, 2, {**GOOD[line], **fields}, problems)
    assert (checked is None) == bool(problems.total)
    return problems.shown()


@pytest.mark.parametrize(("given", "exact"), [(500, "500"), ("0.10", "0.10"), (0.1, "0.1"), (Decimal("5E+2"), "500")])
def test_a_good_amount_is_exact(given: object, exact: str) -> None:
    """Nothing is rounded, and no amount is sent as 5E+2."""
    checked = check_line(PointsLine, 2, {**GOOD[PointsLine], "amount": given}, Problems())
    assert checked is not None
    assert str(checked["amount"]) == exact


def test_a_link_row_without_a_number_is_one() -> None:
    """A row of a plain list gets one link."""
    assert check_line(LinkLine, 2, {"key": "A"}, Problems()) == {"key": "A", "quantity": 1}


@pytest.mark.parametrize(("line", "fields", "problem"), [
    (PointsLine, {"key": ""}, "column key: is empty"),
    (PointsLine, {"key": None}, "column key: is empty"),
    (PointsLine, {"email": None}, "column email: is missing"),
    (PointsLine, {"email": None, "phone": "+91-9876543210"}, "column email: is missing: the vendor sends points"),
    (PointsLine, {"email": "ann and bob"}, "column email: must be one e-mail address"),
    (PointsLine, {"email": 5}, "column email: must be a text, not int"),
    (PointsLine, {"phone": "9.19877E+11"}, "column phone: is 9.19877E+11: a spreadsheet wrote a long number"),
    (PointsLine, {"name": None}, "column name: is missing"),
    (PointsLine, {"name": "  "}, "column name: is missing"),
    (PointsLine, {"name": "x" * 256}, "column name: has 256 characters"),
    (PointsLine, {"amount": None}, "column amount: is missing"),
    (PointsLine, {"amount": 0}, "column amount: must be a number above 0, not 0"),
    (PointsLine, {"amount": Decimal(-5)}, "column amount: must be a number above 0, not -5"),
    (PointsLine, {"amount": "1,000"}, "column amount: must be a number above 0, not '1,000'; write 1000"),
    (PointsLine, {"amount": 10**13}, "column amount: must be a number above 0"),
    (PointsLine, {"amount": True}, "column amount: must be a number above 0, not bool"),
    (PointsLine, {"citation": "x" * 2001}, "column citation: has 2,001 characters"),
    (PointsLine, {"kept": {"Team": "x" * 1001}}, "column Team: has 1,001 characters"),
    (LinkLine, {"quantity": 0}, "column quantity: must be a whole number from 1 to 100000, not 0"),
    (LinkLine, {"quantity": "2.5"}, "column quantity: must be a whole number from 1 to 100000, not '2.5'"),
    (LinkLine, {"quantity": 100_001}, "column quantity: must be a whole number from 1 to 100000, not 100001"),
    (MailLine, {"email": ""}, "column email: is missing"),
])  # fmt: skip
def test_a_bad_value_is_named(line: type[object], fields: dict[str, Any], problem: str) -> None:
    """The problem names row, column and reason, before anything is sent."""
    (shown,) = problems_of(line, fields)
    assert shown.startswith(f"row 2, {problem}")


def test_every_bad_column_is_named() -> None:
    """A person corrects a row once."""
    shown = problems_of(PointsLine, {"email": "x", "name": "", "amount": 0})
    assert [text.split(": ")[0] for text in shown] == [f"row 2, column {name}" for name in ("email", "name", "amount")]


def test_no_problem_shows_an_address() -> None:
    """Messages reach logs; the file of problems has the row."""
    shown = problems_of(PointsLine, {"email": "ann@example.com;bob@example.com"})
    assert "example.com" not in "".join(shown)
