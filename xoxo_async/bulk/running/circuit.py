"""Whether and how many orders a server can be sent: an outage must not cost a thousand lines their proof."""

import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from xoxo_async.retry import RetryPolicy

__all__ = ["LATE", "Circuit", "Flow", "InFlight", "ProbeAnswer"]

_DOUBTS: Final = 5
"""Sends in a row without proof before the circuit opens: each of them is a look-up later."""

_OUTAGE_S: Final = 1.0
"""Trouble of this length that ends with an open circuit was an outage, not a server in partial distress."""

_PROBING: Final = RetryPolicy(base_s=0.2, max_s=1.0)

_FIRST_RISK_S: Final = 2.0
"""How long after a line that was tried in vain the next one is tried, while look-ups fail; twice as long each time.
Each such line is a look-up later, so a minute of trouble may cost no more than a handful of them."""

LATE: Final = 1.1
"""A penalty may last this many times the pause limit. The vendor's own is a minute, as the limit is by default, and a
rounded number must not pause a run that a second more of waiting lets go on."""

_HALVED_EVERY_S: Final = 1.0
_GROWN_BACK_S: Final = 8.0
_WEIGHT: Final = 1 / 32
_TOO_MANY: Final = 0.1
"""The share of failed sends, smoothed over some thirty, from which a server is in distress. One bad line in a hundred
is no reason to slow the others down."""


class InFlight:
    """How many requests may be in flight: halved in distress, grown back with successes.

    What is halved is what was really in flight, for most is only a bound. Growth is by the clock: whatever the server's
    latency, what was halved once is back after four seconds of successes, and no limit remains then.

    Args:
        most: Requests in flight without distress.
        clock: A monotonic clock.
    """

    __slots__ = ("_clock", "_failing", "_goal", "_grown_at", "_halved_at", "_limit", "_most")

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most: Final = most
        self._clock: Final = clock
        self._limit = float(most)
        self._goal = float(most)  # what was in flight before the first halving
        self._failing = 0.0  # the smoothed share of failures
        self._halved_at = self._grown_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests in flight at most, from 1."""
        return int(self._limit)

    def succeeded(self) -> None:
        """Note an answer of a server at work."""
        self._failing -= self._failing * _WEIGHT
        if self._limit >= self._most:
            return
        now = self._clock()
        self._limit += self._goal * min(now - self._grown_at, _HALVED_EVERY_S) / _GROWN_BACK_S
        self._grown_at = now
        if self._limit >= self._goal:
            self._limit = float(self._most)

    def failed(self, in_flight: int) -> None:
        """Note a failure of the server's; shrinks the limit when they are many.

        Args:
            in_flight: Requests in flight, the failed one included.
        """
        self._failing += (1 - self._failing) * _WEIGHT
        if self._failing > _TOO_MANY:
            self.throttled(in_flight)

    def throttled(self, in_flight: int) -> None:
        """Halve the limit, unless that has just been done: what fails now was sent under the old one.

        Args:
            in_flight: Requests in flight, the throttled one included.
        """
        now = self._clock()
        if now - self._halved_at < _HALVED_EVERY_S:
            return
        if self._limit >= self._most:
            self._goal = float(max(min(in_flight, self._most), 2))
            self._limit = self._goal
        self._limit = max(self._limit / 2, 1.0)
        self._halved_at = self._grown_at = now
        self._failing = 0.0  # the next halving needs failures that came under this limit

    def restore(self, limit: int | None = None) -> None:
        """Lift the limit again; never lowers it.

        Args:
            limit: To what; to the most by default.
        """
        if limit is None or limit >= self._most:
            self._limit, self._failing = float(self._most), 0.0
        else:
            self._limit = max(self._limit, float(limit))


class Flow(Enum):
    """How much may be sent."""

    FULL = "full"
    TRIAL = "trial"
    """One line at a time, until one succeeds."""
    NONE = "none"
    """Nothing; a look-up probes whether the server is back."""


class ProbeAnswer(Enum):
    """What a look-up brought back that was only made to see whether the server is at work."""

    GOOD = "good"
    """The server did its work, or refused for a reason."""
    FAILURE = "failure"
    """An answer, and it was a failure of the server's own."""
    NONE = "none"


class Circuit:
    """Watch how sends end, and say how much may be sent.

    Two different troubles: a dead server is sent nothing until it is back, and then all at once; one in partial
    distress is sent less.

    Args:
        limit_s: How long a server may be dead before the run pauses.
        clock: A monotonic clock.
        most: Requests in flight without trouble.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic, *, most: int = 1_000_000) -> None:
        self.flow: Flow = Flow.FULL
        self.reason: str = ""
        self._limit_s: Final = limit_s
        self._clock: Final = clock
        self._in_flight: Final = InFlight(most, clock)
        self._doubts = 0
        self._limit_before = most
        self._bad_since: float | None = None
        self._waits: Iterator[float] | None = None
        self._risk_at = 0.0
        self._risk_s = _FIRST_RISK_S

    @property
    def limit(self) -> int:
        """How many requests may be in flight now; 0 while the server is dead."""
        if self.flow is Flow.FULL:
            return self._in_flight.limit
        return 1 if self.flow is Flow.TRIAL else 0

    def succeeded(self) -> None:
        """Note an answer that proves the server at work."""
        self._in_flight.succeeded()
        if self._doubts or self.flow is not Flow.FULL:
            if self.flow is not Flow.FULL:
                # The outage is over, and its failures said nothing about how much the server can take.
                self._in_flight.restore(None if self._bad_for_s >= _OUTAGE_S else self._limit_before)
            self.flow, self._doubts, self._bad_since, self._waits = Flow.FULL, 0, None, None
            self._risk_at, self._risk_s = 0.0, _FIRST_RISK_S

    def failed(self, reason: str, *, reached: bool, in_flight: int = 1) -> None:
        """Note a send without proof, or one that never reached the server.

        Args:
            reason: What happened.
            reached: Whether it may have arrived.
            in_flight: Requests in flight, this one included.
        """
        self.reason = reason
        if self._bad_since is None:
            self._bad_since = self._clock()
            self._limit_before = self._in_flight.limit
        self._doubts += 1
        if reached and self.flow is Flow.FULL:
            self._in_flight.failed(in_flight)
        if not reached or self.flow is Flow.TRIAL or self._doubts >= _DOUBTS:
            self.flow = Flow.NONE

    def throttled(self, in_flight: int = 1) -> None:
        """Note a refusal for the rate limit: the server is well, and wants less.

        Args:
            in_flight: Requests in flight, this one included.
        """
        self._in_flight.throttled(in_flight)

    def probed(self, answer: ProbeAnswer) -> None:
        """Note how a probe ended; a living server is tried with one line.

        A server that answers look-ups with failures of its own is alive, and its orders may be well: it is tried, too,
        but at growing distances, since it may as well be the middle of an outage.

        Args:
            answer: What came back.
        """
        if answer is ProbeAnswer.NONE:
            return
        now = self._clock()
        if answer is ProbeAnswer.FAILURE:
            if now < self._risk_at:
                return
            self._risk_at = now + self._risk_s
            self._risk_s *= 2
        self.flow = Flow.TRIAL

    def next_wait(self) -> float:
        """Return how long to wait before the next probe, longer each time; and never more than a second."""
        if self._waits is None:
            self._waits = _PROBING.waits()
        return next(self._waits)

    @property
    def given_up(self) -> bool:
        """Whether the server has been dead for too long."""
        return self._bad_since is not None and self.patience_s <= 0

    @property
    def patience_s(self) -> float:
        """For how many seconds the server is still waited for, if it stays dead."""
        return max(self._limit_s - self._bad_for_s, 0.0)

    @property
    def _bad_for_s(self) -> float:
        return 0.0 if self._bad_since is None else self._clock() - self._bad_since
