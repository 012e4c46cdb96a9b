"""The replies that the vendor documents, one body for each operation, and how a test reaches into them.

The bodies are written from the wire facts, not with the sandbox's code: a shared misreading would pass on both sides.
"""

import copy
import json
from typing import Any

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.services import account, catalog, links, orders, points


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def nested(key: str, data: object, **flag: object) -> dict[str, object]:
    return {"data": {key: {**(flag or {"status": 1}), "data": data}}}


def read(operation: Any, value: object) -> Any:
    return operation.read(value if isinstance(value, bytes) else body(value))


NEW_CODE = {
    "productId": 31,
    "orderId": 900,
    "voucherCode": "CODE-NEW-1",
    "pin": "4321",
    "validity": "2029-05-06",
    "amount": "25",
    "currency": "EUR",
    "country": "DE,AT",
    "type": "codePin",
    "currencyValue": 1.0525,
}
OLD_CODE = {"code": "CODE-OLD-1", "pin": "", "validFrom": "2026-01-02", "validTo": "2029-05-06"}
DETAIL = {
    "orderId": 900,
    "productId": 31,
    "productName": "Books & More",
    "currencyCode": "EUR",
    "productStatus": "Delivered",
    "denomination": 25,
    "vendorLogo": "",
    "cancelledQuantity": 1,
    "trackingId": None,
    "trackingLink": None,
}
ORDER = {
    "orderId": 900,
    "orderTotal": 26.4,
    "rawOrderTotal": 26.3971,
    "orderDiscount": "",
    "rawOrderDiscount": "",
    "discountPercent": "0.35",
    "currencyCode": "USD",
    "currencyValue": 1,
    "amountCharged": 26.4,
    "orderStatus": "complete",
    "deliveryStatus": "delivered",
    "tag": "",
    "quantity": 1,
    "orderDate": "2026-03-04 05:06:07",
    "deliveryDate": "",
    "shippingDetails": {"shippingCity": ""},
    "vouchers": [NEW_CODE],
    "voucherDetails": [DETAIL],
    "orderMeta": {"email": "a@b.example", "contact": "+49-30"},
}
SUMMARY = {
    "orderId": "900",
    "orderDate": "2026-03-04 05:06:07",
    "email": "a@b.example",
    "deliveryStatus": "Pending",
    "poNumber": "PO-7",
    "tag": None,
    "orderTotal": 26.4,
    "rawOrderTotal": None,
    "orderDiscount": 0,
    "rawOrderDiscount": None,
    "discountPercent": 0.5,
    "amountCharged": 26.4,
    "currencyValue": 1,
    "currencyCode": "USD",
    "products": [
        {
            "productId": 31,
            "productName": "Books",
            "receiverMobileNumber": "",
            "receiverEmail": "",
            "price": 25,
            "quantity": 1,
            "orderProductStatus": "pending",
            "currency": "EUR",
            "trackingId": None,
            "trackingLink": None,
        }
    ],
    "voucherDetails": [],
}
PRODUCT = {
    "productId": 31,
    "name": "Books & More",
    "description": "<p>Read.</p>\r\n",
    "termsAndConditionsInstructions": "",
    "expiryAndValidity": "",
    "redemptionInstructions": "",
    "categories": "Books &amp; Music,Home",
    "lastUpdateDate": "2026-02-03 04:05:06",
    "imageUrl": "https://cdn.example/x.png",
    "currencyCode": "EUR",
    "currencyName": "Euro",
    "countryName": "Germany",
    "countryCode": "DE",
    "countries": [{"code": "DE", "name": "Germany"}],
    "valueType": "open_value",
    "maxValue": 500,
    "minValue": 0.01,
    "valueDenominations": "100,25,50",
    "tatInDays": "1 - 7",
    "usageType": "both",
    "deliveryType": "realtime",
    "isCommon": "0",
    "fee": 0,
    "discount": 2.5,
    "exchangeRate": "1",
    "exchangeRateRule": 0.0140891,
    "orderQuantityLimit": 10,
    "isPhoneNumberMandatory": False,
    "isRecommended": 1,
    "is_free": 0,
    "isDummyProduct": 0,
    "showDiscountPercent": 1,
    "filterGroupCode": "voucher_category",
    "brand": [],
    "productImages": [],
    "variants": None,
    "productMeta": '{"fields": [{"name": "email"}]}',
    "metaData": None,
    "loyaltyName": None,
    "loyaltyConversion": None,
    "parentProductId": None,
    "redemptionFee": 1.5,
    "redemptionFeeType": "percentage",
    "redemptionFeeBorneByUser": True,
    "redemptionFeeTax": 0,
}
GROUP = {
    "filterGroupName": "Country",
    "filterGroupDescription": "",
    "filterGroupCode": "country",
    "filters": [
        {"filterValue": "Germany", "isoCode": "GD", "filterValueCode": "germany"},
        {"filterValue": "", "isoCode": None, "filterValueCode": ""},
    ],
}
PAYMENT = {
    "invoice_number": 77,
    "reference_id": "r1",
    "date": "2026-03-04",
    "reason": "Funds added",
    "adjusted_amount": 1000,
    "transaction_status": "Complete",
    "closing_balance": "1000.50",
}
CAMPAIGN = {
    "campaignId": 7,
    "campaignName": "Summer",
    "denomination_value": 10,
    "countryName": "USA",
    "currencyCode": "USD",
    "product_count": "3",
    "created_date": "0000-00-00 00:00:00",
}
BATCH = {
    "success": 1,
    "message": "ok",
    "links": ["https://links.example/LINK-1"],
    "batchId": "b1",
    "campaignName": "Summer",
    "campaignId": "7",
    "denomination_value": 10,
    "countryName": "USA",
    "currencyCode": "USD",
}
LOOKUP = {
    "status": "success",
    "message": "",
    "phone": "+4930",
    "network_operator": "Tel",
    "is_active": True,
    "parentProductId": 88,
}
TOKEN = {"access_token": "TOKEN-1", "token_type": "bearer", "expires_in": 1296000}

SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "getBalance": (account.GET_BALANCE, nested("getBalance", {"value": 5.02, "currency": "USD", "points": 9})),
    "payments": (account.LIST_PAYMENTS, nested("getPaymentReport", [PAYMENT])),
    "token": (account.CHECK_TOKEN, TOKEN),
    "user token": (account.CREATE_USER_TOKEN, {**TOKEN, "refresh_token": "TOKEN-2", "access_token_expiry": "1"}),
    "storefront": (account.CREATE_STOREFRONT_TOKEN, {"data": {"ssoToken": "TOKEN-3"}}),
    "filters": (catalog.GET_FILTERS, nested("getFilters", [GROUP])),
    "vouchers": (catalog.GET_VOUCHERS, nested("getVouchers", [PRODUCT])),
    "lookup": (catalog.LOOKUP_MOBILE_NUMBER, {"data": {"lookupMobileNumber": LOOKUP}}),
    "placeOrder": (orders.PLACE_ORDER, nested("placeOrder", {**ORDER, "vouchers": [NEW_CODE, OLD_CODE]})),
    "getOrderDetails": (orders.GET_ORDER, nested("getOrderDetails", ORDER)),
    "history": (orders.GET_ORDER_HISTORY, nested("getOrderHistory", [SUMMARY])),
    "points": (points.GET_POINTS, nested("user_balance", {"total": 15.5}, success=1, message=None)),
    "sendBalance": (
        points.SEND_POINTS,
        {"data": {"sendBalance": {"error": False, "message": "sent", "recipients": [{"unique_id": 5, "points": 50}]}}},
    ),
    "cancelBalance": (
        points.CANCEL_POINTS,
        {"data": {"cancelBalance": {"error": False, "recipients": [{"unique_id": 5, "success": True, "message": ""}]}}},
    ),
    "campaigns": (links.LIST_CAMPAIGNS, nested("campaignList", [CAMPAIGN], success=1, count=1, errors=None)),
    "campaign": (links.GET_CAMPAIGN, nested("campaignDetails", [CAMPAIGN], success=1)),
    "generateLink": (links.GENERATE_LINKS, {"data": {"generateLink": BATCH}}),
    "sendLinks": (links.SEND_LINKS, {"data": {"generateLink": {"success": 1, "campaignId": "7"}}}),
}


def places(shape: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Yield every place in a shape that can be replaced."""
    found = [at]
    items = shape.items() if isinstance(shape, dict) else enumerate(shape) if isinstance(shape, list) else ()
    for key, value in items:
        found += places(value, (*at, key))
    return found


def replaced(shape: Any, at: tuple[Any, ...], value: object) -> object:
    if not at:
        return value
    changed = copy.deepcopy(shape)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return changed


def touch(value: object) -> None:
    """Read every public attribute of a reply, and of everything in it."""
    if isinstance(value, tuple):
        for item in value:
            touch(item)
    if not isinstance(value, msgspec.Struct):
        return
    repr(value)
    for name in dir(type(value)):
        if name.startswith("_"):
            continue
        try:
            inner = getattr(value, name)
        except DecodeError:
            continue  # money is read on demand
        touch(inner)
