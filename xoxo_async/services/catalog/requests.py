"""What the catalogue is asked with, and how arguments become that."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from xoxo_async.errors import ConfigError
from xoxo_async.paging import check_page
from xoxo_async.services import checks

__all__ = [
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
"""Another catalogue than gift cards. `offers` is the vendor's word for perks; either will do."""


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


_PERKS: Final = frozenset({"perks", "offers"})


def filters_request(group_code: str, include: Sequence[str], exclude: Sequence[str]) -> FiltersRequest:
    """Check the arguments of `list_filters` and make its request of them.

    Args:
        group_code: One group; empty is all.
        include: Only these values.
        exclude: Not these values.

    Raises:
        ConfigError: When an argument is wrong.
    """
    code = checks.text("group_code", group_code) or ""
    included, excluded = _codes("include", include), _codes("exclude", exclude)
    if (included or excluded) and not code:
        raise ConfigError("include and exclude are honoured with a group_code only")
    return FiltersRequest(code, included, excluded)


def vouchers_request(
    *,
    page: int,
    limit: int,
    country: str | None,
    currency: str | None,
    product_ids: Sequence[int],
    category: Category | None,
    filters: Mapping[str, str] | None,
    sort: tuple[str, str] | None,
    exclude_product_ids: Sequence[int],
    parent_product_id: int | None,
    exchange_rates: bool,
) -> VouchersRequest:
    """Check the arguments of `list_vouchers`, which describes them, and make its request of them.

    Raises:
        ConfigError: When an argument is wrong.
    """
    check_page(page, limit)
    if category is not None and category not in get_args(Category):
        raise ConfigError(f"category must be one of {', '.join(get_args(Category))}")
    wanted = {"country": country, "currencyCode": currency, **(filters or {})}
    given = {key: checks.text(f"filters[{key}]", value) for key, value in wanted.items() if value is not None}
    return VouchersRequest(
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
