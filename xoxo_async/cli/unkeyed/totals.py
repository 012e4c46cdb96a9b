"""The sums of a job of points or links, in words: before anything is sent, and in the question to a person."""

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli.bulk.totals import warning
from xoxo_async.cli.wording import count, duration, money

if TYPE_CHECKING:
    from xoxo_async.bulk.unkeyed.totals import UnkeyedTotals

__all__ = ["question", "summary"]

_TWICE: Final = {JobKind.POINTS: "paid", JobKind.LINKS: "made", JobKind.LINK_MAILS: "mailed"}


def question(totals: "UnkeyedTotals") -> str:
    """Return what a person has to agree to; empty where nothing is sent.

    Args:
        totals: The sums.
    """
    if not totals.rows:
        return ""
    parts = [_what(totals)]
    if totals.kind is JobKind.POINTS:
        parts.append(_points_of_the_company(totals))
    elif totals.worth:
        parts.append(f"worth at most {money(totals.worth, totals.unit)}")
    return "; ".join(parts)


def summary(totals: "UnkeyedTotals") -> list[str]:
    """Return lines for a person: what is sent, how long it takes, and which rows are not sent.

    Args:
        totals: The sums.
    """
    lines = [f"recognised: {totals.recognised}"] if totals.recognised else []
    lines += [f"{count(totals.skipped, 'bad row')} left out\n{totals.problems}"] if totals.skipped else []
    lines += [f"{count(totals.withdrawn, 'row')} withdrawn, no longer in the input"] if totals.withdrawn else []
    if totals.absent:
        lacks = f"{count(totals.absent, 'row')} of this ledger {'is' if totals.absent == 1 else 'are'} not in the file"
        new = f"{totals.added:,} new {'one is' if totals.added == 1 else 'ones are'}"
        twice = f"If these are the same rows under other keys, they would be {_TWICE[totals.kind]} twice"
        lines.append(f"warning: {lacks}, and {new}. {twice}")
    lines += [warning(totals.warned, totals.warnings)] if totals.warned else []
    if totals.in_doubt:
        lines.append(f"{count(totals.in_doubt, 'row')} in doubt: never sent again by itself, a person decides")
    if totals.rows:
        takes = f", about {duration(totals.expected_s)} at the present limit" if totals.expected_s else ""
        lines.append(f"to {_what(totals)}, in {count(totals.calls, 'call')}{takes}")
        lines += [_points_of_the_company(totals)] if totals.kind is JobKind.POINTS else []
    if not totals.covered:
        short = (totals.worth or Decimal(0)) - (totals.available or Decimal(0))
        lines.append(f"the company's points fall {money(short)} short of that")
    return lines


def _what(totals: "UnkeyedTotals") -> str:
    """Return what would be sent: `send 12,500 points to 30 people`."""
    match totals.kind:
        case JobKind.POINTS:
            people = "1 person" if totals.rows == 1 else f"{totals.rows:,} people"
            return f"send {money(totals.total)} {'point' if totals.total == 1 else 'points'} to {people}"
        case JobKind.LINKS:
            return f"make {count(int(totals.total), 'link')} for {count(totals.rows, 'row')}"
        case _:
            addresses = "1 address" if totals.rows == 1 else f"{totals.rows:,} addresses"
            return f"mail {count(int(totals.total), 'link')} to {addresses}"


def _points_of_the_company(totals: "UnkeyedTotals") -> str:
    if totals.available is None:
        return "the vendor does not say how many points the company has"
    return f"the company has {money(totals.available)} points"
