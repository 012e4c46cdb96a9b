"""Whether an order is the one that was asked for, as far as a reply tells.

No reply of placeOrder or getOrderDetails echoes the poNumber, so an order found under a poNumber is compared with the
request field by field. What is absent or blank on either side tells nothing.
"""

import html
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.services.orders.replies import Order, OrderSummary, meta_of
from xoxo_async.services.placing import PlaceOrder
from xoxo_async.wire.scalars import parse_date

__all__ = ["contradictions", "dates_apart", "known", "named"]

_ZONES: Final = timedelta(hours=14)
"""The vendor's dates have no zone, and UTC+14 is the farthest one there is."""

_RATE_MOVES: Final = Decimal("0.1")
"""Totals are in the account's currency, and the vendor sets its exchange rates anew every day."""

_LEAST_DIGITS: Final = 8
"""A shorter number is the end of too many phones to stand for one of them."""


def contradictions(
    request: PlaceOrder,
    order: Order | OrderSummary,
    *,
    currency: str = "",
    account_currency: str = "",
    total: Decimal | None = None,
) -> list[str]:
    """Name everything in which an order contradicts a request; an order with a contradiction is another order.

    The texts may be logged: they show no code, and of e-mails, phones and other personal data only the field's name.

    Args:
        request: What was asked for.
        order: The order, from its answer, from a look-up or from the history.
        currency: The product's currency, where the caller knows it.
        account_currency: The account's currency, where the caller knows it.
        total: The expected price before discount in the account's currency, where the caller knows it.

    Returns:
        One text for each contradiction; empty when there is none.
    """
    knows_price = bool(currency or account_currency or total is not None)
    if not knows_price and isinstance(order, Order) and _same_at_sight(request, order):
        return []
    found = _pieces(request, order, currency)
    if isinstance(order, Order):
        if order.order_meta:
            found += _person(request, (order.email,), (order.contact,))
    else:
        products = order.products
        if order.po_number and order.po_number.strip() != request.po_number:
            found.append(f"its poNumber is {order.po_number.strip()}, not {request.po_number}")
        emails = (order.email, *(product.receiver_email for product in products))
        found += _person(request, emails, (product.receiver_mobile_number for product in products))
    if order.tag and request.tag and not _same_tag(request.tag, order.tag):
        found.append("its tag is not the one asked for")
    if request.user_meta is not None or request.lounge_data is not None or request.shipping_address1 is not None:
        found += [f"its {label} is not the one asked for" for label in _other_block(request, order)]
    if knows_price:
        found += _price(order, currency, account_currency, total)
    return found


def dates_apart(order_date: datetime | None, sent_at: float, until: float | None = None) -> bool:
    """Return whether an order's date is so far from a send that no time zone explains it.

    Args:
        order_date: The order's date as the vendor tells it, without a zone; None tells nothing.
        sent_at: When the request was sent first, in epoch seconds.
        until: When it was sent last, where that was later.
    """
    if order_date is None:
        return False
    first = datetime.fromtimestamp(sent_at, UTC).replace(tzinfo=None) - _ZONES
    last = datetime.fromtimestamp(sent_at if until is None else max(until, sent_at), UTC).replace(tzinfo=None) + _ZONES
    # A date without a time is read as midnight; the order may be of any hour of that day.
    only_a_day = order_date == order_date.replace(hour=0, minute=0, second=0, microsecond=0)
    return order_date > last or order_date + timedelta(days=only_a_day) < first


def named(order: Order, po_number: str) -> Order:
    """Give an order the poNumber it was asked with.

    Args:
        order: The order.
        po_number: The poNumber.
    """
    msgspec.structs.force_setattr(known(order, po_number), "po_number", po_number)
    return order


def known(order: Order, po_number: str | None = None) -> Order:
    """Return an order that exists: an id of 0 or less is none.

    Args:
        order: The order answered.
        po_number: The poNumber asked with, for the error.
    """
    if order.order_id <= 0:
        raise DecodeError("the answer has no order id", po_number=po_number)
    return order


def _same_at_sight(request: PlaceOrder, order: Order) -> bool:
    """Return whether an answer repeats the request to the letter, as nearly all do; the full comparison takes 2 us."""
    product, value, meta = request.product_id, request.denomination, order.order_meta
    if request.user_meta is not None or request.lounge_data is not None or request.shipping_address1 is not None:
        return False
    for voucher in order.vouchers:
        if voucher.product_id != product:
            return False
    for detail in order.voucher_details:
        if detail.product_id != product or detail.denomination != value:
            return False
    # What was not asked for contradicts nothing, whatever the answer says of it.
    names_a_person = request.email is not None or request.contact is not None
    if (
        names_a_person
        and meta is not None
        and (
            type(meta) is not dict
            or (meta.get("email") or None) != request.email
            or (meta.get("contact") or None) != request.contact
        )
    ):
        return False
    return order.quantity == request.quantity and (request.tag is None or order.tag == request.tag)


def _pieces(request: PlaceOrder, order: Order | OrderSummary, currency: str) -> list[str]:
    """Compare product, denomination and quantity."""
    found: list[str] = []
    product, value = request.product_id, request.denomination
    details = order.voucher_details
    lines = order.vouchers if isinstance(order, Order) else order.products
    for line in (*lines, *details):
        if line.product_id and line.product_id != product:
            found.append(f"it is for product {line.product_id}, not {product}")
            break
    values = [detail.denomination for detail in details if detail.denomination]
    for told in values or _amounts(request, order, currency):
        if told != value:
            found.append(f"its denomination is {told:f}, not {value:f}")
            break
    quantities = (order.quantity,) if isinstance(order, Order) else [line.quantity for line in order.products]
    for quantity in quantities:
        if quantity and quantity != request.quantity:
            found.append(f"its quantity is {quantity}, not {request.quantity}")
            break
    return found


def _amounts(request: PlaceOrder, order: Order | OrderSummary, currency: str) -> Iterator[Decimal]:
    """Return what stands for the denomination where no detail tells it: amounts of codes, prices of products.

    They count only in the product's own currency: the vendor's pages also show them in others. One code may hold the
    value of all pieces.
    """
    wanted = currency.strip().upper()
    if not wanted:
        return
    items: Iterable[tuple[Decimal | None, str | None]] = (
        ((voucher.amount, voucher.currency) for voucher in order.vouchers)
        if isinstance(order, Order)
        else ((product.price, product.currency) for product in order.products)
    )
    for amount, unit in items:
        if amount and _upper(unit) == wanted and amount != request.denomination * request.quantity:
            yield amount


def _person(request: PlaceOrder, emails: Iterable[object], phones: Iterable[object]) -> list[str]:
    """Compare e-mail and contact; where a reply tells several, one that agrees is enough."""
    found: list[str] = []
    told = [email for email in map(_told, emails) if email]
    asked = _folded(request.email)
    if asked and told and asked not in map(_folded, told):
        found.append("its e-mail is not the one asked for")
    told = [phone for phone in map(_told, phones) if phone]
    meta = request.user_meta
    # The vendor's pages do not say whether the contact of a top-up is the buyer's phone or the one topped up.
    mine = [request.contact] if request.contact and request.contact.strip() else []
    if meta is not None and meta.topup_phone_number:
        mine.append(_international(meta.topup_phone_code or "", meta.topup_phone_number))
    if mine and told and not any(_same_phone(one, other) for one in mine for other in told):
        found.append("its contact is not the one asked for")
    return found


def _other_block(request: PlaceOrder, order: Order | OrderSummary) -> Iterator[str]:
    """Name the fields of a category's block that a reply tells otherwise."""
    told = _block_told(order)
    for label, key, mine, same in _block(request):
        echo = told.get(key)
        if mine and echo and not same(mine, echo):
            yield label
    meta = request.user_meta
    if meta is None or not meta.topup_phone_number or "topupphonenumber" not in told:
        return
    if not _same_top_up(meta.topup_phone_code or "", meta.topup_phone_number, told):
        yield "topped up phone"


def _block(request: PlaceOrder) -> Iterator[tuple[str, str, str | None, Callable[[str, str], bool]]]:
    """Return what a category's block asks for: a label, the wire's name in small letters, the value, its comparison."""
    if request.lounge_data is not None:
        lounge = request.lounge_data
        yield "traveller's first name", "firstname", lounge.first_name, _same_words
        yield "traveller's last name", "lastname", lounge.last_name, _same_words
        yield "flight date", "flightdeparturedate", lounge.flight_departure_date, _same_day
    if request.user_meta is not None:
        yield "loyalty member", "loyaltymemberid", request.user_meta.loyalty_member_id, _same_words
    # Without country and state: the vendor writes a country as a code, as a list of codes and as a name.
    yield "shipping first name", "shippingfirstname", request.shipping_first_name, _same_words
    yield "shipping last name", "shippinglastname", request.shipping_last_name, _same_words
    yield "shipping contact", "shippingcontactno", request.shipping_contact_no, _same_phone
    yield "shipping company", "shippingcompany", request.shipping_company, _same_words
    yield "shipping address", "shippingaddress1", request.shipping_address1, _same_words
    yield "shipping address", "shippingaddress2", request.shipping_address2, _same_words
    yield "shipping city", "shippingcity", request.shipping_city, _same_words
    yield "shipping postcode", "shippingpostcode", request.shipping_postcode, _same_words


_ABROAD: Final = ("+", "00")
"""How a number begins that has its country."""

_BLOCKS: Final = frozenset({"usermeta", "topupdata", "loungedata"})


def _block_told(order: Order | OrderSummary) -> dict[str, str]:
    """Gather what a reply tells of a category's block, wherever it stands; no page of the vendor's says where."""
    if not isinstance(order, Order):
        return {}
    try:
        beside = order.extra
    except DecodeError:
        beside = {}
    told: dict[str, str] = {}
    for fields in (beside, meta_of(order), order.shipping_details):
        if isinstance(fields, dict):
            _gather(fields.items(), told)
    return told


def _gather(fields: Iterable[tuple[object, object]], told: dict[str, str]) -> None:
    for key, value in fields:
        name = str(key).lower()
        if name in _BLOCKS and isinstance(value, dict):
            _gather(value.items(), told)
        elif text := _told(value):
            told[name] = text


def _price(order: Order | OrderSummary, currency: str, account_currency: str, total: Decimal | None) -> Iterator[str]:
    """Compare what only a caller who knows the catalogue can."""
    codes = [detail.currency_code for detail in order.voucher_details]
    codes += [item.currency for item in (order.vouchers if isinstance(order, Order) else order.products)]
    told = [code for code in map(_upper, codes) if code]
    # The vendor's own sample has two currencies for one piece: one that agrees is enough.
    if currency and told and currency.strip().upper() not in told:
        yield f"its currency is {told[0]}, not {currency.strip().upper()}"
    account = _upper(order.currency_code)
    if account and account_currency and account != account_currency.strip().upper():
        yield f"its account's currency is {account}, not {account_currency.strip().upper()}"
    cost = order.order_total or order.raw_order_total
    if cost and total is not None and abs(cost - total) > abs(total) * _RATE_MOVES:
        yield f"its total is {cost:f}, not about {total:f}"


def _told(value: object) -> str:
    """Return an echoed text; empty for what tells nothing, as a masked one does."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return "" if "*" in text else text


def _upper(code: str | None) -> str:
    return code.strip().upper() if code else ""


def _folded(text: object) -> str:
    return html.unescape(_told(text)).strip().casefold()


def _same_words(mine: str, told: str) -> bool:
    return _folded(mine) in ("", _folded(told))


def _same_day(mine: str, told: str) -> bool:
    day = parse_date(told)
    return day is None or day == parse_date(mine)


def _same_tag(mine: str, told: str) -> bool:
    # The vendor is known to send names back with HTML entities.
    return mine.strip() in ("", told.strip(), html.unescape(told).strip()) or not told.strip()


def _digits(phone: str) -> str:
    """Return a phone's digits without what stands before a number only for dialling it: +, 00, a trunk 0."""
    return "".join(c for c in phone.replace("(0)", "") if c in "0123456789").lstrip("0")


def _international(code: str, number: str) -> str:
    return f"+{_digits(code)}{_digits(number)}"


def _same_phone(one: str, other: str) -> bool:
    short, long = sorted((_digits(one), _digits(other)), key=len)
    if not short or short == long:
        return True
    if one.startswith(_ABROAD) and other.startswith(_ABROAD):
        return False  # both have their country: +1 9000000001 is also the end of +91 9000000001
    return len(short) >= _LEAST_DIGITS and long.endswith(short)


def _same_top_up(code: str, number: str, told: dict[str, str]) -> bool:
    """Compare with the country where a reply tells it; two countries may have one national number."""
    echoed, country = told["topupphonenumber"], told.get("topupphonecode", "")
    if country and not echoed.startswith(_ABROAD):
        echoed = _international(country, echoed)
    return _digits(number) == _digits(echoed) or _same_phone(_international(code, number), echoed)
