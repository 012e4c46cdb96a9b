"""Orders: place one, look one up, list the history."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from xoxo_async.sandbox.products import Product
from xoxo_async.sandbox.reading import Data, Refusal, dates, money, number, page_of, text, whole
from xoxo_async.sandbox.state import BookedOrder, State

__all__ = ["get_order_details", "get_order_history", "place_order"]

_MAX_PIECES: Final = 9999
"""The vendor's limit for any product, from its table of error ids (PLE10041)."""


def place_order(state: State, data: Data, openapi: bool) -> object:
    """Book an order, or refuse it as the vendor does."""
    quantity, value = whole(data, "quantity", "PLE10001"), money(data, "denomination")
    product = state.products.get(whole(data, "productId", "PLE10001"))
    po_number = text(data, "poNumber")
    if quantity < 1 or len(po_number) > 100:
        raise Refusal("PLE10001")
    if product is None:
        raise Refusal("PLE10017")
    if state.taken(po_number):
        # No page names the error id of a used poNumber. PLE10004 with 422 fits the vendor's table best.
        raise Refusal("PLE10004")
    if product.trouble:
        raise Refusal(product.trouble)
    if not product.sells(value):
        raise Refusal("PLE10018")
    if quantity > min(product.limit, _MAX_PIECES):
        raise Refusal("PLE10041")
    if not _has_needed_fields(product, data):
        raise Refusal("PLE10001")
    order = state.book(
        product,
        quantity=quantity,
        denomination=value,
        po_number=po_number,
        email=text(data, "email"),
        contact=text(data, "contact"),
        tag=text(data, "tag"),
        mail=text(data, "notifyReceiverEmail") == "1",
    )
    if order is None:
        raise Refusal("PLE10010")
    return _order_reply(state, order, details=False, openapi=openapi)


def _has_needed_fields(product: Product, data: Data) -> bool:
    """Return whether an order has the fields that its category needs."""
    meta, lounge = data.get("userMeta"), data.get("loungeData")
    if product.category == "lounge":
        needed = ("firstName", "lastName", "categoryType", "flightDepartureDate")
        return isinstance(lounge, dict) and all(lounge.get(name) for name in needed)
    if product.category == "miles":
        return isinstance(meta, dict) and bool(meta.get("loyaltyMemberId"))
    if product.category == "topup":
        return isinstance(meta, dict) and bool(meta.get("topupPhoneCode")) and bool(meta.get("topupPhoneNumber"))
    if product.category == "merchandise":
        return bool(text(data, "shippingFirstName")) and bool(text(data, "shippingAddress1"))
    return not product.needs_phone or bool(text(data, "contact").strip())


def get_order_details(state: State, data: Data, openapi: bool) -> object:
    """Return an order by its id or poNumber. `sendMailToReceiver` mails its codes again."""
    order = state.find(whole(data, "orderId", "PLE10002", 0), text(data, "poNumber"))
    if order is None:
        raise Refusal("PLE10016")
    if text(data, "sendMailToReceiver") == "1":
        if not state.delivered(order):
            raise Refusal("PLE10034")  # 502 in the vendor's table: its e-mail failed, the look-up changed nothing
        order.mails += 1
    return _order_reply(state, order, details=True, openapi=openapi)


def _order_reply(state: State, order: BookedOrder, *, details: bool, openapi: bool) -> dict[str, object]:
    """Return an order as placeOrder answers it, or with the details that getOrderDetails adds."""
    product = state.products[order.product_id]
    delivered = state.delivered(order)
    # Merchandise is a parcel, and a top-up goes to a phone: the vendor gives neither a code.
    has_codes = delivered and product.category not in {"merchandise", "topup"}
    vouchers = [_voucher(order, product, code, pin, openapi=openapi) for code, pin in order.codes] if has_codes else []
    reply: dict[str, object] = {
        "orderId": order.order_id,
        "orderTotal": number(order.total.quantize(Decimal("0.01"))),
        "currencyCode": "INR",
        "amountCharged": number(order.charged),
        "orderStatus": "complete",
        "deliveryStatus": _status(state, order),
        "quantity": order.quantity,
    }
    if openapi:
        reply |= {"orderDiscount": number(order.discount), "discountPercent": number(product.discount)}
        return {**reply, **(_openapi_dates(order, delivered=delivered) if details else {}), "vouchers": vouchers}
    reply |= _vendor_fields(order, product, _status(state, order))
    if vouchers:
        reply["vouchers"] = vouchers
    return {**reply, **(_vendor_details(order, delivered=delivered) if details else {})}


def _status(state: State, order: BookedOrder) -> str:
    return "delivered" if state.delivered(order) else "pending"


def _openapi_dates(order: BookedOrder, *, delivered: bool) -> dict[str, object]:
    stamp = _placed(order).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"orderDate": stamp, "deliveryDate": stamp} if delivered else {"orderDate": stamp}


def _vendor_fields(order: BookedOrder, product: Product, status: str) -> dict[str, object]:
    discount = f"{order.discount:f}" if order.discount else ""  # the vendor writes no discount as an empty text
    return {
        "rawOrderTotal": number(order.total),
        "orderDiscount": discount,
        "rawOrderDiscount": discount,
        "discountPercent": f"{product.discount:f}",
        "currencyValue": 1,
        "tag": order.tag,
        "voucherDetails": [_detail(order, product, status)],
        "orderMeta": {"email": order.email, "contact": order.contact},
    }


def _vendor_details(order: BookedOrder, *, delivered: bool) -> dict[str, object]:
    stamp = _placed(order).strftime("%Y-%m-%d %H:%M:%S")
    blank = dict.fromkeys(("shippingFirstName", "shippingLastName", "shippingCity", "shippingCountry"), "")
    return {"orderDate": stamp, "deliveryDate": stamp if delivered else "", "shippingDetails": blank}


def _placed(order: BookedOrder) -> datetime:
    return datetime.fromtimestamp(order.placed_at, UTC)


def _voucher(order: BookedOrder, product: Product, code: str, pin: str, *, openapi: bool) -> dict[str, object]:
    until = f"{_placed(order).year + 1}-12-31"
    if openapi:
        return {"code": code, "pin": pin, "validFrom": order.day, "validTo": until}
    return {
        "productId": product.id,
        "orderId": order.order_id,
        "voucherCode": code,
        "pin": pin,
        "validity": until,
        "amount": number(order.denomination),
        "currency": product.country.currency,
        "country": product.country.code,
        "type": product.code_type,
        "currencyValue": number(product.country.rate),
    }


def _detail(order: BookedOrder, product: Product, status: str) -> dict[str, object]:
    return {
        "orderId": order.order_id,
        "productId": product.id,
        "productName": product.name,
        "currencyCode": product.country.currency,
        "productStatus": status,
        "denomination": number(order.denomination),
        "vendorLogo": "",
        "trackingId": None,
        "trackingLink": None,
    }


def get_order_history(state: State, data: Data, _openapi: bool) -> object:
    """Return a page of orders, newest first. It is the only reply that contains the poNumber."""
    start, end = dates(data)
    tag, shown_until = text(data, "tag"), state.clock() - state.history_lag_s
    orders = [
        order
        for order in reversed(state.orders.values())
        if start <= order.day <= end and tag in {"", order.tag} and order.placed_at <= shown_until
    ]
    page = page_of(data, orders)
    if not page:
        raise Refusal("PLE10027")  # the vendor answers an empty range with 404, not with an empty list
    return [_summary(state, order) for order in page]


def _summary(state: State, order: BookedOrder) -> dict[str, object]:
    product = state.products[order.product_id]
    status = _status(state, order)
    return {
        "orderId": order.order_id,
        "orderDate": _placed(order).strftime("%Y-%m-%d %H:%M:%S"),
        "email": order.email,
        "deliveryStatus": status,
        "poNumber": order.po_number,
        "tag": order.tag or None,
        "orderTotal": number(order.total.quantize(Decimal("0.01"))),
        "rawOrderTotal": None,
        "orderDiscount": number(order.discount),
        "rawOrderDiscount": None,
        "discountPercent": number(product.discount),
        "amountCharged": number(order.charged),
        "currencyValue": 1,
        "currencyCode": "INR",
        "products": [
            {
                "productId": product.id,
                "productName": product.name,
                "receiverMobileNumber": order.contact,
                "receiverEmail": order.email,
                "price": number(order.denomination),
                "quantity": order.quantity,
                "orderProductStatus": status,
                "currency": product.country.currency,
            }
        ],
        "voucherDetails": [_detail(order, product, status)],
    }
