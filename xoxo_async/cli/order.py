"""`xoxo order`: place one order, read one order, list orders."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connect import ask
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.consent import confirm_spending
from xoxo_async.cli.first_rows import first_rows
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.cli.numbers import AMOUNT, Whole
from xoxo_async.cli.options import DAY, connection_options, json_option, yes_option
from xoxo_async.cli.output import say, say_command
from xoxo_async.cli.reply_values import to_json
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import amounts, money

if TYPE_CHECKING:
    from xoxo_async.services.orders import Order, OrderSummary

__all__ = ["order"]


@click.group(cls=Group)
def order() -> None:
    """Place one order, read one order, list orders."""


@order.command(
    "place",
    moves_money="keyed",
    epilog="""\b
Example:
  xoxo order place --product-id 1001 --denomination 500 --po-number INV-17 --yes
The same poNumber never buys twice: after a lost answer, run the same command again.""",
)
@click.option("--product-id", type=Whole(1), required=True, help="The product.")
@click.option("--denomination", type=AMOUNT, required=True, help="The value of one piece.")
@click.option("--quantity", type=Whole(1), default=1, show_default=True, help="The number of pieces.")
@click.option("--po-number", required=True, help="Your own number of this order; never use it for another one.")
@click.option("--email", help="The receiver's address.")
@click.option("--contact", help="The receiver's phone number, +CC-NUMBER.")
@click.option("--tag", help="Free text for the order history.")
@click.option("--notify-receiver", is_flag=True, help="Have the vendor e-mail the codes.")
@click.option("--notify-admin", is_flag=True, help="Have the vendor e-mail the administrator.")
@click.option("--reveal", is_flag=True, help="Show the codes.")
@yes_option
@json_option
@connection_options
def order_place(reveal: bool, yes: bool, as_json: bool, **fields: Any) -> None:
    """Place one order. Moves money, once for each poNumber."""
    connection = _connection(fields)
    what = f"order {fields['quantity']} x {money(fields['denomination'])} of product {fields['product_id']}"
    confirm_spending(connection, what, yes=yes)
    placed = ask(connection, lambda xoxo: xoxo.orders.place(**fields))
    _show_order(placed, connection, reveal=reveal, as_json=as_json)


def _connection(fields: dict[str, Any]) -> Connection:
    """Remove the flags of the connection from `fields`, and return the connection."""
    return Connection(**{name: fields.pop(name) for name in ("base_url", "client_id", "sandbox")})


@order.command("get", epilog="Example:  xoxo order get --po-number INV-17 --reveal")
@click.option("--order-id", type=Whole(1), help="The vendor's order id; or give --po-number.")
@click.option("--po-number", help="Your poNumber.")
@click.option("--reveal", is_flag=True, help="Show the codes.")
@json_option
@connection_options
def order_get(order_id: int | None, po_number: str | None, reveal: bool, as_json: bool, **where: Any) -> None:
    """Read one order. The vendor does not send its e-mail again."""
    if (order_id is None) == (po_number is None):
        raise click.UsageError("give one of --order-id and --po-number")
    connection = Connection(**where)
    found = ask(connection, lambda xoxo: xoxo.orders.get(order_id=order_id, po_number=po_number))
    _show_order(found, connection, reveal=reveal, as_json=as_json)


def _show_order(found: "Order", connection: Connection, *, reveal: bool, as_json: bool) -> None:
    if as_json:
        print_json(to_json(found, reveal=reveal))
        return
    from xoxo_async.wire.secrets import mask

    delivery = str(found.delivery_status) or "delivery status not known"
    facts = [f"order {found.order_id}", found.po_number, delivery]
    if found.amount_charged is not None:
        facts.append(f"charged {amounts({found.currency_code or '': found.amount_charged})}")
    say(" · ".join(fact for fact in facts if fact))
    rows = [
        (
            mask(v.code.reveal(), reveal=reveal),
            mask(v.pin.reveal(), reveal=reveal),
            money(v.amount, v.currency),
            v.valid_to,
        )
        for v in found.vouchers
    ]
    table(("code", "pin", "value", "valid to"), rows)
    if rows and not reveal:
        show = command_line("order", "get", "--order-id", str(found.order_id), "--reveal", *connection.flags)
        say_command("codes are masked; show them with", show)


@order.command("history", epilog="Example:  xoxo order history --from 2026-03-01 --to 2026-03-31 --tag march")
@click.option("--from", "start", type=DAY, help="The first day [default: 30 days ago].")
@click.option("--to", "end", type=DAY, help="The last day [default: tomorrow, for other time zones].")
@click.option("--tag", help="List only orders with this tag.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="The most orders to list.")
@listing_options
@connection_options
def order_history(
    start: datetime | None,
    end: datetime | None,
    tag: str | None,
    limit: int,
    output: Output,
    **where: Any,
) -> None:
    """List the orders of a range of days, without codes."""
    today = datetime.now(UTC).date()
    first, last = _day(start) or today - timedelta(days=30), _day(end) or today + timedelta(days=1)
    found = ask(
        Connection(**where),
        lambda xoxo: first_rows(xoxo.orders.iterate_history(first, last, limit=min(limit, 100), tag=tag), limit),
    )
    print_listing(
        output,
        lambda: (
            ("order", "poNumber", "placed", "delivery", "charged", "tag"),
            [(*_begun(o), money(o.amount_charged, o.currency_code), o.tag) for o in found],
        ),
        facts=lambda: {"orders": to_json(found)},
        plain=lambda: (
            ("order", "poNumber", "placed", "delivery", "charged", "currency", "tag"),
            [(*_begun(o), o.amount_charged, o.currency_code, o.tag) for o in found],
        ),
    )


def _begun(row: "OrderSummary") -> tuple[object, ...]:
    return row.order_id, row.po_number, row.order_date, row.delivery_status


def _day(value: datetime | None) -> date | None:
    return value.date() if value is not None else None
