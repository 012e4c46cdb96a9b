"""Pydantic v2 models of the order's answer and of a catalog page, with the SDK's fields."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A model whose names are those on the wire."""

    model_config = ConfigDict(alias_generator=to_camel)


class VoucherCode(Wire):
    """A voucher."""

    product_id: int | None = None
    order_id: int | None = None
    voucher_code: str = ""
    pin: str = ""
    validity: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    country: str | None = None
    type: str | None = None
    currency_value: Decimal | None = None


class VoucherDetail(Wire):
    """A product of the order."""

    order_id: int | None = None
    product_id: int | None = None
    product_name: str | None = None
    currency_code: str | None = None
    product_status: str | None = None
    denomination: Decimal | None = None
    vendor_logo: str | None = None


class Order(Wire):
    """The order."""

    order_id: int
    order_total: Decimal | None = None
    raw_order_total: Decimal | None = None
    order_discount: str | None = None
    raw_order_discount: str | None = None
    discount_percent: str | None = None
    currency_code: str | None = None
    currency_value: Decimal | None = None
    amount_charged: Decimal | None = None
    order_status: str | None = None
    delivery_status: str | None = None
    tag: str | None = None
    quantity: int | None = None
    vouchers: list[VoucherCode] = []
    voucher_details: list[VoucherDetail] = []
    order_meta: dict[str, Any] | None = None


class Outcome(Wire):
    """The inner reply."""

    status: int
    data: Order | None = None


class Data(Wire):
    """The outer reply."""

    place_order: Outcome | None = None


class Reply(Wire):
    """The whole answer."""

    data: Data | None = None


class Country(Wire):
    """A country where a product can be used."""

    code: str | None = None
    name: str | None = None


class Voucher(Wire):
    """A product with the SDK's fields: money is Decimal, and a field with several types is a union."""

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
    countries: list[Country] = []
    value_type: str | None = None
    usage_type: str | None = None
    delivery_type: str | None = None
    order_quantity_limit: int | None = None
    is_phone_number_mandatory: bool = False
    is_recommended: bool = False
    is_free: bool = Field(default=False, alias="is_free")
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
    meta_data: Any = None
    metadata: Any = None
    min_value: Decimal | None = None
    max_value: Decimal | None = None
    fee: Decimal | None = None
    discount: Decimal | None = None
    redemption_fee: Decimal | None = None
    redemption_fee_tax: Decimal | None = None
    exchange_rate_rule: Decimal | None = None
    exchange_rate: Decimal | None = None
    value_denominations: str | None = None
    tat_in_days: str | int | None = None
    categories: str | None = None
    last_update_date: datetime | None = None
    product_meta: str | None = None


class PageOutcome(Wire):
    """The inner reply of getVouchers."""

    status: int
    data: list[Voucher] = []


class PageData(Wire):
    """The outer reply."""

    get_vouchers: PageOutcome | None = None


class CatalogPage(Wire):
    """The whole answer."""

    data: PageData | None = None
