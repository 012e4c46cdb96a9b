"""Time as a ledger needs it: a clock that is set must never make a lost answer look old."""

import time
from collections.abc import Callable
from typing import Final

__all__ = ["SteadyClock"]


class SteadyClock:
    """Epoch seconds that go on evenly from the first reading, however the wall clock is set meanwhile.

    Absence is believed so many seconds after a send. A wall clock that is stepped forward in between would make it
    believed too soon, and the order be placed twice; one that is stepped back would hold everything up.

    Args:
        wall: The wall clock, in epoch seconds.
        ticks: A clock that nobody sets.
    """

    __slots__ = ("_offset", "_ticks", "_wall")

    def __init__(self, wall: Callable[[], float] = time.time, ticks: Callable[[], float] = time.monotonic) -> None:
        self._wall: Final = wall
        self._ticks: Final = ticks
        self._offset: Final = wall() - ticks()

    def now(self) -> float:
        """Return the time that has really passed since the start, added to the time it was then."""
        return self._ticks() + self._offset

    def latest(self) -> float:
        """Return the later of `now` and the wall clock: what a send is stamped with.

        Another process compares the stamp with a clock of its own; too late a stamp makes it wait, too early a one
        makes it believe too soon (after a sleep that `ticks` does not count).
        """
        return max(self.now(), self._wall())
