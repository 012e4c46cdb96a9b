"""`matching`: whether an order is the one that was asked for, as far as its reply tells."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.errors import DecodeError
from xoxo_async.services.orders import (
    AirmilesDetails,
    LoungeDetails,
    Order,
    OrderProduct,
    OrderSummary,
    ShippingDetails,
    TopUpDetails,
    VoucherCode,
    VoucherDetail,
)
from xoxo_async.services.orders.matching import contradictions, dates_apart, require_order_id, with_po_number
from xoxo_async.services.orders.requests import PlaceOrder, place_order
from xoxo_async.wire import Masked, RawReply, Secret
from xoxo_async.wire.replies import keep_answer


def asked(**fields: Any) -> PlaceOrder:
    return place_order(**{"product_id": 31, "denomination": "25.50", "po_number": "PO-7", "quantity": 2, **fields})


def masked(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields in which data of people is kept as a reply keeps it."""
    people = {"order_meta", "shipping_details", "email", "receiver_email", "receiver_mobile_number"}
    return {
        f"{name}_" if name in people else name: Masked(value) if name in people else value
        for name, value in fields.items()
    }


def order(raw: RawReply | None = None, **fields: Any) -> Order:
    made = Order(**{"order_id": 900, **masked(fields)})
    keep_answer(made, raw)
    return made


def summary(**fields: Any) -> OrderSummary:
    return OrderSummary(**{"order_id": 900, **masked(fields)})


def code(product_id: int, **fields: Any) -> VoucherCode:
    return VoucherCode(product_id=product_id, voucher_code_=Secret("HUNTER-2"), **fields)


def meta(**fields: Any) -> Order:
    return order(order_meta=fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"quantity": 2},
        {"vouchers": (code(31), code(31))},
        {"vouchers": (code(0),)},
        {"voucher_details": (VoucherDetail(product_id=31, denomination=Decimal("25.5")),)},
        {"voucher_details": (VoucherDetail(),)},
        {"vouchers": (code(31),), "quantity": 2},
        {"vouchers": (code(31, amount=Decimal(9), currency="EUR"),)},
    ],
)
def test_a_missing_field_is_no_contradiction(fields: dict[str, Any]) -> None:
    """Nor is a value in another spelling, half of the codes, or one code for all pieces."""
    assert contradictions(asked(), order(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "contradiction"),
    [
        ({"vouchers": (code(31), code(32))}, "it is for product 32, not 31"),
        ({"voucher_details": (VoucherDetail(product_id=32),)}, "it is for product 32, not 31"),
        ({"voucher_details": (VoucherDetail(denomination=Decimal(50)),)}, "its denomination is 50, not 25.50"),
        ({"voucher_details": (VoucherDetail(denomination=Decimal("1E+3")),)}, "its denomination is 1000, not 25.50"),
        ({"quantity": 1}, "its quantity is 1, not 2"),
    ],
)
def test_a_contradiction_shows_no_code(fields: dict[str, Any], contradiction: str) -> None:
    """One voucher of many is enough for it, and its text may go into a log."""
    assert contradictions(asked(), order(**fields)) == [contradiction]


def test_all_contradictions_are_named() -> None:
    """A person who decides needs every one of them, each once."""
    other = order(quantity=1, vouchers=(code(32), code(32)), order_meta={"email": "b@x.example"}, tag="B")
    assert contradictions(asked(email="a@x.example", tag="A"), other) == [
        "it is for product 32, not 31",
        "its quantity is 1, not 2",
        "its e-mail is not the one asked for",
        "its tag is not the one asked for",
    ]


@pytest.mark.parametrize("echo", ["jane@x.example", " Jane@X.Example ", "", " ", None, [], {}, "j***@x.example"])
def test_e_mails_compare_without_case_and_blanks(echo: object) -> None:
    """A blank, absent or masked e-mail is not compared."""
    assert contradictions(asked(email="Jane@x.example"), meta(email=echo)) == []


@pytest.mark.parametrize("key", ["email", "receiverEmail"])
def test_another_e_mail_is_a_hidden_contradiction(key: str) -> None:
    """The text does not show the address, because it may go into a log."""
    assert contradictions(asked(email="jane@x.example"), meta(**{key: "john@x.example"})) == [
        "its e-mail is not the one asked for"
    ]


def test_a_field_not_requested_is_no_contradiction() -> None:
    """The vendor may fill in what the request leaves out."""
    told = order(order_meta={"email": "john@x.example", "contact": "+91-9000000000"}, tag="B")
    assert contradictions(asked(), told) == []
    assert contradictions(asked(contact=" ", tag=""), told) == []


@pytest.mark.parametrize(
    ("mine", "echo"),
    [
        ("+91-9000000001", "919000000001"),
        ("+91-9000000001", "00919000000001"),
        ("+91-9000000001", "9000000001"),
        ("+91-9000000001", "09000000001"),
        ("9000000001", "+91 (900) 000 0001"),
        ("+44-2079460000", "+44 (0)20 7946 0000"),
        ("+91-9000000001", 919000000001),
        ("+91-9000000001", " "),
        ("+91-9000000001", "+91-90*****001"),
        ("112", "112"),
    ],
)
def test_a_phone_is_compared_by_its_digits(mine: str, echo: object) -> None:
    """It is the same phone with and without country code, trunk zero and signs."""
    assert contradictions(asked(contact=mine), meta(contact=echo)) == []


@pytest.mark.parametrize(
    ("mine", "echo"),
    [
        ("+91-9000000001", "+91-9000000002"),
        ("+91-9000000001", "9000000002"),
        ("+91-9000000001", "000001"),
        ("+91-9000000001", "+1-9000000001"),
        ("112", "110"),
    ],
)
def test_another_phone_is_a_contradiction(mine: str, echo: str) -> None:
    """Seven equal digits at the end are not enough, nor is the same number in another country."""
    assert contradictions(asked(contact=mine), meta(contact=echo)) == ["its contact is not the one asked for"]


@pytest.mark.parametrize(("mine", "echo", "same"), [("A", " A ", True), ("A", "a", False), ("R&D", "R&amp;D", True)])
def test_a_tag_is_compared_exactly(mine: str, echo: str, same: bool) -> None:
    """Only blanks around it and HTML entities are ignored, because the vendor adds them."""
    assert (contradictions(asked(tag=mine), order(tag=echo)) == []) is same


def test_order_meta_may_be_json_in_text() -> None:
    """The vendor writes other meta fields so; a text that is not JSON is not compared."""
    request = asked(email="jane@x.example")
    assert contradictions(request, order(order_meta='{"email": "john@x.example"}')) != []
    assert contradictions(request, order(order_meta="{")) == []


LOUNGE = LoungeDetails(first_name="Jane", last_name="Doe", flight_departure_date=date(2027, 1, 23))
MILES = AirmilesDetails(loyalty_member_id="M-1")
TOPUP = TopUpDetails(phone_code="+91", phone_number="9000000001")
GOODS = ShippingDetails(
    first_name="Jane", last_name="Doe", contact_no="+1-2345678901", address1="1 Main St", city="Delhi", country="India",
    state="DL", postcode="110001",
)  # fmt: skip


@pytest.mark.parametrize(
    ("details", "echo"),
    [
        (LOUNGE, {"loungeData": {"firstName": " JANE", "lastName": "doe", "flightDepartureDate": "23-01-2027"}}),
        (LOUNGE, {"flightDepartureDate": "2027-01-23"}),
        (LOUNGE, {"flightDepartureDate": "soon"}),
        (MILES, {"userMeta": {"loyaltyMemberId": "m-1 "}}),
        (TOPUP, {"userMeta": {"topupPhoneCode": "+91", "topupPhoneNumber": "9000000001"}}),
        (TOPUP, {"topupData": {"topupPhoneNumber": "919000000001"}}),
        (TOPUP, {"topupPhoneCode": "91"}),
        (TOPUP, {"userMeta": []}),
        (TOPUP, {"contact": "+91 9000000001"}),
        (GOODS, {"shippingCity": "delhi", "shippingPostcode": 110001, "shippingCountry": "IN"}),
    ],
)
def test_a_block_in_another_spelling_is_equal(details: Any, echo: dict[str, Any]) -> None:
    """Case and place may differ; countries are not compared, because the vendor spells them in three ways."""
    assert contradictions(asked(quantity=1, details=details), meta(**echo)) == []


@pytest.mark.parametrize(
    ("details", "echo", "contradiction"),
    [
        (LOUNGE, {"loungeData": {"firstName": "John"}}, "its traveller's first name is not the one asked for"),
        (LOUNGE, {"loungeData": {"flightDepartureDate": "24-01-2027"}}, "its flight date is not the one asked for"),
        (MILES, {"userMeta": {"loyaltyMemberId": "M-2"}}, "its loyalty member is not the one asked for"),
        (TOPUP, {"userMeta": {"topupPhoneNumber": "9000000002"}}, "its topped up phone is not the one asked for"),
        (
            TOPUP,
            {"topupData": {"topupPhoneCode": "+1", "topupPhoneNumber": "9000000001"}},
            "its topped up phone is not the one asked for",
        ),
        (TOPUP, {"contact": "+91 9000000002"}, "its contact is not the one asked for"),
        (GOODS, {"shippingFirstName": "John"}, "its shipping first name is not the one asked for"),
        (GOODS, {"shippingContactNo": "+1-2345678902"}, "its shipping contact is not the one asked for"),
    ],
)
def test_another_category_block_is_another_order(details: Any, echo: dict[str, Any], contradiction: str) -> None:
    """Another phone of a top-up or another traveller is named, and no value is shown."""
    assert contradictions(asked(quantity=1, details=details), meta(**echo)) == [contradiction]


def test_a_block_is_found_wherever_it_stands() -> None:
    """Look-ups have an address in `shippingDetails`; other blocks are in fields that the SDK does not know."""
    goods = order(shipping_details={"shippingPostcode": "999999", "shippingCompany": ""})
    assert contradictions(asked(details=GOODS), goods) == ["its shipping postcode is not the one asked for"]
    body = {"data": {"getOrderDetails": {"data": {"orderId": 900, "userMeta": {"topupPhoneNumber": "9000000002"}}}}}
    raw = RawReply(msgspec.json.encode(body))
    assert contradictions(asked(details=TOPUP), order(raw=raw)) == ["its topped up phone is not the one asked for"]
    assert contradictions(asked(details=TOPUP), order(raw=RawReply(b"{"))) == []


@pytest.mark.parametrize(
    ("fields", "contradiction"),
    [
        ({"po_number": "PO-8"}, "its poNumber is PO-8, not PO-7"),
        ({"email": "john@x.example"}, "its e-mail is not the one asked for"),
        ({"tag": "B"}, "its tag is not the one asked for"),
        ({"products": (OrderProduct(product_id=32),)}, "it is for product 32, not 31"),
        ({"products": (OrderProduct(quantity=3),)}, "its quantity is 3, not 2"),
        (
            {"products": (OrderProduct(receiver_email_=Masked("john@x.example")),)},
            "its e-mail is not the one asked for",
        ),
        (
            {"products": (OrderProduct(receiver_mobile_number_=Masked("+1-999")),)},
            "its contact is not the one asked for",
        ),
        ({"voucher_details": (VoucherDetail(denomination=Decimal(50)),)}, "its denomination is 50, not 25.50"),
        ({"products": (OrderProduct(price=Decimal(50), currency="usd"),)}, "its denomination is 50, not 25.50"),
    ],
)
def test_an_order_of_the_history_is_compared(fields: dict[str, Any], contradiction: str) -> None:
    """The history is the one reply with the poNumber."""
    request = asked(email="jane@x.example", contact="+91-9000000001", tag="A")
    assert contradictions(request, summary(**fields), currency="USD") == [contradiction]


def test_one_equal_value_of_history_is_enough() -> None:
    """The e-mail beside the products may be the account's, and a price in another currency is not compared."""
    product = OrderProduct(
        product_id=31, receiver_email_=Masked("JANE@x.example"), price=Decimal("8.79"), currency="INR", quantity=2
    )
    told = summary(po_number="PO-7", email="admin@x.example", products=(product,), currency_code="INR")
    assert contradictions(asked(email="jane@x.example"), told) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"voucher_details": (VoucherDetail(currency_code="eur"),)}, ["its currency is EUR, not USD"]),
        ({"voucher_details": (VoucherDetail(currency_code="usd"),), "vouchers": (code(31, currency="CRC"),)}, []),
        ({"vouchers": (code(31, amount=Decimal(50), currency="USD"),)}, ["its denomination is 50, not 25.50"]),
        ({"vouchers": (code(31, amount=Decimal("25.5"), currency="USD"),)}, []),
        ({"vouchers": (code(31, amount=Decimal(51), currency="USD"),)}, []),
        ({"currency_code": "EUR"}, ["its account's currency is EUR, not INR"]),
        ({"currency_code": "inr", "order_total": Decimal(4400)}, []),
        ({"order_total": Decimal(2000)}, ["its total is 2000, not about 4200"]),
        ({"raw_order_total": Decimal("8400.5")}, ["its total is 8400.5, not about 4200"]),
        ({"order_total": Decimal(0)}, []),
    ],
)
def test_a_known_currency_and_total_are_compared(fields: dict[str, Any], found: list[str]) -> None:
    """The total may move with the exchange rate by a tenth; another value moves it by more."""
    told = order(**fields)
    assert contradictions(asked(), told, currency="USD", account_currency="INR", total=Decimal(4200)) == found
    assert contradictions(asked(), told) == []


SENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "apart"), [(0, False), (5.5, False), (13.9, False), (-11.9, False), (14.2, True), (-14.2, True)]
)
def test_a_date_apart_needs_over_14_hours(hours: float, apart: bool) -> None:
    """The vendor's dates have no time zone, and no zone is farther than 14 hours from UTC."""
    naive = (SENT + timedelta(hours=hours)).replace(tzinfo=None)
    assert dates_apart(naive, SENT.timestamp()) is apart


def test_repeated_sends_have_a_span_of_dates() -> None:
    """The order may be of the first send, of the last, or of any between."""
    until = (SENT + timedelta(days=3)).timestamp()
    for hours, apart in ((-15, True), (-13, False), (40, False), (72 + 13, False), (72 + 15, True)):
        naive = (SENT + timedelta(hours=hours)).replace(tzinfo=None)
        assert dates_apart(naive, SENT.timestamp(), until) is apart


def test_a_date_without_time_is_a_day() -> None:
    """Midnight stands for a date without a time; and no date at all is not compared."""
    assert dates_apart(None, SENT.timestamp()) is False
    evening = datetime(2026, 3, 4, 23, 0, tzinfo=UTC).timestamp()
    assert dates_apart(datetime.fromisoformat("2026-03-04T00:00:00"), evening) is False
    assert dates_apart(datetime.fromisoformat("2026-03-03T00:00:00"), evening) is True


@pytest.mark.parametrize("order_id", [0, -1])
def test_an_order_without_an_id_is_refused(order_id: int) -> None:
    """The error has the poNumber, so that its caller can settle the order."""
    with pytest.raises(DecodeError, match="no order id") as caught:
        require_order_id(order(order_id=order_id), "PO-7")
    assert caught.value.po_number == "PO-7"
    with pytest.raises(DecodeError):
        with_po_number(order(order_id=order_id), "PO-7")


def test_an_order_gets_its_po_number() -> None:
    """No reply holds the poNumber, so the order gets that of the request."""
    one = order()
    assert require_order_id(one) is one
    assert with_po_number(one, "PO-7") is one
    assert one.po_number == "PO-7"
