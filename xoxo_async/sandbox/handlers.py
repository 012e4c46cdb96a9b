"""One function an operation: the request's data and the books in, the reply's data out, or the vendor's refusal."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from xoxo_async.sandbox.catalog import COUNTRIES, Product
from xoxo_async.sandbox.state import BookedOrder, State

__all__ = ["HANDLERS", "Data", "Handler", "Refusal"]

Data = Mapping[str, object]
T = TypeVar("T")

_REFUSALS: Final = {
    "PLE10001": (400, "payload is not valid"),
    "PLE10002": (400, "payload is not valid"),
    "PLE10004": (422, "externalOrderId failed validation"),
    "PLE10010": (422, "Failed to redeem points"),
    "PLE10015": (400, "KYC is not approved"),
    "PLE10016": (404, "Order not found"),
    "PLE10017": (404, "Product details unavailable"),
    "PLE10018": (400, "Denomination is not valid"),
    "PLE10024": (502, "Out of stock"),
    "PLE10027": (404, "Order History Not Found"),
    "PLE10029": (404, "Filter group not found"),
    "PLE10030": (404, "No Vouchers Found"),
    "PLE10031": (400, "Filter value is not valid"),
    "PLE10032": (400, "payload is not valid"),
    "PLE10033": (400, "payload is not valid"),
    "PLE10034": (502, "Failed to resend the voucher mail"),
    "PLE10041": (409, "Quantity is over the limit"),
}


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the server
    """The vendor's application error."""

    def __init__(self, error_id: str, *, status: int | None = None) -> None:
        super().__init__(error_id)
        self.error_id: Final = error_id
        default, text = _REFUSALS.get(error_id, (502, "Something failed"))
        self.status: Final = status or default
        self.text: Final = text


def get_filters(_state: State, data: Data, _openapi: bool) -> object:
    """Return the groups that products can be filtered by."""
    wanted = _text(data, "filterGroupCode").lower()
    countries = [
        {"filterValue": country.name, "isoCode": country.code, "filterValueCode": country.filter_code}
        for country in COUNTRIES
    ]
    currencies = [
        {"filterValue": country.currency_name, "isoCode": "", "filterValueCode": country.currency}
        for country in COUNTRIES
    ]
    groups = [
        ("Country", "country", countries),
        ("Currency", "currencyCode", currencies),
        ("Category", "voucher_category", [{"filterValue": "Home &amp; Living", "isoCode": "", "filterValueCode": "1"}]),
    ]
    # Honoured together with a group only.
    included, excluded = (_codes(data, name) if wanted else None for name in ("includeFilters", "excludeFilters"))
    found = [
        {
            "filterGroupName": name,
            "filterGroupDescription": "",
            "filterGroupCode": code,
            "filters": [
                value
                for value in values
                if (not included or value["filterValueCode"] in included)
                and (not excluded or value["filterValueCode"] not in excluded)
            ],
        }
        for name, code, values in groups
        if wanted in {"", code.lower()}
    ]
    if not found:
        raise Refusal("PLE10029")
    return found


def get_vouchers(state: State, data: Data, openapi: bool) -> object:
    """Return a page of products."""
    limit, page = _int(data, "limit", "PLE10033", 10), max(_int(data, "page", "PLE10033", 1), 1)
    products = _selected(state, data)
    sort = data.get("sort")
    if isinstance(sort, dict) and sort.get("field") == "name":
        products.sort(key=lambda product: product.name, reverse=sort.get("order") == "DESC")
    rated = str(data.get("exchangeRate", "")) == "1"
    start = (page - 1) * limit
    found = products[start : start + limit] if limit else products
    if not found:
        raise Refusal("PLE10030")
    return [_product(product, rated=rated, openapi=openapi) for product in found]


def _selected(state: State, data: Data) -> list[Product]:
    included, excluded = _ids(data, "includeProducts"), _ids(data, "excludeProducts")
    # Perks alone are asked for by the plural.
    category = "offers" if _text(data, "categoryTypes") == "offers" else _text(data, "categoryType")
    parent = _int(data, "parentProductId", "PLE10033", 0)
    tests: list[Callable[[Product], bool]] = [lambda product: product.id not in excluded]
    if included:
        tests.append(lambda product: product.id in included)
    elif parent:
        tests.append(lambda product: product.parent == parent)
    else:
        tests.append(lambda product: product.category == category and product.parent is None)
    filters = data.get("filters")
    entries = [entry for entry in filters if isinstance(entry, dict)] if isinstance(filters, list) else []
    in_a_currency = any(_text(entry, "key") == "currencyCode" for entry in entries)
    for entry in entries:
        test = _price(entry) if in_a_currency else None  # bounds without a currency are not applied
        test = test or _filter(entry)
        if test is not None:
            tests.append(test)
    return [product for product in state.products.values() if all(test(product) for test in tests)]


def _filter(entry: Data) -> Callable[[Product], bool] | None:
    key, value = _text(entry, "key"), _text(entry, "value")
    if key == "country":
        if value not in {country.filter_code for country in COUNTRIES}:
            raise Refusal("PLE10031")  # an ISO code is no filter value
        return lambda product: product.country.filter_code == value
    if key == "currencyCode":
        return lambda product: product.country.currency == value
    if key == "productName":
        return lambda product: value.lower() in product.name.lower()
    if key == "deliveryType":
        if value not in {"realtime", "delayed"}:
            raise Refusal("PLE10031")
        return lambda product: product.delayed == (value == "delayed")
    if key == "voucher_category":
        if value != "1":
            raise Refusal("PLE10031")  # the one category that getFilters names
        return lambda product: product.category == ""
    return None  # unknown keys are silently ignored, productId among them


def _price(entry: Data) -> Callable[[Product], bool] | None:
    """Return the test of a filter by value: the bounds, or one price."""
    key, value = _text(entry, "key"), _text(entry, "value")
    if key not in {"minPrice", "maxPrice", "price"}:
        return None
    try:
        bound = Decimal(value)
    except InvalidOperation:
        raise Refusal("PLE10031") from None
    if key == "minPrice":
        return lambda product: bool(product.values) and product.values[-1] >= bound
    if key == "maxPrice":
        return lambda product: bool(product.values) and product.values[0] <= bound
    return lambda product: product.sells(bound)


def _product(product: Product, *, rated: bool, openapi: bool) -> dict[str, object]:
    country = product.country
    fixed = not product.open_value
    reply: dict[str, object] = {
        "productId": product.id,
        "name": product.name,
        "description": f"<p>{product.name} gift card</p>\r\n",
        "minValue": 0 if fixed else _number(product.values[0]),
        "maxValue": 0 if fixed else _number(product.values[-1]),
        "valueDenominations": ",".join(f"{value:f}" for value in product.values),
        "fee": _number(product.fee),
        "discount": _number(product.discount),
        "countryCode": country.code,
        "countryName": country.name,
        "currencyCode": country.currency,
        "termsAndConditionsInstructions": "<ul><li>Sandbox only.</li></ul>",
        "expiryAndValidity": "<p>12 months</p>",
        "deliveryType": "delayed" if product.delayed else "realtime",
        "tatInDays": 7 if product.delayed else 0,
        "usageType": "online",
        "imageUrl": f"https://images.example.com/{product.id}.png",
        "loyaltyName": "",
        "productMeta": "{}",
    }
    if not openapi:
        reply |= {
            "redemptionInstructions": "<p>Show it at the till.</p>",
            "categories": "Shopping,Home &amp; Living",
            "lastUpdateDate": "2026-01-06 10:23:24",
            "currencyName": country.currency_name,
            "countries": [{"code": country.code, "name": country.name}],
            "valueType": "fixed_denomination" if fixed else "open_value",
            "tatInDays": "1 - 7" if product.delayed else 0,
            "exchangeRate": f"{country.rate:f}" if rated else None,
            "orderQuantityLimit": product.limit,
            "isPhoneNumberMandatory": product.needs_phone,
            "isRecommended": 0,
            "loyaltyName": None,
            "filterGroupCode": "voucher_category",
            "productMeta": json.dumps({"fields": []}),
            "parentProductId": product.parent,
        }
    if product.category == "offers":
        code, link = product.perk
        held = {"categorytype": "offers", "type": "code" if code else "link", "code": code, "link": link}
        reply |= {"valueDenominations": "0", "metadata": {**held, "expiryDate": "2099-12-31"}}
    return reply


def get_balance(state: State, _data: Data, openapi: bool) -> object:
    """Return the balance."""
    balance: dict[str, object] = {"value": _number(state.balance), "currency": "INR"}
    return balance if openapi else {**balance, "points": _number(state.balance * 10)}


def place_order(state: State, data: Data, openapi: bool) -> object:
    """Book an order, or refuse it as the vendor would."""
    quantity, value = _int(data, "quantity", "PLE10001"), _decimal(data, "denomination")
    product = state.products.get(_int(data, "productId", "PLE10001"))
    po_number = _text(data, "poNumber")
    if quantity < 1 or len(po_number) > 100:
        raise Refusal("PLE10001")
    if product is None:
        raise Refusal("PLE10017")
    if state.taken(po_number):
        raise Refusal("PLE10004")
    if product.trouble:
        raise Refusal(product.trouble)
    if not product.sells(value):
        raise Refusal("PLE10018")
    if quantity > min(product.limit, 9999):
        raise Refusal("PLE10041")
    if not _has_its_block(product, data):
        raise Refusal("PLE10001")
    order = state.book(
        product,
        quantity=quantity,
        denomination=value,
        po_number=po_number,
        email=_text(data, "email"),
        contact=_text(data, "contact"),
        tag=_text(data, "tag"),
        mail=_text(data, "notifyReceiverEmail") == "1",
    )
    if order is None:
        raise Refusal("PLE10010")
    return order_reply(state, order, details=False, openapi=openapi)


def _has_its_block(product: Product, data: Data) -> bool:
    """Whether an order brings what its category needs."""
    meta, lounge = data.get("userMeta"), data.get("loungeData")
    if product.category == "lounge":
        needed = ("firstName", "lastName", "categoryType", "flightDepartureDate")
        return isinstance(lounge, dict) and all(lounge.get(name) for name in needed)
    if product.category == "miles":
        return isinstance(meta, dict) and bool(meta.get("loyaltyMemberId"))
    if product.category == "topup":
        return isinstance(meta, dict) and bool(meta.get("topupPhoneCode")) and bool(meta.get("topupPhoneNumber"))
    if product.category == "merchandise":
        return bool(_text(data, "shippingFirstName")) and bool(_text(data, "shippingAddress1"))
    return not product.needs_phone or bool(_text(data, "contact").strip())


def get_order_details(state: State, data: Data, openapi: bool) -> object:
    """Return an order by its id or poNumber; `sendMailToReceiver` mails its codes again."""
    order = state.find(_int(data, "orderId", "PLE10002", 0), _text(data, "poNumber"))
    if order is None:
        raise Refusal("PLE10016")
    if _text(data, "sendMailToReceiver") == "1":
        if not state.delivered(order):
            raise Refusal("PLE10034")
        order.mails += 1
    return order_reply(state, order, details=True, openapi=openapi)


def order_reply(state: State, order: BookedOrder, *, details: bool, openapi: bool) -> dict[str, object]:
    """Return an order as the wire has it."""
    product = state.products[order.product_id]
    delivered = state.delivered(order)
    has_codes = delivered and product.category not in {"merchandise", "topup"}
    status = "delivered" if delivered else "pending"
    vouchers = [_voucher(order, product, code, pin, openapi=openapi) for code, pin in order.codes] if has_codes else []
    reply: dict[str, object] = {
        "orderId": order.order_id,
        "orderTotal": _number(order.total.quantize(Decimal("0.01"))),
        "currencyCode": "INR",
        "amountCharged": _number(order.charged),
        "orderStatus": "complete",
        "deliveryStatus": status,
        "quantity": order.quantity,
    }
    placed = datetime.fromtimestamp(order.placed_at, UTC)
    if openapi:
        reply |= {"orderDiscount": _number(order.discount), "discountPercent": _number(product.discount)}
        if details:
            stamp = placed.strftime("%Y-%m-%dT%H:%M:%SZ")
            reply |= {"orderDate": stamp, "deliveryDate": stamp} if delivered else {"orderDate": stamp}
        return {**reply, "vouchers": vouchers}
    discount = f"{order.discount:f}" if order.discount else ""
    reply |= {
        "rawOrderTotal": _number(order.total),
        "orderDiscount": discount,
        "rawOrderDiscount": discount,
        "discountPercent": f"{product.discount:f}",
        "currencyValue": 1,
        "tag": order.tag,
        "voucherDetails": [_detail(order, product, status)],
        "orderMeta": {"email": order.email, "contact": order.contact},
    }
    if vouchers:
        reply["vouchers"] = vouchers
    if details:
        stamp = placed.strftime("%Y-%m-%d %H:%M:%S")
        blank = dict.fromkeys(("shippingFirstName", "shippingLastName", "shippingCity", "shippingCountry"), "")
        reply |= {"orderDate": stamp, "deliveryDate": stamp if delivered else "", "shippingDetails": blank}
    return reply


def _voucher(order: BookedOrder, product: Product, code: str, pin: str, *, openapi: bool) -> dict[str, object]:
    until = f"{datetime.fromtimestamp(order.placed_at, UTC).year + 1}-12-31"
    if openapi:
        return {"code": code, "pin": pin, "validFrom": order.day, "validTo": until}
    return {
        "productId": product.id,
        "orderId": order.order_id,
        "voucherCode": code,
        "pin": pin,
        "validity": until,
        "amount": _number(order.denomination),
        "currency": product.country.currency,
        "country": product.country.code,
        "type": product.code_type,
        "currencyValue": _number(product.country.rate),
    }


def _detail(order: BookedOrder, product: Product, status: str) -> dict[str, object]:
    return {
        "orderId": order.order_id,
        "productId": product.id,
        "productName": product.name,
        "currencyCode": product.country.currency,
        "productStatus": status,
        "denomination": _number(order.denomination),
        "vendorLogo": "",
        "trackingId": None,
        "trackingLink": None,
    }


def get_order_history(state: State, data: Data, _openapi: bool) -> object:
    """Return a page of orders, newest first: the one reply that tells the poNumber."""
    start, end = _dates(data)
    tag = _text(data, "tag")
    orders = [
        order for order in reversed(state.orders.values()) if start <= order.day <= end and tag in {"", order.tag}
    ]
    page = _page(data, orders)
    if not page:
        raise Refusal("PLE10027")
    return [_summary(state, order) for order in page]


def _summary(state: State, order: BookedOrder) -> dict[str, object]:
    product = state.products[order.product_id]
    status = "delivered" if state.delivered(order) else "pending"
    return {
        "orderId": order.order_id,
        "orderDate": datetime.fromtimestamp(order.placed_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "email": order.email,
        "deliveryStatus": status,
        "poNumber": order.po_number,
        "tag": order.tag or None,
        "orderTotal": _number(order.total.quantize(Decimal("0.01"))),
        "rawOrderTotal": None,
        "orderDiscount": _number(order.discount),
        "rawOrderDiscount": None,
        "discountPercent": _number(product.discount),
        "amountCharged": _number(order.charged),
        "currencyValue": 1,
        "currencyCode": "INR",
        "products": [
            {
                "productId": product.id,
                "productName": product.name,
                "receiverMobileNumber": order.contact,
                "receiverEmail": order.email,
                "price": _number(order.denomination),
                "quantity": order.quantity,
                "orderProductStatus": status,
                "currency": product.country.currency,
            }
        ],
        "voucherDetails": [_detail(order, product, status)],
    }


def payment_history(state: State, data: Data, openapi: bool) -> object:
    """Return a page of the payment report, newest first."""
    start, end = _dates(data)
    rows = [entry for entry in reversed(state.payments) if start <= entry.day <= end]
    return [
        {
            "invoice_number": f"IN{entry.reference}",
            "reference_id": entry.reference,
            "date": entry.day,
            "reason": entry.reason,
            "adjusted_amount": int(entry.amount) if openapi else _number(entry.amount),
            "transaction_status": "Complete",
            "closing_balance": int(entry.balance) if openapi else _number(entry.balance),
        }
        for entry in _page(data, rows)
    ]


Handler = Callable[[State, Data, bool], object]

HANDLERS: Final[dict[str, Handler]] = {
    "getFilters": get_filters,
    "getVouchers": get_vouchers,
    "getBalance": get_balance,
    "placeOrder": place_order,
    "getOrderDetails": get_order_details,
    "getOrderHistory": get_order_history,
    "paymentHistory": payment_history,
    "getPaymentReport": payment_history,
}
"""The operations that answer `{"status": 1, "data": ...}`."""


def _page(data: Data, rows: list[T]) -> list[T]:
    limit, page = _int(data, "limit", "PLE10032", 10), max(_int(data, "page", "PLE10032", 1), 1)
    return rows[(page - 1) * limit : page * limit] if limit > 0 else rows


def _dates(data: Data) -> tuple[str, str]:
    try:
        start, end = (date.fromisoformat(_text(data, name)) for name in ("startDate", "endDate"))
    except ValueError:
        raise Refusal("PLE10032") from None
    return start.isoformat(), end.isoformat()


def _text(data: Data, name: str) -> str:
    """Return a field as text; the vendor takes numbers as strings and the other way round."""
    value = data.get(name)
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, str | int | Decimal) else ""


def _int(data: Data, name: str, refusal: str, default: int | None = None) -> int:
    text = _text(data, name).strip()
    if not text and default is not None:
        return default
    if not text.lstrip("-").isdigit() or len(text) > 15:
        raise Refusal(refusal)
    return int(text)


def _decimal(data: Data, name: str) -> Decimal:
    try:
        value = Decimal(_text(data, name).strip())
    except InvalidOperation:
        raise Refusal("PLE10001") from None
    if not value.is_finite() or not 0 < value < 10**9:
        raise Refusal("PLE10018")
    return value


def _codes(data: Data, name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in _text(data, name).split(",") if part.strip())


def _ids(data: Data, name: str) -> frozenset[int]:
    parts = [part.strip() for part in _text(data, name).split(",")]
    return frozenset(int(part) for part in parts if part.isdigit() and len(part) < 15)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
