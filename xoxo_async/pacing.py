"""Per-operation rate limits and penalties: who may go when, for everybody who shares an account."""

import math
import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Self
from weakref import WeakValueDictionary

import anyio

from xoxo_async.config import RateLimits
from xoxo_async.errors import RateLimitedError
from xoxo_async.kept import Kept, lock_of, named_by

__all__ = ["TOKEN_REQUEST", "Pacer"]

TOKEN_REQUEST: Final = "token"  # noqa: S105 - a name
"""The name under which the token endpoint's penalties are kept: it is throttled, too."""

_WINDOW_S: Final = 60.0
_HEADROOM_S: Final = 0.6
"""A window's worth of calls is spread over this much more than the window: requests arrive with some jitter, and one
early arrival in a window that is exactly full would cost a penalty of a minute. One percent of the allowance."""

_CATCH_UP_S: Final = 0.25
"""A caller later than this to its slot has lost it; within it the time is made up. Less than the headroom, so that
made-up calls never overfill a window either."""


class _Lane:
    """One operation's plan.

    A ticket is a planned time, and the plan may slip: a ticket's slot is its time plus `slip`. So a penalty moves all
    who wait at once, and nobody's place in the line.
    """

    __slots__ = ("due", "freed", "held_until", "interval", "slip")

    def __init__(self, interval: float, now: float, held_until: float) -> None:
        self.interval: Final = interval
        self.due = max(now, held_until)
        self.slip = 0.0
        self.held_until = held_until  # 0.0 when nothing holds the operation back
        self.freed: Final[list[float]] = []  # tickets of callers who gave up, a heap

    def hold(self, until: float, now: float) -> None:
        """Let the plan slip by what `until` adds to the present wait; who comes into an empty line gets `until`."""
        self.slip += max(until - max(now, self.held_until), 0.0)
        self.held_until = max(self.held_until, until)
        self.due = max(self.due, self.held_until - self.slip)

    def runs_out_at(self) -> float:
        """Return from when on a new lane would give the same slots."""
        return max(self.due + self.slip, self.held_until)


class _Account:
    """What the pacers of one account have in common: the lock, the penalties, and the lanes of each set of limits.

    The lanes are kept here and not in the pacer: the pacer ends with its last client, and the vendor still counts what
    that client has sent.
    """

    __slots__ = ("__weakref__", "held_until", "lanes", "lock", "pacers")

    def __init__(self) -> None:
        # Not an anyio lock: clients of several event loops, in several threads, may share an account. Nobody waits
        # while holding it.
        self.lock: threading.Lock = lock_of(self)
        self.held_until: Final[dict[str, float]] = {}
        self.lanes: Final[dict[RateLimits, dict[str, _Lane]]] = {}
        self.pacers: Final[WeakValueDictionary[RateLimits, Pacer]] = WeakValueDictionary()

    def runs_out_at(self) -> float:
        """Return when the last penalty and the last slot's interval are over."""
        ends = [*self.held_until.values(), *(_end_of(lanes) for lanes in self.lanes.values())]
        return max(ends, default=-math.inf)

    def drop_what_has_run_out(self, now: float) -> None:
        """Forget the lanes of limits that no client has any more."""
        with self.lock:
            for limits in [limits for limits in self.lanes if limits not in self.pacers]:
                if _end_of(self.lanes[limits]) <= now:
                    del self.lanes[limits]


class Pacer:
    """Hand out evenly spaced slots, operation by operation, to everyone who shares it.

    All operations share one URL, so the vendor counts by what the body asks for, and so does this. Slots are given in
    the order of asking, one interval apart: no burst at a window's edge, right for a fixed and for a sliding window.
    Who asks for one slot at a time, as a bulk run does, is never more than one slot ahead of the next caller. May be
    used from any thread.

    Args:
        limits: Calls a minute and operation.
        clock: A monotonic clock, in seconds.
    """

    __slots__ = ("__weakref__", "_account", "_clock", "_lanes", "_limits")

    def __init__(
        self, limits: RateLimits, *, clock: Callable[[], float] = time.monotonic, account: _Account | None = None
    ) -> None:
        self._limits: Final = limits
        self._clock: Final = clock
        self._account: Final = account or _Account()
        with self._account.lock:
            self._lanes: Final = self._account.lanes.setdefault(limits, {})

    @classmethod
    def shared(cls, base_url: str, provider: object, limits: RateLimits) -> Self:
        """Return the pacer that all clients of one account with these limits share, in this process.

        Clients with other limits have one of their own: how an allowance is to be divided, only the caller knows. A
        penalty is the account's, and holds for them all.

        Slots taken and penalties met outlive the client that took and met them, until they have run out.

        Args:
            base_url: The address, checked.
            provider: The token provider. Says in its `account` attribute, a string, which account it is for; without
                one, only clients with this very object are one account.
            limits: Calls a minute and operation.
        """
        name, anchor = named_by(provider, "account")
        return _ACCOUNTS.join((base_url, name), lambda account: cls._of(account, limits), anchor)

    @classmethod
    def _of(cls, account: _Account, limits: RateLimits) -> Self:
        """Return the account's pacer for these limits; called by one thread at a time."""
        there = account.pacers.get(limits)
        if isinstance(there, cls):
            return there
        account.drop_what_has_run_out(_ACCOUNTS.clock())
        pacer = account.pacers[limits] = cls(limits, clock=_ACCOUNTS.clock, account=account)
        return pacer

    def reserve(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation, for a caller who does the waiting.

        Whoever waits so looks at `is_blocked` before sending: a penalty may have come in between.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Returns:
            Seconds until the slot; 0 means now.

        Raises:
            RateLimitedError: When the slot would come after the deadline; no slot is taken.
        """
        lane = self._lanes.get(operation) or self._open(operation)
        if not lane.interval and not lane.held_until:
            return 0.0
        with self._account.lock:
            ticket = self._take(lane, operation, deadline)
            return max(max(ticket + lane.slip, lane.held_until) - self._clock(), 0.0)

    def is_free(self, operation: str) -> bool:
        """Return whether a call of an operation may go at once, for certain: no limit, and never a penalty."""
        lane = self._lanes.get(operation)
        return lane is not None and not lane.interval and not lane.held_until

    async def slot(self, operation: str, deadline: float | None = None) -> None:
        """Wait for a slot of an operation, however many penalties come between.

        A caller who is cancelled meanwhile gives the slot back.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Raises:
            RateLimitedError: As soon as it is known that the slot would come after the deadline.
        """
        lane = self._lanes.get(operation) or self._open(operation)
        if not lane.interval and not lane.held_until:
            return
        with self._account.lock:
            ticket = self._take(lane, operation, deadline)
        try:
            while wait := self._wait(lane, ticket, operation, deadline):  # noqa: ASYNC110 - only time can wake it
                await anyio.sleep(wait)
        except BaseException:
            with self._account.lock:
                heappush(lane.freed, ticket)
            raise

    def penalise(self, operation: str, seconds: float) -> None:
        """Keep every caller of an operation back until the vendor's penalty has ended; others go on.

        Those who wait for a slot already wait longer by it, in the order in which they came. Holds for every pacer of
        the account.

        Args:
            operation: The operation's name.
            seconds: How long from now.
        """
        self.not_before(operation, self._clock() + seconds)

    def not_before(self, operation: str, at: float) -> None:
        """Give no slot of an operation before a moment, for everyone who shares the account.

        Args:
            operation: The operation's name.
            at: The clock time.
        """
        now = self._clock()
        with self._account.lock:
            held = self._account.held_until
            if at <= max(now, held.get(operation, 0.0)):
                return
            held[operation] = at
            for lanes in self._account.lanes.values():
                lane = lanes.get(operation)
                if lane is not None:
                    lane.hold(at, now)

    def is_blocked(self, operation: str) -> bool:
        """Return whether a penalty holds an operation back now."""
        return self.blocked_s(operation) > 0

    def blocked_s(self, operation: str) -> float:
        """Return for how many seconds a penalty still holds an operation back, 0 without one."""
        until = self._account.held_until.get(operation)
        return 0.0 if until is None else max(until - self._clock(), 0.0)

    def per_minute(self, operation: str) -> float | None:
        """Return the calls a minute that an operation is allowed, None without a limit."""
        return self._limits.per_minute(operation)

    def interval_s(self, operation: str) -> float:
        """Return the seconds between two slots of an operation, 0 without a limit."""
        return (self._lanes.get(operation) or self._open(operation)).interval

    def _open(self, operation: str) -> _Lane:
        per_minute = self._limits.per_minute(operation)
        interval = (_WINDOW_S + _HEADROOM_S) / per_minute if per_minute else 0.0
        with self._account.lock:
            held_until = self._account.held_until.get(operation, 0.0)
            return self._lanes.setdefault(operation, _Lane(interval, self._clock(), held_until))

    def _take(self, lane: _Lane, operation: str, deadline: float | None) -> float:
        """Take a ticket: one that was given back, else the next one. The lock is held."""
        now = self._clock()
        if lane.held_until <= now:
            lane.held_until = 0.0
        earliest = now - lane.slip - _CATCH_UP_S
        freed = lane.freed
        while freed and freed[0] < earliest:
            heappop(freed)
        again = bool(freed) and lane.interval > 0
        ticket = freed[0] if again else max(lane.due, earliest)
        slot = max(ticket + lane.slip, lane.held_until)
        if deadline is not None and slot > deadline:
            raise _too_late(operation, slot - now)
        if again:
            heappop(freed)
        else:
            lane.due = ticket + lane.interval
        return ticket

    def _wait(self, lane: _Lane, ticket: float, operation: str, deadline: float | None) -> float:
        """Return how long a ticket's holder has to wait; at 0 the slot is used."""
        with self._account.lock:
            now = self._clock()
            planned = ticket + lane.slip
            slot = max(planned, lane.held_until)
            if slot > now:
                if deadline is not None and slot > deadline:
                    raise _too_late(operation, slot - now)
                return slot - now
            lane.held_until = 0.0
            if lane.interval:
                # Came too late, by a stalled loop: those behind are moved, or all of them would go at once.
                lane.slip += max(now - planned - _CATCH_UP_S, 0.0)
            return 0.0


# Module state, as in `auth/memory.py` and for the same reason: the vendor counts by account, not by client object. Two
# clients of one account, each with an allowance of its own, would together be penalised, also one after the other.
_ACCOUNTS: Final = Kept(_Account, time.monotonic)


def _end_of(lanes: dict[str, _Lane]) -> float:
    return max((lane.runs_out_at() for lane in lanes.values()), default=-math.inf)


def _too_late(operation: str, wait_s: float) -> RateLimitedError:
    return RateLimitedError(
        f"the next {operation} slot comes in {wait_s:.1f} s, too late for the call's deadline", retry_after_s=wait_s
    )
