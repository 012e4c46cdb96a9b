"""Whether an order is the one that was asked for."""

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.services.orders.replies import Order
from xoxo_async.services.placing import PlaceOrder

__all__ = ["differs", "known", "named"]


def differs(order: Order, request: PlaceOrder) -> str:
    """Say in what an order is not the one requested; empty when it is, or when the reply does not tell.

    Args:
        order: The order found under the request's poNumber.
        request: What was asked for.
    """
    product, value = request.product_id, request.denomination
    for voucher in order.vouchers:
        if voucher.product_id and voucher.product_id != product:
            return f"it is for product {voucher.product_id}, not {product}"
    for detail in order.voucher_details:
        if detail.product_id and detail.product_id != product:
            return f"it is for product {detail.product_id}, not {product}"
        if detail.denomination and detail.denomination != value:
            return f"its denomination is {detail.denomination:f}, not {value:f}"
    if order.quantity and order.quantity != request.quantity:
        return f"its quantity is {order.quantity}, not {request.quantity}"
    return ""


def named(order: Order, po_number: str) -> Order:
    """Give an order the poNumber it was asked with.

    Args:
        order: The order.
        po_number: The poNumber.
    """
    msgspec.structs.force_setattr(known(order, po_number), "po_number", po_number)
    return order


def known(order: Order, po_number: str | None = None) -> Order:
    """Return an order that exists: an id of 0 or less is none.

    Args:
        order: The order answered.
        po_number: The poNumber asked with, for the error.
    """
    if order.order_id <= 0:
        raise DecodeError("the answer has no order id", po_number=po_number)
    return order
