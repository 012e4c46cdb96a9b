"""`xoxo catalog`: list products, and the filters that select them."""

from typing import TYPE_CHECKING, Any, Final

import click

from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.first_rows import first_rows
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import connection_options
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.wording import money, unescaped
from xoxo_async.errors import DecodeError

if TYPE_CHECKING:
    from xoxo_async.client import XoxoClient
    from xoxo_async.services.catalog import Voucher

__all__ = ["catalog"]

_HEADER: Final = ("id", "name", "country", "currency", "denominations", "delivery", "max pieces")


@click.group(cls=Group)
def catalog() -> None:
    """List products, and the filters that select them."""


@catalog.command("filters")
@click.option("--group", "group_code", default="", metavar="CODE", help="List only this group, for example country.")
@listing_options
@connection_options
def catalog_filters(group_code: str, output: Output, **where: Any) -> None:
    """List the filters of the catalog."""
    groups = ask(Connection(**where), lambda xoxo: xoxo.catalog.list_filters(group_code))
    rows = [
        (g.filter_group_code, f.filter_value_code, unescaped(f.filter_value), f.iso_code)
        for g in groups
        for f in g.filters
    ]
    print_listing(output, lambda: (("group", "code", "value", "iso"), rows), facts=lambda: {"filters": to_json(groups)})


@catalog.command("vouchers", epilog="Example:  xoxo catalog vouchers --country India --limit 20")
@click.option("--country", help="List only products of this country: its name, ISO code or filter code.")
@click.option("--currency", help="List only products in this currency.")
@click.option("--product-id", "product_ids", type=Whole(1), multiple=True, help="Only this product; may be repeated.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="The most products to list.")
@listing_options
@connection_options
def catalog_vouchers(
    country: str | None,
    currency: str | None,
    product_ids: tuple[int, ...],
    limit: int,
    output: Output,
    **where: Any,
) -> None:
    """List products with the ids and denominations that an orders file needs."""

    async def read(xoxo: "XoxoClient") -> "list[Voucher]":
        code = (await xoxo.catalog.get_country(country)).filter_value_code if country else None
        products = xoxo.catalog.iterate_vouchers(
            limit=min(limit, 100), country=code, currency=currency, product_ids=product_ids
        )
        return await first_rows(products, limit)

    found = ask(Connection(**where), read)
    print_listing(
        output,
        lambda: (_HEADER, [_row(v, _values(v)) for v in found]),
        facts=lambda: {"vouchers": to_json(found)},
        plain=lambda: ((*_HEADER, "min", "max"), [(*_row(v, _plain_values(v)), *_bounds(v)) for v in found]),
    )


def _row(voucher: "Voucher", values: str) -> tuple[object, ...]:
    return (
        voucher.product_id,
        unescaped(voucher.name),
        voucher.country_code,
        voucher.currency_code,
        values,
        voucher.delivery_type,
        voucher.order_quantity_limit,
    )


def _plain_values(voucher: "Voucher") -> str:
    """Return the values of a product with blanks between them; empty for a product of any value."""
    try:
        return "" if voucher.max_value else " ".join(f"{value:f}" for value in voucher.denominations)
    except DecodeError:
        return ""


def _bounds(voucher: "Voucher") -> tuple[object, object]:
    try:
        return (voucher.min_value, voucher.max_value) if voucher.max_value else (None, None)
    except DecodeError:
        return None, None


def _values(voucher: "Voucher") -> str:
    try:
        if voucher.max_value:
            return f"{money(voucher.min_value)} to {money(voucher.max_value)}"
        return ", ".join(f"{value:f}" for value in voucher.denominations)
    except DecodeError:
        return "-"  # one product with a bad amount must not fail the whole list
