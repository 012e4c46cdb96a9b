"""The documented oddities one by one, on the real operations: values, lists, histories, campaigns, tokens."""

import json
import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.auth import ExchangeAnswer
from xoxo_async.auth.tokens import read_token
from xoxo_async.cli.json_output import json_text
from xoxo_async.cli.reply_values import to_json
from xoxo_async.errors import ConfigError, DecodeError, RefreshTokenDeadError
from xoxo_async.integrations.delivery import parse_delivery
from xoxo_async.paging import Page
from xoxo_async.services import account, catalog, links, orders
from xoxo_async.services.catalog import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.orders import OrderService
from xoxo_async.wire import DeliveryStatus, VoucherType

pytestmark = pytest.mark.anyio


def reply(operation: Any, data: object, **flag: object) -> Any:
    body = {"data": {operation.reply_keys[0]: {**(flag or {"status": 1}), "data": data}}}
    return operation.read(json.dumps(body).encode())


class Answering:
    """A dispatch that gives one answer to every request, and keeps the body of the request."""

    def __init__(self, body: object) -> None:
        self.body = json.dumps(body).encode()
        self.sent: Any = None

    async def __call__(self, operation: Any, request: Any, /) -> Any:
        self.sent = json.loads(operation.encode(request))
        return operation.read(self.body)


# Orders


@pytest.mark.parametrize("country", ["India", "IN", "IN,US", "", None])
def test_a_voucher_country_is_kept_as_given(country: str | None) -> None:
    """The country of a voucher may be a code, a list or a name, and is kept as it comes."""
    order = reply(orders.PLACE_ORDER, {"orderId": 1, "vouchers": [{"voucherCode": "X", "country": country}]})
    assert order.vouchers[0].country == country


def test_inner_and_outer_order_ids_may_differ() -> None:
    """A voucher and a detail keep their own order id, and the order has the outer one."""
    data = {"orderId": 9, "vouchers": [{"orderId": 70, "voucherCode": "X"}], "voucherDetails": [{"orderId": "71"}]}
    order = reply(orders.PLACE_ORDER, data)
    assert (order.order_id, order.vouchers[0].order_id, order.voucher_details[0].order_id) == (9, 70, 71)


def test_a_product_status_of_two_words_is_kept() -> None:
    """The status "Cancelled Or Delivered" is kept, and counts neither as cancelled nor as delivered."""
    details = [{"productStatus": "Cancelled Or Delivered"}, {"productStatus": "Canceled"}]
    first, second = reply(orders.GET_ORDER, {"orderId": 1, "voucherDetails": details}).voucher_details
    assert first.product_status == "cancelled or delivered"
    assert first.product_status not in {DeliveryStatus.CANCELLED, DeliveryStatus.DELIVERED}
    assert second.product_status is DeliveryStatus.CANCELLED


def test_complete_is_not_delivered() -> None:
    """`orderStatus: complete` with a pending delivery is a pending order."""
    order = reply(orders.PLACE_ORDER, {"orderId": 1, "orderStatus": "complete", "deliveryStatus": "Pending"})
    assert order.delivery_status is DeliveryStatus.PENDING


@pytest.mark.parametrize(("kind", "member"), [("urlPin", VoucherType.URL_PIN), ("URL", VoucherType.URL), ("qr", None)])
def test_a_voucher_type_in_any_case(kind: str, member: VoucherType | None) -> None:
    """Known types are read in any case, and unknown ones are kept."""
    (voucher,) = reply(orders.PLACE_ORDER, {"orderId": 1, "vouchers": [{"type": kind}]}).vouchers
    assert voucher.type is member if member is not None else voucher.type == kind


@pytest.mark.parametrize("po_number", ["", None, "PO-1"])
async def test_a_history_row_may_have_no_po_number(po_number: str | None) -> None:
    """An order placed without a poNumber has `poNumber: ""`, and is not confused with another one."""
    rows = [{"orderId": "5", "poNumber": po_number, "tag": None, "deliveryStatus": "Pending"}]
    service = OrderService(Answering({"data": {"getOrderHistory": {"status": 1, "data": rows}}}))
    (row,) = await service.list_history(date(2026, 3, 1), date(2026, 3, 2))
    assert (row.order_id, row.po_number, row.tag) == (5, po_number, None)


# The catalog

PERK = {
    "productId": 3,
    "valueDenominations": "0",
    "metadata": {
        "categorytype": "offers",
        "type": "code",
        "code": "BEARER-CASH-1",
        "link": "https://perk.example/BEARER-CASH-2",
        "expiryDate": "2030-01-02",
        "brandNew": "BEARER-CASH-3",
    },
}


def test_a_perks_code_and_link_are_masked() -> None:
    """A perk has its code without an order: only `reveal()` shows it, not a repr, JSON or a pickle."""
    (product,) = reply(catalog.GET_VOUCHERS, [PERK])
    assert product.metadata is not None
    assert product.metadata.code.reveal() == "BEARER-CASH-1"
    assert product.metadata.link.reveal() == "https://perk.example/BEARER-CASH-2"
    assert (product.metadata.type, product.metadata.category_type) == ("code", "offers")
    assert product.metadata.expiry_date == date(2030, 1, 2)
    page = Page(reply(catalog.GET_VOUCHERS, [PERK]), 1, 10)
    shown = f"{product!r} {product} {product.metadata} {page!r} {page} {json_text(to_json(product))}"
    assert "BEARER-CASH" not in shown
    assert product.denominations == ()
    with pytest.raises(TypeError):
        pickle.dumps(product)


@pytest.mark.parametrize("metadata", [None, "", [], {}, "text", 5, {"code": 12345}])
@pytest.mark.parametrize("name", ["metadata", "metaData"])
def test_metadata_of_any_form_never_costs_the_page(name: str, metadata: object) -> None:
    """`metadata` may be text, null or an empty list, and the product is still read."""
    products = reply(catalog.GET_VOUCHERS, [{"productId": 1, name: metadata}, {"productId": 2}])
    assert [product.product_id for product in products] == [1, 2]
    assert (products[0].metadata is not None) == (metadata == {"code": 12345})
    assert products[0].meta_data == (metadata if name == "metaData" and isinstance(metadata, str) else None)


def test_products_without_perks_can_be_pickled() -> None:
    """Products can be pickled into a cache; the answer that they came in cannot."""
    page = Page(reply(catalog.GET_VOUCHERS, [{"productId": 1, "metaData": "x"}]), 1, 10)
    again = pickle.loads(pickle.dumps(page))  # noqa: S301 - our own
    assert (again, again.raw) == (page, None)


@pytest.mark.parametrize("wire", ['{"least":5870.02}', {"least": 5870.02}])
def test_product_meta_keeps_money_exact(wire: object) -> None:
    """JSON inside a string is read like the JSON around it: fractions are Decimal."""
    (product,) = reply(catalog.GET_VOUCHERS, [{"productId": 1, "productMeta": wire}])
    assert product.product_meta == {"least": Decimal("5870.02")}
    assert isinstance(product.product_meta["least"], Decimal)


@pytest.mark.parametrize("meta", ['{"a":1e99999999999999999999}', '{"a":' + "9" * 5000 + "}"])
def test_product_meta_that_nobody_can_read_is_none(meta: str) -> None:
    """An absurd number in productMeta gives no checkout fields, and no error."""
    (product,) = reply(catalog.GET_VOUCHERS, [{"productId": 1, "productMeta": meta}])
    assert product.product_meta == {}


@pytest.mark.parametrize("value", [" Home &amp; Living", "Home & Living", "", None])
def test_filter_values_are_kept_as_given(value: str | None) -> None:
    """A filter value is kept unchanged, since it is sent back; `filterValueCode` may be blank."""
    group = {"filterGroupCode": "voucher_category", "filters": [{"filterValue": value, "filterValueCode": ""}]}
    (found,) = reply(catalog.GET_FILTERS, [group])
    assert (found.filters[0].filter_value, found.filters[0].filter_value_code) == (value, "")


@pytest.mark.parametrize("code", ["Country", "country"])
async def test_a_filter_group_is_sent_as_given(code: str) -> None:
    """The request keeps the caller's `Country`, and the answer has `country`."""
    road = Answering({"data": {"getFilters": {"status": 1, "data": [{"filterGroupCode": "country", "filters": []}]}}})
    (group,) = await CatalogService(road).list_filters(code)
    assert road.sent["variables"]["data"] == {"filterGroupCode": code}
    assert group.filter_group_code == "country"


async def test_values_of_a_group_can_be_picked() -> None:
    """Values to include and to exclude are sent as comma lists, together with a group."""
    road = Answering({"data": {"getFilters": {"status": 1, "data": []}}})
    await CatalogService(road).list_filters("country", include=["usa", "india"], exclude=["germany"])
    assert road.sent["variables"]["data"] == {
        "filterGroupCode": "country",
        "includeFilters": "usa,india",
        "excludeFilters": "germany",
    }
    for wrong in ({"include": ["usa"]}, {"exclude": ["usa"]}, {"group_code": "country", "include": "usa"}):
        with pytest.raises(ConfigError):
            await CatalogService(road).list_filters(**wrong)  # type: ignore[arg-type]


# Unknown fields


async def test_unknown_fields_of_a_page_are_reachable() -> None:
    """`Page.extra` has the unknown fields of products and history rows, and `Page.raw` the answer."""
    rows = [{"productId": 1, "fee": 2, "carbon": 1.10}, {"productId": 2}, {"productId": 3, "deep": {"a": [1]}}]
    road = Answering({"data": {"getVouchers": {"status": 1, "data": rows}}})
    page = await CatalogService(road).list_vouchers()
    assert page.extra == ({"carbon": Decimal("1.10")}, {}, {"deep": {"a": [1]}})
    assert page.raw is not None
    assert page.raw.reveal() == road.body
    assert page.count is None
    history = OrderService(Answering({"data": {"getOrderHistory": {"status": 1, "data": [{"orderId": 1, "x": "y"}]}}}))
    assert (await history.list_history(date(2026, 3, 1), date(2026, 3, 2))).extra == ({"x": "y"},)


def test_unreadable_unknown_fields_raise_in_extra() -> None:
    """The page is read, and only reading its `extra` raises DecodeError."""
    body = b'{"data":{"getVouchers":{"status":1,"data":[{"productId":1,"zzz":1e99999999999999999999}]}}}'
    rows = catalog.GET_VOUCHERS.read(body)
    assert rows is not None
    page = Page(rows, 1, 10)
    assert len(page) == 1
    with pytest.raises(DecodeError):
        _ = page.extra


def test_a_page_of_ones_own_has_nothing_unknown() -> None:
    """A page made without an answer has no raw reply and no extra fields."""
    page = Page((1, 2), 1, 10)
    assert (page.raw, page.extra, page.count) == (None, ({}, {}), None)


@pytest.mark.parametrize(("count", "read"), [(57, 57), ("57", 57), (None, None), ("many", None)])
async def test_how_many_campaigns_there_are_is_reachable(count: object, read: int | None) -> None:
    """Only the list of campaigns has a total, beside `errors: null`."""
    inner = {"success": 1, "errors": None, "count": count, "data": [{"campaignId": "7", "product_count": "3"}]}
    page = await LinkService(Answering({"data": {"campaignList": inner}})).list_campaigns()
    assert (page.count, page.items[0].campaign_id, page.items[0].product_count) == (read, 7, 3)


# Tokens


def test_a_token_reply_with_an_email() -> None:
    """Extra fields in a token reply (`email`, `success`, `status`) are ignored."""
    body = {"access_token": "a", "refresh_token": "r", "expires_in": "2592000", "email": "a@b.example", "success": 1}
    token = read_token(ExchangeAnswer(200, json.dumps(body).encode()), 1000.0, dead=RefreshTokenDeadError)
    assert (token.access.reveal(), token.expires_at) == ("a", 1000.0 + 2592000)


def test_base64_tokens_are_opaque() -> None:
    """A long token with `=` at its end is kept unchanged and never decoded."""
    access = "eyJ0b2tlbkNvbnRlbnQiOnt9fQ" * 40 + "=="
    body = json.dumps({"access_token": access}).encode()
    assert read_token(ExchangeAnswer(200, body), 0.0, dead=RefreshTokenDeadError).access.reveal() == access
    info = account.CHECK_TOKEN.read(body)
    assert info is not None
    assert access not in repr(info)


@pytest.mark.parametrize("campaign_id", [7, "7"])
def test_a_campaigns_id_comes_as_number_or_text(campaign_id: object) -> None:
    """A number and a text with the same digits are the same campaign."""
    (campaign,) = reply(links.GET_CAMPAIGN, [{"campaignId": campaign_id}], success=1)
    assert campaign.campaign_id == 7


NO_DATES = ["0001-01-01", "0001-01-01 00:00:00", "0000-00-00", "", None, {}, [], {"date": "2026-03-04"}, ["x"], True, 0]


@pytest.mark.parametrize("value", NO_DATES, ids=json.dumps)
def test_a_date_that_is_none_costs_no_reply(value: object) -> None:
    """A zero date or an empty object in a date field is None, and the rest of the reply is read."""
    code = {"voucherCode": "X", "validity": value, "validFrom": value, "validTo": value}
    data = {"orderId": 1, "orderDate": value, "deliveryDate": value, "vouchers": [code]}
    order = reply(orders.GET_ORDER, data)
    assert (order.order_id, order.order_date, order.delivery_date) == (1, None, None)
    assert (order.vouchers[0].valid_from, order.vouchers[0].valid_to) == (None, None)
    (summary,) = reply(orders.GET_ORDER_HISTORY, [{"orderId": 1, "orderDate": value}])
    assert summary.order_date is None
    (payment,) = reply(account.LIST_PAYMENTS, [{"invoice_number": "i", "date": value}])
    assert payment.date is None
    (campaign,) = reply(links.LIST_CAMPAIGNS, [{"campaignId": 7, "created_date": value}], success=1)
    assert campaign.created_date is None
    perk = {"code": "X", "expiryDate": value}
    (product,) = reply(catalog.GET_VOUCHERS, [{"productId": 1, "lastUpdateDate": value, "metadata": perk}])
    assert (product.last_update_date, product.metadata and product.metadata.expiry_date) == (None, None)


@pytest.mark.parametrize("value", NO_DATES, ids=json.dumps)
def test_an_invalid_date_keeps_the_event(value: object) -> None:
    """The dates of a webhook event are read like the dates of a reply."""
    event = {"id": 1, "data": {"orderId": 7, "orderDate": value, "deliveryStatus": "delivered"}, "createdAt": value}
    delivery = parse_delivery(json.dumps(event).encode())
    assert (delivery.order_id, delivery.order_date, delivery.created_at) == (7, None, None)


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_list_for_text_keeps_the_order(empty: object) -> None:
    """An order is read although its tag, status or currency is an empty list, as PHP writes it."""
    data = {"orderId": 1, "tag": empty, "currencyCode": empty, "deliveryStatus": empty, "orderStatus": empty}
    order = reply(orders.GET_ORDER, data)
    assert (order.tag, order.currency_code, order.delivery_status) == (None, None, DeliveryStatus.NONE)
