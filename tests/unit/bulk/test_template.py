"""Templates: what is in them, and that they go back in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import python_calamine

from xoxo_async.bulk import read_orders
from xoxo_async.bulk.template import write_template
from xoxo_async.errors import ConfigError, PlanError
from xoxo_async.services.catalog.replies import Filter, FilterGroup, Voucher

PRODUCTS = [
    {"productId": 1001, "name": "Tea &amp; Co", "countryCode": "IN", "valueDenominations": "100,250"},
    {"productId": 1002, "name": "=1+1\n2", "minValue": "10", "maxValue": "500", "valueDenominations": ""},
    {"productId": 1003, "name": "Odd", "minValue": "a lot", "valueDenominations": {"a": 1}},
]
COUNTRIES = (
    Filter(filter_value="India", filter_value_code="india", iso_code="IN"),
    Filter(filter_value="Germany", filter_value_code="germany", iso_code="GD"),
    Filter(filter_value="C&ocirc;te", filter_value_code="cote"),
)


class Client:
    """A client whose catalog has these products."""

    def __init__(self, products: list[dict[str, Any]]) -> None:
        self.catalog = self
        self.asked: list[str | None] = []
        self._products = products

    async def list_filters(self, group_code: str = "") -> list[FilterGroup]:
        assert group_code == "country"
        return [FilterGroup(filters=COUNTRIES)]

    async def iterate_vouchers(self, *, country: str | None = None) -> AsyncIterator[Voucher]:
        self.asked.append(country)
        for product in self._products:
            yield msgspec.convert(product, Voucher)


def write(path: Path, country: str | None = None, products: list[dict[str, Any]] = PRODUCTS) -> tuple[int, Client]:
    client = Client(products)
    return anyio.run(lambda: write_template(client, path, country=country)), client


@pytest.mark.parametrize("name", ["orders.xlsx", "orders.csv"])
def test_a_template_has_no_orders_itself(tmp_path: Path, name: str) -> None:
    """Its headings are read without a word, and its example is left out and said."""
    assert write(tmp_path / name)[0] == 3
    with pytest.raises(PlanError, match="there are no orders in it, only the template's example"):
        list(read_orders(tmp_path / name))


def test_rows_below_the_example_are_orders(tmp_path: Path) -> None:
    """A product may be one that was chosen from a list."""
    path = tmp_path / "orders.csv"
    write(path)
    with path.open("a") as file:
        file.write("E1,1002 · Any name,50,1,,,,\n")
    orders = read_orders(path)
    assert [(line.key, line.product_id) for line in orders] == [("E1", 1002)]
    assert "the template's example in row 2 left out, 1 row" in orders.recognised()


def test_the_sheet_of_products_has_their_values(tmp_path: Path) -> None:
    """Names are plain text, and a product with a bad amount does not fail the rest."""
    write(tmp_path / "orders.xlsx")
    book = python_calamine.load_workbook(str(tmp_path / "orders.xlsx"))
    assert book.sheet_names == ["Orders", "Products"]
    rows = book.get_sheet_by_name("Products").to_python()
    assert rows[1][:4] + rows[1][11:14] == ["1001 · Tea & Co (IN)", 1001, "Tea & Co", "IN", 2, 100, 250]
    assert (rows[2][2], rows[2][5], rows[2][6], rows[2][11]) == ("=1+1 2", 10, 500, 0)
    assert rows[3][1] == 1003


@pytest.mark.parametrize(("country", "code"), [("India", "india"), ("IN", "india"), ("cote", "cote"), ("côte", "cote")])
def test_a_country_has_several_names(tmp_path: Path, country: str, code: str) -> None:
    """A person writes the name or the ISO code; the catalog filters by a code of its own."""
    assert write(tmp_path / "orders.csv", country)[1].asked == [code]


def test_an_unknown_country_is_refused(tmp_path: Path) -> None:
    """The message lists those that are there."""
    with pytest.raises(ConfigError, match="no country 'Narnia'; it has: Côte, Germany, India"):
        write(tmp_path / "orders.csv", "Narnia")
    with pytest.raises(ConfigError, match="no products in IN"):
        write(tmp_path / "orders.csv", "IN", [])
    assert list(tmp_path.iterdir()) == []


def test_a_template_replaces_no_file(tmp_path: Path) -> None:
    """The orders of last month are one."""
    path = tmp_path / "orders.csv"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write(path)
    assert path.read_text() == "mine"
    (tmp_path / "link.csv").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="is there already"):
        write(tmp_path / "link.csv")


@pytest.mark.parametrize(
    ("name", "why"), [("orders.ods", "ends in .xlsx or .csv"), ("none/orders.csv", "No such file")]
)
def test_a_template_that_cannot_be_written_says_so(tmp_path: Path, name: str, why: str) -> None:
    """No half of a file is left."""
    with pytest.raises(ConfigError, match=why):
        write(tmp_path / name)
