"""`fields`: the texts and JSON values of a row become numbers, flags and details."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async import AirmilesDetails
from xoxo_async.bulk.intake.fields import read_fields
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import check_fields

ROW: dict[str, Any] = {"key": "a", "product_id": "1001", "denomination": "5.50"}


def read(**fields: Any) -> dict[str, Any]:
    return read_fields(2, {**ROW, **fields}, Problems(), "key").fields


def test_texts_and_json_values_mean_the_same() -> None:
    """`3.0` of a spreadsheet is three, `yes` is true, and a number in a column of texts is its digits."""
    texts = read(quantity="3.0", notify_admin="yes", tag="7")
    values = read(product_id=1001, denomination=Decimal("5.50"), quantity=3, notify_admin=True, tag=7)
    assert texts == values
    assert texts == {
        "key": "a",
        "product_id": 1001,
        "denomination": Decimal("5.50"),
        "quantity": 3,
        "notify_admin": True,
        "tag": "7",
    }


@pytest.mark.parametrize(("text", "contact"), [
    ("919876543210.0", "919876543210"),
    ("919876543210.5", "919876543210.5"),
    ("0919876543210.0", "0919876543210.0"),
    ("1234567890123456.0", "1234567890123456.0"),
    ("+919876543210", "+919876543210"),
])  # fmt: skip
def test_a_phone_is_repaired_where_it_is_certain(text: str, contact: str) -> None:
    """A program that took it for a number has kept up to 15 digits; the check refuses the others."""
    assert read(contact=text)["contact"] == contact


def test_a_product_of_a_templates_list_is_its_id() -> None:
    """A name may have digits of its own."""
    assert read(product_id="1001 · Shop 24")["product_id"] == 1001
    assert read(product_id="Shop · 24")["product_id"] == "Shop · 24"


def test_the_fields_of_details_tell_their_kind() -> None:
    """A JSON object becomes the details that have all of its names."""
    assert read(details={"loyalty_member_id": "m1"})["details"] == AirmilesDetails(loyalty_member_id="m1")


def test_a_po_number_replaces_a_missing_key() -> None:
    """A row without a key has its poNumber as the key."""
    fields = {"po_number": "PO-1", "product_id": "1", "denomination": "1"}
    assert read_fields(2, fields, Problems(), "po_number").fields["key"] == "PO-1"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"product_id": "1.5"}, "row 2, column product_id: must be a whole number from 1 to 1000000000000, not '1.5'"),
        (
            {"product_id": "1e99"},
            "row 2, column product_id: must be a whole number from 1 to 1000000000000, not '1e99'",
        ),
        (
            {"denomination": "1,000"},
            "row 2, column denomination: must be a number above 0, not '1,000'; write 1000",
        ),
        ({"denomination": 0}, "row 2, column denomination: must be a number above 0, not 0"),
        ({"denomination": "-5"}, "row 2, column denomination: must be a number above 0, not -5"),
        ({"quantity": True}, "row 2, column quantity: must be a whole number from 1 to 9999, not True"),
        ({"quantity": "1.5"}, "row 2, column quantity: must be a whole number from 1 to 9999, not '1.5'"),
        ({"notify_receiver": "perhaps"}, "row 2, column notify_receiver: must be true or false (yes or no), not 'perh"),
        ({"email": ["a"]}, "row 2, column email: must be a text, not list"),
        ({"details": {"colour": "red"}}, "row 2, column details: must hold the fields of LoungeDetails, "),
        ({"details": {"first_name": "A", "last_name": "B"}}, "row 2, column details: Object missing required field "),
        ({"details": "M-1"}, "row 2, column details: must be LoungeDetails, AirmilesDetails, "),
    ],
)
def test_a_value_without_meaning_is_refused(fields: dict[str, Any], problem: str) -> None:
    """The value stays as it is, and the check of the row names the column and the value."""
    problems = Problems()
    row = read_fields(2, {**ROW, **fields}, problems, "key")
    assert check_fields(row.number, row.fields, problems) is None
    assert problems.total == 1
    assert problems.shown()[0].startswith(problem)
