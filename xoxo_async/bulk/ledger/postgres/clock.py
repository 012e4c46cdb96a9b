"""The clock of a shared ledger: the database's, as it was read last, and this machine's seconds since then; no I/O.

All processes on a ledger share the database's clock, so that one of them can tell how long ago another one has sent. A
process whose clock is behind the others' writes stamps that look old to them, and one whose clock is ahead finds the
others' stamps old: both believe an absence too soon. So a reading counts only if it came back within a second, and:

- This machine's wall clock is never read, so setting it changes nothing.
- A reading that is ahead by more than two seconds is taken again at once. If the second one agrees, either the
  database's clock was set forward, or this machine stood still (a paused virtual machine does not count its seconds).
  Then the settling time of all lines in doubt starts again, and only after that is written does the clock go forward.
- Where the database's clock is set back, the process follows it at once, and waits longer.
- A process that opens the ledger after the database's clock was set forward cannot know that. So the clock of the
  database's machine must not be set forward by hand while lines are in doubt; time services slew it, which is safe.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from xoxo_async.bulk.ledger.clock import Boot, boot_clock

__all__ = ["Reading", "SharedClock"]

_JUMP_S: Final = 2.0
_LONGEST_TRIP_S: Final = 1.0


class Reading(Enum):
    """What became of a reading of the database's clock."""

    TAKEN = "taken"
    BACK = "back"
    """It is taken, and it is behind by more than two seconds."""
    SLOW = "slow"
    """It took too long to tell the time."""
    DOUBTED = "doubted"
    """It is ahead by more than two seconds: read again."""
    JUMPED = "jumped"
    """It is ahead, as the one before was: count lines in doubt anew, and then call `go_forward`."""


class SharedClock:
    """The clock of one open ledger.

    Args:
        fixed: The clock of a test, in epoch seconds, instead of the database's; None outside tests.
        boot: The clock of this machine, which nobody can set. Default: the system's.

    Attributes:
        since: When it last went forward, by its own time; earlier stamps of this process may be too early.
    """

    def __init__(self, fixed: Callable[[], float] | None = None, boot: Callable[[], Boot] | None = None) -> None:
        self._fixed: Final = fixed
        self._boot: Final = boot or boot_clock()
        self._ahead: float | None = None
        self._jump: float | None = None
        self.since: float = 0.0

    def begin(self) -> float:
        """Return this machine's seconds, for `measured`: call it just before the database is asked."""
        return self._boot().seconds

    def measured(self, server_s: float, begun: float) -> Reading:
        """Take a reading of the database's clock, which has just arrived.

        Args:
            server_s: The reading, in epoch seconds.
            begun: What `begin` returned before the question.
        """
        if self._fixed is not None:
            return Reading.TAKEN
        arrived = self._boot().seconds
        ahead = server_s - arrived
        if arrived > begun + _LONGEST_TRIP_S:
            self._ahead = ahead if self._ahead is None else self._ahead
            return Reading.SLOW
        before, jump, self._jump = self._ahead, self._jump, None
        if before is None or abs(ahead - before) <= _JUMP_S:
            self._ahead = ahead
            return Reading.TAKEN
        if ahead < before:
            self._ahead = ahead
            return Reading.BACK
        self._jump = ahead
        agrees = jump is not None and abs(ahead - jump) <= _JUMP_S
        return Reading.JUMPED if agrees else Reading.DOUBTED

    @property
    def forward(self) -> float:
        """The time after `go_forward`, in epoch seconds."""
        ahead = self._ahead if self._jump is None else self._jump
        return round(self._boot().seconds + (ahead or 0.0), 3)

    def go_forward(self) -> None:
        """Go on from the readings that were ahead."""
        if self._jump is not None:
            self._ahead, self._jump = self._jump, None
            self.since = self.now()

    def now(self) -> float:
        """Return the ledger's time, in epoch seconds, in milliseconds: a stored time compares equal."""
        if self._fixed is not None:
            return round(self._fixed(), 3)
        return round(self._boot().seconds + (self._ahead or 0.0), 3)
