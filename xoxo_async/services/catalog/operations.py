"""The operations of the catalog."""

from typing import Final

from xoxo_async.operation import EffectClass, Layout, Operation, SuccessFlag
from xoxo_async.services.catalog.replies import FilterGroup, MobileOperator, Voucher
from xoxo_async.services.catalog.requests import FiltersRequest, MobileRequest, VouchersRequest

__all__ = ["GET_FILTERS", "GET_VOUCHERS", "LOOKUP_MOBILE_NUMBER"]

GET_FILTERS: Final = Operation(
    "getFilters",
    query="plumProAPI.mutation.getFilters",
    request=FiltersRequest,
    reply=tuple[FilterGroup, ...],
    effect=EffectClass.READ,
    also_under=("fetchFilters",),  # the vendor's page on perks shows this name (wire documentation § 4.1)
)


GET_VOUCHERS: Final = Operation(
    "getVouchers",
    query="plumProAPI.mutation.getVouchers",
    request=VouchersRequest,
    reply=tuple[Voucher, ...],
    effect=EffectClass.READ,
    empty_on=frozenset({"PLE10030"}),  # "No Vouchers Found", also past the last page (wire documentation § 4.2)
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
    loose=True,  # one page has the fields beside the flag, another in `data` (wire documentation § 4.8)
    proof=("network_operator", "operator"),
)
