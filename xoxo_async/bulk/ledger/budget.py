"""What a job has committed: a claim reserves, an answer settles to what was charged, a certain refusal frees."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.lines import LedgerLine, LineState

__all__ = [
    "Funds",
    "Spending",
    "amount",
    "commitment",
    "first_unpriced",
    "is_unpriced",
    "overcharge",
    "shortage",
    "total_committed",
    "units",
]

_UNITS: Final = 10_000
_ROUNDING: Final = 100
"""A cent: the vendor rounds charges, so a smaller difference is no change of price."""
_PLACED: Final = LineState.PLACED  # Python 3.11 finds a member of an enum ten times slower than a name of the module
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

    It is 0 while no order of the line can exist. From the intent on, it is the most that the line may cost. Then it is
    the charge, but only if that is a positive amount in the account's currency: zero, a negative amount or another
    currency does not show what the account paid.

    Args:
        line: The line as it stands.
        currency: The account's.
    """
    if line.state in _FREE:
        return 0
    return _charged(line, currency) or line.worth or 0


def is_unpriced(line: LedgerLine, currency: str) -> bool:
    """Return whether nobody can bound what a line has cost, or may cost: then no budget can hold its job.

    Args:
        line: The line as it stands.
        currency: The account's.
    """
    return line.worth is None and line.state not in _FREE and not _charged(line, currency)


def _charged(line: LedgerLine, currency: str) -> int:
    """Return what a line surely was charged, in ten-thousandths; 0 where nothing says so."""
    if line.state is not _PLACED or line.amount_charged is None or line.currency != currency:
        return 0
    return max(0, units(line.amount_charged) or 0)


def overcharge(line: LedgerLine, currency: str) -> str:
    """Return how a line's charge exceeds its reservation; empty if it does not.

    Args:
        line: The line as it stands.
        currency: The account's.
    """
    if line.state is not _PLACED or line.amount_charged is None or not line.amount_charged:
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


class Spending(NamedTuple):
    """Orders that count the same in a budget, as a store groups them.

    Attributes:
        state: Their state.
        worth: What each may cost at most, in ten-thousandths; None if that is not known.
        charged: What each was charged; None where the vendor did not say.
        currency: Of that charge.
        orders: How many there are.
        first: The `seq` of the first of them.
    """

    state: LineState
    worth: int | None
    charged: Decimal | None
    currency: str
    orders: int
    first: int

    def line(self) -> LedgerLine:
        """Return a line that counts as each of them does."""
        return LedgerLine(
            self.first, "", "", "", "", 0,
            state=self.state, worth=self.worth, amount_charged=self.charged, currency=self.currency,
        )  # fmt: skip


def total_committed(groups: Iterable[Spending], currency: str) -> int:
    """Return what a job has cost and may yet cost, in ten-thousandths of the account's currency.

    Args:
        groups: All orders of the job; planned, rejected and cancelled ones may be left out.
        currency: The account's.
    """
    return sum(commitment(group.line(), currency) * group.orders for group in groups)


def first_unpriced(groups: Iterable[Spending], currency: str) -> int | None:
    """Return the `seq` of the first order whose cost nobody can bound (see `is_unpriced`); None where there is none.

    Args:
        groups: All orders of the job; planned, rejected and cancelled ones may be left out.
        currency: The account's.
    """
    return min((group.first for group in groups if is_unpriced(group.line(), currency)), default=None)


class Funds(NamedTuple):
    """The state of a job's budget when lines are claimed.

    Attributes:
        committed: What the job has cost and may yet cost, in ten-thousandths.
        currency: The account's.
        unpriced: Key and row of an order without a known bound of its cost; None if there is none.
    """

    committed: int = 0
    currency: str = ""
    unpriced: tuple[str, int] | None = None

    def after(self, changed: Sequence[tuple[LedgerLine, LedgerLine]]) -> "Funds":
        """Return what is known once some changes are written, so that a store reads its lines only once.

        A claim without a budget may send an order whose cost nobody can bound. Where one was unpriced before, only a
        look at all lines can tell whether it still is: such funds are read again.

        Args:
            changed: The line before and after each move of a transaction.
        """
        spent = sum(commitment(after, self.currency) - commitment(before, self.currency) for before, after in changed)
        unpriced = (line for _, line in changed if is_unpriced(line, self.currency))
        first = next(((line.key, line.row) for line in unpriced), self.unpriced)
        return self._replace(committed=self.committed + spent, unpriced=first)


def shortage(line: LedgerLine, budget: int, funds: Funds, reserved: int) -> str:
    """Return why a line does not fit into a budget; empty when it does.

    Args:
        line: The line, as it would be claimed.
        budget: What the job may cost, in ten-thousandths.
        funds: What the job has committed already.
        reserved: What lines claimed in the same transaction commit, in ten-thousandths.
    """
    if line.worth is None:
        return f"row {line.row} (key {line.key}): what it may cost is not known, so no budget can hold it"
    if funds.unpriced is not None:
        key, row = funds.unpriced
        return f"row {row} (key {key}): what it has cost, or may cost, is not known, so no budget can hold it"
    left = budget - funds.committed - reserved
    if line.worth <= left:
        return ""
    return (
        f"row {line.row} (key {line.key}) may cost {amount(line.worth):f}, and {amount(left):f} is left of the"
        f" {amount(budget):f} that may be spent"
    )
