"""`rows`: the one check of a row, whether it comes from a file or from Python, and the request that it makes."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.intake.order_rows import JOB, line, row, rows
from xoxo_async import AirmilesDetails, errors
from xoxo_async.bulk import OrderLine, derive_po_number
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import check_fields
from xoxo_async.services.orders import OrderFields, place_order

pytestmark = pytest.mark.anyio


def check(**fields: Any) -> tuple[dict[str, Any] | None, Problems]:
    """Check a row with some fields, and return what came of it."""
    problems = Problems()
    return check_fields(2, msgspec.structs.asdict(line(**{"key": "bad", **fields})), problems), problems


def test_a_row_makes_the_request_of_place() -> None:
    """A row and `orders.place` with the same fields send the same bytes."""
    fields: dict[str, Any] = {"email": "a@example.com", "quantity": 2, "notify_receiver": True, "tag": "march"}
    made = row("a", **fields, po_number="PO-1")
    assert made.order == place_order(product_id=1001, denomination=5, po_number="PO-1", **fields)


def test_a_row_without_a_po_number_gets_one() -> None:
    """Its poNumber is derived from job and key."""
    assert row("a").order.po_number == derive_po_number(JOB, "a")


WRONG = {
    "key, a number": ({"key": 5}, "key"),
    "key, none": ({"key": None}, "key"),
    "key, empty": ({"key": ""}, "key"),
    "key, blank": ({"key": " "}, "key"),
    "key, half a character": ({"key": "\ud800"}, "key"),
    "key, zero byte": ({"key": "a\0b"}, "key"),
    "key, line end": ({"key": "a\nrow 7: b"}, "key"),
    "product, a list": ({"product_id": [1]}, "product_id"),
    "product, none": ({"product_id": None}, "product_id"),
    "product, negative": ({"product_id": -1}, "product_id"),
    "product, absurd": ({"product_id": 10**30}, "product_id"),
    "denomination, none": ({"denomination": None}, "denomination"),
    "denomination, in words": ({"denomination": "ten"}, "denomination"),
    "denomination, with underscore": ({"denomination": "1_0"}, "denomination"),
    "denomination, no number": ({"denomination": float("nan")}, "denomination"),
    "quantity, a text": ({"quantity": "2"}, "quantity"),
    "quantity, a flag": ({"quantity": True}, "quantity"),
    "quantity, too many": ({"quantity": 99999}, "quantity"),
    "email, a list": ({"email": ["a@b.c"]}, "email"),
    "email, none": ({"email": "nobody"}, "email"),
    "contact, long": ({"contact": "1" * 41}, "contact"),
    "contact, in words": ({"contact": "+91-98 (office)x"}, "contact"),
    "contact, from a spreadsheet": ({"contact": "9.19877E+11"}, "contact"),
    "key, from a spreadsheet": ({"key": "1.23457E+14"}, "key"),
    "key, unseen": ({"key": "EMP-1\u200b"}, "key"),
    "poNumber, from a spreadsheet": ({"po_number": "1.23457E+14"}, "po_number"),
    "tag, control character": ({"tag": "a\x07"}, "tag"),
    "tag, half a character": ({"tag": "\udfff"}, "tag"),
    "flag, a word": ({"notify_admin": "no"}, "notify_admin"),
    "mail to nobody": ({"notify_receiver": True}, "notify_receiver"),
    "poNumber, empty": ({"po_number": ""}, "po_number"),
    "poNumber, odd": ({"po_number": "PO;1"}, "po_number"),
    "currency, a number": ({"currency": 5}, "currency"),
    "details, a mapping": ({"details": {"loyalty_member_id": "M"}}, "details"),
    "details, blank": ({"details": AirmilesDetails(loyalty_member_id=" ")}, "details"),
}


@pytest.mark.parametrize(("fields", "column"), WRONG.values(), ids=list(WRONG))
def test_each_field_of_a_row_is_checked(fields: dict[str, Any], column: str) -> None:
    """Any object in any field is one problem of its row and column, and never a crash."""
    request, problems = check(**fields)
    assert request is None
    assert problems.total == 1
    with pytest.raises(errors.PlanError, match=f"row 2, column {column}: "):
        problems.raise_if_any("orders")


@pytest.mark.parametrize("value", [10, "10", 10.0, Decimal(10)])
def test_a_denomination_may_be_any_exact_number(value: object) -> None:
    """Whole numbers, texts and floats become the Decimal that they show."""
    request, _ = check(denomination=value)
    assert request is not None
    assert isinstance(request["denomination"], Decimal)
    assert request["denomination"] == 10


def test_missing_fields_are_reported_as_missing() -> None:
    """A row of a file may lack a required column's value."""
    problems = Problems()
    assert check_fields(3, {"key": "a"}, problems) is None
    assert problems.shown() == ("row 3, column product_id: is missing", "row 3, column denomination: is missing")


def test_the_key_is_named_by_its_column() -> None:
    """In a file without a key column, poNumber is the key."""
    problems = Problems()
    assert check_fields(3, {"product_id": 1, "denomination": 1}, problems, key_column="po_number") is None
    assert problems.shown() == ("row 3, column po_number: is empty",)


def test_an_earlier_noted_problem_refuses_the_row() -> None:
    """The reader notes bad details itself; the row must not become an order without its details."""
    problems = Problems()
    problems.add(2, "must hold other fields", column="details")
    fields = {"key": "a", "product_id": 1, "denomination": 1, "details": {"colour": "red"}}
    assert check_fields(2, fields, problems) is None
    assert problems.total == 1


async def test_an_order_line_is_kept_as_given() -> None:
    """The check makes a request and leaves the line alone."""
    given = line("a", denomination=5)
    (made,) = [row async for row in rows([given])]
    assert made.line is given
    assert made.order.denomination == Decimal(5)


def test_a_line_has_each_field_of_an_order() -> None:
    """`OrderLine` adds fields of its own, and lacks none of `place()`."""
    assert OrderFields.__annotations__.keys() <= set(OrderLine.__struct_fields__)
    assert set(OrderLine.__struct_fields__) - OrderFields.__annotations__.keys() == {
        "key",
        "currency",
        "country",
        "kept",
    }
