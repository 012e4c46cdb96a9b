"""`wire.replies`: replies as plain values, with codes and personal data masked unless revealed by name."""

import copy
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.wire.orders import CODE, EMAIL, PIN, order
from xoxo_async import Page, Secret, errors
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.services.account import Balance, TokenInfo
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import OrderProduct, OrderSummary, VoucherCode
from xoxo_async.services.points import PointsCredit, PointsSent
from xoxo_async.wire import Masked, RawReply
from xoxo_async.wire.decoder import ReplyDecoder
from xoxo_async.wire.replies import keep_answer


def test_a_dict_masks_codes_and_people() -> None:
    """It has the names of the attributes, amounts as plain texts, dates as ISO, and nothing secret."""
    shown = order().to_dict()
    text = json.dumps(shown)
    assert not any(secret in text for secret in (CODE, PIN, EMAIL))
    assert shown["order_total"] == "1000"
    assert (shown["order_date"], shown["delivery_date"], shown["order_discount"]) == ("2026-03-01T10:00:00", None, None)
    (voucher,) = shown["vouchers"]
    assert (voucher["code"], voucher["pin"], voucher["valid_to"]) == ("****ABCD", "****", "2027-12-31")
    assert (shown["email"], shown["order_meta"], shown["contact"]) == ("****", "****", None)
    assert not {"raw", "extra", "order_date_", "code_"} & {*shown, *voucher}


@pytest.mark.parametrize(
    ("written", "encoded"),
    [
        (
            {"voucherCode": CODE, "validity": "2027-12-31", "amount": 5},
            {"voucherCode": {"masked": "****ABCD"}, "validity": "2027-12-31", "amount": "5"},
        ),
        (
            {"code": CODE, "validTo": "31-12-2027", "amount": 5},
            {"code": {"masked": "****ABCD"}, "validTo": "31-12-2027", "amount": "5"},
        ),
    ],
    ids=["newer wire", "older wire"],
)
def test_only_written_fields_are_encoded(written: dict[str, Any], encoded: dict[str, Any]) -> None:
    """An empty `code` beside the `voucherCode` would read as a voucher without a code. `to_dict` is alike for both."""
    voucher = ReplyDecoder(VoucherCode).decode(msgspec.json.encode(written))
    assert msgspec.json.decode(msgspec.json.encode(voucher)) == encoded
    shown = voucher.to_dict()
    assert (shown["code"], shown["valid_to"], shown["amount"]) == ("****ABCD", "2027-12-31", "5")


def test_secrets_are_revealed_by_name() -> None:
    """True reveals all, names reveal themselves at any depth, and anything else is refused."""
    everything = order().to_dict(reveal=True)
    assert everything["email"] == EMAIL
    assert everything["order_meta"] == {"email": EMAIL}
    assert everything["vouchers"][0]["pin"] == PIN
    codes = order().to_dict(reveal={"code"})
    assert (codes["vouchers"][0]["code"], codes["vouchers"][0]["pin"], codes["email"]) == (CODE, "****", "****")
    for wrong in ("code", 5, None):
        with pytest.raises(errors.ConfigError, match="reveal must be"):
            order().to_dict(reveal=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reply",
    [
        order(),
        TokenInfo(access_token=Secret(CODE), refresh_token=Secret(PIN)),
        Voucher(product_id=1, metadata_=Masked({"code": CODE, "link": PIN}), meta_data_=Masked(CODE)),
        Page((Voucher(product_id=1, metadata_=Masked({"code": CODE})), order()), 1, 100),
        PointsSent(
            recipients_=(
                PointsCredit(unique_id=1, email_=Masked(EMAIL), name_=Masked(CODE), phone_number_=Masked(PIN)),
            )
        ),
        OrderSummary(order_id=1, email_=Masked(EMAIL), products=(OrderProduct(receiver_email_=Masked(EMAIL)),)),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_no_reply_shows_a_secret(reply: Any) -> None:
    """Neither `to_dict`, nor msgspec, nor a repr has a code, a PIN, a token or data of people."""
    for text in (json.dumps(reply.to_dict()), msgspec.json.encode(reply).decode(), repr(reply)):
        assert not any(secret in text for secret in (CODE, PIN, EMAIL))


def test_msgspec_writes_masked_replies() -> None:
    """Without any hook: the vendor's names, amounts as texts, a masked object for each secret, and no raw answer."""
    made = order()
    keep_answer(made, RawReply(b"{}"))
    written = msgspec.json.decode(msgspec.json.encode(made))
    assert written["orderTotal"] == "1E+3"
    assert written["vouchers"][0]["code"] == {"masked": "****ABCD"}
    assert not [name for name in written if "raw" in name and name not in {"rawOrderTotal", "rawOrderDiscount"}]


def test_pages_and_reports_are_handed_on() -> None:
    """A page has its items and its place; a report of a run has its counts."""
    page = Page((Balance(value=Decimal("1.50"), currency="INR"),), 2, 100)
    item = {"value": "1.50", "currency": "INR", "points": None}
    assert page.to_dict() == {"items": [item], "number": 2, "limit": 100, "is_last": True}
    counts = {"rows": 1, "issued": 1, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0}
    report = Report(job="j", ledger="l", charged={"INR": Decimal("9.50")}, pause=Pause.NONE, **counts)
    shown = report.to_dict()
    assert (shown["charged"], shown["rows"], shown["pause"]) == ({"INR": "9.50"}, 1, "")


def test_odd_values_fail_no_page() -> None:
    """A fee that is no amount becomes None, and a moment has its zone."""
    assert Voucher(product_id=1, fee_="odd").to_dict()["fee"] is None
    token = TokenInfo(access_token=Secret("t"), access_token_expiry_=1_800_000_000_000)
    assert token.to_dict()["expires_at"] == datetime.fromtimestamp(1_800_000_000, UTC).isoformat()


def test_a_reply_frees_its_answer() -> None:
    """The place for it is a slot of a base class, which msgspec does not know: it has to be freed with the reply."""
    raw = RawReply(b"{}")
    before = sys.getrefcount(raw)
    made = order()
    keep_answer(made, raw)
    assert made.raw is raw
    assert made == order()
    assert copy.copy(made).raw is None
    del made
    assert sys.getrefcount(raw) == before
