"""Per-operation rate limits and penalties: who may go when."""

import time
from collections.abc import Callable
from typing import Final

import anyio

from xoxo_async.config import RateLimits
from xoxo_async.errors import RateLimitedError

__all__ = ["Pacer"]

_WINDOW_S: Final = 60.0
_HEADROOM_S: Final = 0.6
"""A window's worth of calls is spread over this much more than the window: requests arrive with some jitter, and one
early arrival in a window that is exactly full would cost a penalty of a minute. One percent of the allowance."""

_CATCH_UP_S: Final = 0.25
"""A caller later than this to its slot has lost it; within it the time is made up. Less than the headroom, so that
made-up calls never overfill a window either."""


class Pacer:
    """Hand out evenly spaced slots, operation by operation, to everyone who shares the client.

    All operations share one URL, so the vendor counts by what the body asks for, and so does this. Slots are given in
    the order of asking, one interval apart: no burst at a window's edge, right for a fixed and for a sliding window. A
    slot taken by a caller who is then cancelled is spent.

    Args:
        limits: Calls a minute and operation.
        clock: A monotonic clock, in seconds.
    """

    __slots__ = ("_blocked", "_clock", "_due", "_interval", "_limits")

    def __init__(self, limits: RateLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits: Final = limits
        self._clock: Final = clock
        self._interval: Final[dict[str, float]] = {}
        self._due: Final[dict[str, float]] = {}
        self._blocked: Final[dict[str, float]] = {}

    def reserve(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Returns:
            Seconds until the slot; 0 means now.

        Raises:
            RateLimitedError: When the slot would come after the deadline; no slot is taken.
        """
        interval = self._interval_of(operation)
        blocked = self._blocked.get(operation)
        if not interval and blocked is None:
            return 0.0
        now = self._clock()
        slot = max(self._due.get(operation, now), now - _CATCH_UP_S)
        if blocked is not None:
            if blocked <= now:
                del self._blocked[operation]
            slot = max(slot, blocked)
        if deadline is not None and slot > deadline:
            raise RateLimitedError(
                f"the next {operation} slot comes in {slot - now:.1f} s, after the call's deadline",
                retry_after_s=slot - now,
            )
        if interval:
            self._due[operation] = slot + interval
        return max(slot - now, 0.0)

    async def slot(self, operation: str, deadline: float | None = None) -> None:
        """Wait for a slot of an operation, however many penalties come between; see `reserve`."""
        wait = self.reserve(operation, deadline)
        while wait:
            await anyio.sleep(wait)
            # A penalty imposed meanwhile holds back those who were waiting, too.
            wait = self.reserve(operation, deadline) if operation in self._blocked else 0.0

    def penalise(self, operation: str, seconds: float) -> None:
        """Keep every caller of an operation back until the vendor's penalty has ended; others go on.

        Args:
            operation: The operation's name.
            seconds: How long from now.
        """
        self.not_before(operation, self._clock() + seconds)

    def not_before(self, operation: str, at: float) -> None:
        """Give no slot of an operation before a moment, for everyone who shares the client.

        Args:
            operation: The operation's name.
            at: The clock time.
        """
        self._blocked[operation] = max(at, self._blocked.get(operation, at))
        self._due[operation] = max(at, min(self._due.get(operation, at), at))

    def is_blocked(self, operation: str) -> bool:
        """Return whether a penalty holds an operation back now."""
        until = self._blocked.get(operation)
        return until is not None and until > self._clock()

    def interval_s(self, operation: str) -> float:
        """Return the seconds between two slots of an operation, 0 without a limit."""
        return self._interval_of(operation)

    def _interval_of(self, operation: str) -> float:
        interval = self._interval.get(operation)
        if interval is None:
            per_minute = self._limits.per_minute(operation)
            interval = (_WINDOW_S + _HEADROOM_S) / per_minute if per_minute else 0.0
            self._interval[operation] = interval
        return interval
