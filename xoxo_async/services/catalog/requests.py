"""The catalog's requests, and the checks of their arguments."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal, TypedDict, Unpack, get_args

import msgspec

from xoxo_async.errors import ArgumentError
from xoxo_async.services import checks
from xoxo_async.wire.secrets import Private

__all__ = [
    "CatalogFilters",
    "Category",
    "FilterBy",
    "FiltersRequest",
    "MobileRequest",
    "Sort",
    "VouchersRequest",
    "filters_request",
    "vouchers_request",
]

Category = Literal["lounge", "miles", "merchandise", "topup", "charity", "perks", "offers"]
"""A catalog other than gift cards. `offers` is the vendor's word for perks; both names mean the same."""


class CatalogFilters(TypedDict, total=False):
    """The filters of `list_vouchers` and `iterate_vouchers`. Each is optional.

    Attributes:
        country: The only country: a `filter_value_code` such as `usa`, not an ISO code; `get_country` finds it.
        currency: The only currency, for example `USD`.
        product_ids: The only products. The vendor ignores a filter with the key `productId`, so use this one.
        category: A catalog other than gift cards.
        filters: More filters by the vendor's keys, for example `{"productName": "shoes"}`.
        sort: `name` or `lastUpdateDate`, and `ASC` or `DESC`.
        exclude_product_ids: The products to leave out.
        parent_product_id: With `category="topup"`, the operator whose plans are returned.
        exchange_rates: Whether the reply has `Voucher.exchange_rate`.
    """

    country: str | None
    currency: str | None
    product_ids: Sequence[int]
    category: Category | None
    filters: Mapping[str, str] | None
    sort: tuple[str, Literal["ASC", "DESC"]] | None
    exclude_product_ids: Sequence[int]
    parent_product_id: int | None
    exchange_rates: bool


class FiltersRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The request of getFilters."""

    filter_group_code: str = ""
    include_filters: str = ""
    exclude_filters: str = ""


class Sort(msgspec.Struct, frozen=True):
    """The order of products."""

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


class MobileRequest(Private, frozen=True):
    """The request of lookupMobileNumber."""

    personal: ClassVar[frozenset[str]] = frozenset({"mobile_number"})

    mobile_number: str


_PERKS: Final = frozenset({"perks", "offers"})
_FILTERS: Final = frozenset(CatalogFilters.__annotations__)


def filters_request(group_code: str, include: Sequence[str], exclude: Sequence[str]) -> FiltersRequest:
    """Check the arguments of `list_filters`, and make its request.

    Args:
        group_code: The group; empty means all groups.
        include: The only values to return.
        exclude: The values to leave out.

    Raises:
        ConfigError: An argument is wrong.
    """
    code = checks.text("group_code", group_code) or ""
    included, excluded = _codes("include", include), _codes("exclude", exclude)
    if (included or excluded) and not code:
        # Without a group the vendor ignores both lists (wire documentation § 4.1).
        raise ArgumentError("include and exclude need a group_code")
    return FiltersRequest(code, included, excluded)


def vouchers_request(*, page: int, limit: int, **filters: Unpack[CatalogFilters]) -> VouchersRequest:
    """Check the arguments of `list_vouchers`, and make its request.

    Args:
        page: The page, from 1.
        limit: Products a page.
        **filters: See `CatalogFilters`.

    Raises:
        ConfigError: An argument is wrong.
        TypeError: There is no such filter.
    """
    if unknown := filters.keys() - _FILTERS:
        raise TypeError(f"the catalog has no filter {min(unknown)!r}")
    checks.check_page(page, limit)
    category = filters.get("category")
    if category is not None and category not in get_args(Category):
        raise ArgumentError(f"category must be one of {', '.join(get_args(Category))}")
    return VouchersRequest(
        limit=limit,
        page=page,
        include_products=_ids("product_ids", filters.get("product_ids", ())),
        exclude_products=_ids("exclude_product_ids", filters.get("exclude_product_ids", ())),
        exchange_rate=1 if filters.get("exchange_rates") else None,
        sort=_sort(filters.get("sort")),
        filters=_filter_by(filters),
        # Perks alone have the plural name, and their own word (wire documentation § 4.2).
        category_type="" if category is None or category in _PERKS else category,
        category_types="offers" if category in _PERKS else "",
        parent_product_id=_operator(filters.get("parent_product_id"), category),
    )


def _filter_by(filters: CatalogFilters) -> tuple[FilterBy, ...]:
    # The vendor's table has `currency`, and the wire has `currencyCode` (wire documentation § 4.1).
    named = {"country": filters.get("country"), "currencyCode": filters.get("currency")}
    wanted = {**named, **(filters.get("filters") or {})}
    return tuple(
        FilterBy(key, checks.text(f"filters[{key}]", value) or "") for key, value in wanted.items() if value is not None
    )


def _operator(parent_product_id: int | None, category: str | None) -> int | None:
    if parent_product_id is None:
        return None
    if category != "topup":
        raise ArgumentError('parent_product_id goes with category="topup"')
    return checks.whole("parent_product_id", parent_product_id)


def _codes(name: str, codes: Sequence[str]) -> str:
    if isinstance(codes, str):
        raise ArgumentError(f"{name} must be a list of texts")
    return ",".join(checks.needed(name, code) for code in codes)


def _ids(name: str, product_ids: Sequence[int]) -> str:
    return ",".join(str(checks.whole(name, product_id)) for product_id in product_ids)


def _sort(sort: tuple[str, str] | None) -> Sort | None:
    if sort is None:
        return None
    field, order = sort
    if field not in {"name", "lastUpdateDate"} or order not in {"ASC", "DESC"}:
        raise ArgumentError("sort must be ('name' or 'lastUpdateDate', 'ASC' or 'DESC')")
    return Sort(field, order)
