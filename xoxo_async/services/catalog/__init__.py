"""The catalog's filters and products, and the operator of a phone number."""

from xoxo_async.services.catalog.operations import GET_FILTERS, GET_VOUCHERS, LOOKUP_MOBILE_NUMBER
from xoxo_async.services.catalog.replies import Country, Filter, FilterGroup, MobileOperator, Perk, Voucher
from xoxo_async.services.catalog.requests import (
    CatalogFilters,
    Category,
    FilterBy,
    FiltersRequest,
    MobileRequest,
    Sort,
    VouchersRequest,
)
from xoxo_async.services.catalog.service import CatalogService

__all__ = [
    "GET_FILTERS",
    "GET_VOUCHERS",
    "LOOKUP_MOBILE_NUMBER",
    "CatalogFilters",
    "CatalogService",
    "Category",
    "Country",
    "Filter",
    "FilterBy",
    "FilterGroup",
    "FiltersRequest",
    "MobileOperator",
    "MobileRequest",
    "Perk",
    "Sort",
    "Voucher",
    "VouchersRequest",
]
