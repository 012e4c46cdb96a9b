"""Whether an order is the one that was requested.

No reply of placeOrder or getOrderDetails repeats the poNumber (wire documentation § 4.4), so an order found under a
poNumber is compared with the request field by field. A field that is absent or blank on either side is not compared.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.services.orders.replies import Order, OrderSummary, meta_of
from xoxo_async.services.orders.requests import PlaceOrder
from xoxo_async.wire.entities import unescape
from xoxo_async.wire.scalars import parse_date

__all__ = ["ZONES", "contradictions", "dates_apart", "require_order_id", "with_po_number"]

ZONES: Final = timedelta(hours=14)
"""The vendor's dates have no time zone, and no zone is farther from UTC than 14 hours."""

_RATE_MOVES: Final = Decimal("0.1")
"""Totals are in the account's currency, and the vendor sets new exchange rates every day (wire documentation § 4.2)."""

_LEAST_DIGITS: Final = 8
"""Too many phone numbers end with the same few digits, so a shorter number does not identify a phone."""


def contradictions(
    request: PlaceOrder,
    order: Order | OrderSummary,
    *,
    currency: str = "",
    account_currency: str = "",
    total: Decimal | None = None,
) -> list[str]:
    """Name every field in which an order contradicts a request. An order with a contradiction is another order.

    The texts may be logged: they show no code. Of e-mails, phones and other personal data they show the field's name
    alone.

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
    """Return whether an order's date and a send are so far apart that no time zone explains it.

    Args:
        order_date: The order's date in the reply, without a time zone. None: the dates are not apart.
        sent_at: When the request was first sent, in epoch seconds.
        until: When it was last sent, in epoch seconds; None when it was sent once.
    """
    if order_date is None:
        return False
    first = datetime.fromtimestamp(sent_at, UTC).replace(tzinfo=None) - ZONES
    last = datetime.fromtimestamp(sent_at if until is None else max(until, sent_at), UTC).replace(tzinfo=None) + ZONES
    # A date without a time reads as midnight, and the order may be of any hour of that day.
    only_a_day = order_date == order_date.replace(hour=0, minute=0, second=0, microsecond=0)
    return order_date > last or order_date + timedelta(days=only_a_day) < first


def with_po_number(order: Order, po_number: str) -> Order:
    """Write the requested poNumber into an order, because no reply holds it.

    Args:
        order: The order of a reply.
        po_number: The poNumber of the request.

    Raises:
        DecodeError: The reply has no order id.
    """
    msgspec.structs.force_setattr(require_order_id(order, po_number), "po_number", po_number)
    return order


def require_order_id(order: Order, po_number: str | None = None) -> Order:
    """Return an order if it has an id above 0; other ids name no order.

    Args:
        order: The order of a reply.
        po_number: The poNumber of the request, for the error.

    Raises:
        DecodeError: The reply has no order id.
    """
    if order.order_id <= 0:
        raise DecodeError("the answer has no order id", po_number=po_number)
    return order


def _same_at_sight(request: PlaceOrder, order: Order) -> bool:
    """Return whether an answer equals the request in every field. Nearly all do, and the full comparison takes 2 us."""
    product, value = request.product_id, request.denomination
    if request.user_meta is not None or request.lounge_data is not None or request.shipping_address1 is not None:
        return False
    for voucher in order.vouchers:
        if voucher.product_id != product:
            return False
    for detail in order.voucher_details:
        if detail.product_id != product or detail.denomination != value:
            return False
    # What was not asked for contradicts nothing, whatever the answer says of it.
    email, contact = request.email, request.contact
    if (email is not None or contact is not None) and (meta := order.order_meta) is not None:
        if type(meta) is not dict or (email is not None and meta.get("email") != email):
            return False
        if contact is not None and meta.get("contact") != contact:
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
    """Yield amounts of codes and prices of products that contradict the request; for replies without a denomination.

    Only amounts in the product's own currency count, because the vendor's samples also show other currencies (wire
    documentation § 4.4). One code may hold the value of all pieces.
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
    """Compare e-mail and contact. When a reply has several of them, one equal value is enough."""
    found: list[str] = []
    told = [email for email in map(_echoed, emails) if email]
    asked = _folded(request.email)
    if asked and told and asked not in map(_folded, told):
        found.append("its e-mail is not the one asked for")
    told = [phone for phone in map(_echoed, phones) if phone]
    meta = request.user_meta
    # The vendor does not say whether the contact of a top-up is the buyer's phone or the phone that is topped up.
    mine = [request.contact] if request.contact and request.contact.strip() else []
    if meta is not None and meta.topup_phone_number:
        mine.append(_international(meta.topup_phone_code or "", meta.topup_phone_number))
    if mine and told and not any(_same_phone(one, other) for one in mine for other in told):
        found.append("its contact is not the one asked for")
    return found


def _other_block(request: PlaceOrder, order: Order | OrderSummary) -> Iterator[str]:
    """Yield the fields of a category's block in which a reply differs from the request."""
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
    """Yield each field of a category's block: label, name on the wire in small letters, value, comparison."""
    if request.lounge_data is not None:
        lounge = request.lounge_data
        yield "traveller's first name", "firstname", lounge.first_name, _same_words
        yield "traveller's last name", "lastname", lounge.last_name, _same_words
        yield "flight date", "flightdeparturedate", lounge.flight_departure_date, _same_day
    if request.user_meta is not None:
        yield "loyalty member", "loyaltymemberid", request.user_meta.loyalty_member_id, _same_words
    # Country and state are left out: the vendor writes a country as a code, as a list of codes or as a name (§ 4.4).
    yield "shipping first name", "shippingfirstname", request.shipping_first_name, _same_words
    yield "shipping last name", "shippinglastname", request.shipping_last_name, _same_words
    yield "shipping contact", "shippingcontactno", request.shipping_contact_no, _same_phone
    yield "shipping company", "shippingcompany", request.shipping_company, _same_words
    yield "shipping address", "shippingaddress1", request.shipping_address1, _same_words
    yield "shipping address", "shippingaddress2", request.shipping_address2, _same_words
    yield "shipping city", "shippingcity", request.shipping_city, _same_words
    yield "shipping postcode", "shippingpostcode", request.shipping_postcode, _same_words


_ABROAD: Final = ("+", "00")
"""The beginnings of a phone number with a country code."""

_BLOCKS: Final = frozenset({"usermeta", "topupdata", "loungedata"})


def _block_told(order: Order | OrderSummary) -> dict[str, str]:
    """Gather the fields of a category's block from every place of a reply; the vendor does not document the place."""
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
        elif text := _echoed(value):
            told[name] = text


def _price(order: Order | OrderSummary, currency: str, account_currency: str, total: Decimal | None) -> Iterator[str]:
    """Compare currencies and the total; only a caller that has read the product knows them."""
    codes = [detail.currency_code for detail in order.voucher_details]
    codes += [item.currency for item in (order.vouchers if isinstance(order, Order) else order.products)]
    told = [code for code in map(_upper, codes) if code]
    # A sample of the vendor has two currencies for one piece (CRC and USD, § 4.4), so one equal currency is enough.
    if currency and told and currency.strip().upper() not in told:
        yield f"its currency is {told[0]}, not {currency.strip().upper()}"
    account = _upper(order.currency_code)
    if account and account_currency and account != account_currency.strip().upper():
        yield f"its account's currency is {account}, not {account_currency.strip().upper()}"
    cost = order.order_total or order.raw_order_total
    if cost and total is not None and abs(cost - total) > abs(total) * _RATE_MOVES:
        yield f"its total is {cost:f}, not about {total:f}"


def _echoed(value: object) -> str:
    """Return a text or number of a reply as a text; empty when it is masked with asterisks or of another type."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return "" if "*" in text else text


def _upper(code: str | None) -> str:
    return code.strip().upper() if code else ""


def _folded(text: object) -> str:
    return unescape(_echoed(text)).strip().casefold()


def _same_words(mine: str, told: str) -> bool:
    return _folded(mine) in ("", _folded(told))


def _same_day(mine: str, told: str) -> bool:
    day = parse_date(told)
    return day is None or day == parse_date(mine)


def _same_tag(mine: str, told: str) -> bool:
    # The vendor returns some names with HTML entities (`&amp;`, wire documentation § 4.1).
    return mine.strip() in ("", told.strip(), unescape(told).strip()) or not told.strip()


def _digits(phone: str) -> str:
    """Return the digits of a phone number without its dialling prefix: +, 00 or a trunk 0."""
    return "".join(c for c in phone.replace("(0)", "") if c in "0123456789").lstrip("0")


def _international(code: str, number: str) -> str:
    return f"+{_digits(code)}{_digits(number)}"


def _same_phone(one: str, other: str) -> bool:
    short, long = sorted((_digits(one), _digits(other)), key=len)
    if not short or short == long:
        return True
    if one.startswith(_ABROAD) and other.startswith(_ABROAD):
        return False  # both have a country code: +91 9000000001 ends with the digits of +1 9000000001
    return len(short) >= _LEAST_DIGITS and long.endswith(short)


def _same_top_up(code: str, number: str, told: dict[str, str]) -> bool:
    """Compare two top-up phones, with the country code if the reply has one: two countries may share a number."""
    echoed, country = told["topupphonenumber"], told.get("topupphonecode", "")
    if country and not echoed.startswith(_ABROAD):
        echoed = _international(country, echoed)
    return _digits(number) == _digits(echoed) or _same_phone(_international(code, number), echoed)
