"""The operations of the catalogue."""

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
    proof=("network_operator", "operator"),
)
