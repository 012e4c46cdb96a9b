"""`catalogue`: products are read once, where they are listed, and what a row gets wrong about its own is told."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.bulk.intake.order_lines import OrderLine, Problems
from xoxo_async.bulk.planning.catalogue import check_product
from xoxo_async.services.catalog import Voucher


def product(**given: Any) -> Voucher:
    return Voucher(**{"product_id": 1001, "name": "Corner Shop", "currency_code": "INR", **given})


def line(**given: Any) -> OrderLine:
    return OrderLine(**{"key": "a", "product_id": 1001, "denomination": Decimal(500), "quantity": 1, **given})


def told(of: OrderLine, what: Voucher | None) -> str:
    problems = Problems()
    check_product(7, of, what, problems)
    return "; ".join(problems.shown())


FIXED = product(value_denominations_="100,500", order_quantity_limit=10)
OPEN = product(min_value_=100, max_value_=1000)


@pytest.mark.parametrize(
    ("row", "of", "what"),
    [
        (line(), None, "column product_id: no product 1001"),
        (line(denomination=Decimal(250)), FIXED, "column denomination: 250 is not offered; Corner Shop has 100, 500"),
        (line(denomination=Decimal(50)), OPEN, "column denomination: 50 is outside 100 to 1000"),
        (line(quantity=11), FIXED, "column quantity: 11 is over the 10"),
        (line(), product(is_phone_number_mandatory=True), "column contact: Corner Shop needs the receiver's phone"),
        (line(currency="USD"), FIXED, "column currency: Corner Shop is in INR, not in USD"),
        (
            line(country="US"),
            product(country_name="India", country_code="IN"),
            "column country: Corner Shop is good in",
        ),
    ],
)
def test_what_the_vendor_would_refuse_is_told_beforehand(row: OrderLine, of: Voucher | None, what: str) -> None:
    """With the row, the column, and what would be right."""
    assert told(row, of).startswith(f"row 7, {what}")


@pytest.mark.parametrize(
    ("row", "of"),
    [
        (line(), FIXED),
        (line(denomination=Decimal("500.00")), FIXED),
        (line(denomination=Decimal(1000)), OPEN),
        (line(denomination=Decimal(7)), product()),
        (line(quantity=10), FIXED),
        (line(currency="inr"), FIXED),
        (line(country="in"), product(country_code="IN,NP")),
        (line(country="US"), product()),
        (line(denomination=Decimal(50)), product(min_value_=1000, max_value_=100)),
    ],
)
def test_what_is_right_or_cannot_be_known_passes(row: OrderLine, of: Voucher) -> None:
    """A catalogue that says nothing, or contradicts itself, is no reason to refuse a row."""
    assert told(row, of) == ""
