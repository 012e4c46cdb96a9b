"""Prove what an account does with a poNumber that is used twice: place one small order so, at staging or a sandbox."""

import secrets
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, cast

import anyio
import msgspec

from xoxo_async.client import XoxoClient
from xoxo_async.doctor.findings import Finding
from xoxo_async.errors import ConfigError, DecodeError, DuplicatePoNumberError, XoxoError
from xoxo_async.network import spends_real_money
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.requests import OrderFields, place_order_of

__all__ = ["PoProof", "SmallOrder", "choose_order", "finding_of", "prove_po", "refuse_real_money"]

_PAGE: Final = 100


class SmallOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order of the proof.

    Attributes:
        product_id: The product.
        denomination: The value of its one piece.
        currency: The currency of the value; empty where it is not known.
    """

    product_id: int
    denomination: Decimal
    currency: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the account answered to one placing.

    Attributes:
        when: `at once` for the two that are sent together, `later` for the third.
        order_id: The order it names; None for a refusal.
        refusal: Why it refused, with the vendor's error id; empty where it did not.
        duplicate: Whether it refused because the poNumber was used before.
        in_doubt: Whether no usable answer came.
    """

    when: Literal["at once", "later"]
    order_id: int | None = None
    refusal: str = ""
    duplicate: bool = False
    in_doubt: bool = False


class PoProof(msgspec.Struct, frozen=True, kw_only=True):
    """What the account did.

    Attributes:
        po_number: The poNumber.
        product_id: The product.
        denomination: The value of a piece.
        answers: The three answers.
        orders: The ids of all orders of that poNumber, from answers, look-up and history.
        charged: By how much the balance fell; None where it is not known.
        result: `once`: one order, however often it was sent. `twice`: more than one. `none`: no order was placed.
            `unknown`: an answer was lost, and the look-ups do not decide it.
        at: When, in UTC.
    """

    po_number: str
    product_id: int
    denomination: Decimal
    answers: tuple[Answer, ...]
    orders: tuple[int, ...]
    charged: Decimal | None
    result: Literal["once", "twice", "none", "unknown"]
    at: str


def refuse_real_money(base_url: str) -> None:
    """Refuse an address where orders may cost real money.

    Args:
        base_url: The address.

    Raises:
        ConfigError: It is neither this machine nor the vendor's staging.
    """
    if spends_real_money(base_url):
        raise ConfigError(
            f"the proof places orders, and {base_url} may spend real money: use a staging account or --sandbox;"
            " nothing was sent"
        )


async def choose_order(client: XoxoClient, *, product_id: int | None = None) -> SmallOrder:
    """Return the order that costs the account least, of those that the catalog's first page offers. Moves no money.

    Values of other currencies are compared by the vendor's exchange rate; one without a rate is only taken where
    nothing else is there.

    Args:
        client: The client.
        product_id: Only this product.

    Raises:
        ConfigError: The catalog has no product that can be ordered without more fields.
        XoxoError: The call failed.
    """
    ids = () if product_id is None else (product_id,)
    home = (await client.account.get_balance()).currency
    page = await client.catalog.list_vouchers(limit=_PAGE, product_ids=ids, exchange_rates=True)
    offers = [(value, voucher) for voucher in page.items if (value := _least(voucher)) is not None]
    if not offers:
        raise ConfigError("the catalog has no product for the proof: name one with --product-id and --denomination")

    def cost(offer: tuple[Decimal, Voucher]) -> tuple[bool, Decimal, int]:
        value, voucher = offer
        rate = _rate(voucher, home)
        return rate is None, value * (rate or 1), voucher.product_id

    value, voucher = min(offers, key=cost)
    return SmallOrder(product_id=voucher.product_id, denomination=value, currency=voucher.currency_code)


def _least(voucher: Voucher) -> Decimal | None:
    """Return the smallest value of a product that a plain order can have."""
    if voucher.is_phone_number_mandatory or (voucher.delivery_type or "").lower() == "delayed":
        return None
    try:
        values = [value for value in voucher.denominations if value > 0]
        least = voucher.min_value if voucher.max_value else None
    except DecodeError:
        return None
    return min(values) if values else least or None


def _rate(voucher: Voucher, home: str) -> Decimal | None:
    """Return what one unit of a product's currency costs in the account's; None where that is not known."""
    if voucher.currency_code == home:
        return Decimal(1)
    try:
        rate = voucher.exchange_rate
    except DecodeError:
        return None
    return rate if rate is not None and rate > 0 else None


async def prove_po(
    client: XoxoClient,
    order: SmallOrder,
    *,
    later_s: float = 10.0,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> PoProof:
    """Place one order under one poNumber: two requests at once, and a third one later. Spends up to three times it.

    Use it on a staging account or a sandbox.

    Args:
        client: The client. Its address must not be one that spends real money.
        order: The order.
        later_s: Seconds before the third request.
        sleep: Waits.

    Returns:
        What the account did.

    Raises:
        ConfigError: The address may spend real money; nothing was sent.
        XoxoError: The balance could not be read before; nothing was placed.
    """
    refuse_real_money(client.base_url)
    po_number = f"xoxo-doctor-{secrets.token_hex(8)}"
    before = (await client.account.get_balance()).value
    answers: list[Answer] = []

    async def place(when: Literal["at once", "later"]) -> None:
        answers.append(await _place(client, order, po_number, when))

    async with anyio.create_task_group() as group:
        group.start_soon(place, "at once")
        group.start_soon(place, "at once")
    await sleep(later_s)
    await place("later")
    ids = {answer.order_id for answer in answers if answer.order_id is not None}
    seen, complete = await _look_up(client, po_number)
    ids |= seen
    return PoProof(
        po_number=po_number,
        product_id=order.product_id,
        denomination=order.denomination,
        answers=tuple(answers),
        orders=tuple(sorted(ids)),
        charged=await _fallen(client, before),
        result=_result(ids, answers, complete=complete),
        at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
    )


async def _place(client: XoxoClient, order: SmallOrder, po_number: str, when: Literal["at once", "later"]) -> Answer:
    """Send the order once, as it is: `orders.place` would look it up, and answer for the account."""
    fields = {"product_id": order.product_id, "denomination": order.denomination, "po_number": po_number}
    try:
        placed = await client.dispatch(PLACE_ORDER, place_order_of(cast("OrderFields", fields)))
    except XoxoError as error:
        duplicate = isinstance(error, DuplicatePoNumberError)
        in_doubt = error.effect == "possible" and not duplicate
        return Answer(when=when, refusal=" ".join(str(error).split()), duplicate=duplicate, in_doubt=in_doubt)
    return Answer(when=when, order_id=placed.order_id)


async def _look_up(client: XoxoClient, po_number: str) -> tuple[set[int], bool]:
    """Return the orders that look-up and history have of a poNumber, and whether both answered."""
    found: set[int] = set()
    today = datetime.fromtimestamp(time.time(), UTC).date()
    try:
        one = await client.orders.find(po_number)
        found |= {one.order_id} if one is not None and one.order_id else set()
        async for row in client.orders.iterate_history(today - timedelta(days=1), today + timedelta(days=1)):
            found |= {row.order_id} if row.po_number == po_number else set()
    except XoxoError:
        return found, False
    return found, True


async def _fallen(client: XoxoClient, before: Decimal) -> Decimal | None:
    try:
        return before - (await client.account.get_balance()).value
    except XoxoError:
        return None


def _result(ids: set[int], answers: list[Answer], *, complete: bool) -> Literal["once", "twice", "none", "unknown"]:
    if len(ids) > 1:
        return "twice"
    if any(answer.in_doubt for answer in answers) or not complete:
        return "unknown"
    return "once" if ids else "none"


def finding_of(proof: PoProof, flags: Sequence[str] = ()) -> Finding:
    """Return the finding of a proof.

    Args:
        proof: What the account did.
        flags: The flags with which a command reaches the same account: `--profile staging`.
    """
    facts = msgspec.to_builtins(proof, builtin_types=(Decimal,))
    sent = f"poNumber {proof.po_number}, sent three times"
    match proof.result:
        case "once":
            how = "refused" if any(answer.duplicate for answer in proof.answers) else "answered with the first order"
            text = f"{sent}: one order ({proof.orders[0]}); the others were {how}"
            return Finding(check="poNumber", status="ok", text=text, facts=facts)
        case "twice":
            text = f"{sent}: {len(proof.orders)} orders ({', '.join(map(str, proof.orders))})"
            advice = "this account buys twice under one poNumber: run jobs with --resend never, and tell the vendor"
            return Finding(check="poNumber", status="fail", about="money", text=text, advice=advice, facts=facts)
        case "none":
            why = proof.answers[0].refusal or "no order"
            text = f"{sent}: no order was placed ({why})"
            advice = "name a product that the account may order: --product-id, --denomination"
            return Finding(check="poNumber", status="fail", about="refusal", text=text, advice=advice, facts=facts)
        case _:
            text = f"{sent}: an answer or a look-up failed, so it is not known"
            look = shlex.join(["xoxo", "order", "get", "--po-number", proof.po_number, *flags])
            advice = f"look at it later: `{look}`; then prove it again"
            return Finding(check="poNumber", status="fail", about="money", text=text, advice=advice, facts=facts)
