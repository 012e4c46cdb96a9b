"""The days that a proof reads: those of the job, and one more at each end."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import ConfigError

__all__ = ["Days", "days_of"]

_DAY: Final = timedelta(days=1)


class Days(msgspec.Struct, frozen=True):
    """The days of a proof.

    Attributes:
        first: The first day to read.
        last: The last day to read.
        cut: Which days of the job are not among them, in words; empty if all are.
        ends_early: Whether they end before today, after the job's own days.
        newest: The latest change of the vendor's books by the ledger's job.
    """

    first: date
    last: date
    cut: str
    ends_early: bool
    newest: str


async def days_of(ledger: Ledger, since: date | None, until: date | None, now: float, *, changed_at: float = 0) -> Days:
    """Return the days to read. The vendor's zone is unknown, so the job's own days get one more at each end.

    Args:
        ledger: The ledger.
        since: The first day that a caller asks for.
        until: The last day that a caller asks for.
        now: The time, in epoch seconds.
        changed_at: When the vendor's books of the job changed last, if that was later than its last send.

    Raises:
        ConfigError: The first day is after the last one.
    """
    planned = await ledger.get_fact(PLANNED_AT)
    earliest, latest = float(planned) if planned else now, changed_at
    async for line in ledger.lines():
        if line.first_sent_at is not None:
            earliest = min(earliest, line.first_sent_at)
            latest = max(latest, line.first_sent_at, line.last_sent_at or 0.0)
    own_first, own_last = _day(earliest) - _DAY, _day(latest or earliest) + _DAY
    today = _day(now)
    future = max(today + _DAY, own_last)  # later days have no orders yet
    first, last = since or own_first, min(until or future, future)
    if first > last:
        raise ConfigError(f"the first day {first} is after the last day {last}")
    cut = []
    if first > own_first:
        cut.append(f"before {first}")
    if last < own_last:
        cut.append(f"after {last}")
    words = f"{' and '.join(cut)} (its own days are {own_first} to {own_last})" if cut else ""
    return Days(first, last, words, last < today and not cut, repr(latest))


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
