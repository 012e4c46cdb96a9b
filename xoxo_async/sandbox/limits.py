"""Limits per minute, counted in the three ways that a server may use, with the vendor's penalty."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

__all__ = ["Limiter"]


class Limiter:
    """Count requests by operation, and refuse those over the limit or within a penalty.

    Args:
        limits: Calls per window, by operation. An operation that is not listed has no limit.
        window: How calls are counted: in a fixed window, in a sliding window, or by a token bucket.
        penalty_s: How long every call of an operation is refused after one over the limit, in seconds.
        window_s: The length of a window, in seconds.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        limits: Mapping[str, float],
        window: Literal["fixed", "sliding", "bucket"],
        penalty_s: float,
        *,
        window_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: int = 0
        self.limits: Final = dict(limits)
        self._window: Final = window
        self._penalty_s: Final = penalty_s
        self._window_s: Final = window_s
        self._clock: Final = clock
        self._times: Final[dict[str, deque[float]]] = {}
        self._level: Final[dict[str, tuple[float, float]]] = {}
        self._until: Final[dict[str, float]] = {}

    def refuse(self, operation: str) -> float | None:
        """Count a request. Return the penalty that is left, in seconds, if it is refused, else None."""
        limit = self.limits.get(operation)
        if limit is None:
            return None
        now = self._clock()
        if now < self._until.get(operation, 0.0):
            self.refused += 1
            return self._until[operation] - now
        if self._fits(operation, limit, now):
            return None
        self.refused += 1
        self._until[operation] = now + self._penalty_s
        return self._penalty_s

    def _fits(self, operation: str, limit: float, now: float) -> bool:
        if self._window == "bucket":
            level, then = self._level.get(operation, (limit, now))
            level = min(limit, level + (now - then) * limit / self._window_s)
            self._level[operation] = (level - 1 if level >= 1 else level, now)
            return level >= 1
        times = self._times.setdefault(operation, deque())
        sliding = self._window == "sliding"
        start = now - self._window_s if sliding else now - now % self._window_s
        # A call at the first moment of a fixed window counts in that window.
        # A call that is exactly one sliding window old no longer counts.
        while times and (times[0] < start or (sliding and times[0] == start)):
            times.popleft()
        if len(times) >= limit:
            return False
        times.append(now)
        return True
