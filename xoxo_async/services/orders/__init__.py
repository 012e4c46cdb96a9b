"""Orders: place, look up, settle, list. Placing moves money, once for each poNumber."""

from xoxo_async.services.orders.details import AirmilesDetails, Details, LoungeDetails, ShippingDetails, TopUpDetails
from xoxo_async.services.orders.matching import contradictions, dates_apart
from xoxo_async.services.orders.operations import GET_ORDER, GET_ORDER_HISTORY, PLACE_ORDER
from xoxo_async.services.orders.replies import Order, OrderProduct, OrderSummary, VoucherCode, VoucherDetail
from xoxo_async.services.orders.requests import (
    MAX_QUANTITY,
    HistoryRequest,
    OrderFields,
    OrderLookup,
    PlaceOrder,
    place_order,
)
from xoxo_async.services.orders.service import OrderService

__all__ = [
    "GET_ORDER",
    "GET_ORDER_HISTORY",
    "MAX_QUANTITY",
    "PLACE_ORDER",
    "AirmilesDetails",
    "Details",
    "HistoryRequest",
    "LoungeDetails",
    "Order",
    "OrderFields",
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
