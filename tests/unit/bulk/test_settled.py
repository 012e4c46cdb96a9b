"""`settled`: an outcome masks its codes, and says what its message needs next."""

from decimal import Decimal

import msgspec
import pytest

from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.bulk.settled import SettledLine
from xoxo_async.wire.enums import VoucherType

PLACED = LedgerLine(
    seq=1,
    key="m-1",
    po_number="march-m-1",
    digest="d",
    body="{}",
    row=1,
    state=LineState.PLACED,
    attempts=1,
    order_id=7,
    delivery=Delivery.DELIVERED,
    amount_charged=Decimal(95),
    currency="INR",
)


def line(**other: object) -> LedgerLine:
    return msgspec.structs.replace(PLACED, **other)


def test_codes_are_masked_and_whole() -> None:
    """Whoever prints an outcome shows no code; whoever reveals it has all of the voucher."""
    stored = StoredCode("CASH-1", "9876", valid_to="2027-01-31", amount="100", currency="INR", type="code_pin")
    settled = SettledLine.of(PLACED, [stored])
    (voucher,) = settled.codes
    assert (voucher.code.reveal(), voucher.pin.reveal()) == ("CASH-1", "9876")
    assert (str(voucher.valid_to), voucher.amount, voucher.currency, voucher.type) == (
        "2027-01-31",
        Decimal(100),
        "INR",
        "code_pin",
    )
    assert "CASH-1" not in repr(settled)
    assert "9876" not in repr(settled)
    assert (settled.order_id, settled.amount_charged, settled.verdict.action) == (7, Decimal(95), "done")


def test_a_code_alone_is_a_voucher() -> None:
    """A code without PIN, value and date reads as such."""
    (voucher,) = SettledLine.of(PLACED, [StoredCode("CASH-1")]).codes
    assert (voucher.pin.reveal(), voucher.valid_to, voucher.amount, voucher.currency) == ("", None, None, None)


@pytest.mark.parametrize(
    ("stands", "action", "words"),
    [
        (line(), "done", ""),
        (line(delivery=Delivery.PENDING), "again", "order 7 is placed, and its codes are still to come"),
        (line(delivery=Delivery.CANCELLED), "person", "cancelled the delivery of order 7 (m-1)"),
        (
            line(state=LineState.REJECTED, error="DenominationError: no"),
            "person",
            "m-1 is rejected after 1 send: DenominationError",
        ),
        (line(state=LineState.MANUAL, attempts=5, error="sold out"), "person", "m-1 is manual after 5 sends: sold out"),
        (line(state=LineState.CANCELLED, attempts=0), "person", "m-1 is cancelled: no reason is kept"),
    ],
)
def test_each_outcome_has_a_verdict(stands: LedgerLine, action: str, words: str) -> None:
    """A refusal is an outcome: it goes to a person with its reason, and never comes again."""
    verdict = SettledLine.of(stands).verdict
    assert (verdict.action, verdict.pause) == (action, False)
    assert words in verdict.why
    assert (verdict.after_s > 0) == (action == "again")


def test_codes_need_not_be_awaited() -> None:
    """Where the vendor sends the codes to the receiver, a placed order is all that a message needs."""
    assert SettledLine.of(line(delivery=Delivery.PENDING), await_codes=False).verdict.action == "done"
    assert SettledLine.of(line(delivery=Delivery.CANCELLED), await_codes=False).verdict.action == "person"


def test_a_delivered_order_needs_all_its_codes() -> None:
    """A message without codes that have come goes to a person; an order that never had codes lacks none."""
    delivered, whole = line(held=2), [StoredCode("CASH-1"), StoredCode("CASH-2")]
    assert SettledLine.of(delivered, whole).verdict.action == "done"
    for codes in (whole[:1], [whole[0], StoredCode("CASH-2", type=VoucherType.CODE_PIN.value)]):
        verdict = SettledLine.of(delivered, codes).verdict
        assert (verdict.action, verdict.pause) == ("person", False)
        assert "order 7 (m-1) is delivered, but its codes cannot be handed over" in verdict.why
        assert "the vendor lists 1 of 2 codes that are its own" in verdict.why
        assert "CASH" not in verdict.why
    assert "gone" in SettledLine.of(delivered, refused="gone").verdict.why
    assert SettledLine.of(delivered, await_codes=False).verdict.action == "done"
    assert SettledLine.of(line(held=0)).verdict.action == "done"
