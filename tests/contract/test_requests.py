"""The whole body of every operation, as the vendor's pages document it and not as the sandbox reads it."""

import json
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.operation import API_PATH
from xoxo_async.services.account import AccountService, StorefrontEmail, StorefrontPhone
from xoxo_async.services.catalog import CatalogService
from xoxo_async.services.links import LinkService
from xoxo_async.services.orders import AirmilesDetails, LoungeDetails, OrderService, ShippingDetails, TopUpDetails
from xoxo_async.services.points import PointService, PointsRecipient

pytestmark = pytest.mark.anyio

START, END = date(2026, 3, 1), date(2026, 3, 31)


class StopHereError(Exception):
    """Ends a call after its request is known."""


class Wire:
    """A dispatch that keeps what would be sent, and answers nothing."""

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.body = b""
        self.account = AccountService(self)
        self.catalog = CatalogService(self)
        self.orders = OrderService(self)
        self.points = PointService(self)
        self.links = LinkService(self)

    async def __call__(self, operation: Any, request: Any, /) -> Any:
        self.method, self.path = operation.method, operation.path
        self.body = operation.encode(request)
        raise StopHereError

    async def sent(self, call: Callable[["Wire"], Awaitable[object]]) -> Any:
        with pytest.raises(StopHereError):
            await call(self)
        return json.loads(self.body, parse_float=Decimal)


def plum(name: str, data: object, kind: str = "mutation") -> dict[str, object]:
    return {"query": f"plumProAPI.{kind}.{name}", "tag": "plumProAPI", "variables": {"data": data}}


def place(**extra: object) -> Callable[[Wire], Awaitable[object]]:
    given: dict[str, Any] = {"product_id": 4711, "denomination": 25, "po_number": "PO-7", **extra}
    return lambda wire: wire.orders.place(**given)


ORDER = {
    "productId": 4711,
    "quantity": 1,
    "denomination": 25,
    "poNumber": "PO-7",
    "notifyReceiverEmail": 0,
    "notifyAdminEmail": 0,
}

PLUM: dict[str, tuple[Callable[[Wire], Awaitable[object]], dict[str, object]]] = {
    "balance is a query and sends an empty object": (
        lambda wire: wire.account.get_balance(),
        plum("getBalance", {}, "query"),
    ),
    "payments ask by paymentHistory, data inside variables": (
        lambda wire: wire.account.list_payments(START, END, page=2, limit=50),
        plum("paymentHistory", {"startDate": "2026-03-01", "endDate": "2026-03-31", "limit": 50, "page": 2}),
    ),
    "all filter groups": (lambda wire: wire.catalog.list_filters(), plum("getFilters", {})),
    "one filter group": (
        lambda wire: wire.catalog.list_filters("country"),
        plum("getFilters", {"filterGroupCode": "country"}),
    ),
    "vouchers, nothing asked": (
        lambda wire: wire.catalog.list_vouchers(),
        plum("getVouchers", {"limit": 100, "page": 1}),
    ),
    "vouchers, everything asked": (
        lambda wire: wire.catalog.list_vouchers(
            page=3,
            limit=20,
            country="usa",
            currency="USD",
            product_ids=(1, 2),
            exclude_product_ids=(3,),
            filters={"minPrice": "5"},
            sort=("name", "DESC"),
            exchange_rates=True,
        ),
        plum(
            "getVouchers",
            {
                "limit": 20,
                "page": 3,
                "includeProducts": "1,2",
                "excludeProducts": "3",
                "exchangeRate": 1,
                "sort": {"field": "name", "order": "DESC"},
                "filters": [
                    {"key": "country", "value": "usa"},
                    {"key": "currencyCode", "value": "USD"},
                    {"key": "minPrice", "value": "5"},
                ],
            },
        ),
    ),
    "one product by includeProducts, as a productId filter is ignored": (
        lambda wire: wire.catalog.get_voucher(4711),
        plum("getVouchers", {"limit": 1, "page": 1, "includeProducts": "4711"}),
    ),
    "lounges by categoryType": (
        lambda wire: wire.catalog.list_vouchers(category="lounge"),
        plum("getVouchers", {"limit": 100, "page": 1, "categoryType": "lounge"}),
    ),
    "perks by categoryTypes, plural, and called offers": (
        lambda wire: wire.catalog.list_vouchers(category="perks"),
        plum("getVouchers", {"limit": 100, "page": 1, "categoryTypes": "offers"}),
    ),
    "an operator's top-up plans by parentProductId": (
        lambda wire: wire.catalog.list_vouchers(category="topup", parent_product_id=88),
        plum("getVouchers", {"limit": 100, "page": 1, "categoryType": "topup", "parentProductId": 88}),
    ),
    "operator lookup has a snake_case parameter": (
        lambda wire: wire.catalog.lookup_mobile_number("+4930123456"),
        plum("lookupMobileNumber", {"mobile_number": "+4930123456"}),
    ),
    "order, least": (place(), plum("placeOrder", ORDER)),
    "order, most": (
        place(
            denomination="12.50",
            quantity=3,
            email="a@b.example",
            contact="+49-301234",
            tag="march",
            notify_receiver=True,
            notify_admin=True,
        ),
        plum(
            "placeOrder",
            {
                **ORDER,
                "quantity": 3,
                "denomination": Decimal("12.50"),
                "email": "a@b.example",
                "contact": "+49-301234",
                "tag": "march",
                "notifyReceiverEmail": 1,
                "notifyAdminEmail": 1,
            },
        ),
    ),
    "lounge block with a DD-MM-YYYY date": (
        place(details=LoungeDetails(first_name="Ada", last_name="L", flight_departure_date=date(2026, 1, 9))),
        plum(
            "placeOrder",
            {
                **ORDER,
                "loungeData": {
                    "firstName": "Ada",
                    "lastName": "L",
                    "categoryType": "lounge",
                    "flightDepartureDate": "09-01-2026",
                },
            },
        ),
    ),
    "airmiles in userMeta": (
        place(details=AirmilesDetails(loyalty_member_id="M1")),
        plum("placeOrder", {**ORDER, "userMeta": {"loyaltyMemberId": "M1"}}),
    ),
    "top-up in userMeta, not topupData": (
        place(details=TopUpDetails(phone_code="+49", phone_number="301234", validate_operator=True)),
        plum(
            "placeOrder",
            {
                **ORDER,
                "performOperatorValidation": 1,
                "userMeta": {"topupPhoneCode": "+49", "topupPhoneNumber": "301234"},
            },
        ),
    ),
    "merchandise shipping keys are flat": (
        place(
            details=ShippingDetails(
                first_name="Ada",
                last_name="L",
                contact_no="+49-30",
                address1="Weg 1",
                city="Berlin",
                country="DE",
                state="BE",
                postcode="10115",
                company="ACME",
                address2="c/o B",
            )
        ),
        plum(
            "placeOrder",
            {
                **ORDER,
                "shippingFirstName": "Ada",
                "shippingLastName": "L",
                "shippingContactNo": "+49-30",
                "shippingCompany": "ACME",
                "shippingAddress1": "Weg 1",
                "shippingAddress2": "c/o B",
                "shippingCity": "Berlin",
                "shippingCountry": "DE",
                "shippingState": "BE",
                "shippingPostcode": "10115",
            },
        ),
    ),
    "look-up by id sends an empty poNumber and no mail": (
        lambda wire: wire.orders.get(order_id=9),
        plum("getOrderDetails", {"poNumber": "", "orderId": 9, "sendMailToReceiver": 0}),
    ),
    "look-up by poNumber sends orderId 0 and no mail": (
        lambda wire: wire.orders.get(po_number="PO-7"),
        plum("getOrderDetails", {"poNumber": "PO-7", "orderId": 0, "sendMailToReceiver": 0}),
    ),
    "find asks like get": (
        lambda wire: wire.orders.find("PO-7"),
        plum("getOrderDetails", {"poNumber": "PO-7", "orderId": 0, "sendMailToReceiver": 0}),
    ),
    "history without a tag": (
        lambda wire: wire.orders.list_history(START, END),
        plum("getOrderHistory", {"startDate": "2026-03-01", "endDate": "2026-03-31", "limit": 100, "page": 1}),
    ),
    "history by tag": (
        lambda wire: wire.orders.list_history(START, END, tag="march"),
        plum(
            "getOrderHistory",
            {"startDate": "2026-03-01", "endDate": "2026-03-31", "limit": 100, "page": 1, "tag": "march"},
        ),
    ),
}


@pytest.mark.parametrize("name", PLUM)
async def test_plum_requests(name: str) -> None:
    """Every plumProAPI operation goes to one address, in the documented envelope with the documented fields."""
    call, expected = PLUM[name]
    wire = Wire()
    assert await wire.sent(call) == expected
    assert (wire.method, wire.path) == ("POST", API_PATH)


async def test_money_is_sent_as_a_number_exactly() -> None:
    """A denomination is sent as a JSON number with the given digits: no quotes, no float, no exponent."""
    wire = Wire()
    for given, text in [("12.50", b"12.50"), (Decimal("5E+2"), b"500"), (0.1, b"0.1"), (500, b"500")]:
        await wire.sent(place(denomination=given))
        assert b'"denomination":' + text + b"," in wire.body


POINTS: dict[str, tuple[Callable[[Wire], Awaitable[object]], dict[str, object]]] = {
    "points balance in user_data; query storesAdmin, tag storeAdmin": (
        lambda wire: wire.points.get_balance(email="a@b.example"),
        {
            "query": "storesAdmin.query.user_balance",
            "tag": "storeAdmin",
            "variables": {"user_data": {"email": "a@b.example"}},
        },
    ),
    "points balance by phone": (
        lambda wire: wire.points.get_balance(phone="+49-301234"),
        {
            "query": "storesAdmin.query.user_balance",
            "tag": "storeAdmin",
            "variables": {"user_data": {"phone": "+49-301234"}},
        },
    ),
    "points are sent in recipients_data, amounts as strings": (
        lambda wire: wire.points.send(
            sender_email="boss@b.example",
            recipients=[PointsRecipient(name="Ada", email="a@b.example", amount=500, citation="well done")],
            expiry_month=12,
        ),
        {
            "query": "storesAdmin.mutation.sendBalance",
            "tag": "storeAdmin",
            "variables": {
                "recipients_data": {
                    "sender_email": "boss@b.example",
                    "expiry_month": 12,
                    "recipients": [
                        {"to_name": "Ada", "to_email": "a@b.example", "amount": "500", "citation": "well done"}
                    ],
                }
            },
        },
    ),
    "points are cancelled by unique_id": (
        lambda wire: wire.points.cancel([5, 6]),
        {
            "query": "storesAdmin.mutation.cancelBalance",
            "tag": "storeAdmin",
            "variables": {"recipients_data": {"recipients": [{"unique_id": 5}, {"unique_id": 6}]}},
        },
    ),
    "campaigns in add_data, by offset": (
        lambda wire: wire.links.list_campaigns(page=3, limit=10, name="sum"),
        {
            "query": "xoxo_link.query.campaignList",
            "tag": "xoxo_link",
            "variables": {"add_data": {"limit": 10, "offset": 20, "name": "sum", "enabled": 1}},
        },
    ),
    "one campaign": (
        lambda wire: wire.links.get_campaign(7),
        {"query": "xoxo_link.mutation.campaignDetails", "tag": "xoxo_link", "variables": {"data": {"campaignId": 7}}},
    ),
}


@pytest.mark.parametrize("name", POINTS)
async def test_points_and_campaign_requests(name: str) -> None:
    """The wrapper inside `variables` is the documented one."""
    call, expected = POINTS[name]
    wire = Wire()
    assert await wire.sent(call) == expected
    assert (wire.method, wire.path) == ("POST", API_PATH)


async def test_links_are_made_at_their_own_address() -> None:
    """Making links has its own path and a date as DD-MM-YYYY."""
    wire = Wire()
    sent = await wire.sent(lambda w: w.links.generate(campaign_id=7, quantity=5, expires_on=date(2027, 12, 1)))
    assert wire.path == "/v1/oauth/api/generateLink"
    assert sent == {
        "query": "xoxo_link.mutation.generateLink",
        "tag": "xoxo_link",
        "variables": {"data": {"campaignId": 7, "links_quantity": 5, "link_expiry": "01-12-2027"}},
    }


async def test_links_are_mailed_to_one_comma_string() -> None:
    """Mailing links has another path, and its addresses are one string."""
    wire = Wire()
    emails = ["a@b.example", "c@d.example"]
    sent = await wire.sent(lambda w: w.links.send(campaign_id=7, emails=emails, expires_on=date(2026, 7, 31)))
    assert wire.path == "/v1/oauth/api/sendLinks"
    assert sent == {
        "query": "xoxo_link.mutation.generateLinkEmail",
        "tag": "xoxo_link",
        "variables": {"data": {"campaignId": 7, "email_ids": "a@b.example,c@d.example", "link_expiry": "31-07-2026"}},
    }


async def test_a_token_is_checked_by_get() -> None:
    """A token is checked by a GET on the token endpoint."""
    wire = Wire()
    await wire.sent(lambda w: w.account.check_token())
    assert (wire.method, wire.path) == ("GET", "/v1/oauth/token")


async def test_a_user_token_request_has_no_envelope() -> None:
    """The company token makes a user's token in a plain REST call."""
    wire = Wire()
    sent = await wire.sent(lambda w: w.account.create_user_token("boss@b.example"))
    assert (wire.method, wire.path) == ("POST", "/v1/oauth/token/create/user")
    assert sent == {"user_input": "boss@b.example", "scope": "user_session"}


async def test_a_storefront_login_has_no_envelope() -> None:
    """The `tpd` block of the SSO call says what the storefront shows, and omits blocks that are not given."""
    wire = Wire()
    sent = await wire.sent(
        lambda w: w.account.create_storefront_token(
            "a@b.example",
            unique_id="42",
            auth_token="own-key",
            email=StorefrontEmail("a@b.example", editable=True),
            phone=StorefrontPhone("301234", "+49"),
            otp="primary_email",
        )
    )
    assert (wire.method, wire.path) == ("POST", "/v1/oauth/sso/stores/company")
    email = {"default_value": "a@b.example", "editable": True, "hidden": False, "support_alternate": False}
    phone = {"default_value": "301234", "phone_code": "+49", "editable": False, "hidden": False}
    assert sent == {
        "user_input": "a@b.example",
        "tpd": {"auth_token": "own-key", "unique_id": "42", "email": email, "phone": phone, "otp": "primary_email"},
    }
    bare = await wire.sent(lambda w: w.account.create_storefront_token("u", unique_id="1", auth_token="k"))
    assert bare["tpd"] == {"auth_token": "k", "unique_id": "1", "otp": "none"}
