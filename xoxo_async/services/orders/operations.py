"""The operations of orders."""

from typing import Final

from xoxo_async.operation import EffectClass, Operation
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.services.orders.requests import HistoryRequest, OrderLookup, PlaceOrder

__all__ = ["GET_ORDER", "GET_ORDER_HISTORY", "PLACE_ORDER"]

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
    empty_on=frozenset({"PLE10027", "PLE10022"}),  # the vendor answers an empty range with 404 (wire docs § 4.6)
    empty=(),
)
