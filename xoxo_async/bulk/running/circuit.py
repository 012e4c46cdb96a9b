"""Decide whether orders are sent to a server, and how many may be in flight.

While a server fails, few orders are in flight: so few lines end up unknown and need a look-up.
"""

import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

__all__ = ["PENALTY_TOLERANCE", "PROBE_PO_NUMBER", "Circuit", "Flow", "InFlight", "ProbeAnswer"]

PROBE_PO_NUMBER: Final = "xoxo-async-probe"
"""A poNumber that no order has: a look-up of it shows whether the server answers."""

PENALTY_TOLERANCE: Final = 1.1
"""A penalty may last this many times the pause limit. The vendor's penalty is a minute (wire documentation
§ 5), and so is the default limit: a rounding difference must not pause the run."""

_DOUBTS: Final = 5
"""Sends in a row without proof before the circuit opens. Each of them costs a look-up later."""

_OUTAGE_S: Final = 1.0
"""Trouble of this length that ends with an open circuit counts as an outage, not as partial distress."""

_FIRST_RISK_S: Final = 2.0
"""Seconds between a failed trial line and the next one while look-ups fail; they double each time. Each trial line
costs a look-up later, so a minute of trouble costs at most a handful of them."""

_HALVED_EVERY_S: Final = 1.0
_GROWN_BACK_S: Final = 8.0
_WEIGHT: Final = 1 / 32
_TOO_MANY: Final = 0.1
"""From this share of failed sends, smoothed over some thirty, a server is in distress. One bad line in a hundred does
not slow down the others."""


class InFlight:
    """How many requests may be in flight: halved in distress, grown back with successes.

    It halves the number that was in flight, because `most` is only a bound. It grows by the clock and not by the number
    of successes: at any latency, a limit that was halved once is lifted after four seconds of successes.

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
        """Note an answer of a server that works."""
        self._failing -= self._failing * _WEIGHT
        if self._limit >= self._most:
            return
        now = self._clock()
        self._limit += self._goal * min(now - self._grown_at, _HALVED_EVERY_S) / _GROWN_BACK_S
        self._grown_at = now
        if self._limit >= self._goal:
            self._limit = float(self._most)

    def failed(self, in_flight: int) -> None:
        """Note a failure of the server. Many of them halve the limit.

        Args:
            in_flight: Requests in flight, the failed one included.
        """
        self._failing += (1 - self._failing) * _WEIGHT
        if self._failing > _TOO_MANY:
            self.throttled(in_flight)

    def throttled(self, in_flight: int) -> None:
        """Halve the limit, unless it was halved a moment ago: requests that fail now were sent under the old limit.

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
        self._failing = 0.0  # The next halving needs failures of requests that were sent under this limit.

    def restore(self, limit: int | None = None) -> None:
        """Lift the limit again; never lowers it.

        Args:
            limit: The new limit; None removes it.
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
    """No line; a look-up probes whether the server answers again."""


_FULL: Final = Flow.FULL  # Python 3.11 finds a member of an enum ten times slower than a name of the module
_NOTHING: Final = Flow.NONE


class ProbeAnswer(Enum):
    """How a probe ended: a look-up that only checks whether the server works."""

    GOOD = "good"
    """The server answered, or refused for a reason."""
    FAILURE = "failure"
    """The server answered with a failure of its own."""
    NONE = "none"
    """No answer came."""


class Circuit:
    """Watch how sends end, and decide how much may be sent.

    There are two kinds of trouble. A dead server gets no orders until it answers again, and then as many as before. A
    server in partial distress gets fewer.

    Args:
        limit_s: How many seconds a server may be dead before the run pauses.
        clock: A monotonic clock.
        most: Requests in flight without trouble.
        waits: Returns the waits between the probes of one outage, in seconds.
    """

    def __init__(
        self,
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = 1_000_000,
        waits: Callable[[], Iterator[float]],
    ) -> None:
        self.flow: Flow = Flow.FULL
        self.reason: str = ""
        self._limit_s: Final = limit_s
        self._clock: Final = clock
        self._in_flight: Final = InFlight(most, clock)
        self._doubts = 0
        self._limit_before = most
        self._bad_since: float | None = None
        self._new_waits: Final = waits
        self._waits: Iterator[float] | None = None
        self._risk_at = 0.0
        self._risk_s = _FIRST_RISK_S

    @property
    def is_open(self) -> bool:
        """Whether no line may be sent now."""
        return self.flow is _NOTHING

    @property
    def limit(self) -> int:
        """How many requests may be in flight now; 0 while the server is dead."""
        if self.flow is Flow.FULL:
            return self._in_flight.limit
        return 1 if self.flow is Flow.TRIAL else 0

    def succeeded(self) -> None:
        """Note an answer that proves that the server works."""
        self._in_flight.succeeded()
        if self._doubts or self.flow is not _FULL:
            if self.flow is not _FULL:
                # The outage is over. Its failures are no measure of how much the server can take.
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
        """Note a refusal for the rate limit: the server works, and takes less.

        Args:
            in_flight: Requests in flight, this one included.
        """
        self._in_flight.throttled(in_flight)

    def probed(self, answer: ProbeAnswer) -> None:
        """Note how a probe ended. A server that answers is tried with one line.

        A server that answers look-ups with failures may still place orders, so it is tried as well. It may also be in
        the middle of an outage, so the waits between these tries grow.

        Args:
            answer: How it ended.
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
        """Return how many seconds to wait before the next probe."""
        if self._waits is None:
            self._waits = self._new_waits()
        return next(self._waits)

    @property
    def given_up(self) -> bool:
        """Whether the server has been dead for too long."""
        return self._bad_since is not None and self.patience_s <= 0

    @property
    def patience_s(self) -> float:
        """Seconds that the run still waits for the server, if it stays dead."""
        return max(self._limit_s - self._bad_for_s, 0.0)

    @property
    def _bad_for_s(self) -> float:
        return 0.0 if self._bad_since is None else self._clock() - self._bad_since
