"""`order_fields`: the names that people give to the columns of an orders file."""

import pytest

from xoxo_async.bulk import OrderLine
from xoxo_async.bulk.intake.matching import Choices, match_columns
from xoxo_async.bulk.intake.order_fields import ORDER_FIELDS


@pytest.mark.parametrize(
    "header",
    [
        ["Employee ID", "Product ID", "Amount", "E-mail"],
        ["EMP_CODE", "product-id", "Face Value (INR)", "Mail ID"],
        ["Staff No.", "Voucher ID", "Gift Amount", "Recipient Email"],
        ["key", "product_id", "denomination", "email"],
    ],
)
def test_usual_names_are_recognised(header: list[str]) -> None:
    """Case, blanks and punctuation do not count."""
    columns = match_columns(header, ORDER_FIELDS, Choices(), "o.csv")
    assert [field.name for _, field in columns.fields] == ["key", "product_id", "denomination", "email"]


def test_every_field_of_a_line_has_a_column() -> None:
    """Only what needs an object has none, and what rides along has columns of its own."""
    assert {field.name for field in ORDER_FIELDS.fields} == set(OrderLine.__struct_fields__) - {"details", "kept"}


def test_no_synonym_means_two_fields() -> None:
    """One name leads to one field."""
    names = [name for field in ORDER_FIELDS.fields for name in {field.name, *field.synonyms}]
    assert len(names) == len(set(names))
