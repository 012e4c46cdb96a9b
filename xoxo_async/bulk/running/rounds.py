"""When a line is looked up next, the result of a round of look-ups, and the protocol for the object that makes one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, Rules
from xoxo_async.bulk.ledger.table import next_look
from xoxo_async.bulk.pauses import Pause
from xoxo_async.errors import XoxoError

__all__ = ["MAX_FAILURES", "LookUpRounds", "Round", "given_up", "next_due"]

MAX_FAILURES: Final = 5
"""After this many failures of a line's own look-up, long after the send, a person decides about the line."""

_LEAST_SPACING_S: Final = 1.0
"""The least seconds between two look-ups of one line, also with a short settling time: a look-up that the ledger does
not count may be due again at once."""


def next_due(line: LedgerLine, rules: Rules, looked_up_at: float | None) -> float:
    """Return when the next look-up of a line in doubt makes sense, by the ledger's clock.

    The first one after each send is due at once, since it can only find the order. Absence counts later, see `Rules`.

    Args:
        line: The line.
        rules: When look-ups prove absence.
        looked_up_at: When it was last looked up since its last send; None when it was not.
    """
    if looked_up_at is None:
        return 0.0
    return max(next_look(line, rules) or 0.0, looked_up_at + min(rules.spacing_s, _LEAST_SPACING_S))


def given_up(line: LedgerLine, error: XoxoError) -> Change:
    """Return the fact that leaves a line to a person, because its own look-ups fail.

    Args:
        line: The line.
        error: Of the last look-up.
    """
    reason = f"its look-ups fail: {error.message}"
    return Change(
        seq=line.seq,
        evidence=Evidence.LOOKUPS_EXHAUSTED,
        epoch=line.epoch,
        error_id=error.error_id,
        error=reason,
        reason=reason,
    )


class Round(NamedTuple):
    """The result of one round of look-ups.

    Attributes:
        changes: The facts to record.
        failed: The lines whose look-up failed for a reason of their own, and the error of each.
    """

    changes: list[Change]
    failed: list[tuple[LedgerLine, XoxoError]]


class LookUpRounds(Protocol):
    """Makes look-ups of many lines; see `LookUps`."""

    ends_at: float
    """When look-ups are cut off, by the event loop's clock."""

    @property
    def failure(self) -> XoxoError | None:
        """The error of the last look-up that failed."""
        ...

    @property
    def pause(self) -> Pause:
        """Why look-ups were given up, empty when they were not."""
        ...

    @property
    def reason(self) -> str:
        """The same in words."""
        ...

    @property
    def quiet_until(self) -> float:
        """No line is looked up before this time, by the ledger's clock."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no further look-up should be made."""
        ...

    def begin(self) -> None:
        """Restart the pause limit."""
        ...

    async def make(self, lines: Sequence[LedgerLine], look: Callable[[LedgerLine], Awaitable[Change | None]]) -> Round:
        """Look up every line once."""
        ...
