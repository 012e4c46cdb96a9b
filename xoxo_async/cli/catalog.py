"""`xoxo catalog`: list products, and the filters that select them."""

from typing import Any

import click

from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.first_rows import first_rows
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.json_output import print_json, to_json
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import money, unescaped
from xoxo_async.errors import DecodeError
from xoxo_async.services.catalog import Voucher

__all__ = ["catalog"]


@click.group(cls=Group)
def catalog() -> None:
    """List products, and the filters that select them."""


@catalog.command("filters")
@click.option("--group", "group_code", default="", metavar="CODE", help="List only this group, for example country.")
@json_option
@connection_options
def catalog_filters(group_code: str, as_json: bool, **where: Any) -> None:
    """List the filters of the catalog."""
    groups = ask(Connection(**where), lambda xoxo: xoxo.catalog.list_filters(group_code))
    if as_json:
        print_json({"filters": to_json(groups)})
        return
    rows = [
        (g.filter_group_code, f.filter_value_code, unescaped(f.filter_value), f.iso_code)
        for g in groups
        for f in g.filters
    ]
    table(("group", "code", "value", "iso"), rows)


@catalog.command("vouchers", epilog="Example:  xoxo catalog vouchers --country india --limit 20")
@click.option("--country", help="List only products of this country, by filter code.")
@click.option("--currency", help="List only products in this currency.")
@click.option("--product-id", "product_ids", type=Whole(1), multiple=True, help="Only this product; may be repeated.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="The most products to list.")
@json_option
@connection_options
def catalog_vouchers(
    country: str | None,
    currency: str | None,
    product_ids: tuple[int, ...],
    limit: int,
    as_json: bool,
    **where: Any,
) -> None:
    """List products with the ids and denominations that an orders file needs."""
    found = ask(
        Connection(**where),
        lambda xoxo: first_rows(
            xoxo.catalog.iterate_vouchers(
                limit=min(limit, 100), country=country, currency=currency, product_ids=product_ids
            ),
            limit,
        ),
    )
    if as_json:
        print_json({"vouchers": to_json(found)})
        return
    header = ("id", "name", "country", "currency", "denominations", "delivery", "max pieces")
    table(
        header,
        (
            (
                v.product_id,
                unescaped(v.name),
                v.country_code,
                v.currency_code,
                _values(v),
                v.delivery_type,
                v.order_quantity_limit,
            )
            for v in found
        ),
    )


def _values(voucher: Voucher) -> str:
    try:
        if voucher.max_value:
            return f"{money(voucher.min_value)} to {money(voucher.max_value)}"
        return ", ".join(f"{value:f}" for value in voucher.denominations)
    except DecodeError:
        return "-"  # one product with a bad amount must not fail the whole list
