"""`matching`: whether an order is the one that was asked for, as far as its reply tells."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.errors import DecodeError
from xoxo_async.services.orders import Order, VoucherCode, VoucherDetail
from xoxo_async.services.orders.matching import differs, known, named
from xoxo_async.services.placing import PlaceOrder, place_order
from xoxo_async.wire import Secret


def asked(**fields: Any) -> PlaceOrder:
    return place_order(**{"product_id": 31, "denomination": "25.50", "po_number": "PO-7", "quantity": 2, **fields})


def order(**fields: Any) -> Order:
    return Order(**{"order_id": 900, **fields})


def code(product_id: int) -> VoucherCode:
    return VoucherCode(product_id=product_id, voucher_code_=Secret("HUNTER-2"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"quantity": 2},
        {"vouchers": (code(31), code(31))},
        {"vouchers": (code(0),)},
        {"voucher_details": (VoucherDetail(product_id=31, denomination=Decimal("25.5")),)},
        {"voucher_details": (VoucherDetail(),)},
        {"vouchers": (code(31),), "quantity": 2},
    ],
)
def test_what_a_reply_leaves_out_is_no_difference(fields: dict[str, Any]) -> None:
    """Nor is a value that is only written otherwise, or half of the codes."""
    assert differs(order(**fields), asked()) == ""


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"vouchers": (code(31), code(32))}, "it is for product 32, not 31"),
        ({"voucher_details": (VoucherDetail(product_id=32),)}, "it is for product 32, not 31"),
        ({"voucher_details": (VoucherDetail(denomination=Decimal(50)),)}, "its denomination is 50, not 25.50"),
        ({"voucher_details": (VoucherDetail(denomination=Decimal("1E+3")),)}, "its denomination is 1000, not 25.50"),
        ({"quantity": 1}, "its quantity is 1, not 2"),
    ],
)
def test_a_difference_is_said_in_words_without_a_code(fields: dict[str, Any], difference: str) -> None:
    """One voucher of many is enough; the sentence may go into a log."""
    assert differs(order(**fields), asked()) == difference


@pytest.mark.parametrize("order_id", [0, -1])
def test_an_order_without_an_id_is_none(order_id: int) -> None:
    """The error has the poNumber: whoever catches it can settle."""
    with pytest.raises(DecodeError, match="no order id") as caught:
        known(order(order_id=order_id), "PO-7")
    assert caught.value.po_number == "PO-7"
    with pytest.raises(DecodeError):
        named(order(order_id=order_id), "PO-7")


def test_an_order_that_exists_is_handed_on_and_named() -> None:
    """The wire does not echo the poNumber; the order bears the one it was asked with."""
    one = order()
    assert known(one) is one
    assert named(one, "PO-7") is one
    assert one.po_number == "PO-7"
