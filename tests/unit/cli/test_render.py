"""`render`: masks, money, plain values, as they are shown."""

import json
from datetime import date
from decimal import Decimal

import pytest

from xoxo_async.cli.render import amounts, json_text, mask, money, public
from xoxo_async.services.orders import Order, VoucherCode
from xoxo_async.wire import Secret


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("", ""),
        ("123456", "****"),
        ("SBX-FEA1-D7FF-736554F4", "****54F4"),
        ("https://gift.example.com/c/abcdefgh12345678", "****"),
    ],
)
def test_a_code_shows_at_most_its_last_four_characters(code: str, shown: str) -> None:
    """Short codes, PINs and links show nothing at all; long codes their end; --reveal everything."""
    assert mask(code) == shown
    assert mask(code, reveal=True) == code


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (Decimal(1250), "INR 1,250"),
        (Decimal("1250.50"), "INR 1,250.50"),
        (Decimal("1E+3"), "INR 1,000"),
        (Decimal("-0.10"), "INR -0.10"),
    ],
)
def test_money_is_exact_and_readable(value: Decimal | None, shown: str) -> None:
    """Amounts keep their digits, in groups of three, the currency before them."""
    assert money(value, "INR") == shown


def test_sums_name_every_currency() -> None:
    """Sums are sorted by currency, and no sum at all is said in a word."""
    assert amounts({"USD": Decimal(5), "INR": Decimal(1000)}) == "INR 1,000, USD 5"
    assert amounts({}) == "nothing"


def test_a_reply_becomes_plain_values_with_its_codes_masked() -> None:
    """A reply's own names are used, properties included; secrets are masked wherever they stand; money is exact."""
    voucher = VoucherCode(voucher_code_=Secret("ABCD-EFGH-IJKL"), pin=Secret("9876"), validity_="2027-12-31")
    order = Order(order_id=7, amount_charged=Decimal("0.10"), vouchers=(voucher,))
    text = json_text(public(order))
    assert "ABCD" not in text
    assert "9876" not in text
    told = json.loads(text, parse_float=Decimal)
    assert told["amount_charged"] == Decimal("0.10")
    assert told["vouchers"][0]["valid_to"] == date(2027, 12, 31).isoformat()
    assert public(order, reveal=True)["vouchers"][0]["code"] == "ABCD-EFGH-IJKL"
