"""`budget`: what a line may cost is reserved, and settled by its charge."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.ledger.budget import Funds, Spending, amount, overcharge, shortage, total_committed, units
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState


def test_amounts_are_whole_and_rounded_up() -> None:
    """A budget is never undercut by rounding."""
    assert units(Decimal("0.00001")) == 1
    assert units(Decimal("12.5")) == 125_000
    assert units(None) is None
    assert amount(125_000) == Decimal("12.5")


def test_a_charge_above_its_reservation_is_reported() -> None:
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


def test_groups_add_up_to_what_is_committed() -> None:
    """What was charged counts where it is a positive amount in the account's currency, else what it may cost."""
    groups = [
        Spending(LineState.PLACED, 1_000_000, Decimal(90), "INR", 2),
        Spending(LineState.PLACED, 1_000_000, Decimal(1), "USD", 1),
        Spending(LineState.PLACED, 1_000_000, Decimal(0), "INR", 1),
        Spending(LineState.UNKNOWN, 1_000_000, None, "", 3),
        Spending(LineState.PLANNED, 1_000_000, None, "", 50),
        Spending(LineState.REJECTED, 1_000_000, None, "", 50),
    ]
    assert amount(total_committed(groups, "INR")) == 180 + 100 + 100 + 300


def test_a_line_fits_where_enough_is_left() -> None:
    """What was committed before, and what the same transaction reserves, is not left."""
    line = LedgerLine(1, "k", "po", "d", "{}", 7, worth=1_000_000)
    funds = Funds(committed=2_000_000, currency="INR")
    assert shortage(line, 4_000_000, funds, 1_000_000) == ""
    assert shortage(line, 3_999_999, funds, 1_000_000).startswith("row 7 (key k) may cost 100, and 99.9999 is left")
