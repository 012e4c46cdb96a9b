"""What a run has done so far and what it waits for, for a progress display."""

import time
from typing import Final

import msgspec

__all__ = ["Progress", "clock_time"]

_SHORT_S: Final = 120.0
_HALF_A_DAY_S: Final = 12 * 3600.0


class Progress(msgspec.Struct):
    """What the current run has done so far. A display reads it; no decision depends on it.

    Attributes:
        placed: Order lines that this run placed, or found placed.
        rejected: Rows refused for certain.
        in_doubt: Rows that ended without proof.
        in_flight: Requests under way.
        phase: What the run does: `planning`, `sending`, `settling`, `checking delivery`.
        wait: What the run waits for, and until when, in words: `held back by the vendor until 14:05`. Empty while it
            works.
    """

    placed: int = 0
    rejected: int = 0
    in_doubt: int = 0
    in_flight: int = 0
    phase: str = "planning"
    wait: str = ""

    def begin(self) -> None:
        """Count from zero again: another run of the same issuer starts."""
        self.placed = self.rejected = self.in_doubt = self.in_flight = 0
        self.phase, self.wait = "planning", ""


def clock_time(at: float, now: float) -> str:
    """Return a moment as local time: with seconds when it is near, with its day when it is far.

    Args:
        at: The moment, in epoch seconds.
        now: The present moment, in epoch seconds.
    """
    left_s = at - now
    form = "%H:%M:%S" if left_s < _SHORT_S else "%H:%M" if left_s < _HALF_A_DAY_S else "%Y-%m-%d %H:%M"
    try:
        return time.strftime(form, time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "a day that no calendar has"  # A penalty may have any length, also an infinite one.
