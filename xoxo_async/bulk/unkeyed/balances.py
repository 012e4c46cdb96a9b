"""What a recipient held before and after a call, in the words that a ledger keeps beside the row; no I/O."""

import re
from decimal import Decimal
from typing import Final

__all__ = ["after_call", "balances_in", "before_call", "holds"]

_SEEN: Final = re.compile(r"(before|after) the call: the recipient holds (-?[0-9]+(?:\.[0-9]+)?) points")


def holds(total: Decimal) -> str:
    """Return a balance in words.

    Args:
        total: The points.
    """
    return f"the recipient holds {total:f} points"


def before_call(balance: str) -> str:
    """Return the words for a balance that was read before the call of a row.

    Args:
        balance: See `holds`; or why it could not be read.
    """
    return f"before the call: {balance}"


def after_call(balance: str) -> str:
    """Return the words for a balance that was read after the call of a row.

    Args:
        balance: See `holds`; or why it could not be read.
    """
    return f"after the call: {balance}"


def balances_in(error: str) -> dict[str, Decimal]:
    """Return the balances that the error of a line in doubt tells: `before` and `after`, those that were read.

    They are evidence for a person. Other calls may have changed a balance as well, so nothing is concluded from them.

    Args:
        error: See `LedgerLine.error`.
    """
    return {when: Decimal(total) for when, total in _SEEN.findall(error)}
