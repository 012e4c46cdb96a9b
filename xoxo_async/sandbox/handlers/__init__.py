"""The sandbox's operations, one module for each service of the client.

A handler takes the books and the request's data. It returns the reply's data, or raises the vendor's refusal.
"""

from collections.abc import Callable
from typing import Final

from xoxo_async.sandbox.handlers.account import get_balance, payment_history
from xoxo_async.sandbox.handlers.catalog import get_filters, get_vouchers, lookup_mobile_number
from xoxo_async.sandbox.handlers.links import (
    campaign_details,
    campaign_list,
    generate_link,
    generate_link_email,
)
from xoxo_async.sandbox.handlers.orders import get_order_details, get_order_history, place_order
from xoxo_async.sandbox.handlers.points import as_openapi, cancel_balance, send_balance, user_balance
from xoxo_async.sandbox.reading import Data
from xoxo_async.sandbox.state import State

__all__ = ["FLAT_HANDLERS", "HANDLERS", "Handler", "as_openapi"]

Handler = Callable[[State, Data, bool], object]

HANDLERS: Final[dict[str, Handler]] = {
    "getFilters": get_filters,
    "getVouchers": get_vouchers,
    "getBalance": get_balance,
    "placeOrder": place_order,
    "getOrderDetails": get_order_details,
    "getOrderHistory": get_order_history,
    "paymentHistory": payment_history,
    "getPaymentReport": payment_history,
}
"""The operations that answer `{"status": 1, "data": ...}`; the third argument is whether to answer as OpenAPI says."""

FLAT_HANDLERS: Final[dict[str, Callable[[State, Data], object]]] = {
    "user_balance": user_balance,
    "sendBalance": send_balance,
    "cancelBalance": cancel_balance,
    "campaignList": campaign_list,
    "campaignDetails": campaign_details,
    "generateLink": generate_link,
    "generateLinkEmail": generate_link_email,
    "lookupMobileNumber": lookup_mobile_number,
}
"""The operations whose reply carries its own success flag."""
