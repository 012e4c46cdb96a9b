"""Rate limits and penalties of each operation, shared by all clients of an account in this process."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Protocol, Self
from weakref import WeakValueDictionary

from xoxo_async.config import RateLimits
from xoxo_async.errors import RateLimitedError
from xoxo_async.kept import Kept, account_name, fork_safe_lock

__all__ = ["TOKEN_REQUEST", "Pacer", "Pacing", "too_late"]

TOKEN_REQUEST: Final = "token"  # noqa: S105 - a name
"""The name under which a pacer keeps the penalties of the token endpoint, which the vendor throttles too."""

_WINDOW_S: Final = 60.0
"""The vendor states its limits per minute (wire documentation § 5)."""

_HEADROOM_S: Final = 0.6
"""The calls of one window are spread over this much more than the window, which costs one percent of the allowance.
Requests arrive with some jitter. In a window that is exactly full, one early arrival causes a penalty of a minute."""

_CATCH_UP_S: Final = 0.25
"""A caller that comes later than this to its slot loses the slot; a smaller delay does not move the slots after it. It
is less than the headroom, so that late calls never overfill a window."""


class Pacing(Protocol):
    """What calls use of a pacer: of `Pacer`, or of `SharedPacer`, which takes its slots from a store."""

    def is_free(self, operation: str) -> bool:
        """Return whether a call may certainly be sent at once."""
        ...

    async def slot(self, operation: str, deadline: float | None = None) -> None:
        """Wait for a slot of an operation."""
        ...

    async def next_slot(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation, and return the seconds until it."""
        ...

    def knows_next(self, operation: str) -> bool:
        """Return whether `next_slot` returns at once."""
        ...

    async def learn(self, operation: str) -> None:
        """Ask whether another process has met a penalty."""
        ...

    def penalise(self, operation: str, seconds: float) -> None:
        """Give no slot of an operation until the vendor's penalty has ended."""
        ...

    def keep_distance(self, operation: str, seconds: float) -> None:
        """Give no slot for some seconds, because an earlier run has used the last one just now."""
        ...

    def is_blocked(self, operation: str) -> bool:
        """Return whether an operation has a penalty now."""
        ...

    def blocked_s(self, operation: str) -> float:
        """Return the seconds that are left of an operation's penalty, 0 without one."""
        ...

    def per_minute(self, operation: str) -> float | None:
        """Return the calls a minute that an operation may make, None without a limit."""
        ...

    def interval_s(self, operation: str) -> float:
        """Return the seconds between two slots of an operation, 0 without a limit."""
        ...


class _Lane:
    """The planned slots of one operation.

    A ticket is a planned time, and its slot is that time plus `slip`. A penalty raises `slip`, which delays all waiting
    callers at once and keeps their order.
    """

    __slots__ = ("due", "freed", "held_until", "interval", "slip")

    def __init__(self, interval: float, now: float, held_until: float) -> None:
        self.interval: Final = interval
        self.due = max(now, held_until)
        self.slip = 0.0
        self.held_until = held_until  # 0.0 when nothing holds the operation back
        self.freed: Final[list[float]] = []  # tickets of callers who gave up, a heap

    def hold(self, until: float, now: float) -> None:
        """Raise `slip` by what `until` adds to the present wait. A caller that comes to an empty lane gets `until`."""
        self.slip += max(until - max(now, self.held_until), 0.0)
        self.held_until = max(self.held_until, until)
        self.due = max(self.due, self.held_until - self.slip)

    def runs_out_at(self) -> float:
        """Return the time from which a new lane gives the same slots as this one."""
        return max(self.due + self.slip, self.held_until)


class _Account:
    """The lock, the penalties and the lanes that the pacers of one account share.

    The lanes are here and not in the pacer, because the pacer ends with its last client, and the vendor still counts
    the calls of that client.
    """

    __slots__ = ("__weakref__", "held_until", "lanes", "lock", "pacers")

    def __init__(self) -> None:
        # An anyio lock belongs to one event loop, and clients of several loops in several threads may share an account.
        # A thread's lock does not block a loop here, because no code awaits while it holds this lock.
        self.lock: threading.Lock = fork_safe_lock(self)
        self.held_until: Final[dict[str, float]] = {}
        self.lanes: Final[dict[RateLimits, dict[str, _Lane]]] = {}
        self.pacers: Final[WeakValueDictionary[RateLimits, Pacer]] = WeakValueDictionary()

    def runs_out_at(self) -> float:
        """Return when the last penalty and the last slot's interval are over."""
        ends = [*self.held_until.values(), *(_end_of(lanes) for lanes in self.lanes.values())]
        return max(ends, default=-math.inf)

    def drop_unused_lanes(self, now: float) -> None:
        """Forget the lanes of limits that no client has any longer."""
        with self.lock:
            for limits in [limits for limits in self.lanes if limits not in self.pacers]:
                if _end_of(self.lanes[limits]) <= now:
                    del self.lanes[limits]


class Pacer:
    """Give evenly spaced slots of each operation to all callers, in the order in which they ask.

    All operations share one URL, so the vendor counts by the operation in the body, and so does this class. The vendor
    does not say whether its window is fixed or sliding (wire documentation § 5). Slots one interval apart suit both,
    because there is no burst at a window's edge. A caller that asks for one slot at a time, as a bulk run does, is
    never more than one slot ahead of the next caller. Any thread may use a pacer.

    Args:
        limits: The calls a minute of each operation.
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
        """Return the pacer that all clients of one account with these limits share in this process.

        Clients with other limits have a pacer of their own, because only the caller knows how the allowance is divided.
        A penalty belongs to the account and holds for all of them. Slots and penalties outlive their client until they
        run out.

        Args:
            base_url: The address, checked.
            provider: The token provider. Its `account` attribute, a string, names its account. Without the attribute,
                only the clients of this object count as one account.
            limits: The calls a minute of each operation.
        """
        name, anchor = account_name(provider, "account")
        return _ACCOUNTS.join((base_url, name), lambda account: cls._of(account, limits), anchor)

    @classmethod
    def _of(cls, account: _Account, limits: RateLimits) -> Self:
        """Return the account's pacer for these limits. The caller holds the registry's lock."""
        existing = account.pacers.get(limits)
        if isinstance(existing, cls):
            return existing
        account.drop_unused_lanes(_ACCOUNTS.clock())
        pacer = account.pacers[limits] = cls(limits, clock=_ACCOUNTS.clock, account=account)
        return pacer

    def reserve(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation, for a caller that does the waiting itself.

        The caller asks `is_blocked` before it sends, because a penalty may have come meanwhile.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Returns:
            Seconds until the slot; 0 means now.

        Raises:
            RateLimitedError: The slot would come after the deadline; no slot is taken.
        """
        lane = self._lanes.get(operation) or self._open(operation)
        if not lane.interval and not lane.held_until:
            return 0.0
        with self._account.lock:
            ticket = self._take(lane, operation, deadline)
            return max(max(ticket + lane.slip, lane.held_until) - self._clock(), 0.0)

    async def next_slot(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation as `reserve` does. It does not wait: this process knows its slots.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Returns:
            Seconds until the slot; 0 means now.

        Raises:
            RateLimitedError: The slot would come after the deadline; no slot is taken.
        """
        return self.reserve(operation, deadline)

    def knows_next(self, operation: str) -> bool:  # noqa: ARG002 - as `Pacing` has it
        """Return True: this process gives the slots itself."""
        return True

    async def learn(self, operation: str) -> None:
        """Do nothing: this process knows the penalties that it has met.

        Args:
            operation: The operation's name.
        """

    def is_free(self, operation: str) -> bool:
        """Return whether a call may certainly be sent at once: the operation has no limit and never had a penalty."""
        lane = self._lanes.get(operation)
        return lane is not None and not lane.interval and not lane.held_until

    async def slot(self, operation: str, deadline: float | None = None) -> None:
        """Wait for a slot of an operation, and for the end of each penalty that comes meanwhile.

        Where the waiting caller is cancelled, the next one gets its slot.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Raises:
            RateLimitedError: The slot would come after the deadline. It is raised as soon as that is known.
        """
        lane = self._lanes.get(operation) or self._open(operation)
        if not lane.interval and not lane.held_until:
            return
        with self._account.lock:
            ticket = self._take(lane, operation, deadline)
        try:
            while wait := self._wait(lane, ticket, operation, deadline):  # noqa: ASYNC110 - only time can wake it
                # Not anyio's: that is two coroutines more, an eighth of what each of ten thousand callers holds here.
                await asyncio.sleep(wait)
        except BaseException:
            with self._account.lock:
                heappush(lane.freed, ticket)
            raise

    def penalise(self, operation: str, seconds: float) -> None:
        """Give no slot of an operation until the vendor's penalty has ended. Other operations go on.

        Callers that already wait for a slot wait longer and keep their order. The penalty holds for every pacer of the
        account.

        Args:
            operation: The operation's name.
            seconds: The length of the penalty from now.
        """
        self.not_before(operation, self._clock() + seconds)

    def keep_distance(self, operation: str, seconds: float) -> None:
        """Give no slot of an operation for some seconds, because an earlier run has used the last one just now.

        Args:
            operation: The operation's name.
            seconds: The seconds from now, at most one interval.
        """
        self.penalise(operation, seconds)

    def not_before(self, operation: str, at: float) -> None:
        """Give no slot of an operation before a given time, to any caller of the account.

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
        """Return whether an operation has a penalty now."""
        return self.blocked_s(operation) > 0

    def blocked_s(self, operation: str) -> float:
        """Return the seconds that are left of an operation's penalty, 0 without one."""
        until = self._account.held_until.get(operation)
        return 0.0 if until is None else max(until - self._clock(), 0.0)

    def per_minute(self, operation: str) -> float | None:
        """Return the calls a minute that an operation may make, None without a limit."""
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
        """Take a ticket: one that was given back, otherwise the next one. The caller holds the lock."""
        now = self._clock()
        if lane.held_until <= now:
            lane.held_until = 0.0
        earliest = now - lane.slip - _CATCH_UP_S
        freed = lane.freed
        while freed and freed[0] < earliest:
            heappop(freed)
        freed_one = bool(freed) and lane.interval > 0
        ticket = freed[0] if freed_one else max(lane.due, earliest)
        slot = max(ticket + lane.slip, lane.held_until)
        if deadline is not None and slot > deadline:
            raise too_late(operation, slot - now)
        if freed_one:
            heappop(freed)
        else:
            lane.due = ticket + lane.interval
        return ticket

    def _wait(self, lane: _Lane, ticket: float, operation: str, deadline: float | None) -> float:
        """Return the seconds that the holder of a ticket must wait; 0 uses the slot."""
        with self._account.lock:
            now = self._clock()
            planned = ticket + lane.slip
            slot = max(planned, lane.held_until)
            if slot > now:
                if deadline is not None and slot > deadline:
                    raise too_late(operation, slot - now)
                return slot - now
            lane.held_until = 0.0
            if lane.interval:
                # The loop stalled, so this caller is late. The callers behind it move too, or they would all send at
                # once and overfill the vendor's window.
                lane.slip += max(now - planned - _CATCH_UP_S, 0.0)
            return 0.0


# Module state, as in `auth/memory.py`, because the vendor counts by account and not by client object. If two clients of
# one account each had an allowance, they would exceed the account's, together or one after the other.
_ACCOUNTS: Final = Kept(_Account, time.monotonic)


def _end_of(lanes: dict[str, _Lane]) -> float:
    return max((lane.runs_out_at() for lane in lanes.values()), default=-math.inf)


def too_late(operation: str, wait_s: float) -> RateLimitedError:
    """Return the error of a call whose slot comes after its deadline.

    Args:
        operation: The operation's name.
        wait_s: The seconds until the slot.
    """
    return RateLimitedError(
        f"the next {operation} slot comes in {wait_s:.1f} s, too late for the call's deadline", retry_after_s=wait_s
    )
