"""What a job has committed: reserved when an order may leave, settled to what it was charged, freed by a refusal."""

from decimal import ROUND_CEILING, Decimal
from typing import Final

from xoxo_async.bulk.ledger.lines import LedgerLine, LineState

__all__ = ["amount", "commitment", "overcharge", "units"]

_UNITS: Final = 10_000
_ROUNDING: Final = 100
"""A cent: the vendor rounds a charge, and that is no change of price."""
_FREE: Final = frozenset({LineState.PLANNED, LineState.REJECTED, LineState.CANCELLED})


def units(worth: Decimal | None) -> int | None:
    """Return an amount in ten-thousandths, rounded up: whole numbers add up exactly in a database.

    Args:
        worth: In the account's currency; None stays None.
    """
    return None if worth is None else int((worth * _UNITS).to_integral_value(ROUND_CEILING))


def amount(count: int) -> Decimal:
    """Return ten-thousandths as an amount."""
    return Decimal(count) / _UNITS


def commitment(line: LedgerLine, currency: str) -> int:
    """Return what a line may cost, or has cost, in ten-thousandths of the account's currency.

    Nothing while no order of it can exist. From the intent on, what it may cost at most. Then what it was charged, but
    only where that is a positive amount in the account's currency: zero, a negative amount or another currency says
    nothing about what the account paid.

    Args:
        line: The line as it stands.
        currency: The account's.
    """
    if line.state in _FREE:
        return 0
    if line.state is LineState.PLACED and line.amount_charged is not None and line.currency == currency:
        charged = units(line.amount_charged)
        if charged is not None and charged > 0:
            return charged
    return line.worth or 0


def overcharge(line: LedgerLine, currency: str) -> str:
    """Say in what a line's charge breaks what was reserved for it; empty where it does not.

    Args:
        line: The line as it stands.
        currency: The account's.
    """
    if line.state is not LineState.PLACED or line.amount_charged is None or not line.amount_charged:
        return ""
    if line.currency and line.currency != currency:
        return (
            f"order {line.order_id} (key {line.key}) was charged {line.amount_charged:f} {line.currency}, and the"
            f" account's currency is {currency}"
        )
    charged = units(line.amount_charged) or 0
    if line.worth is None or charged <= line.worth + _ROUNDING:
        return ""
    return (
        f"order {line.order_id} (key {line.key}) was charged {line.amount_charged:f}, and at most"
        f" {amount(line.worth):f} was reserved for it: the price has changed"
    )
