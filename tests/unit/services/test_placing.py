"""`placing`: an order's arguments become what placeOrder is sent, or the wrong one is named."""

from datetime import date
from typing import Any

import msgspec
import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services.placing import (
    AirmilesDetails,
    Details,
    LoungeDetails,
    PlaceOrder,
    ShippingDetails,
    TopUpDetails,
    place_order,
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


def test_an_order_says_outright_that_nobody_is_mailed() -> None:
    """What an absent flag means is documented nowhere, and a mail cannot be called back."""
    asked = wire(placing())
    assert (asked["notifyReceiverEmail"], asked["notifyAdminEmail"]) == (0, 0)
    asked = wire(placing(email="a@b.example", notify_receiver=True, notify_admin=True))
    assert (asked["notifyReceiverEmail"], asked["notifyAdminEmail"]) == (1, 1)


def test_what_was_not_given_is_not_sent() -> None:
    """No empty address, and no block of a category."""
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
    """As the vendor's pages have it; a day is written DD-MM-YYYY."""
    plain = wire(placing())
    assert wire(placing(details=details)) == {**plain, **sent}


def test_a_parcel_needs_no_company_and_no_second_line() -> None:
    """They are sent empty; everything else of the address is needed."""
    asked = placing(details=ShippingDetails(**SHIPPING))
    assert (asked.shipping_company, asked.shipping_address2) == ("", "")
    assert asked.shipping_postcode == "F"


@pytest.mark.parametrize("missing", sorted(SHIPPING))
def test_a_missing_line_of_an_address_is_named(missing: str) -> None:
    """Blank is missing: a parcel cannot be sent to it."""
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
def test_a_wrong_argument_is_named(wrong: dict[str, Any], named: str) -> None:
    """Before anything leaves."""
    with pytest.raises(ConfigError, match=named):
        placing(**wrong)
