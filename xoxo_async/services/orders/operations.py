"""The operations of orders, and the requests of those that read."""

from datetime import date
from typing import Final

import msgspec

from xoxo_async.operation import EffectClass, Operation
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.services.placing import PlaceOrder

__all__ = ["GET_ORDER", "GET_ORDER_HISTORY", "PLACE_ORDER", "HistoryRequest", "OrderLookup"]


class OrderLookup(msgspec.Struct, frozen=True, rename="camel"):
    """The request of getOrderDetails: one of the two, the other one empty."""

    po_number: str = ""
    order_id: int = 0
    # 1 would send the voucher e-mail again; no look-up of ours ever does.
    send_mail_to_receiver: int = 0


class HistoryRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The request of getOrderHistory."""

    start_date: date
    end_date: date
    limit: int
    page: int
    tag: str | None = None


PLACE_ORDER: Final = Operation(
    "placeOrder",
    query="plumProAPI.mutation.placeOrder",
    request=PlaceOrder,
    reply=Order,
    effect=EffectClass.KEYED,
)


GET_ORDER: Final = Operation(
    "getOrderDetails",
    query="plumProAPI.mutation.getOrderDetails",
    request=OrderLookup,
    reply=Order,
    effect=EffectClass.READ,
)


GET_ORDER_HISTORY: Final = Operation(
    "getOrderHistory",
    query="plumProAPI.mutation.getOrderHistory",
    request=HistoryRequest,
    reply=tuple[OrderSummary, ...],
    effect=EffectClass.READ,
    empty_on=frozenset({"PLE10027", "PLE10022"}),  # an empty range is an HTTP 404 on the vendor's side
    empty=(),
)
