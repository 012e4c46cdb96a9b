"""What placeOrder is sent: the request, the extra blocks of some categories, and the checks before anything leaves."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.errors import ConfigError
from xoxo_async.services import checks

__all__ = [
    "MAX_QUANTITY",
    "AirmilesDetails",
    "Details",
    "LoungeDetails",
    "PlaceOrder",
    "ShippingDetails",
    "TopUpDetails",
    "place_order",
]

MAX_QUANTITY: Final = 9999
"""The vendor's absolute limit (PLE10041); most products hold 10 pieces an order, see `Voucher.order_quantity_limit`."""


class LoungeDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Who flies, for airport lounge products.

    Attributes:
        first_name: The traveller's first name.
        last_name: The traveller's last name.
        flight_departure_date: The day of the flight.
    """

    first_name: str
    last_name: str
    flight_departure_date: date


class AirmilesDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account the miles go to.

    Attributes:
        loyalty_member_id: The member's number in the airline's programme.
    """

    loyalty_member_id: str


class TopUpDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Which phone is topped up.

    Attributes:
        phone_code: The country's dialling code, `+91`.
        phone_number: The number without it.
        validate_operator: Have the vendor check that the number is the product's operator's.
    """

    phone_code: str
    phone_number: str
    validate_operator: bool = False


class ShippingDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Where merchandise is sent.

    Attributes:
        first_name: The receiver's first name.
        last_name: The receiver's last name.
        contact_no: The receiver's phone.
        address1: Street and number.
        city: The town.
        country: The country.
        state: The state or province.
        postcode: The postal code.
        company: The company, where there is one.
        address2: A second address line.
    """

    first_name: str
    last_name: str
    contact_no: str
    address1: str
    city: str
    country: str
    state: str
    postcode: str
    company: str = ""
    address2: str = ""


Details = LoungeDetails | AirmilesDetails | TopUpDetails | ShippingDetails


class _Lounge(msgspec.Struct, rename="camel"):
    first_name: str
    last_name: str
    flight_departure_date: str
    category_type: str = "lounge"


class _UserMeta(msgspec.Struct, rename="camel", omit_defaults=True):
    loyalty_member_id: str | None = None
    topup_phone_code: str | None = None
    topup_phone_number: str | None = None


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The request of placeOrder as the wire has it; made by `place_order`, which checks it."""

    product_id: int
    quantity: int
    denomination: Decimal
    po_number: str
    email: str | None = None
    contact: str | None = None
    tag: str | None = None
    notify_receiver_email: int | None = None
    notify_admin_email: int | None = None
    perform_operator_validation: int | None = None
    lounge_data: _Lounge | None = None
    user_meta: _UserMeta | None = None
    shipping_first_name: str | None = None
    shipping_last_name: str | None = None
    shipping_contact_no: str | None = None
    shipping_company: str | None = None
    shipping_address1: str | None = None
    shipping_address2: str | None = None
    shipping_city: str | None = None
    shipping_country: str | None = None
    shipping_state: str | None = None
    shipping_postcode: str | None = None


def place_order(
    *,
    product_id: int,
    denomination: Decimal | float | str,
    po_number: str,
    quantity: int = 1,
    email: str | None = None,
    contact: str | None = None,
    tag: str | None = None,
    notify_receiver: bool = False,
    notify_admin: bool = False,
    details: Details | None = None,
) -> PlaceOrder:
    """Make a request of placeOrder, or say which field is wrong.

    Args:
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        po_number: The order's own key, 1 to 100 plain characters.
        quantity: Pieces.
        email: The receiver's address.
        contact: The receiver's phone, `+CC-NUMBER`.
        tag: Free text for the history.
        notify_receiver: Have the vendor e-mail the codes to the receiver.
        notify_admin: Have the vendor e-mail the administrator.
        details: What some categories need besides.

    Raises:
        ConfigError: Naming the field.
    """
    if notify_receiver and not email:
        raise ConfigError("notify_receiver needs an email")
    order = PlaceOrder(
        product_id=checks.whole("product_id", product_id),
        quantity=checks.whole("quantity", quantity, high=MAX_QUANTITY),
        denomination=checks.money("denomination", denomination),
        po_number=checks.po_number(po_number),
        email=None if email is None else checks.email("email", email),
        contact=None if contact is None else checks.phone("contact", contact),
        tag=None if tag is None else checks.text("tag", tag),
        # Always said outright: what an absent flag means is documented nowhere, and a mail cannot be called back.
        notify_receiver_email=int(notify_receiver),
        notify_admin_email=int(notify_admin),
    )
    return order if details is None else msgspec.structs.replace(order, **_details(details))


def _details(details: object) -> dict[str, Any]:
    """Return the fields a category adds."""
    if isinstance(details, LoungeDetails):
        day = checks.day("details.flight_departure_date", details.flight_departure_date)
        first, last = _needed(details, "first_name"), _needed(details, "last_name")
        return {"lounge_data": _Lounge(first, last, day.strftime("%d-%m-%Y"))}
    if isinstance(details, AirmilesDetails):
        member = _needed(details, "loyalty_member_id")
        if checks.lost_digits(member):
            raise ConfigError(f"details.loyalty_member_id is {member}: {checks.LOST_DIGITS}")
        return {"user_meta": _UserMeta(loyalty_member_id=member)}
    if isinstance(details, TopUpDetails):
        meta = _UserMeta(
            topup_phone_code=_needed(details, "phone_code", checks.phone),
            topup_phone_number=_needed(details, "phone_number", checks.phone),
        )
        return {"user_meta": meta, "perform_operator_validation": int(details.validate_operator)}
    if isinstance(details, ShippingDetails):
        needed = {name: _needed(details, name) for name in details.__struct_fields__ if name not in _OPTIONAL}
        checks.phone("details.contact_no", details.contact_no)
        optional = {name: checks.text(f"details.{name}", getattr(details, name)) for name in _OPTIONAL}
        return {f"shipping_{name}": value for name, value in {**needed, **optional}.items()}
    raise ConfigError(f"details must be one of the details structs, not {type(details).__name__}")


_OPTIONAL: Final = ("company", "address2")


def _needed(details: object, name: str, check: Callable[[str, object], str | None] = checks.text) -> str:
    value = check(f"details.{name}", getattr(details, name))
    if not value or not value.strip():
        raise ConfigError(f"details.{name} is missing")
    return value
