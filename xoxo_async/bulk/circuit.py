"""Whether the server is in a state to be sent orders: an outage must not cost a thousand lines their proof."""

import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from xoxo_async.retry import RetryPolicy

__all__ = ["Circuit", "Flow"]

_DOUBTS: Final = 5
"""Sends in a row without proof before the circuit opens: each of them is a look-up later."""

_PROBING: Final = RetryPolicy(base_s=0.2, max_s=1.5)


class Flow(Enum):
    """How much may be sent."""

    FULL = "full"
    TRIAL = "trial"
    """One line at a time, until one succeeds."""
    NONE = "none"
    """Nothing; a look-up probes whether the server is back."""


class Circuit:
    """Watch how sends end, and say how much may be sent.

    Args:
        limit_s: How long a server may be dead before the run pauses.
        clock: A monotonic clock.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.flow = Flow.FULL
        self.reason = ""
        self._limit_s: Final = limit_s
        self._clock: Final = clock
        self._doubts = 0
        self._bad_since: float | None = None
        self._waits: Iterator[float] | None = None

    def succeeded(self) -> None:
        """Note an answer that proves the server at work."""
        if self._doubts or self.flow is not Flow.FULL:
            self.flow, self._doubts, self._bad_since, self._waits = Flow.FULL, 0, None, None

    def failed(self, reason: str, *, reached: bool) -> None:
        """Note a send without proof, or one that never reached the server.

        Args:
            reason: What happened.
            reached: Whether it may have arrived.
        """
        self.reason = reason
        if self._bad_since is None:
            self._bad_since = self._clock()
        self._doubts += 1
        if not reached or self.flow is Flow.TRIAL or self._doubts >= _DOUBTS:
            self.flow = Flow.NONE

    def probed(self, *, alive: bool) -> None:
        """Note how a probe ended; a living server is tried with one line."""
        if alive:
            self.flow = Flow.TRIAL

    def next_wait(self) -> float:
        """Return how long to wait before the next probe, longer each time; back within two seconds of its end."""
        if self._waits is None:
            self._waits = _PROBING.waits()
        return next(self._waits)

    @property
    def given_up(self) -> bool:
        """Whether the server has been dead for too long."""
        return self._bad_since is not None and self._clock() - self._bad_since >= self._limit_s
