"""`requests`: the fields of an order become the request of placeOrder, or the wrong field is named."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services import orders
from xoxo_async.services.orders import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails
from xoxo_async.services.orders.requests import (
    HistoryRequest,
    OrderFields,
    OrderLookup,
    PlaceOrder,
    place_order,
    request_fields,
)

ASKED: dict[str, Any] = {"product_id": 31, "denomination": 25, "po_number": "PO-7"}
DAY = date(2026, 3, 1)
SHIPPING: dict[str, str] = {
    "first_name": "A",
    "last_name": "B",
    "contact_no": "1",
    "address1": "Way 1",
    "city": "C",
    "country": "D",
    "state": "E",
    "postcode": "F",
}


def placing(**given: Any) -> PlaceOrder:
    return place_order(**{**ASKED, **given})


def wire(order: PlaceOrder) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(order))
    return fields


def test_both_mail_flags_are_always_sent() -> None:
    """The vendor does not say what an absent flag means, and a mail cannot be undone."""
    asked = wire(placing())
    assert (asked["notifyReceiverEmail"], asked["notifyAdminEmail"]) == (0, 0)
    asked = wire(placing(email="a@b.example", notify_receiver=True, notify_admin=True))
    assert (asked["notifyReceiverEmail"], asked["notifyAdminEmail"]) == (1, 1)


def test_a_field_not_given_is_not_sent() -> None:
    """There is no empty address, and no block of a category."""
    assert set(wire(placing())) == {
        "productId",
        "quantity",
        "denomination",
        "poNumber",
        "notifyReceiverEmail",
        "notifyAdminEmail",
    }


@pytest.mark.parametrize(
    ("details", "sent"),
    [
        (
            LoungeDetails(first_name="A", last_name="B", flight_departure_date=DAY),
            {
                "loungeData": {
                    "firstName": "A",
                    "lastName": "B",
                    "flightDepartureDate": "01-03-2026",
                    "categoryType": "lounge",
                }
            },
        ),
        (AirmilesDetails(loyalty_member_id="M-1"), {"userMeta": {"loyaltyMemberId": "M-1"}}),
        (
            TopUpDetails(phone_code="+91", phone_number="98"),
            {"userMeta": {"topupPhoneCode": "+91", "topupPhoneNumber": "98"}, "performOperatorValidation": 0},
        ),
        (
            TopUpDetails(phone_code="+91", phone_number="98", validate_operator=True),
            {"userMeta": {"topupPhoneCode": "+91", "topupPhoneNumber": "98"}, "performOperatorValidation": 1},
        ),
    ],
    ids=["lounge", "miles", "topup", "topup, operator checked"],
)
def test_a_category_adds_its_block(details: Details, sent: dict[str, Any]) -> None:
    """The block has the vendor's names, and a day is written DD-MM-YYYY."""
    plain = wire(placing())
    assert wire(placing(details=details)) == {**plain, **sent}


def test_company_and_second_line_may_be_empty() -> None:
    """Both are sent empty; every other field of the address is needed."""
    asked = placing(details=ShippingDetails(**SHIPPING))
    assert (asked.shipping_company, asked.shipping_address2) == ("", "")
    assert asked.shipping_postcode == "F"


@pytest.mark.parametrize("missing", sorted(SHIPPING))
def test_a_missing_line_of_an_address_is_named(missing: str) -> None:
    """A blank field is missing: no parcel can be sent there."""
    with pytest.raises(ConfigError, match=rf"details\.{missing} is missing"):
        placing(details=ShippingDetails(**{**SHIPPING, missing: " "}))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"product_id": 0}, "product_id"),
        ({"product_id": "31"}, "product_id"),
        ({"denomination": 0}, "denomination"),
        ({"denomination": "NaN"}, "denomination"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 10_000}, "quantity must be a whole number from 1 to 9999"),
        ({"po_number": ""}, "po_number"),
        ({"po_number": "x" * 101}, "po_number"),
        ({"email": "nobody"}, "email"),
        ({"contact": "+49\n"}, "contact"),
        ({"contact": "+49-30 or 31"}, "contact must be one phone number"),
        ({"contact": "4.93012E+11"}, "contact is .*: a spreadsheet"),
        ({"po_number": "1.23457E+14"}, "po_number is .*: a spreadsheet"),
        ({"tag": "a\x00"}, "tag"),
        ({"notify_receiver": True}, "notify_receiver needs an email"),
        ({"notify_admin": 2}, "notify_admin must be true or false .yes or no., not 2"),
        ({"notify_receiver": "no"}, "notify_receiver must be true or false"),
        ({"details": {"loungeData": {}}}, "details"),
        ({"details": AirmilesDetails(loyalty_member_id=" ")}, "loyalty_member_id"),
        (
            {"details": AirmilesDetails(loyalty_member_id="1.23457E+11")},
            "details.loyalty_member_id is .*: a spreadsheet",
        ),
        ({"details": TopUpDetails(phone_code="", phone_number="1")}, "phone_code"),
        ({"details": TopUpDetails(phone_code="IN", phone_number="1")}, "details.phone_code must be one phone number"),
        ({"details": TopUpDetails(phone_code="+91", phone_number="98x")}, "details.phone_number must be one phone"),
        ({"details": ShippingDetails(**{**SHIPPING, "contact_no": "9/8"})}, "details.contact_no must be one phone"),
        ({"details": LoungeDetails(first_name="A", last_name="", flight_departure_date=DAY)}, "last_name"),
        (
            {"details": LoungeDetails(first_name="A", last_name="B", flight_departure_date="01-01-2026")},  # type: ignore[arg-type]
            "flight_departure_date",
        ),
        ({"details": ShippingDetails(**{**SHIPPING, "address1": ""})}, "address1"),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, Any], named: str) -> None:
    """The error begins with the name of the field."""
    with pytest.raises(ConfigError, match=named):
        placing(**wrong)


def test_every_wrong_field_is_reported() -> None:
    """A caller that collects errors gets one for each wrong field, and a request without these fields."""
    wrong: dict[str, str] = {}
    request = request_fields(
        {**ASKED, "product_id": 0, "email": "nobody", "notify_receiver": True, "details": {}},
        lambda name, error: wrong.update({name: error.message}),
    )
    assert list(wrong) == ["product_id", "email", "details"]
    assert not {"product_id", "email", "details"} & request.keys()
    assert request["po_number"] == "PO-7"


def test_a_long_wrong_value_is_cut() -> None:
    """The error shows the start of it: a cell of a file may hold 100,000 characters."""
    with pytest.raises(ConfigError) as caught:
        placing(product_id="9" * 100_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("given", [{"colour": "red"}, {"poNumber": "PO-1"}])
def test_an_unknown_field_is_a_type_error(given: dict[str, Any]) -> None:
    """A misspelled field must not be left out silently."""
    with pytest.raises(TypeError, match=f"no field '{next(iter(given))}'"):
        placing(**given)


@pytest.mark.parametrize("missing", sorted(ASKED))
def test_a_missing_field_is_a_type_error(missing: str) -> None:
    """The three required fields have no default."""
    with pytest.raises(TypeError, match=missing):
        place_order(**{name: value for name, value in ASKED.items() if name != missing})  # type: ignore[typeddict-item]


def test_each_field_of_an_order_has_its_check() -> None:
    """`OrderFields` says what callers may give; a field without a check would raise for everybody."""
    given: dict[str, Any] = {
        **ASKED,
        "quantity": 1,
        "email": "a@b.example",
        "contact": "+91-98",
        "tag": "t",
        "notify_receiver": False,
        "notify_admin": False,
        "details": AirmilesDetails(loyalty_member_id="M"),
    }
    assert given.keys() == OrderFields.__annotations__.keys()
    assert placing(**given).denomination == Decimal(25)


def test_a_look_up_never_mails_codes_again() -> None:
    """The flag is always sent: the vendor does not say what an absent flag means."""
    assert b'"sendMailToReceiver":0' in orders.GET_ORDER.encode(OrderLookup(po_number="PO-7"))


def test_a_history_without_a_tag_names_none() -> None:
    """An empty tag would be a filter for orders with an empty tag."""
    day = date(2026, 3, 1)
    assert b"tag" not in orders.GET_ORDER_HISTORY.encode(HistoryRequest(day, day, 10, 1)).split(b'"variables"')[1]
