"""The catalog's replies: filters, products, the operator of a phone number."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.entities import unescape
from xoxo_async.wire.enums import ValueType
from xoxo_async.wire.replies import Part, Reply
from xoxo_async.wire.scalars import parse_date, parse_datetime, to_decimal, to_text
from xoxo_async.wire.secrets import Masked, Secret
from xoxo_async.wire.tolerant import fit
from xoxo_async.wire.untyped import read_untyped

__all__ = ["Country", "Filter", "FilterGroup", "MobileOperator", "Perk", "Voucher"]


_ZERO: Final = Decimal(0)
_DIGITS: Final = 15
"""Values with more digits than `to_decimal` accepts go to it, so that it refuses them."""


class Filter(Part, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One value of a filter.

    Attributes:
        filter_value: The name of the value for people; it may hold HTML entities.
        filter_value_code: The value to filter by, for example `usa`; it may be blank.
        iso_code: An ISO code; it may be missing, and some are wrong (Germany as GD, wire documentation § 4.1).
    """

    filter_value: str | None = None
    filter_value_code: str | None = None
    iso_code: str | None = None


class FilterGroup(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The values of one filter: countries, currencies, categories.

    Attributes:
        filter_group_name: The name of the group.
        filter_group_description: The description of the group.
        filter_group_code: The code of the group, for `list_filters`.
        filters: The values.
    """

    filter_group_name: str | None = None
    filter_group_description: str | None = None
    filter_group_code: str | None = None
    filters: tuple[Filter, ...] = ()


class Country(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A country in which a product can be used."""

    code: str | None = None
    name: str | None = None


class Perk(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The code and the link of a perk. They need no order, and anyone who reads them can spend them.

    Attributes:
        code: The code; empty where there is none.
        link: The address at which the perk is redeemed; empty where there is none.
        type: The kind of the perk.
        category_type: `offers`.
    """

    code: Secret = Secret("")
    link: Secret = Secret("")
    type: str | None = None
    category_type: str | None = msgspec.field(default=None, name="categorytype")
    expiry_date_: Any = msgspec.field(default=None, name="expiryDate")

    @property
    def expiry_date(self) -> date | None:
        """The last day on which the perk is valid."""
        return parse_date(self.expiry_date_)


class Voucher(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A product of the catalog. Descriptions are the vendor's HTML.

    Attributes:
        product_id: The id, with which the product is ordered.
        name: The name.
        value_type: `fixed_denomination` or `open_value`.
        currency_code: The currency of the values.
        country_code: The country in which the product can be used.
        delivery_type: `realtime` or `delayed`.
        usage_type: `online`, `offline`, `both`.
        order_quantity_limit: The most pieces that one order may hold.
        is_phone_number_mandatory: Whether an order needs `contact`.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"meta_data"})  # a text of any kind, which stays masked

    product_id: int
    name: str = ""
    description: str | None = None
    terms_and_conditions_instructions: str | None = None
    expiry_and_validity: str | None = None
    redemption_instructions: str | None = None
    image_url: str | None = None
    currency_code: str = ""
    currency_name: str | None = None
    country_name: str | None = None
    country_code: str | None = None
    countries: tuple[Country, ...] = ()
    value_type: ValueType = ValueType.NONE
    usage_type: str | None = None
    delivery_type: str | None = None
    order_quantity_limit: int | None = None
    is_phone_number_mandatory: bool = False
    is_recommended: bool = False
    is_free: bool = msgspec.field(default=False, name="is_free")
    is_dummy_product: bool = False
    show_discount_percent: bool = False
    filter_group_code: str | None = None
    loyalty_name: str | None = None
    loyalty_conversion: Any = None
    parent_product_id: int | None = None
    brand: Any = None
    product_images: Any = None
    variants: Any = None
    redemption_fee_type: str | None = None
    redemption_fee_borne_by_user: bool | None = None
    is_common: str | None = None
    # Gift cards have a text or null in `metaData`, perks an object with code and link in `metadata` (wire documentation
    # § 4.2). Both stay masked, and an odd one does not fail the page.
    meta_data_: Masked | None = msgspec.field(default=None, name="metaData")
    metadata_: Masked | None = msgspec.field(default=None, name="metadata")
    # Each of these has several types on the wire, or is money and may be blank (wire documentation § 4.2). A property
    # reads it on demand, so a page of a thousand products decodes in one pass, and one odd fee does not fail the page.
    min_value_: Any = msgspec.field(default=None, name="minValue")
    max_value_: Any = msgspec.field(default=None, name="maxValue")
    fee_: Any = msgspec.field(default=None, name="fee")
    discount_: Any = msgspec.field(default=None, name="discount")
    redemption_fee_: Any = msgspec.field(default=None, name="redemptionFee")
    redemption_fee_tax_: Any = msgspec.field(default=None, name="redemptionFeeTax")
    exchange_rate_rule_: Any = msgspec.field(default=None, name="exchangeRateRule")
    value_denominations_: Any = msgspec.field(default=None, name="valueDenominations")
    tat_in_days_: Any = msgspec.field(default=None, name="tatInDays")
    exchange_rate_: Any = msgspec.field(default=None, name="exchangeRate")
    categories_: Any = msgspec.field(default=None, name="categories")
    last_update_date_: Any = msgspec.field(default=None, name="lastUpdateDate")
    product_meta_: Any = msgspec.field(default=None, name="productMeta")

    @property
    def min_value(self) -> Decimal | None:
        """The lowest value of an open-value product; 0 for fixed denominations."""
        return to_decimal(self.min_value_)

    @property
    def max_value(self) -> Decimal | None:
        """The highest value of an open-value product; 0 for fixed denominations. Some are below `min_value`."""
        return to_decimal(self.max_value_)

    @property
    def fee(self) -> Decimal | None:
        """The fee, in percent."""
        return to_decimal(self.fee_)

    @property
    def discount(self) -> Decimal | None:
        """The discount, in percent."""
        return to_decimal(self.discount_)

    @property
    def redemption_fee(self) -> Decimal | None:
        """The fee at redemption, in percent or as an amount; see `redemption_fee_type`."""
        return to_decimal(self.redemption_fee_)

    @property
    def redemption_fee_tax(self) -> Decimal | None:
        """The tax on that fee."""
        return to_decimal(self.redemption_fee_tax_)

    @property
    def exchange_rate_rule(self) -> Decimal | None:
        """The exchange rate, which only the older catalog sends."""
        return to_decimal(self.exchange_rate_rule_)

    @property
    def denominations(self) -> tuple[Decimal, ...]:
        """The denominations in ascending order. An open-value product may list some as well."""
        parts = self.value_denominations_
        if isinstance(parts, str) and parts.isascii() and parts.replace(",", "").isdigit():
            # Nearly all products list whole numbers. The general way below gives the same result in more time.
            try:
                whole = sorted({*map(Decimal, parts.split(","))})
            except ArithmeticError:
                whole = [_ZERO]  # there are two commas in a row, which the general way below skips
            if whole[0] and whole[-1].adjusted() < _DIGITS:
                return tuple(whole)
        items: list[object]
        if isinstance(parts, list):
            items = cast("list[object]", parts)
        else:
            items = list(parts.split(",")) if isinstance(parts, str) else [parts]
        values = {value for item in items if (value := to_decimal(item)) is not None and value > 0}
        return tuple(sorted(values))

    @property
    def tat_in_days(self) -> str:
        """The number of days until delivery, as the vendor writes it: `0`, `1 - 7`."""
        return "" if self.tat_in_days_ is None else str(self.tat_in_days_)

    @property
    def exchange_rate(self) -> Decimal | None:
        """The exchange rate into the account's currency; None unless `exchange_rates` was set."""
        return to_decimal(self.exchange_rate_)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, without HTML entities."""
        text = self.categories_ if isinstance(self.categories_, str) else ""
        return tuple(unescape(part).strip() for part in text.split(",") if part.strip())

    @property
    def last_update_date(self) -> datetime | None:
        """When the vendor last changed the product; the time has no zone."""
        return parse_datetime(self.last_update_date_)

    @property
    def product_meta(self) -> Mapping[str, object]:
        """The checkout fields, which the vendor sends as JSON in a string. Fractions are Decimals."""
        value = self.product_meta_
        if isinstance(value, str):
            try:
                value = read_untyped(value)
            except DecodeError:
                return {}
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}

    @property
    def meta_data(self) -> str | None:
        """The metadata of a gift card."""
        value = self.meta_data_.reveal() if self.meta_data_ is not None else None
        return value if isinstance(value, str) else None

    @property
    def metadata(self) -> Perk | None:
        """The code and the link of a perk; None for any other product."""
        for masked in (self.metadata_, self.meta_data_):
            value = masked.reveal() if masked is not None else None
            if isinstance(value, dict) and value:
                return cast("Perk", fit(cast("dict[str, object]", value), Perk, "$.metadata"))
        return None


class MobileOperator(Reply, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The operator of a phone number. The vendor documents two sets of fields (§ 4.8); each attribute reads either.

    Attributes:
        status: `success` or `failure`, or 1.
        message: The vendor's text.
        is_active: Whether the number is in use.
        country_code: The country; the second set of fields alone has it.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"phone"})

    status: Any = None
    message: str | None = None
    is_active: bool | None = msgspec.field(default=None, name="is_active")
    country_code: str | None = None
    network_operator_: str | None = msgspec.field(default=None, name="network_operator")
    operator_: str | None = msgspec.field(default=None, name="operator")
    phone_: Masked | None = msgspec.field(default=None, name="phone")
    parent_product_id_: int | None = msgspec.field(default=None, name="parentProductId")
    product_id_: int | None = msgspec.field(default=None, name="productId")

    @property
    def phone(self) -> str | None:
        """The phone number."""
        return to_text(self.phone_)

    @property
    def network_operator(self) -> str | None:
        """The name of the operator."""
        return self.network_operator_ or self.operator_

    @property
    def parent_product_id(self) -> int | None:
        """The operator's product id, for `list_vouchers(category="topup", parent_product_id=...)`."""
        return self.parent_product_id_ or self.product_id_
