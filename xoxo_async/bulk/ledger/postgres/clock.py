"""The clock of a shared ledger: the database's, as it was read last, and this machine's seconds since then; no I/O.

All processes on a ledger share the database's clock, so that one of them can tell how long ago another one has sent. A
person may set the clock of the database's machine, or of this one:

- This machine's wall clock is never read, so setting it changes nothing.
- A process that works on while the database's clock is set forward keeps the slower time: an order that is absent is
  never believed sooner. Where the database's clock is set back, the process follows it, and waits longer.
- A process that opens the ledger after the database's clock was set forward cannot know that. So the clock of the
  database's machine must not be set forward by hand while lines are in doubt; time services slew it, which is safe.
"""

from collections.abc import Callable
from typing import Final

from xoxo_async.bulk.ledger.clock import Boot, boot_clock

__all__ = ["SharedClock"]

_JUMP_S: Final = 2.0


class SharedClock:
    """The clock of one open ledger.

    Args:
        fixed: The clock of a test, in epoch seconds, instead of the database's; None outside tests.
        boot: The clock of this machine, which nobody can set. Default: the system's.
    """

    def __init__(self, fixed: Callable[[], float] | None = None, boot: Callable[[], Boot] | None = None) -> None:
        self._fixed: Final = fixed
        self._boot: Final = boot or boot_clock()
        self._ahead: float | None = None

    def measured(self, server_s: float) -> bool:
        """Take a reading of the database's clock, which has just arrived; return whether that clock has jumped.

        Args:
            server_s: The reading, in epoch seconds.
        """
        ahead = server_s - self._boot().seconds
        if self._ahead is None:
            self._ahead = ahead
            return False
        jumped = abs(ahead - self._ahead) > _JUMP_S
        if not jumped or ahead < self._ahead:
            self._ahead = ahead
        return jumped

    def now(self) -> float:
        """Return the ledger's time, in epoch seconds, in milliseconds: a stored time compares equal."""
        if self._fixed is not None:
            return round(self._fixed(), 3)
        return round(self._boot().seconds + (self._ahead or 0.0), 3)
