"""What arrives: every documented reply shape through the real envelope, and nothing but DecodeError for the rest.

The bodies are ours, written shape by shape from the wire facts; each is named by the quirk it shows.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.shapes import (
    CAMPAIGN,
    GROUP,
    LOOKUP,
    OLD_CODE,
    ORDER,
    PAYMENT,
    PRODUCT,
    SHAPES,
    SUMMARY,
    body,
    nested,
    places,
    read,
    replaced,
    touch,
)
from xoxo_async.errors import DecodeError
from xoxo_async.services import account, catalog, links, orders, points
from xoxo_async.wire import DeliveryStatus, OrderStatus, ValueType, VoucherType

# Orders


def test_order_as_the_vendor_writes_it() -> None:
    """Discounts are strings and often blank, dates may be blank, and order and voucher have different currencies."""
    order = read(orders.PLACE_ORDER, nested("placeOrder", ORDER))
    assert order.order_id == 900
    assert order.order_status is OrderStatus.COMPLETE
    assert order.delivery_status is DeliveryStatus.DELIVERED
    assert (order.order_total, order.raw_order_total) == (Decimal("26.4"), Decimal("26.3971"))
    assert (order.order_discount, order.raw_order_discount) == (None, None)
    assert order.discount_percent == Decimal("0.35")
    assert (order.amount_charged, order.currency_code, order.currency_value) == (Decimal("26.4"), "USD", 1)
    assert order.order_date == datetime.fromisoformat("2026-03-04T05:06:07")
    assert order.delivery_date is None
    assert order.order_meta["contact"] == "+49-30"
    assert order.shipping_details == {"shippingCity": ""}
    (detail,) = order.voucher_details
    assert detail.product_status is DeliveryStatus.DELIVERED
    assert (detail.denomination, detail.cancelled_quantity, detail.tracking_id) == (25, 1, None)


def test_voucher_with_newer_names() -> None:
    """`voucherCode` and `validity` are read; the amount is a string, and the country a comma list."""
    (voucher,) = read(orders.PLACE_ORDER, nested("placeOrder", ORDER)).vouchers
    assert (voucher.code.reveal(), voucher.pin.reveal()) == ("CODE-NEW-1", "4321")
    assert (voucher.valid_from, voucher.valid_to) == (None, date(2029, 5, 6))
    assert (voucher.amount, voucher.currency, voucher.country) == (25, "EUR", "DE,AT")
    assert voucher.type is VoucherType.CODE_PIN
    assert voucher.currency_value == Decimal("1.0525")


def test_voucher_with_the_contracts_names() -> None:
    """`code`, `validFrom` and `validTo` are read into the same struct, and a blank PIN is false."""
    (voucher,) = read(orders.PLACE_ORDER, nested("placeOrder", {**ORDER, "vouchers": [OLD_CODE]})).vouchers
    assert voucher.code.reveal() == "CODE-OLD-1"
    assert not voucher.pin
    assert (voucher.valid_from, voucher.valid_to) == (date(2026, 1, 2), date(2029, 5, 6))


def test_a_url_voucher_may_have_a_pin() -> None:
    """For url types the link is in `voucherCode`, and a PIN may come with it."""
    code = {"voucherCode": "https://gift.example/X", "pin": "77", "type": "url"}
    (voucher,) = read(orders.PLACE_ORDER, nested("placeOrder", {**ORDER, "vouchers": [code]})).vouchers
    assert (voucher.type, voucher.code.reveal(), voucher.pin.reveal()) == (VoucherType.URL, code["voucherCode"], "77")


@pytest.mark.parametrize("vouchers", [{}, {"vouchers": []}, {"vouchers": None}, {"vouchers": ""}])
def test_an_order_without_codes(vouchers: dict[str, object]) -> None:
    """Merchandise, top-ups and pending orders have no vouchers: the field is absent, null, blank or empty."""
    order = read(orders.PLACE_ORDER, nested("placeOrder", {"orderId": "900", "deliveryStatus": "pending", **vouchers}))
    assert order.vouchers == ()
    assert order.order_id == 900
    assert order.delivery_status is DeliveryStatus.PENDING


@pytest.mark.parametrize("empty", [{"orderMeta": []}, {"shippingDetails": []}, {"orderMeta": None}, {"orderMeta": ""}])
def test_empty_objects_of_php(empty: dict[str, object]) -> None:
    """An empty object may come as an empty list."""
    assert read(orders.GET_ORDER, nested("getOrderDetails", {**ORDER, **empty})).order_id == 900


@pytest.mark.parametrize("discount", [0, 0.35, "0.35", "", None, "0"])
def test_discounts_in_every_form(discount: object) -> None:
    """Discounts are read from strings, as today, and from numbers, as in older orders."""
    order = read(orders.PLACE_ORDER, nested("placeOrder", {**ORDER, "orderDiscount": discount}))
    assert order.order_discount == (None if discount in ("", None) else Decimal(str(discount)))


@pytest.mark.parametrize("data", [{}, None, [], "", {"orderId": None}, {"orderId": ""}, {"orderId": "x"}])
def test_an_order_without_id_raises_decodeerror(data: object) -> None:
    """`status: 1` without an order id proves nothing and never counts as an order."""
    with pytest.raises(DecodeError):
        read(orders.PLACE_ORDER, nested("placeOrder", data))


def test_unknown_fields_of_an_order_are_reachable() -> None:
    """`extra` has the fields that the SDK does not know, and only those."""
    order = read(orders.GET_ORDER, nested("getOrderDetails", {**ORDER, "loyalty": {"miles": 1.10}}))
    assert order.extra == {"loyalty": {"miles": Decimal("1.1")}}


def test_codes_are_in_no_repr() -> None:
    """The reprs of an order and of a voucher show neither code nor PIN."""
    order = read(orders.PLACE_ORDER, nested("placeOrder", ORDER))
    shown = f"{order!r} {order} {order.vouchers!r} {order.vouchers[0]}"
    assert "CODE-NEW" not in shown
    assert "4321" not in shown


def test_history() -> None:
    """A row has the poNumber, string ids, `Pending` with a capital, nulls in old orders, and numeric discounts."""
    (summary,) = read(orders.GET_ORDER_HISTORY, nested("getOrderHistory", [SUMMARY]))
    assert (summary.order_id, summary.po_number, summary.tag) == (900, "PO-7", None)
    assert summary.delivery_status is DeliveryStatus.PENDING
    assert (summary.raw_order_total, summary.order_discount, summary.discount_percent) == (None, 0, Decimal("0.5"))
    assert summary.products[0].price == 25
    assert summary.order_date == datetime.fromisoformat("2026-03-04T05:06:07")


# The catalog


def test_product_as_the_vendor_writes_it() -> None:
    """Denominations, a range of days, HTML entities, JSON in a string and 0/1 flags are all read."""
    (product,) = read(catalog.GET_VOUCHERS, nested("getVouchers", [PRODUCT]))
    assert product.denominations == (25, 50, 100)
    assert (product.min_value, product.max_value) == (Decimal("0.01"), 500)
    assert product.value_type is ValueType.OPEN_VALUE
    assert product.tat_in_days == "1 - 7"
    assert product.categories == ("Books & Music", "Home")
    assert product.product_meta == {"fields": [{"name": "email"}]}
    assert (product.exchange_rate, product.exchange_rate_rule) == (1, Decimal("0.0140891"))
    assert (product.is_recommended, product.is_free, product.show_discount_percent) == (True, False, True)
    assert (product.fee, product.discount) == (0, Decimal("2.5"))
    assert (product.redemption_fee, product.redemption_fee_tax) == (Decimal("1.5"), 0)
    assert product.redemption_fee_borne_by_user is True
    assert product.countries[0].name == "Germany"
    assert product.last_update_date == datetime.fromisoformat("2026-02-03T04:05:06")
    assert product.order_quantity_limit == 10


def test_product_of_the_older_catalog() -> None:
    """A product of the older fixtures is read: null rates, numeric days, no quantity limit, and max below min."""
    old = {"productId": "31", "tatInDays": 0, "exchangeRate": None, "isCommon": "", "minValue": 500, "maxValue": 10}
    (product,) = read(catalog.GET_VOUCHERS, nested("getVouchers", [old]))
    assert (product.product_id, product.tat_in_days, product.exchange_rate) == (31, "0", None)
    assert (product.min_value, product.max_value, product.order_quantity_limit) == (500, 10, None)
    assert product.denominations == ()
    assert product.product_meta == {}


@pytest.mark.parametrize(
    ("wire", "values"),
    [
        ("0", ()),
        ("", ()),
        (None, ()),
        ("20,30", (20, 30)),
        (50, (50,)),
        (["5", 10], (5, 10)),
        (" 7 , 5 ", (5, 7)),
        ("20,,30", (20, 30)),
        ("0,5", (5,)),
        ("5,5", (5,)),
        ("2.5,1", (1, Decimal("2.5"))),
        ("100000000000000000000", (10**20,)),
    ],
)
def test_denominations_in_every_form(wire: object, values: tuple[int | Decimal, ...]) -> None:
    """Comma strings may be unsorted, a perk has "0", and zero is never a denomination."""
    (product,) = read(catalog.GET_VOUCHERS, nested("getVouchers", [{"productId": 1, "valueDenominations": wire}]))
    assert product.denominations == values


@pytest.mark.parametrize("meta", ["", "{", "[]", None, "null", '{"a": 1', "[" * 100_000, 5])
def test_product_meta_that_is_no_object(meta: object) -> None:
    """Broken JSON in productMeta gives no checkout fields and no error, since it is read on demand."""
    (product,) = read(catalog.GET_VOUCHERS, nested("getVouchers", [{"productId": 1, "productMeta": meta}]))
    assert product.product_meta == {}


def test_an_ordinary_page_needs_no_second_look() -> None:
    """Documented oddities are read by the fast decoder; only undocumented ones need the tolerant one."""
    for name in ("vouchers", "placeOrder", "getOrderDetails", "getBalance", "filters", "campaigns"):
        operation, shape = SHAPES[name]
        operation._build_decoder()._fast.decode(body(shape))


def test_filters() -> None:
    """ISO codes and names may be wrong, null or blank, and are kept as they come."""
    (group,) = read(catalog.GET_FILTERS, nested("getFilters", [GROUP]))
    assert group.filter_group_code == "country"
    assert (group.filters[0].iso_code, group.filters[0].filter_value_code) == ("GD", "germany")
    assert (group.filters[1].iso_code, group.filters[1].filter_value) == (None, "")


def test_perk_filters_answer_under_another_name() -> None:
    """The reply for perks has the key `fetchFilters`."""
    assert len(read(catalog.GET_FILTERS, nested("fetchFilters", [GROUP]))) == 1


@pytest.mark.parametrize(
    "fields",
    [LOOKUP, {"status": 1, "operator": "Tel", "countryCode": "DE", "productId": "88"}],
    ids=["table", "playground"],
)
def test_operator_lookup_in_both_documented_forms(fields: dict[str, object]) -> None:
    """Two pages document two sets of names, and both are read into one set of attributes."""
    operator = read(catalog.LOOKUP_MOBILE_NUMBER, {"data": {"lookupMobileNumber": fields}})
    assert (operator.network_operator, operator.parent_product_id) == ("Tel", 88)


# The account


@pytest.mark.parametrize("value", ["5870.02", 5870.02])
def test_balance(value: object) -> None:
    """The balance may be fractional, a number or a string, and points may come with it."""
    balance = read(account.GET_BALANCE, nested("getBalance", {"value": value, "currency": "INR", "points": 9944}))
    assert (balance.value, balance.currency, balance.points) == (Decimal("5870.02"), "INR", 9944)


@pytest.mark.parametrize("key", ["paymentHistory", "getPaymentReport"])
def test_payments_under_either_key(key: str) -> None:
    """The report is read under getPaymentReport and under paymentHistory."""
    (payment,) = read(account.LIST_PAYMENTS, nested(key, [PAYMENT]))
    assert (payment.invoice_number, payment.date) == ("77", date(2026, 3, 4))
    assert (payment.adjusted_amount, payment.closing_balance) == (1000, Decimal("1000.50"))


@pytest.mark.parametrize(
    ("fields", "expires"),
    [
        ({"expires_in": 1296000}, 2_000 + 1296000),
        ({"expires_in": "1296000"}, 2_000 + 1296000),
        ({"expires_in": 1718000000}, 1718000000),
        ({"expires_in": 1718000000000}, 1718000000),
        ({"expires_in": 5, "access_token_expiry": "1718000000000"}, 1718000000),
        ({"expires_in": 5, "access_token_expiry": 1718000000000}, 1718000000),
        ({}, None),
        ({"expires_in": ""}, None),
    ],
)
def test_token_expiry_in_every_form(fields: dict[str, object], expires: float | None) -> None:
    """Seconds, milliseconds and epochs are told apart by size, and `*_expiry` is preferred."""
    info = read(account.CHECK_TOKEN, {"access_token": "TOKEN-1", "token_type": "bearer", **fields})
    then = msgspec.structs.replace(info, received_at_=2_000.9)
    assert then.expires_at == (None if expires is None else datetime.fromtimestamp(expires, UTC))
    assert "TOKEN-1" not in repr(info)


def test_a_token_reply_without_a_token_is_none() -> None:
    """An error shape with HTTP 200 does not count as a token."""
    for shape in ({"success": 0, "error_message_id": "auth.token_error"}, {"error": "invalid_token"}):
        with pytest.raises(DecodeError):
            read(account.CHECK_TOKEN, shape)


def test_storefront_login() -> None:
    """The token, and the address that is made of it, are secrets."""
    login = read(account.CREATE_STOREFRONT_TOKEN, {"data": {"ssoToken": "TOKEN-3"}})
    assert login.token.reveal() == "TOKEN-3"
    assert login.redirect_path.reveal() == "/v1/oauth/redirect/stores/TOKEN-3"
    assert "TOKEN-3" not in f"{login!r} {login.redirect_path}"


# Points and links


def test_points_balance() -> None:
    """The reply has `success` instead of `status`, and a null message."""
    assert read(points.GET_POINTS, SHAPES["points"][1]).total == Decimal("15.5")


@pytest.mark.parametrize(
    "inner",
    [
        {"recipients": [{"unique_id": "5", "points": "50", "email": "a@b.example"}]},
        {"unique_id": 5, "points": 50, "email": "a@b.example"},
    ],
    ids=["list", "flat"],
)
def test_points_sent_in_both_documented_forms(inner: dict[str, object]) -> None:
    """The id that cancels a credit is read from a list of receivers and from one receiver's fields."""
    sent = read(points.SEND_POINTS, {"data": {"sendBalance": {"error": False, "message": "points sent", **inner}}})
    (credit,) = sent.recipients
    assert (credit.unique_id, credit.points, credit.email) == (5, 50, "a@b.example")


def test_points_sent_without_receivers() -> None:
    """The quick start's answer has only the flag and a message."""
    assert read(points.SEND_POINTS, {"data": {"sendBalance": {"error": False, "message": "sent"}}}).recipients == ()


def test_points_cancelled_are_told_one_by_one() -> None:
    """`error: false` can come together with a receiver's `success: false`."""
    rows = [{"unique_id": 5, "success": True}, {"unique_id": 6, "success": False, "message": "spent"}]
    done = read(points.CANCEL_POINTS, {"data": {"cancelBalance": {"error": False, "recipients": rows}}})
    assert [(row.unique_id, row.success) for row in done.recipients] == [(5, True), (6, False)]


@pytest.mark.parametrize("currency", ["currencyCode", "currency_code"])
def test_campaigns_in_both_spellings(currency: str) -> None:
    """The list has currencyCode and the details currency_code; counts are strings, and dates may be zero."""
    fields = {key: value for key, value in CAMPAIGN.items() if key != "currencyCode"}
    fields |= {currency: "USD", "vouchers": [{"name": "Books", "image": "x"}]}
    (campaign,) = read(links.GET_CAMPAIGN, nested("campaignDetails", [fields], success=1))
    assert (campaign.currency_code, campaign.product_count, campaign.created_date) == ("USD", 3, None)
    assert campaign.vouchers[0].name == "Books"


def test_links_are_secrets() -> None:
    """A link is a secret, since anyone who has it can use it; the campaign's id comes back as a string."""
    batch = read(links.GENERATE_LINKS, SHAPES["generateLink"][1])
    assert [link.reveal() for link in batch.links] == ["https://links.example/LINK-1"]
    assert (batch.campaign_id, batch.denomination_value, batch.batch_id) == (7, 10, "b1")
    assert "LINK-1" not in repr(batch)


@pytest.mark.parametrize("key", ["generateLink", "generateLinkEmail"])
def test_mailed_links_answer_under_the_name_of_links(key: str) -> None:
    """The reply has neither links nor a batch."""
    sent = read(links.SEND_LINKS, {"data": {key: {"success": 1, "message": "sent", "campaignId": "7"}}})
    assert (sent.campaign_id, sent.message) == (7, "sent")


# Failure inside the envelope, and everything else


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        (orders.PLACE_ORDER, nested("placeOrder", None, status=0, message="no")),
        (points.GET_POINTS, nested("user_balance", None, success=0, message="missing user's details")),
        (points.SEND_POINTS, {"data": {"sendBalance": {"error": True, "message": "no"}}}),
        (points.CANCEL_POINTS, {"data": {"cancelBalance": {"error": "true", "message": "no"}}}),
        (links.GENERATE_LINKS, {"data": {"generateLink": {"success": 0, "message": "no"}}}),
        (catalog.LOOKUP_MOBILE_NUMBER, {"data": {"lookupMobileNumber": {"status": "failure"}}}),
        (account.GET_BALANCE, {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 60}]}),
        (account.GET_BALANCE, {"code": 502, "errorId": "PLE10023", "error": "x"}),
        (orders.GET_ORDER, {"data": {}}),
        (orders.GET_ORDER, {}),
    ],
)
def test_failures_are_not_replies(operation: Any, shape: object) -> None:
    """A reply that does not prove success is left to the refusal table."""
    assert read(operation, shape) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["", "0", "1", "true", "NaN", "1e999", "-Infinity", "0000-00-00", "IN,US", "2026-01-02", "12.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
def test_any_json_anywhere_decodes_or_raises_decodeerror(name: str, data: st.DataObject) -> None:
    """Any JSON value in any field of any reply decodes or raises DecodeError, also when it is read later."""
    operation, shape = SHAPES[name]
    at = data.draw(st.sampled_from(places(shape)))
    changed = body(replaced(shape, at, data.draw(JSON)))
    try:
        reply = operation.read(changed)
    except DecodeError:
        return
    touch(reply)


@pytest.mark.parametrize("name", SHAPES)
def test_every_documented_shape_decodes(name: str) -> None:
    """Each shape decodes as it is, with fields added, and with every optional field null."""
    operation, shape = SHAPES[name]
    assert read(operation, shape) is not None
    assert read(operation, {**shape, "brandNew": {"deep": [1, 2]}}) is not None


@pytest.mark.parametrize("value", ["1e999999999", '"NaN"', '"Infinity"', "1" * 40])
@pytest.mark.parametrize("name", ["amountCharged", "orderTotal", "orderDiscount", "currencyValue"])
def test_absurd_money_in_an_order_raises_decodeerror(name: str, value: str) -> None:
    """An amount that is NaN, infinite or absurd raises DecodeError, at decoding or when it is read."""
    text = '{"data":{"placeOrder":{"status":1,"data":{"orderId":1,"%s":%s}}}}' % (name, value)  # noqa: UP031
    with pytest.raises(DecodeError):
        _ = orders.PLACE_ORDER.read(text.encode()).order_discount  # type: ignore[union-attr]
