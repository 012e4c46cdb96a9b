"""The requests of orders, and the one check of each field of an order."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Final, NoReturn, Required, TypedDict, Unpack

import msgspec

from xoxo_async.errors import ArgumentError, ConfigError
from xoxo_async.services import checks
from xoxo_async.services.orders.details import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails
from xoxo_async.wire.secrets import Private

__all__ = [
    "FIELD_CHECKS",
    "MAX_QUANTITY",
    "HistoryRequest",
    "OrderFields",
    "OrderLookup",
    "PlaceOrder",
    "place_order",
    "place_order_of",
    "request_fields",
]

MAX_QUANTITY: Final = 9999
"""The vendor's absolute limit (PLE10041); most products hold 10 pieces an order, see `Voucher.order_quantity_limit`."""


class OrderFields(TypedDict, total=False):
    """The fields of one order: what `place()` takes.

    Attributes:
        product_id: The product.
        denomination: A piece's value in its currency: one of `denominations`, or `min_value` to `max_value`. A `float`
            counts as its shortest text: 0.1 is exactly 0.1.
        po_number: Your key, 1 to 100 characters, unique for ever. Derive it from what is bought, not the attempt.
        quantity: Pieces, from 1 (the default) to the product's `order_quantity_limit` (10 for most).
        email: The receiver's address.
        contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
        tag: Free text; the order history can be filtered by it.
        notify_receiver: Have the vendor e-mail the codes to the receiver; needs `email`.
        notify_admin: Have the vendor e-mail the account's administrator.
        details: What lounges, airmiles, top-ups and merchandise need besides.
    """

    product_id: Required[int]
    denomination: Required[Decimal | float | str]
    po_number: Required[str]
    quantity: int
    email: str | None
    contact: str | None
    tag: str | None
    notify_receiver: bool
    notify_admin: bool
    details: Details | None


class _Lounge(msgspec.Struct, rename="camel"):
    first_name: str
    last_name: str
    flight_departure_date: str
    category_type: str = "lounge"


class _UserMeta(msgspec.Struct, rename="camel", omit_defaults=True):
    loyalty_member_id: str | None = None
    topup_phone_code: str | None = None
    topup_phone_number: str | None = None


_PERSONAL: Final = frozenset(
    {
        "email", "contact", "lounge_data", "user_meta", "shipping_first_name", "shipping_last_name",
        "shipping_contact_no", "shipping_company", "shipping_address1", "shipping_address2", "shipping_city",
        "shipping_state", "shipping_postcode",
    }
)  # fmt: skip


# gc=False: it can be part of no cycle, and without it the collector walks the many that a plan has alive at a time
# (measured with 50,000 rows: a tenth less CPU time for planning, a third less for packing).
class PlaceOrder(Private, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The request of placeOrder as the wire has it. `place_order` makes it and checks every field."""

    personal: ClassVar[frozenset[str]] = _PERSONAL

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


class OrderLookup(msgspec.Struct, frozen=True, rename="camel"):
    """The request of getOrderDetails: one of poNumber and order id; the other one stays empty."""

    po_number: str = ""
    order_id: int = 0
    # 1 makes the vendor send the voucher e-mail again (wire documentation § 4.5), so a look-up always sends 0.
    send_mail_to_receiver: int = 0


class HistoryRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The request of getOrderHistory."""

    start_date: date
    end_date: date
    limit: int
    page: int
    tag: str | None = None


def place_order(**order: Unpack[OrderFields]) -> PlaceOrder:
    """Make the request of placeOrder, or name the first field that is wrong. Sends nothing.

    Args:
        **order: The fields of the order, see `OrderFields`.

    Raises:
        ConfigError: A field is wrong; the message begins with its name.
        TypeError: A required field is missing, or there is no such field.
    """
    return place_order_of(order)


def place_order_of(order: OrderFields) -> PlaceOrder:
    """Do as `place_order` does, for fields that are in one mapping already.

    Args:
        order: The fields of the order.

    Raises:
        ConfigError: A field is wrong; the message begins with its name.
        TypeError: A required field is missing, or there is no such field.
    """
    return PlaceOrder(**request_fields(order, _refuse))


def request_fields(order: Mapping[str, object], report: Callable[[str, ConfigError], None]) -> dict[str, Any]:
    """Check every field of an order, and return what the request holds of them.

    This is the only check of an order's fields: `place()` and every row of a bulk job use it.

    Args:
        order: The fields by name. The names are those of `OrderFields`.
        report: Called with a field's name and its error for each field that is wrong.

    Returns:
        The fields of `PlaceOrder`. Fields that are wrong are missing.

    Raises:
        TypeError: There is no such field.
    """
    # Both flags are always sent: the vendor does not say what an absent flag means (wire documentation § 4.4), and a
    # mail cannot be undone.
    request: dict[str, Any] = {"quantity": 1, "notify_receiver_email": 0, "notify_admin_email": 0}
    for name, value in order.items():
        try:
            wire_name, check = FIELD_CHECKS[name]
        except KeyError:
            raise TypeError(f"an order has no field {name!r}") from None
        if value is None and name in _MAY_BE_NONE:
            continue
        try:
            request[wire_name] = check(name, value)
        except ConfigError as error:
            report(name, error)
    if "details" in request:
        request.update(request.pop("details"))
    if request["notify_receiver_email"] and not order.get("email"):
        report("notify_receiver", ArgumentError("notify_receiver needs an email"))
    return request


def _refuse(_name: str, error: ConfigError) -> NoReturn:
    raise error


def _quantity(name: str, value: object) -> int:
    return checks.whole(name, value, high=MAX_QUANTITY)


def _details(_name: str, details: object) -> dict[str, Any]:
    """Check the details of a category, and return the fields that they add to the request."""
    if isinstance(details, LoungeDetails):
        day = checks.day("details.flight_departure_date", details.flight_departure_date)
        first, last = _needed(details, "first_name"), _needed(details, "last_name")
        # DD-MM-YYYY in this block alone; the history takes ISO dates (wire documentation § 4.4, § 4.6).
        return {"lounge_data": _Lounge(first, last, day.strftime("%d-%m-%Y"))}
    if isinstance(details, AirmilesDetails):
        member = _needed(details, "loyalty_member_id")
        if checks.lost_digits(member):
            raise ArgumentError(f"details.loyalty_member_id is {member}: {checks.LOST_DIGITS}")
        return {"user_meta": _UserMeta(loyalty_member_id=member)}
    if isinstance(details, TopUpDetails):
        meta = _UserMeta(
            topup_phone_code=_needed(details, "phone_code", checks.phone),
            topup_phone_number=_needed(details, "phone_number", checks.phone),
        )
        return {"user_meta": meta, "perform_operator_validation": int(details.validate_operator)}
    if isinstance(details, ShippingDetails):
        needed = {name: _needed(details, name) for name in details.__struct_fields__ if name not in _MAY_BE_EMPTY}
        checks.phone("details.contact_no", details.contact_no)
        optional = {name: checks.text(f"details.{name}", getattr(details, name)) for name in _MAY_BE_EMPTY}
        return {f"shipping_{name}": value for name, value in {**needed, **optional}.items()}
    raise ArgumentError(
        f"details must be LoungeDetails, AirmilesDetails, TopUpDetails or ShippingDetails, not {type(details).__name__}"
    )


def _needed(details: object, name: str, check: Callable[[str, object], str | None] = checks.text) -> str:
    value = check(f"details.{name}", getattr(details, name))
    if not value or not value.strip():
        raise ArgumentError(f"details.{name} is missing")
    return value


FIELD_CHECKS: Final[dict[str, tuple[str, Callable[[str, object], Any]]]] = {
    "product_id": ("product_id", checks.whole),
    "denomination": ("denomination", checks.money),
    "po_number": ("po_number", checks.po_number),
    "quantity": ("quantity", _quantity),
    "email": ("email", checks.email),
    "contact": ("contact", checks.phone),
    "tag": ("tag", checks.text),
    "notify_receiver": ("notify_receiver_email", checks.flag),
    "notify_admin": ("notify_admin_email", checks.flag),
    "details": ("details", _details),
}
"""For each field of an order: its name in `PlaceOrder`, and its check. Details become several fields."""
_MAY_BE_NONE: Final = frozenset({"email", "contact", "tag", "details"})
_MAY_BE_EMPTY: Final = ("company", "address2")
"""The fields of `ShippingDetails` that may be empty. They are sent all the same."""
