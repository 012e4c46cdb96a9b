"""One question, one answer: balance, catalogue, single orders."""

import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import anyio
import click

from xoxo_async.cli.connect import Connection, connection_options, is_real_money, json_option, open_client, run_async
from xoxo_async.cli.exits import DeclinedError, StoppedError
from xoxo_async.cli.numbers import AMOUNT, Whole
from xoxo_async.cli.render import amounts, is_terminal, json_text, mask, money, out, public, say, table, words
from xoxo_async.client import XoxoClient
from xoxo_async.errors import DecodeError
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import Order

__all__ = [
    "agree",
    "answer_to",
    "ask",
    "balance",
    "catalog",
    "confirm_spending",
    "day",
    "need_a_person",
    "order",
    "takers",
]

T = TypeVar("T")


def day(value: datetime | None) -> date | None:
    """Return the day of a `click.DateTime`."""
    return value.date() if value is not None else None


def ask(connection: Connection, question: Callable[[XoxoClient], Awaitable[T]]) -> T:
    """Open a client, ask one thing, close it.

    Args:
        connection: Where to ask.
        question: What to ask.
    """

    async def work() -> T:
        async with open_client(connection) as client:
            return await question(client)

    return run_async(work)


async def takers(rows: AsyncIterator[T], limit: int) -> list[T]:
    """Return the first rows of a list, and read no page beyond them.

    Args:
        rows: The list.
        limit: How many at most.
    """
    taken: list[T] = []
    async for row in rows:
        taken.append(row)
        if len(taken) >= limit:
            break
    return taken


def confirm_spending(connection: Connection, what: str, *, yes: bool) -> None:
    """Ask a person before money moves at the real API; without a terminal, `--yes` must have said so.

    Args:
        connection: Where it would be sent.
        what: What would happen, for the question.
        yes: Whether `--yes` was given.

    Raises:
        DeclinedError: Nobody agreed; nothing was sent. `StoppedError` when a person ended it at the question.
    """
    if yes or not is_real_money(connection):
        return
    need_a_person(connection, what)
    _check_answer(answer_to(_question(connection, what)))


def need_a_person(connection: Connection, what: str) -> None:
    """Refuse to move real money where nobody can be asked.

    Args:
        connection: Where it would be sent.
        what: What would happen.

    Raises:
        DeclinedError: There is no terminal; nothing was sent.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise DeclinedError(
            f"{connection.address} is real money: {what} needs --yes where nobody can be asked; nothing was sent"
        )


async def agree(connection: Connection, what: str) -> None:
    """Ask a person on the terminal, as `confirm_spending` does, while the event loop runs on and hears Ctrl-C.

    Args:
        connection: Where it would be sent.
        what: What would happen, for the question.

    Raises:
        DeclinedError: Nobody agreed; nothing was sent. `StoppedError` when the terminal's input ended.
    """
    _show(_question(connection, what))
    await anyio.wait_readable(sys.stdin)
    _check_answer(answer_to(""))


def _question(connection: Connection, what: str) -> str:
    return f"{connection.address} is real money. {what}? [y/N]: "


def _check_answer(answer: str) -> None:
    if answer.lower() not in {"y", "yes"}:
        raise DeclinedError("declined, nothing was sent")


def answer_to(question: str, *, hidden: bool = False) -> str:
    """Ask a person at a terminal, and return the answer.

    click's own prompts write a blank to standard output before 8.4, where only results belong, and show a hidden
    question before they stop the echo.

    Args:
        question: What stands before the answer.
        hidden: Whether the answer is a secret, and must not be seen.

    Raises:
        StoppedError: The person ended the command at the question.
    """
    try:
        if hidden:
            return getpass.getpass(question).strip()
        _show(question)
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, EOFError, OSError):  # an OSError: the terminal is gone
        answer = ""
    if not answer:
        say("")  # the shell's prompt begins a line of its own
        raise StoppedError("interrupted, nothing was sent")
    return answer.strip()


def _show(question: str) -> None:
    with suppress(OSError):  # a terminal that is gone gives no answer either
        sys.stderr.write(question)
        sys.stderr.flush()


@click.command()
@json_option
@connection_options
def balance(as_json: bool, **where: Any) -> None:
    """Show what the account can spend."""
    found = ask(Connection(**where), lambda xoxo: xoxo.account.get_balance())
    out(json_text(public(found)) if as_json else money(found.value, found.currency))


@click.group()
def catalog() -> None:
    """Look at what can be bought."""


@catalog.command("filters")
@click.option("--group", default="", metavar="CODE", help="Only this group, for example country.")
@json_option
@connection_options
def catalog_filters(group: str, as_json: bool, **where: Any) -> None:
    """List what products can be filtered by."""
    groups = ask(Connection(**where), lambda xoxo: xoxo.catalog.list_filters(group))
    if as_json:
        out(json_text({"filters": public(groups)}))
        return
    rows = [
        (g.filter_group_code, f.filter_value_code, words(f.filter_value), f.iso_code) for g in groups for f in g.filters
    ]
    table(("group", "code", "value", "iso"), rows)


@catalog.command("vouchers", epilog="Example:  xoxo catalog vouchers --country india --limit 20")
@click.option("--country", help="Only products good there, by filter code.")
@click.option("--currency", help="Only products in this currency.")
@click.option("--product-id", "product_ids", type=Whole(1), multiple=True, help="Only this product; may be repeated.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="How many at most.")
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
    """List products with their ids and denominations: what the columns of an orders file take."""
    found = ask(
        Connection(**where),
        lambda xoxo: takers(
            xoxo.catalog.iterate_vouchers(
                limit=min(limit, 100), country=country, currency=currency, product_ids=product_ids
            ),
            limit,
        ),
    )
    if as_json:
        out(json_text({"vouchers": public(found)}))
        return
    header = ("id", "name", "country", "currency", "denominations", "delivery", "max pieces")
    table(
        header,
        (
            (
                v.product_id,
                words(v.name),
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
        return "-"  # one odd product must not cost the list


@click.group()
def order() -> None:
    """Place one order, find one, list them."""


@order.command(
    "place",
    epilog="""\b
Example:
  xoxo order place --product-id 1001 --denomination 500 --po-number INV-17 --yes
The same poNumber never buys twice: after a lost answer, run the same command again.""",
)
@click.option("--product-id", type=Whole(1), required=True, help="The product.")
@click.option("--denomination", type=AMOUNT, required=True, help="The value of one piece.")
@click.option("--quantity", type=Whole(1), default=1, show_default=True, help="Pieces.")
@click.option("--po-number", required=True, help="Your own number of this order, unique for ever.")
@click.option("--email", help="The receiver's address.")
@click.option("--contact", help="The receiver's phone, +CC-NUMBER.")
@click.option("--tag", help="Free text for the order history.")
@click.option("--notify-receiver", is_flag=True, help="Have the vendor e-mail the codes.")
@click.option("--notify-admin", is_flag=True, help="Have the vendor e-mail the administrator.")
@click.option("--reveal", is_flag=True, help="Show the codes.")
@click.option("--yes", is_flag=True, help="Do not ask, also where it is real money.")
@json_option
@connection_options
def order_place(reveal: bool, yes: bool, as_json: bool, **given: Any) -> None:
    """Place one order. Moves money, once for a poNumber."""
    connection = _connection(given)
    what = f"order {given['quantity']} x {money(given['denomination'])} of product {given['product_id']}"
    confirm_spending(connection, what, yes=yes)
    placed = ask(connection, lambda xoxo: xoxo.orders.place(**given))
    _show_order(placed, reveal=reveal, as_json=as_json)


def _connection(given: dict[str, Any]) -> Connection:
    """Take the connection's flags out of a command's."""
    return Connection(**{name: given.pop(name) for name in ("base_url", "client_id", "sandbox")})


@order.command("get", epilog="Example:  xoxo order get --po-number INV-17 --reveal")
@click.option("--order-id", type=Whole(1), help="The vendor's id of it, or")
@click.option("--po-number", help="your poNumber.")
@click.option("--reveal", is_flag=True, help="Show the codes.")
@json_option
@connection_options
def order_get(order_id: int | None, po_number: str | None, reveal: bool, as_json: bool, **where: Any) -> None:
    """Read one order. Never sends its e-mail again."""
    if (order_id is None) == (po_number is None):
        raise click.UsageError("give one of --order-id and --po-number")
    found = ask(Connection(**where), lambda xoxo: xoxo.orders.get(order_id=order_id, po_number=po_number))
    _show_order(found, reveal=reveal, as_json=as_json)


def _show_order(found: Order, *, reveal: bool, as_json: bool) -> None:
    if as_json:
        out(json_text(public(found, reveal=reveal)))
        return
    delivery = str(found.delivery_status) or "delivery not said"
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
        say(f"codes are masked; show them with: xoxo order get --order-id {found.order_id} --reveal")


@order.command("history", epilog="Example:  xoxo order history --from 2026-03-01 --to 2026-03-31 --tag march")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="The first day; 30 days back unless given.")
@click.option(
    "--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="The last day; tomorrow, for time zones, unless given."
)
@click.option("--tag", help="Only orders with this tag.")
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="How many at most.")
@json_option
@connection_options
def order_history(
    start: datetime | None,
    end: datetime | None,
    tag: str | None,
    limit: int,
    as_json: bool,
    **where: Any,
) -> None:
    """List orders of some days, without codes."""
    today = datetime.now(UTC).date()
    first, last = day(start) or today - timedelta(days=30), day(end) or today + timedelta(days=1)
    found = ask(
        Connection(**where),
        lambda xoxo: takers(xoxo.orders.iterate_history(first, last, limit=min(limit, 100), tag=tag), limit),
    )
    if as_json:
        out(json_text({"orders": public(found)}))
        return
    table(
        ("order", "poNumber", "placed", "delivery", "charged", "tag"),
        (
            (o.order_id, o.po_number, o.order_date, o.delivery_status, money(o.amount_charged, o.currency_code), o.tag)
            for o in found
        ),
    )
