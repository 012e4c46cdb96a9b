"""`row_fields`: the fields of a row, texts or JSON values, make an order line, or problems by column."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async import AirmilesDetails
from xoxo_async.bulk.intake.fields import line_of
from xoxo_async.bulk.intake.order_lines import OrderLine, Problems

ROW: dict[str, Any] = {"key": "a", "product_id": "1001", "denomination": "5.50"}


def read(**fields: Any) -> tuple[OrderLine | None, tuple[str, ...]]:
    problems = Problems()
    return line_of(2, {**ROW, **fields}, problems, "key"), problems.shown()


def test_texts_and_json_values_say_the_same() -> None:
    """`3.0` of a spreadsheet is three, `yes` is true, and a number for a text is its digits."""
    texts = read(quantity="3.0", notify_admin="yes", tag="7")
    values = read(product_id=1001, denomination=Decimal("5.50"), quantity=3, notify_admin=True, tag=7)
    assert texts == values
    line, problems = texts
    assert problems == ()
    assert line == OrderLine(
        key="a", product_id=1001, denomination=Decimal("5.50"), quantity=3, notify_admin=True, tag="7"
    )


def test_details_are_told_by_their_fields() -> None:
    """Of the four kinds, the one that has them all."""
    line, _ = read(details={"loyalty_member_id": "m1"})
    assert line is not None
    assert line.details == AirmilesDetails(loyalty_member_id="m1")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"key": ""}, "row 2, column key: is empty"),
        ({"product_id": "1.5"}, "row 2, column product_id: must be a whole number, not '1.5'"),
        ({"denomination": "1,000"}, "row 2, column denomination: must be a number above 0, not '1,000'"),
        ({"denomination": 0}, "row 2, column denomination: must be a number above 0, not '0'"),
        ({"quantity": True}, "row 2, column quantity: must be a whole number from 1, not 'True'"),
        ({"notify_receiver": "perhaps"}, "row 2, column notify_receiver: must be yes or no, not 'perhaps'"),
        ({"email": ["a"]}, "row 2, column email: must be a text, not list"),
        ({"details": {"colour": "red"}}, "row 2, column details: must hold the fields of LoungeDetails"),
    ],
)
def test_a_field_that_is_wrong_is_named(fields: dict[str, Any], problem: str) -> None:
    """With what stands there, and no line comes of it."""
    line, problems = read(**fields)
    assert line is None
    assert problems[0].startswith(problem)
