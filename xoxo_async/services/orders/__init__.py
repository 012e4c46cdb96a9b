"""Orders: place, look up, settle, list. The one domain whose calls move money under a key."""

from xoxo_async.services.orders.matching import contradictions, dates_apart
from xoxo_async.services.orders.operations import GET_ORDER, GET_ORDER_HISTORY, PLACE_ORDER, HistoryRequest, OrderLookup
from xoxo_async.services.orders.replies import Order, OrderProduct, OrderSummary, VoucherCode, VoucherDetail
from xoxo_async.services.orders.service import OrderService
from xoxo_async.services.placing import (
    AirmilesDetails,
    Details,
    LoungeDetails,
    PlaceOrder,
    ShippingDetails,
    TopUpDetails,
    place_order,
)

__all__ = [
    "GET_ORDER",
    "GET_ORDER_HISTORY",
    "PLACE_ORDER",
    "AirmilesDetails",
    "Details",
    "HistoryRequest",
    "LoungeDetails",
    "Order",
    "OrderLookup",
    "OrderProduct",
    "OrderService",
    "OrderSummary",
    "PlaceOrder",
    "ShippingDetails",
    "TopUpDetails",
    "VoucherCode",
    "VoucherDetail",
    "contradictions",
    "dates_apart",
    "place_order",
]
