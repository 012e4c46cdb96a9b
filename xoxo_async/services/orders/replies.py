"""The replies of orders: an order with its codes, and an order of the history."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.enums import DeliveryStatus, OrderStatus, VoucherType
from xoxo_async.wire.replies import Part, Reply
from xoxo_async.wire.scalars import parse_date, parse_datetime, to_decimal, to_text
from xoxo_async.wire.secrets import Masked, Secret
from xoxo_async.wire.untyped import extra_fields, read_untyped

__all__ = ["Order", "OrderProduct", "OrderSummary", "VoucherCode", "VoucherDetail", "meta_of"]


class VoucherCode(Part, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One voucher. Whoever reads its code can spend it.

    The wire has two spellings: `code` with `validFrom` and `validTo`, and `voucherCode` with `validity`. `code`,
    `valid_from` and `valid_to` read either.

    Attributes:
        pin: The PIN; empty where there is none. A `url` voucher may have one too (wire documentation § 4.4).
        amount: Its value, in `currency`.
        currency: Its currency, which may differ from the account's.
        country: The country that it can be used in: a code, a comma list of codes, or a name.
        type: Whether `code` holds a code or a link, and whether there is a PIN.
        product_id: The product.
        order_id: The order of this voucher; may differ from the id of the `Order` that holds it.
        currency_value: The exchange rate used.
    """

    pin: Secret = Secret("")
    amount: Decimal | None = None
    currency: str | None = None
    country: str | None = None
    type: VoucherType = VoucherType.NONE
    product_id: int | None = None
    order_id: int | None = None
    currency_value: Decimal | None = None
    code_: Secret = msgspec.field(default=Secret(""), name="code")
    voucher_code_: Secret = msgspec.field(default=Secret(""), name="voucherCode")
    valid_from_: Any = msgspec.field(default=None, name="validFrom")
    valid_to_: Any = msgspec.field(default=None, name="validTo")
    validity_: Any = msgspec.field(default=None, name="validity")

    @property
    def code(self) -> Secret:
        """The code; for url types the link."""
        return self.code_ or self.voucher_code_

    @property
    def valid_from(self) -> date | None:
        """The first day on which it is valid."""
        return parse_date(self.valid_from_)

    @property
    def valid_to(self) -> date | None:
        """The last day on which it is valid."""
        return parse_date(self.valid_to_ or self.validity_)


class VoucherDetail(Part, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The part of an order that is of one product.

    Attributes:
        product_id: The product.
        product_name: Its name.
        denomination: The value of one piece.
        currency_code: The product's currency.
        product_status: Whether it was delivered.
        cancelled_quantity: Pieces cancelled out of the order.
        order_id: The order.
        vendor_logo: An image.
        tracking_id: The parcel's number, for merchandise.
        tracking_link: A page that shows where the parcel is.
    """

    product_id: int | None = None
    product_name: str | None = None
    denomination: Decimal | None = None
    currency_code: str | None = None
    product_status: DeliveryStatus = DeliveryStatus.NONE
    cancelled_quantity: int | None = None
    order_id: int | None = None
    vendor_logo: str | None = None
    tracking_id: str | None = None
    tracking_link: str | None = None


class Order(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An order that exists: the reply of placeOrder and of a look-up.

    Attributes:
        order_id: The vendor's id of it.
        po_number: The poNumber of the request; no reply holds it.
        order_status: Always `complete`, which means accepted. It says nothing of delivery.
        delivery_status: Whether the vendor calls the order delivered.
        order_total: Its price before discount, in the account's currency.
        amount_charged: What the account was charged.
        currency_code: The account's currency.
        currency_value: The exchange rate used.
        quantity: Pieces.
        tag: The tag it was placed with.
        raw_order_total: The price, unrounded.
        vouchers: The codes; empty while delivery is pending, and for merchandise and top-ups.
        voucher_details: Its products.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"order_meta", "shipping_details", "email", "contact"})

    order_id: int
    po_number: str = ""
    order_status: OrderStatus = OrderStatus.NONE
    delivery_status: DeliveryStatus = DeliveryStatus.NONE
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    amount_charged: Decimal | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    quantity: int | None = None
    tag: str | None = None
    vouchers: tuple[VoucherCode, ...] = ()
    voucher_details: tuple[VoucherDetail, ...] = ()
    order_meta_: Masked | None = msgspec.field(default=None, name="orderMeta")
    shipping_details_: Masked | None = msgspec.field(default=None, name="shippingDetails")
    # These are strings in most replies, often blank, and numbers in older ones (wire documentation § 4.4). A property
    # reads them on demand, so that the usual reply decodes in one pass.
    order_discount_: Any = msgspec.field(default=None, name="orderDiscount")
    raw_order_discount_: Any = msgspec.field(default=None, name="rawOrderDiscount")
    discount_percent_: Any = msgspec.field(default=None, name="discountPercent")
    order_date_: Any = msgspec.field(default=None, name="orderDate")
    delivery_date_: Any = msgspec.field(default=None, name="deliveryDate")

    @property
    def order_meta(self) -> Any:
        """The vendor's echo of e-mail, contact and the like."""
        return None if self.order_meta_ is None else self.order_meta_.reveal()

    @property
    def shipping_details(self) -> Any:
        """The address of merchandise; all blank for other orders."""
        return None if self.shipping_details_ is None else self.shipping_details_.reveal()

    @property
    def order_discount(self) -> Decimal | None:
        """The discount, in the account's currency."""
        return to_decimal(self.order_discount_)

    @property
    def raw_order_discount(self) -> Decimal | None:
        """The discount, unrounded."""
        return to_decimal(self.raw_order_discount_)

    @property
    def discount_percent(self) -> Decimal | None:
        """The discount, in percent."""
        return to_decimal(self.discount_percent_)

    @property
    def order_date(self) -> datetime | None:
        """When it was placed, without a time zone (most likely IST); None in the reply of placeOrder."""
        return parse_datetime(self.order_date_)

    @property
    def delivery_date(self) -> datetime | None:
        """When it was delivered; None while pending."""
        return parse_datetime(self.delivery_date_)

    @property
    def email(self) -> str:
        """The receiver's e-mail in the reply; empty where the reply has none."""
        return _echo(meta_of(self), "email", "receiverEmail")

    @property
    def contact(self) -> str:
        """The receiver's phone in the reply; empty where the reply has none."""
        return _echo(meta_of(self), "contact", "receiverMobileNumber")

    @property
    def extra(self) -> dict[str, object]:
        """Fields of the reply that the SDK does not know yet."""
        for key in ("placeOrder", "getOrderDetails"):
            found = extra_fields(self.raw, ("data", key, "data"), _ORDER_FIELDS)
            if found:
                return found
        return {}

    def __repr__(self) -> str:
        return (
            f"Order(order_id={self.order_id}, po_number={self.po_number!r}, "
            f"delivery_status={str(self.delivery_status)!r}, amount_charged={self.amount_charged}, "
            f"currency_code={self.currency_code!r}, quantity={self.quantity}, vouchers=<{len(self.vouchers)}>)"
        )


def meta_of(order: Order) -> dict[str, object]:
    """Return `order_meta`, the vendor's echo of e-mail, contact and the like, as a dict; empty where it holds nothing.

    Args:
        order: The order.
    """
    value: object = order.order_meta
    if isinstance(value, str) and value:
        try:
            value = read_untyped(value)  # the vendor writes other meta fields as JSON in a string (§ 4.2)
        except DecodeError:
            return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _echo(meta: dict[str, object], *names: str) -> str:
    """Return the first of some fields that is not blank. It may be a number, for example a phone."""
    for name in names:
        value = meta.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and (text := str(value).strip()):
            return text
    return ""


_ORDER_FIELDS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(Order))


class OrderProduct(Part, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A product of an order in the history."""

    personal: ClassVar[frozenset[str]] = frozenset({"receiver_mobile_number", "receiver_email"})

    product_id: int | None = None
    product_name: str | None = None
    price: Decimal | None = None
    quantity: int | None = None
    order_product_status: DeliveryStatus = DeliveryStatus.NONE
    currency: str | None = None
    tracking_id: str | None = None
    tracking_link: str | None = None
    receiver_mobile_number_: Masked | None = msgspec.field(default=None, name="receiverMobileNumber")
    receiver_email_: Masked | None = msgspec.field(default=None, name="receiverEmail")

    @property
    def receiver_mobile_number(self) -> str | None:
        """The receiver's phone."""
        return to_text(self.receiver_mobile_number_)

    @property
    def receiver_email(self) -> str | None:
        """The receiver's e-mail address."""
        return to_text(self.receiver_email_)


class OrderSummary(Part, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An order in the history: without codes, and the only reply with the poNumber (wire documentation § 4.6)."""

    personal: ClassVar[frozenset[str]] = frozenset({"email"})

    order_id: int
    po_number: str | None = None
    tag: str | None = None
    delivery_status: DeliveryStatus = DeliveryStatus.NONE
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    order_discount: Decimal | None = None
    raw_order_discount: Decimal | None = None
    discount_percent: Decimal | None = None
    amount_charged: Decimal | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    products: tuple[OrderProduct, ...] = ()
    voucher_details: tuple[VoucherDetail, ...] = ()
    email_: Masked | None = msgspec.field(default=None, name="email")
    order_date_: Any = msgspec.field(default=None, name="orderDate")

    @property
    def email(self) -> str | None:
        """The receiver's e-mail address."""
        return to_text(self.email_)

    @property
    def order_date(self) -> datetime | None:
        """When it was placed, without a time zone (most likely IST)."""
        return parse_datetime(self.order_date_)
