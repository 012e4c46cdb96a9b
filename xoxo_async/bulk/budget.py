"""What a job has committed: reserved when an order may leave, settled to what it was charged, freed by a refusal."""

from decimal import ROUND_CEILING, Decimal
from typing import Final

from xoxo_async.bulk.ledger import LedgerLine, LineState

__all__ = ["amount", "commitment", "units"]

_UNITS: Final = 10_000
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


def commitment(line: LedgerLine) -> int:
    """Return what a line may cost, or has cost, in ten-thousandths of the account's currency.

    Nothing while no order of it can exist; what it may cost at most from the intent on; then what it was charged.

    Args:
        line: The line as it stands.
    """
    if line.state in _FREE:
        return 0
    if line.state is LineState.PLACED and line.amount_charged is not None:
        return units(line.amount_charged) or 0
    return line.worth or 0
