"""An order with a code, a PIN and an e-mail address."""

from decimal import Decimal

from xoxo_async import Order, Secret, VoucherCode
from xoxo_async.wire import Masked

CODE, PIN, EMAIL = "HUNTER-TWO-ABCD", "7391", "jane@example.com"


def order() -> Order:
    voucher = VoucherCode(code_=Secret(CODE), pin=Secret(PIN), amount=Decimal("250.00"), valid_to_="31-12-2027")
    return Order(
        order_id=7,
        po_number="PO-7",
        order_total=Decimal("1E+3"),
        order_discount_="",
        vouchers=(voucher,),
        order_meta_=Masked({"email": EMAIL}),
        order_date_="2026-03-01 10:00:00",
    )
