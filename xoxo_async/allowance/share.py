"""One process's use of a store: it asks for slots, passes penalties on, and goes on alone while the store is away."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from xoxo_async.allowance.lane import FRESH_S, Caller, Lane
from xoxo_async.allowance.protocol import Allowance, AwayError, Grant, checked
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import AllowanceAway, AllowanceBack, Hook, LoggingHook
from xoxo_async.notifying import notify
from xoxo_async.pacing import Pacer, too_late

__all__ = ["ASSUMED_MEMBERS", "Share"]

_LOG: Final = logging.getLogger("xoxo_async")

ASSUMED_MEMBERS: Final = 10
"""How many processes a process assumes to share the rate if the store was never reached. It may be too careful: then
calls wait longer, until the store answers. Too few would overrun the limit, which costs a minute."""

_SLOW_S: Final = 0.25
"""An answer that takes longer is not used: its slots are counted from its arrival, and would be too late."""
_FIRST_S: Final = 3.0
"""The time for the first answer and for the probes: they open the connection."""
_STALL_S: Final = 0.1
"""A timer that is later than this shows that the process itself stood still. The store may be well."""
_PROBE_S: Final = 0.5
_RETURN_S: Final = 4.0
"""After it has found the store again, a process takes no more than its own part for so long: longer than the others may
need to find it, `_FIRST_S` and `_PROBE_S`."""
_FAILURES: Final = 2


class Share:
    """The slots that one process has of one account, in one event loop.

    Args:
        allowance: The store.
        account: The account, a hash.
        member: The name of this process in the store.
        penalties: Keeps the penalties of this process, also for clients that do not share.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        allowance: Allowance,
        account: str,
        *,
        member: str,
        penalties: Pacer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.users = 0
        self.hooks: Final[list[Hook]] = []
        self.away: bool = False
        self._allowance: Final = allowance
        self._account: Final = account
        self._member: Final = member
        self._penalties: Final = penalties
        self._clock: Final = clock
        self._lanes: Final[dict[tuple[str, float], Lane]] = {}
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._passing_on: asyncio.Task[None] | None = None
        self._owed: Final[dict[str, float]] = {}  # the ends of penalties that the store does not know yet
        self._known: Final[dict[str, float]] = {}  # the ends of penalties that it knows, or is owed
        self._reached = False
        self._failures = 0
        self._trace_logged = False  # the trace of a bug of the store, since its last answer
        self._unsaid = ""

    # For the pacer.

    def lane(self, operation: str, interval: float) -> Lane:
        """Return the lane of an operation."""
        key = operation, interval
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(operation, interval)
            if self.away:
                lane.go_alone(self._members(), self._clock())
        return lane

    async def slot(self, lane: Lane, deadline: float | None, *, early: bool = False) -> float:
        """Return the time of the next slot, once it is due.

        Where the waiting caller is cancelled, the next one gets its slot.

        Args:
            lane: The operation's lane.
            deadline: The clock time by which the slot must come.
            early: Whether to return as soon as the slot's time is known.

        Raises:
            RateLimitedError: The slot would come after the deadline.
            ConfigError: The store cannot be used, and has never answered.
        """
        caller = Caller(asyncio.get_running_loop().create_future(), deadline, early=early)
        lane.enter(caller)
        self._serve(lane, judge=deadline is not None)
        try:
            return await caller.answer
        except asyncio.CancelledError:
            lane.leave(caller)
            if caller.answer.done() and not caller.answer.cancelled() and caller.answer.exception() is None:
                lane.give_back(caller.answer.result())
            self._serve(lane)
            raise

    def is_told(self, lane: Lane) -> bool:
        """Return whether penalties of an operation are known well enough to send a call now."""
        return self.away or self._clock() - lane.told_at <= FRESH_S

    async def learn(self, lane: Lane) -> None:
        """Ask for penalties of an operation, unless the last answer is new enough.

        Raises:
            ConfigError: The store cannot be used, and has never answered.
        """
        if self.is_told(lane):
            return
        if not lane.asking:
            self._ask(lane, 0)
        listener: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.listeners.append(listener)
        await listener

    def hold(self, operation: str, seconds: float) -> None:
        """Tell all processes of a penalty.

        Args:
            operation: The operation's name.
            seconds: The seconds that are left of it.
        """
        self.lane(operation, self._penalties.interval_s(operation))  # so that there is one to look for the store with
        until = self._clock() + seconds
        if until > self._known.get(operation, -math.inf) + FRESH_S:
            self._known[operation] = self._owed[operation] = until
            self._pass_on()
        for lane in self._lanes.values():
            if lane.operation == operation:
                self._serve(lane, judge=True)

    async def close(self) -> None:
        """Tell the store of the last penalties, and close it. Calls that still wait raise `ConfigError`."""
        if self._owed:
            self._pass_on()
        if self._passing_on is not None:
            await asyncio.wait([self._passing_on], timeout=2 * _SLOW_S)
        closed = ConfigError("this client is closed")
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
            self._tell_listeners(lane, closed)
        self._refuse_all(closed)
        tasks = [task for task in (*self._tasks, self._passing_on) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        close = getattr(self._allowance, "aclose", None)
        if close is not None:
            await close()

    # Callers and slots.

    def _serve(self, lane: Lane, *, judge: bool = False, bound: float = -math.inf) -> None:
        """Give callers the slots that are due, and ask for more where they are wanted.

        Args:
            lane: The operation's lane.
            judge: Whether to refuse the callers whose slot comes too late: something is known that was not before.
            bound: No further slot is granted before this time.
        """
        now = self._clock()
        held_until = now + self._penalties.blocked_s(lane.operation)
        lane.drop(now, held_until)
        if judge:
            for caller, wait_s in lane.too_late(now, held_until, bound=bound):
                if not caller.answer.done():
                    caller.answer.set_exception(too_late(lane.operation, wait_s))
        if self.away:
            lane.grant_alone(now, held_until)
        for caller, slot in lane.served(now, held_until, fresh=self.is_told(lane)):
            if caller.answer.done():  # cancelled meanwhile
                lane.give_back(slot)
            else:
                # Only now: a process whose token is in the same database sends nothing, and its error says why.
                self._log(self._unsaid)
                self._unsaid = ""
                caller.answer.set_result(slot)
        if not self.away:
            count = lane.wanted(now)
            if count or (not lane.asking and lane.must_look(now, held_until)):
                self._ask(lane, count)
        self._set_timer(lane, now, held_until)

    def _set_timer(self, lane: Lane, now: float, held_until: float) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        at = lane.wakes_at(now, held_until)
        if at < math.inf and not (lane.asking and at <= now):
            lane.timer = asyncio.get_running_loop().call_later(max(at - now, 0.0005), self._serve, lane)

    # The store.

    def _ask(self, lane: Lane, count: int) -> None:
        """Ask the store in a task of its own: a caller that is cancelled must not break the store's connection."""
        lane.asking = True
        within_s = lane.within(self._clock()) if count else math.inf
        self._spawn(self._take(lane, count, within_s))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take(self, lane: Lane, count: int, within_s: float) -> None:
        asked_at, bound = self._clock(), -math.inf
        failure: ConfigError | None = None
        try:
            grant = await self._call(lane, count, within_s, _SLOW_S if self._reached else _FIRST_S)
            if grant is not None:
                bound = self._answered(lane, grant, asked_at, count)
        except ConfigError as error:
            if self._reached:
                self._failed(error.message)
            else:
                failure = error
        finally:
            lane.asking = False
            self._tell_listeners(lane, failure)
        if failure is not None:
            self._refuse_all(failure)
        else:
            self._serve(lane, judge=True, bound=bound)

    async def _call(self, lane: Lane, count: int, within_s: float, patience_s: float) -> Grant | None:
        """Ask the store once; None where it gave no usable answer, which is counted."""
        started = self._clock()
        try:
            async with asyncio.timeout(patience_s):
                grant = await self._allowance.take(
                    self._account,
                    lane.operation,
                    member=self._member,
                    interval_s=lane.interval,
                    count=count,
                    within_s=within_s,
                )
            return checked(grant, count)
        except ConfigError:
            raise
        except TimeoutError:
            if self._clock() - started <= patience_s + _STALL_S:
                self._failed(f"no answer within {patience_s:g} s")
        except AwayError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a store of the caller's own may raise anything
            if not self._trace_logged:  # the store is asked twice a second, and the bug is the same
                _LOG.warning("the allowance %r failed", self._allowance, exc_info=True)
                self._trace_logged = True
            self._failed(type(error).__name__)
        return None

    def _answered(self, lane: Lane, grant: Grant, asked_at: float, count: int) -> float:
        """Take an answer in. Return the time before which no further slot is granted."""
        now = self._clock()
        self._reached = True
        self._failures = 0
        self._trace_logged = False
        lane.members = grant.members or lane.members
        if self._owed:
            self._pass_on()
        if grant.held_s > 0:
            self._note_hold(lane.operation, now + grant.held_s)  # of an old answer too: it ends by then
        if now - asked_at > _SLOW_S:
            return -math.inf  # the process stood still, or connected: its slots are in the past, nobody knows how far
        lane.told_at = asked_at
        if grant.count:
            lane.granted(now + grant.first_s, grant.count)
        elif count:
            return now + grant.first_s
        return -math.inf

    def _note_hold(self, operation: str, until: float) -> None:
        """Let this process know of a penalty that another one has met."""
        now = self._clock()
        if until > now + self._penalties.blocked_s(operation) + 0.05:  # the same penalty differs by a trip's time
            self._known[operation] = max(until, self._known.get(operation, -math.inf))
            self._penalties.not_before(operation, until)

    def _tell_listeners(self, lane: Lane, failure: ConfigError | None) -> None:
        listeners = [listener for listener in lane.listeners if not listener.done()]
        lane.listeners.clear()
        for listener in listeners:
            if failure is None:
                listener.set_result(None)
            else:
                listener.set_exception(ConfigError(failure.message))

    def _refuse_all(self, failure: ConfigError) -> None:
        """Raise a failure to every caller: the store has never answered, so a setting is wrong, or the share ends."""
        for lane in self._lanes.values():
            waiting = list(lane.waiting)
            lane.waiting.clear()
            for caller in waiting:
                if not caller.answer.done():
                    caller.answer.set_exception(ConfigError(failure.message))

    # Penalties for the others.

    def _pass_on(self) -> None:
        if not self.away and self._passing_on is None:
            self._passing_on = asyncio.get_running_loop().create_task(self._send_owed())
            self._passing_on.add_done_callback(self._passed_on)

    def _passed_on(self, _task: "asyncio.Task[None]") -> None:
        self._passing_on = None  # a finished task keeps its loop, and shares are kept by their loop

    async def _send_owed(self) -> None:
        """Tell the store of the penalties that it does not know. What fails is sent again with the next answer."""
        for operation, until in list(self._owed.items()):
            left_s = until - self._clock()
            if left_s > 0:
                try:
                    async with asyncio.timeout(_SLOW_S if self._reached else _FIRST_S):
                        await self._allowance.hold(self._account, operation, left_s)
                except Exception as error:  # noqa: BLE001 - a store of the caller's own may raise anything
                    self._failed(str(error) or type(error).__name__)
                    return
            if self._owed.get(operation) == until:
                del self._owed[operation]

    # While the store is away.

    def _failed(self, reason: str) -> None:
        """Count a failure. The second one in a row, or the very first answer that fails, sends the process on alone."""
        self._failures += 1
        if not self.away and (self._failures >= _FAILURES or not self._reached):
            self._go_alone(reason)

    def _go_alone(self, reason: str) -> None:
        self.away = True
        members = self._members()
        now = self._clock()
        for lane in self._lanes.values():
            lane.go_alone(lane.members or members, now)
        known = "" if self._reached else ", since nobody knows how many processes share it"
        self._unsaid = (
            f"the shared allowance {self._allowance!r} is away ({reason}): this process goes on with 1/{members} of"
            f" each limit{known}"
        )
        notify(self.hooks, AllowanceAway(store=repr(self._allowance), reason=reason, members=members))
        self._spawn(self._find_again())
        for lane in self._lanes.values():
            self._serve(lane, judge=True)

    def _log(self, words: str) -> None:
        if words and not any(isinstance(hook, LoggingHook) for hook in self.hooks):  # such a hook logs the event
            _LOG.warning("%s", words)

    def _members(self) -> int:
        return max((lane.members for lane in self._lanes.values()), default=0) or ASSUMED_MEMBERS

    async def _find_again(self) -> None:
        """Ask the store now and then, until it answers."""
        while self.away:
            await asyncio.sleep(_PROBE_S)
            lane = next(iter(self._lanes.values()))
            asked_at = self._clock()
            try:
                grant = await self._call(lane, 0, math.inf, _FIRST_S)
                if grant is not None and self._clock() - asked_at > _SLOW_S:
                    # It opened the connection, or the store is as slow as before: the next answer shows which.
                    self._note_hold(lane.operation, self._clock() + grant.held_s)
                    grant = await self._call(lane, 0, math.inf, _SLOW_S)
            except ConfigError:
                continue  # it was said when the store went away, or will be at the next start
            if grant is not None:
                self._reached = True
                self._failures = 0
                self._note_hold(lane.operation, self._clock() + grant.held_s)
                await self._send_owed()
                if not self._failures:
                    self._come_back()

    def _come_back(self) -> None:
        self.away = False
        if not self._unsaid:
            self._log(f"the shared allowance {self._allowance!r} is back: this process takes its slots from it again")
        self._unsaid = ""
        notify(self.hooks, AllowanceBack(store=repr(self._allowance)))
        until = self._clock() + _RETURN_S
        for lane in self._lanes.values():
            lane.come_back(until)
            self._serve(lane)
