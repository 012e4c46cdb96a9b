"""`budget`: what a line may cost is reserved, and settled by its charge."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.ledger.budget import amount, overcharge, units
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState


def test_amounts_are_whole_and_rounded_up() -> None:
    """A budget is never undercut by rounding."""
    assert units(Decimal("0.00001")) == 1
    assert units(Decimal("12.5")) == 125_000
    assert units(None) is None
    assert amount(125_000) == Decimal("12.5")


def test_a_charge_that_breaks_its_reservation_is_told() -> None:
    """More than was reserved, beyond a cent of rounding, or another currency than the account's."""
    line = LedgerLine(1, "k", "po", "d", "{}", 1, worth=1_000_000, state=LineState.PLACED, order_id=5, currency="INR")
    for charged, currency, word in [
        ("100", "INR", ""),
        ("100.01", "INR", ""),
        ("0", "INR", ""),
        ("100.02", "INR", "at most 100 was reserved"),
        ("90", "USD", "account's currency is INR"),
    ]:
        told = overcharge(msgspec.structs.replace(line, amount_charged=Decimal(charged), currency=currency), "INR")
        assert word in told
        assert bool(told) == bool(word)
    unpriced = msgspec.structs.replace(line, worth=None, amount_charged=Decimal(500))
    assert overcharge(unpriced, "INR") == ""
