"""`reply_values`: replies become plain values, masked and exact."""

import json
from datetime import date
from decimal import Decimal

from xoxo_async.cli.json_output import json_text
from xoxo_async.cli.reply_values import to_json
from xoxo_async.services.orders import Order, VoucherCode
from xoxo_async.wire import Secret


def test_a_reply_becomes_masked_plain_values() -> None:
    """It has the reply's names and properties, every secret is masked, and money is exact."""
    voucher = VoucherCode(voucher_code_=Secret("ABCD-EFGH-IJKL"), pin=Secret("9876"), validity_="2027-12-31")
    order = Order(order_id=7, amount_charged=Decimal("0.10"), vouchers=(voucher,))
    text = json_text(to_json(order))
    assert "ABCD" not in text
    assert "9876" not in text
    told = json.loads(text, parse_float=Decimal)
    assert told["amount_charged"] == Decimal("0.10")
    assert told["vouchers"][0]["valid_to"] == date(2027, 12, 31).isoformat()
    assert to_json(order, reveal=True)["vouchers"][0]["code"] == "ABCD-EFGH-IJKL"
