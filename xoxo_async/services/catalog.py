"""The catalogue: filters, products, and the operator of a phone number."""

import html
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, cast, get_args

import msgspec

from xoxo_async.errors import ConfigError, DecodeError, NotFoundError
from xoxo_async.operation import Dispatch, EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.paging import Page, check_page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.wire import Masked, Secret, ValueType, fit, parse_date, parse_datetime, read_untyped, to_decimal

__all__ = [
    "GET_FILTERS",
    "GET_VOUCHERS",
    "LOOKUP_MOBILE_NUMBER",
    "CatalogService",
    "Category",
    "Country",
    "Filter",
    "FilterGroup",
    "MobileOperator",
    "Perk",
    "Voucher",
]

Category = Literal["lounge", "miles", "merchandise", "topup", "charity", "perks", "offers"]
"""Another catalogue than gift cards. `offers` is the vendor's word for perks; either will do."""


class Filter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One value to filter by.

    Attributes:
        filter_value: Its name, for people; may hold HTML entities.
        filter_value_code: What the filter takes, for example `usa`; may be blank.
        iso_code: An ISO code, where there is one; some are known to be wrong (Germany as GD).
    """

    filter_value: str | None = None
    filter_value_code: str | None = None
    iso_code: str | None = None


class FilterGroup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Values of one kind: countries, currencies, categories.

    Attributes:
        filter_group_name: Its name.
        filter_group_description: Its description.
        filter_group_code: What to ask for it by.
        filters: Its values.
    """

    filter_group_name: str | None = None
    filter_group_description: str | None = None
    filter_group_code: str | None = None
    filters: tuple[Filter, ...] = ()


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """A country a product is good in."""

    code: str | None = None
    name: str | None = None


class Perk(msgspec.Struct, frozen=True, kw_only=True):
    """What a perk holds at once, without an order: cash for whoever reads it.

    Attributes:
        code: The code; empty where there is none.
        link: Where it is redeemed; empty where there is none.
        type: What it holds.
        category_type: `offers`.
    """

    code: Secret = Secret("")
    link: Secret = Secret("")
    type: str | None = None
    category_type: str | None = msgspec.field(default=None, name="categorytype")
    expiry_date_: str | None = msgspec.field(default=None, name="expiryDate")

    @property
    def expiry_date(self) -> date | None:
        """The last day it is good."""
        return parse_date(self.expiry_date_)


class Voucher(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A product of the catalogue. Descriptions are the vendor's HTML.

    Attributes:
        product_id: What to order it by.
        name: Its name.
        value_type: `fixed_denomination` or `open_value`.
        currency_code: The currency of its values.
        country_code: The country it is good in.
        delivery_type: `realtime` or `delayed`.
        usage_type: `online`, `offline`, `both`.
        order_quantity_limit: Pieces an order may hold.
        is_phone_number_mandatory: Whether `contact` must be given.
    """

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
    # Gift cards have a text or null in the one, perks an object with code and link in the other: never shown as they
    # are, and never a reason to lose the page.
    meta_data_: Masked | None = msgspec.field(default=None, name="metaData")
    metadata_: Masked | None = msgspec.field(default=None, name="metadata")
    # Documented in several types each, or money, which may be blank: read on demand. So a page of a thousand products
    # decodes in one pass, and one product's odd fee never costs the page.
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
    last_update_date_: str | None = msgspec.field(default=None, name="lastUpdateDate")
    product_meta_: Any = msgspec.field(default=None, name="productMeta")

    @property
    def min_value(self) -> Decimal | None:
        """The least value, for open values; 0 for fixed denominations."""
        return to_decimal(self.min_value_)

    @property
    def max_value(self) -> Decimal | None:
        """The greatest value, for open values; 0 for fixed denominations. Known to be below `min_value` at times."""
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
        """The fee at redemption; percent or an amount, as `redemption_fee_type` says."""
        return to_decimal(self.redemption_fee_)

    @property
    def redemption_fee_tax(self) -> Decimal | None:
        """The tax on that fee."""
        return to_decimal(self.redemption_fee_tax_)

    @property
    def exchange_rate_rule(self) -> Decimal | None:
        """The rate in the older catalogue."""
        return to_decimal(self.exchange_rate_rule_)

    @property
    def denominations(self) -> tuple[Decimal, ...]:
        """The values on offer, ascending; open-value products may list some, too."""
        parts = self.value_denominations_
        items: list[object]
        if isinstance(parts, list):
            items = cast("list[object]", parts)
        else:
            items = list(parts.split(",")) if isinstance(parts, str) else [parts]
        if all(isinstance(item, str) and item.isascii() and item.isdigit() and len(item) < 16 for item in items):
            # Whole numbers, as the vendor writes nearly all of them: Python's integers are the quicker ones to sort.
            return tuple(map(Decimal, sorted({int(item) for item in cast("list[str]", items)} - {0})))
        values = {value for item in items if (value := to_decimal(item)) is not None and value > 0}
        return tuple(sorted(values))

    @property
    def tat_in_days(self) -> str:
        """The days delivery takes: `0`, `1 - 7`."""
        return "" if self.tat_in_days_ is None else str(self.tat_in_days_)

    @property
    def exchange_rate(self) -> Decimal | None:
        """The rate into the account's currency, where it was asked for."""
        return to_decimal(self.exchange_rate_)

    @property
    def categories(self) -> tuple[str, ...]:
        """Its categories, HTML entities resolved."""
        text = self.categories_ if isinstance(self.categories_, str) else ""
        return tuple(html.unescape(part).strip() for part in text.split(",") if part.strip())

    @property
    def last_update_date(self) -> datetime | None:
        """When the vendor last changed it, without a zone."""
        return parse_datetime(self.last_update_date_)

    @property
    def product_meta(self) -> Mapping[str, object]:
        """The checkout fields, sent as JSON in a string, fractions as Decimal; empty where there are none."""
        value = self.product_meta_
        if isinstance(value, str):
            try:
                value = read_untyped(value)
            except DecodeError:
                return {}
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}

    @property
    def meta_data(self) -> str | None:
        """What gift cards have for metadata."""
        value = self.meta_data_.reveal() if self.meta_data_ is not None else None
        return value if isinstance(value, str) else None

    @property
    def metadata(self) -> Perk | None:
        """What a perk holds; None for everything else."""
        for masked in (self.metadata_, self.meta_data_):
            value = masked.reveal() if masked is not None else None
            if isinstance(value, dict) and value:
                return cast("Perk", fit(cast("dict[str, object]", value), Perk, "$.metadata"))
        return None


class MobileOperator(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who a phone number belongs to. The vendor documents two sets of fields; each attribute reads either.

    Attributes:
        status: `success` or `failure`, or 1.
        message: The vendor's words.
        phone: The number.
        is_active: Whether the number is in use.
        country_code: The country; only in the second set.
    """

    status: Any = None
    message: str | None = None
    phone: str | None = None
    is_active: bool | None = msgspec.field(default=None, name="is_active")
    country_code: str | None = None
    network_operator_: str | None = msgspec.field(default=None, name="network_operator")
    operator_: str | None = msgspec.field(default=None, name="operator")
    parent_product_id_: int | None = msgspec.field(default=None, name="parentProductId")
    product_id_: int | None = msgspec.field(default=None, name="productId")

    @property
    def network_operator(self) -> str | None:
        """The operator."""
        return self.network_operator_ or self.operator_

    @property
    def parent_product_id(self) -> int | None:
        """The product whose plans fit: `list_vouchers(category="topup", parent_product_id=...)`."""
        return self.parent_product_id_ or self.product_id_


class FiltersRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The request of getFilters."""

    filter_group_code: str = ""
    include_filters: str = ""
    exclude_filters: str = ""


class Sort(msgspec.Struct, frozen=True):
    """How products are sorted."""

    field: str
    order: str


class FilterBy(msgspec.Struct, frozen=True):
    """One filter of products."""

    key: str
    value: str


class VouchersRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The request of getVouchers."""

    limit: int
    page: int
    include_products: str = ""
    exclude_products: str = ""
    exchange_rate: int | None = None
    sort: Sort | None = None
    filters: tuple[FilterBy, ...] = ()
    category_type: str = ""
    category_types: str = ""
    parent_product_id: int | None = None


class MobileRequest(msgspec.Struct, frozen=True):
    """The request of lookupMobileNumber."""

    mobile_number: str


GET_FILTERS: Final = Operation(
    "getFilters",
    query="plumProAPI.mutation.getFilters",
    request=FiltersRequest,
    reply=tuple[FilterGroup, ...],
    effect=EffectClass.READ,
    also_under=("fetchFilters",),  # the perks page answers under this name
)

GET_VOUCHERS: Final = Operation(
    "getVouchers",
    query="plumProAPI.mutation.getVouchers",
    request=VouchersRequest,
    reply=tuple[Voucher, ...],
    effect=EffectClass.READ,
    empty_on=frozenset({"PLE10030"}),  # "no vouchers found", also past the last page
    empty=(),
)

LOOKUP_MOBILE_NUMBER: Final = Operation(
    "lookupMobileNumber",
    query="plumProAPI.mutation.lookupMobileNumber",
    request=MobileRequest,
    reply=MobileOperator,
    effect=EffectClass.READ,
    layout=Layout.FLAT,
    flag=SuccessFlag.STATUS_1,
    loose=True,  # one page has the fields beside the flag, another has them in `data`
)


class CatalogService:
    """Read the catalogue. Nothing here moves money.

    Args:
        dispatch: Runs operations.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch: Final = dispatch

    async def list_filters(
        self, group_code: str = "", *, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> list[FilterGroup]:
        """Read what products can be filtered by. Moves no money; one getFilters call.

        Args:
            group_code: One group (`country`, `currencyCode`, `voucher_category`); empty is all.
            include: Only these values of the group, by `filter_value_code`.
            exclude: Not these values of the group.

        Returns:
            The groups.

        Raises:
            ConfigError: `include` or `exclude` without a group, where the vendor does not honour them.
            NotFoundError: There is no such group.
            XoxoError: The call failed.

        Example:
            ```python
            groups = await xoxo.catalog.list_filters("country")
            ```
        """
        code = checks.text("group_code", group_code) or ""
        included, excluded = _codes("include", include), _codes("exclude", exclude)
        if (included or excluded) and not code:
            raise ConfigError("include and exclude are honoured with a group_code only")
        groups = await self._dispatch(GET_FILTERS, FiltersRequest(code, included, excluded))
        return list(groups)

    async def list_vouchers(
        self,
        *,
        page: int = 1,
        limit: int = 100,
        country: str | None = None,
        currency: str | None = None,
        product_ids: Sequence[int] = (),
        category: Category | None = None,
        filters: Mapping[str, str] | None = None,
        sort: tuple[str, Literal["ASC", "DESC"]] | None = None,
        exclude_product_ids: Sequence[int] = (),
        parent_product_id: int | None = None,
        exchange_rates: bool = False,
    ) -> Page[Voucher]:
        """Read one page of products. Moves no money; one getVouchers call, of which there are fifty a minute.

        Args:
            page: The page, from 1.
            limit: Products a page; the vendor states no maximum.
            country: Only this country: a `filter_value_code` such as `usa`, not an ISO code.
            currency: Only this currency, `USD`.
            product_ids: Only these products. (A filter by productId is silently ignored by the vendor.)
            category: Another catalogue than gift cards.
            filters: Further filters by the vendor's keys, for example `{"productName": "shoes"}`.
            sort: `name` or `lastUpdateDate`, and `ASC` or `DESC`.
            exclude_product_ids: Not these products.
            parent_product_id: With `category="topup"`, the plans of one operator.
            exchange_rates: Whether to fill in `Voucher.exchange_rate`.

        Returns:
            The page; past the end it is empty.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.catalog.list_vouchers(country="usa", limit=50)
            ```
        """
        check_page(page, limit)
        if category is not None and category not in get_args(Category):
            raise ConfigError(f"category must be one of {', '.join(get_args(Category))}")
        wanted = {"country": country, "currencyCode": currency, **(filters or {})}
        given = {key: checks.text(f"filters[{key}]", value) for key, value in wanted.items() if value is not None}
        request = VouchersRequest(
            limit=limit,
            page=page,
            include_products=_ids("product_ids", product_ids),
            exclude_products=_ids("exclude_product_ids", exclude_product_ids),
            exchange_rate=1 if exchange_rates else None,
            sort=_sort(sort),
            filters=tuple(FilterBy(key, value or "") for key, value in given.items()),
            # Perks alone are asked for by the plural, and under another word.
            category_type="" if category is None or category in _PERKS else category,
            category_types="offers" if category in _PERKS else "",
            parent_product_id=_operator(parent_product_id, category),
        )
        return Page(await self._dispatch(GET_VOUCHERS, request), page, limit)

    def iterate_vouchers(
        self,
        *,
        limit: int = 100,
        country: str | None = None,
        currency: str | None = None,
        product_ids: Sequence[int] = (),
        category: Category | None = None,
        filters: Mapping[str, str] | None = None,
        sort: tuple[str, Literal["ASC", "DESC"]] | None = None,
        exclude_product_ids: Sequence[int] = (),
        parent_product_id: int | None = None,
        exchange_rates: bool = False,
    ) -> AsyncIterator[Voucher]:
        """Iterate over all products. Moves no money; one getVouchers call a page, of which there are fifty a minute.

        Args:
            limit: Products a page.
            country: As for `list_vouchers`, like all that follow.
            currency: Only this currency.
            product_ids: Only these products.
            category: Another catalogue than gift cards.
            filters: Further filters by the vendor's keys.
            sort: `name` or `lastUpdateDate`, and `ASC` or `DESC`.
            exclude_product_ids: Not these products.
            parent_product_id: With `category="topup"`, the plans of one operator.
            exchange_rates: Whether to fill in `Voucher.exchange_rate`.

        Returns:
            An iterator over the products, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The server sends the same page again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for product in xoxo.catalog.iterate_vouchers(currency="USD"):
                print(product.product_id, product.name)
            ```
        """

        async def fetch(page: int) -> Page[Voucher]:
            return await self.list_vouchers(
                page=page,
                limit=limit,
                country=country,
                currency=currency,
                product_ids=product_ids,
                category=category,
                filters=filters,
                sort=sort,
                exclude_product_ids=exclude_product_ids,
                parent_product_id=parent_product_id,
                exchange_rates=exchange_rates,
            )

        return iterate_pages(fetch)

    async def get_voucher(self, product_id: int) -> Voucher:
        """Read one product. Moves no money; one getVouchers call.

        Args:
            product_id: The product.

        Returns:
            The product.

        Raises:
            NotFoundError: The account's catalogue has no such product.
            XoxoError: The call failed.

        Example:
            ```python
            product = await xoxo.catalog.get_voucher(1001)
            ```
        """
        for product in await self.list_vouchers(product_ids=(product_id,), limit=1):
            if product.product_id == product_id:
                return product
        raise NotFoundError(f"no product {product_id} in this account's catalogue", operation=GET_VOUCHERS.name)

    async def lookup_mobile_number(self, number: str) -> MobileOperator:
        """Find the operator of a phone number, for top-ups. Moves no money; one call.

        Args:
            number: The number in E.164, `+12125550100`.

        Returns:
            The operator.

        Raises:
            ConfigError: The number is no E.164 number.
            XoxoError: The call failed, or the vendor does not know the number.

        Example:
            ```python
            operator = await xoxo.catalog.lookup_mobile_number("+12125550100")
            ```
        """
        return await self._dispatch(LOOKUP_MOBILE_NUMBER, MobileRequest(checks.e164("number", number)))


_PERKS: Final = frozenset({"perks", "offers"})


def _operator(parent_product_id: int | None, category: str | None) -> int | None:
    if parent_product_id is None:
        return None
    if category != "topup":
        raise ConfigError('parent_product_id goes with category="topup"')
    return checks.whole("parent_product_id", parent_product_id)


def _codes(name: str, codes: Sequence[str]) -> str:
    if isinstance(codes, str):
        raise ConfigError(f"{name} must be a list of texts")
    return ",".join(checks.needed(name, code) for code in codes)


def _ids(name: str, product_ids: Sequence[int]) -> str:
    return ",".join(str(checks.whole(name, product_id)) for product_id in product_ids)


def _sort(sort: tuple[str, str] | None) -> Sort | None:
    if sort is None:
        return None
    field, order = sort
    if field not in {"name", "lastUpdateDate"} or order not in {"ASC", "DESC"}:
        raise ConfigError("sort must be ('name' or 'lastUpdateDate', 'ASC' or 'DESC')")
    return Sort(field, order)
