"""`catalog`: products are read once, where they are listed, and what a row gets wrong about its own is told."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bulk.intake import order_rows
from xoxo_async.bulk import read_orders
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row
from xoxo_async.bulk.planning.catalog import PlanCatalog, check_product
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import AirmilesDetails

pytestmark = pytest.mark.anyio


def product(**given: Any) -> Voucher:
    return Voucher(**{"product_id": 1001, "name": "Corner Shop", "currency_code": "INR", **given})


def row(**given: Any) -> Row:
    return order_rows.row("a", 7, **{"denomination": Decimal(500), **given})


def told(of: Row, what: Voucher | None) -> str:
    problems = Problems()
    assert check_product(of, what, problems) is (problems.total == 0)
    return "; ".join(problems.shown())


FIXED = product(value_denominations_="100,500", order_quantity_limit=10)
OPEN = product(min_value_=100, max_value_=1000)


@pytest.mark.parametrize(
    ("given", "of", "what"),
    [
        (row(), None, "column product_id: no product 1001"),
        (row(denomination=Decimal(250)), FIXED, "column denomination: 250 is not offered; Corner Shop has 100, 500"),
        (row(denomination=Decimal(50)), OPEN, "column denomination: 50 is outside 100 to 1000"),
        (row(quantity=11), FIXED, "column quantity: 11 is over the 10"),
        (row(), product(is_phone_number_mandatory=True), "column contact: Corner Shop needs the receiver's phone"),
        (row(currency="USD"), FIXED, "column currency: Corner Shop is in INR, not in USD"),
        (
            row(country="US"),
            product(country_name="India", country_code="IN"),
            "column country: Corner Shop is good in",
        ),
    ],
)
def test_what_the_vendor_would_refuse_is_named(given: Row, of: Voucher | None, what: str) -> None:
    """The problem shows the row, the column and the values that are right."""
    assert told(given, of).startswith(f"row 7, {what}")


AMOUNTS = {
    "a sign": ("key,product_id,denomination\na,1001,$500\n", "column denomination: Corner Shop is in INR, not in USD"),
    "a sign below another name": (
        "key,product_id,Amount\na,1001,€500\n",
        "column Amount: Corner Shop is in INR, not in",
    ),
    "the name": ("key,product_id,Amount (USD)\na,1001,500\n", "column Amount (USD): Corner Shop is in INR, not in USD"),
    "a blank column beside it": (
        "key,product_id,Amount,Currency Code\na,1001,$500,\n",
        "column Amount: Corner Shop is in INR, not in USD",
    ),
    "a column": (
        "key,product_id,Amount,Currency Code\na,1001,500,USD\n",
        "column Currency Code: Corner Shop is in INR",
    ),
    "an amount that is wrong too": (
        "key,product_id,denomination\na,1001,$5\n",
        "column denomination: 5 is not offered; Corner Shop has 100, 500; Corner Shop is in INR, not in USD",
    ),
}


@pytest.mark.parametrize(("content", "what"), AMOUNTS.values(), ids=list(AMOUNTS))
async def test_the_column_with_the_currency_is_named(tmp_path: Path, content: str, what: str) -> None:
    """That of the amounts, where its sign or its name shows the currency: the file may have no other."""
    path = tmp_path / "o.csv"
    path.write_text(content)
    rows = order_rows.rows(read_orders(path))
    async for given in rows:
        assert not check_product(given, FIXED, rows.problems)
    (problem,) = rows.problems.shown()
    assert problem.startswith(f"row 2, {what}")


@pytest.mark.parametrize(
    ("given", "of"),
    [
        (row(), FIXED),
        (row(denomination=Decimal("500.00")), FIXED),
        (row(denomination=Decimal(1000)), OPEN),
        (row(denomination=Decimal(7)), product()),
        (row(quantity=10), FIXED),
        (row(currency="inr"), FIXED),
        (row(country="in"), product(country_code="IN,NP")),
        (row(country="US"), product()),
        (row(denomination=Decimal(50)), product(min_value_=1000, max_value_=100)),
    ],
)
def test_right_or_unknown_values_pass(given: Row, of: Voucher) -> None:
    """A catalog that says nothing, or contradicts itself, is no reason to refuse a row."""
    assert told(given, of) == ""


class Vouchers:
    """A client whose catalog lists products by category, and notes what it is asked for."""

    def __init__(self, listed: dict[str | None, list[Voucher]]) -> None:
        self.asked: list[tuple[list[int], str | None]] = []
        self.catalog = self
        self._listed = listed

    async def list_vouchers(
        self, *, page: int, limit: int, product_ids: Sequence[int], category: str | None, exchange_rates: bool
    ) -> list[Voucher]:
        self.asked.append((list(product_ids), category))
        return [one for one in self._listed.get(category, []) if one.product_id in product_ids]


async def test_products_are_read_once() -> None:
    """A second batch asks for its new products alone, a hundred in a call."""
    service = Vouchers({None: [product(product_id=number) for number in range(1, 300)]})
    catalog = PlanCatalog(service)
    await catalog.load([row(product_id=number) for number in range(1, 151)])
    await catalog.load([row(product_id=number) for number in (150, 151)])
    assert [len(ids) for ids, _ in service.asked] == [100, 50, 1]
    assert catalog.get(151) is not None


async def test_products_with_details_have_their_category() -> None:
    """A product that the usual catalog does not list is looked for in the category of its details."""
    service = Vouchers({"miles": [product(product_id=5)]})
    catalog = PlanCatalog(service)
    await catalog.load([row(product_id=5, details=AirmilesDetails(loyalty_member_id="M")), row(product_id=6)])
    assert service.asked == [([5, 6], None), ([5], "miles")]
    assert catalog.get(5) is not None
    assert catalog.get(6) is None
