"""An empty orders file to fill in: headings, an example, and the products of the catalog with what they may cost."""

import io
import os
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from xoxo_async.bulk.intake.guard import sheet_text
from xoxo_async.bulk.intake.template_file import (
    ROWS,
    Column,
    csv_of,
    is_workbook,
    new_template,
    new_workbook,
    start_sheet,
    write_new,
)
from xoxo_async.bulk.intake.template_marks import EXAMPLE_KEY, label
from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.services.catalog.countries import find_country
from xoxo_async.services.catalog.replies import FilterGroup, Voucher
from xoxo_async.wire.entities import unescape

if TYPE_CHECKING:
    from xlsxwriter import Workbook

__all__ = ["TemplateCatalog", "TemplateClient", "write_template"]

_MOST_VALUES: Final = 250
"""Denominations of a product that the sheet shows."""
_LONGEST_NAME: Final = 80


_COLUMNS: Final = (
    Column("key", 34, EXAMPLE_KEY, is_text=True),
    Column("product_id", 34, "", is_text=False),
    Column("denomination", 14, "", is_text=False),
    Column("quantity", 10, 1, is_text=False),
    Column("email", 28, "asha.rao@example.com", is_text=True),
    Column("contact", 18, "+919876543210", is_text=True),
    Column("tag", 16, "march", is_text=True),
    Column("notify_receiver", 16, "no", is_text=False),
)
_FIXED: Final = ("product", "product_id", "name", "country", "currency", "lowest", "highest", "pieces per order",
                 "fee %", "discount %", "delivery", "values")  # fmt: skip
"""Headings of the sheet of products. The denominations stand right of them, and `values` is their number."""


class TemplateCatalog(Protocol):
    """The part of `CatalogService` that a template needs."""

    async def list_filters(self, group_code: str = "") -> list[FilterGroup]:
        """Read the values of a filter."""
        ...

    def iterate_vouchers(self, *, country: str | None = None) -> AsyncIterator[Voucher]:
        """Iterate over products."""
        ...


class TemplateClient(Protocol):
    """The part of `XoxoClient` that a template needs."""

    @property
    def catalog(self) -> TemplateCatalog:
        """Reads products."""
        ...


async def write_template(xoxo: TemplateClient, path: str | os.PathLike[str], *, country: str | None = None) -> int:
    """Write an orders file to fill in, with the products of the catalog. Moves no money.

    A workbook has a sheet for orders, with the headings of `read_orders`, and a sheet of products. In the first a
    product and its denomination are chosen from lists. Columns of ids and phone numbers are text, so that a zero at
    their start stays. CSV has the headings and the example alone.

    The example is never issued: `read_orders` leaves a row with its key out, and `recognised` says so.

    Args:
        xoxo: The client.
        path: The new file; `.xlsx` or `.csv`.
        country: The only country of the products: its name, its ISO code, or its filter code.

    Returns:
        How many products the catalog has.

    Raises:
        ConfigError: The file has another ending, is there already or cannot be written; there is no such country, or it
            has no products; or XlsxWriter is not installed.
        XoxoError: The catalog cannot be read.

    Example:
        ```python
        products = await write_template(xoxo, "orders.xlsx", country="India")
        ```
    """
    target = new_template(path)
    code = None
    if country is not None:
        code = find_country(await xoxo.catalog.list_filters("country"), country).filter_value_code
    products = [product async for product in xoxo.catalog.iterate_vouchers(country=code)]
    if not products:
        raise ConfigError("the catalog has no products" + (f" in {country}" if country else ""))
    first = products[0]
    content = _workbook(products) if is_workbook(target) else csv_of(_columns(first, str(first.product_id)))
    write_new(target, content)
    return len(products)


def _columns(product: Voucher, shown: str) -> list[Column]:
    """Return the columns with a product as the example."""
    values = _values(product)
    given: dict[str, str | Decimal] = {"product_id": shown, "denomination": values[0] if values else _lowest(product)}
    return [column._replace(example=given.get(column.name, column.example)) for column in _COLUMNS]


def _lowest(product: Voucher) -> Decimal:
    """Return a value that a product without fixed denominations may have."""
    return _amount(product, "min_value") or Decimal(1)


def _values(product: Voucher) -> Sequence[Decimal]:
    try:
        return product.denominations[:_MOST_VALUES]
    except DecodeError:  # one product with a bad amount must not fail the whole template
        return ()


def _amount(product: Voucher, name: str) -> Decimal | None:
    try:
        return getattr(product, name) or None
    except DecodeError:
        return None


def _plain(text: str | None) -> str:
    """Return a text of the vendor on one line, without HTML entities and control characters."""
    line = " ".join(unescape(text or "").split())
    return "".join(c for c in line if c.isprintable())[:_LONGEST_NAME]


def _label(product: Voucher) -> str:
    """Return how a product is shown in a list. `read_orders` takes the number before the dot."""
    place = f" ({product.country_code})" if product.country_code else ""
    return label(product.product_id, _plain(f"{product.name}{place}"))


def _workbook(products: Sequence[Voucher]) -> bytes:
    out = io.BytesIO()
    book = new_workbook(out)
    orders, listed = book.add_worksheet("Orders"), book.add_worksheet("Products")
    _fill_orders(book, orders, products)
    _fill_products(book, listed, products)
    book.close()
    return out.getvalue()


def _fill_orders(book: "Workbook", sheet: Any, products: Sequence[Voucher]) -> None:
    start_sheet(book, sheet, _columns(products[0], _label(products[0])))
    last = len(products) + 1
    found = f"MATCH($B2,Products!$A$2:$A${last},0)"
    values = f"=OFFSET(Products!${_letter(len(_FIXED))}$1,{found},0,1,MAX(1,INDEX(Products!$L$2:$L${last},{found})))"
    for at, rule in {
        1: {"validate": "list", "source": f"=Products!$A$2:$A${last}", "error_type": "warning",
            "error_message": "Choose a product from the list, or type its product_id."},
        2: {"validate": "list", "source": values, "error_type": "information",
            "error_message": "The sheet Products has the values that a product may have."},
        3: {"validate": "integer", "criteria": ">=", "value": 1, "error_message": "A whole number from 1."},
        7: {"validate": "list", "source": ["yes", "no"],
            "input_message": "yes: the vendor mails the voucher to the address in email."},
    }.items():  # fmt: skip
        sheet.data_validation(1, at, ROWS, at, rule)


def _fill_products(book: "Workbook", sheet: Any, products: Sequence[Voucher]) -> None:
    bold = book.add_format({"bold": True, "bottom": 1})
    sheet.write_row(0, 0, [*_FIXED, "denominations"], bold)
    sheet.set_column(0, 0, 40)
    sheet.set_column(2, 2, 32)
    for row, product in enumerate(products, 1):
        values = _values(product)
        texts = {0: _label(product), 2: _plain(product.name), 3: _plain(product.country_code),
                 4: _plain(product.currency_code), 10: _plain(product.delivery_type)}  # fmt: skip
        numbers = {1: product.product_id, 5: _amount(product, "min_value"), 6: _amount(product, "max_value"),
                   7: product.order_quantity_limit, 8: _amount(product, "fee"), 9: _amount(product, "discount"),
                   11: len(values)}  # fmt: skip
        for at, text in texts.items():
            sheet.write_string(row, at, sheet_text(text))
        for at, amount in (*numbers.items(), *enumerate(values, len(_FIXED))):
            if amount is not None:
                sheet.write_number(row, at, amount)
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()  # for those who print it
    sheet.fit_to_pages(1, 0)
    sheet.protect("", {"select_locked_cells": True, "format_columns": True})


def _letter(column: int) -> str:
    return chr(ord("A") + column)
