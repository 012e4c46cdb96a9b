"""`budget`: what a line may cost is reserved, and settled by its charge."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.ledger.budget import (
    Funds,
    Spending,
    amount,
    first_unpriced,
    is_unpriced,
    overcharge,
    shortage,
    total_committed,
    units,
)
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
        Spending(LineState.PLACED, 1_000_000, Decimal(90), "INR", 2, 1),
        Spending(LineState.PLACED, 1_000_000, Decimal(1), "USD", 1, 1),
        Spending(LineState.PLACED, 1_000_000, Decimal(0), "INR", 1, 1),
        Spending(LineState.UNKNOWN, 1_000_000, None, "", 3, 1),
        Spending(LineState.PLANNED, 1_000_000, None, "", 50, 1),
        Spending(LineState.REJECTED, 1_000_000, None, "", 50, 1),
    ]
    assert amount(total_committed(groups, "INR")) == 180 + 100 + 100 + 300


def test_a_line_fits_where_enough_is_left() -> None:
    """What was committed before, and what the same transaction reserves, is not left."""
    line = LedgerLine(1, "k", "po", "d", "{}", 7, worth=1_000_000)
    funds = Funds(committed=2_000_000, currency="INR")
    assert shortage(line, 4_000_000, funds, 1_000_000) == ""
    assert shortage(line, 3_999_999, funds, 1_000_000).startswith("row 7 (key k) may cost 100, and 99.9999 is left")


def test_an_order_without_bound_is_unpriced() -> None:
    """A positive charge in the account's currency is a bound; an order that cannot exist needs none."""
    placed = LedgerLine(3, "k", "po", "d", "{}", 1, state=LineState.PLACED, amount_charged=Decimal(5), currency="INR")
    assert not is_unpriced(placed, "INR")
    assert is_unpriced(placed, "EUR")
    assert is_unpriced(msgspec.structs.replace(placed, amount_charged=Decimal(0)), "INR")
    assert is_unpriced(msgspec.structs.replace(placed, state=LineState.MANUAL), "INR")
    for state in (LineState.PLANNED, LineState.REJECTED, LineState.CANCELLED):
        assert not is_unpriced(msgspec.structs.replace(placed, state=state), "EUR")
    unknown = Spending(LineState.UNKNOWN, None, None, "", 2, 9)
    groups = [unknown, Spending(LineState.PLACED, None, Decimal(5), "EUR", 1, 4), unknown._replace(worth=1, first=1)]
    assert first_unpriced(groups, "EUR") == 9
    assert first_unpriced(groups, "INR") == 4
    assert first_unpriced(groups[2:], "INR") is None


def test_funds_follow_what_is_written() -> None:
    """A claim adds what the line may cost, its charge replaces that, and an order without a bound is named."""
    line = LedgerLine(1, "k", "po", "d", "{}", 7, worth=100, state=LineState.PLANNED)
    sending = msgspec.structs.replace(line, state=LineState.SENDING)
    placed = msgspec.structs.replace(
        sending, state=LineState.PLACED, amount_charged=Decimal("0.0090"), currency="INR", order_id=5
    )

    funds = Funds(1000, "INR")
    assert funds.after([(line, sending)]) == Funds(1100, "INR")
    assert funds.after([(line, sending), (sending, placed)]) == Funds(1090, "INR")
    unpriced = [msgspec.structs.replace(one, worth=None) for one in (line, sending)]
    assert funds.after([(unpriced[0], unpriced[1])]) == Funds(1000, "INR", ("k", 7))
    assert Funds(0, "INR", ("old", 1)).after([]) == Funds(0, "INR", ("old", 1))
