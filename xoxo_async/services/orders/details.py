"""What some product categories need besides an order's own fields: one struct for each category."""

from datetime import date
from typing import ClassVar

from xoxo_async.wire.secrets import Private

__all__ = ["AirmilesDetails", "Details", "LoungeDetails", "ShippingDetails", "TopUpDetails"]


class LoungeDetails(Private, frozen=True, kw_only=True):
    """The traveller, for airport lounge products.

    Attributes:
        first_name: The traveller's first name.
        last_name: The traveller's last name.
        flight_departure_date: The day of the flight.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"first_name", "last_name"})

    first_name: str
    last_name: str
    flight_departure_date: date


class AirmilesDetails(Private, frozen=True, kw_only=True):
    """The account that the miles go to.

    Attributes:
        loyalty_member_id: The member's number in the airline's programme.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"loyalty_member_id"})

    loyalty_member_id: str


class TopUpDetails(Private, frozen=True, kw_only=True):
    """The phone that is topped up.

    Attributes:
        phone_code: The country's dialling code, `+91`.
        phone_number: The number without the dialling code.
        validate_operator: Have the vendor check that the number belongs to the product's operator.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"phone_number"})

    phone_code: str
    phone_number: str
    validate_operator: bool = False


class ShippingDetails(Private, frozen=True, kw_only=True):
    """The address that merchandise is sent to.

    Attributes:
        first_name: The receiver's first name.
        last_name: The receiver's last name.
        contact_no: The receiver's phone.
        address1: Street and number.
        city: The town.
        country: The country.
        state: The state or province.
        postcode: The postal code.
        company: The company; may be empty.
        address2: A second address line; may be empty.
    """

    personal: ClassVar[frozenset[str]] = frozenset(
        {"first_name", "last_name", "contact_no", "address1", "address2", "city", "state", "postcode", "company"}
    )

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
