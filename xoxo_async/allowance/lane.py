"""The slots of one operation that a store has granted to this process, and the callers that wait for them."""

import asyncio
import math
from collections import deque
from typing import Final

from xoxo_async.allowance.protocol import LATE_S, SPAN_S

__all__ = ["AHEAD_S", "FRESH_S", "Caller", "Lane"]

AHEAD_S: Final = 0.03
"""The next slots are asked for so long before the last granted one is due: then the answer is there in time."""

FRESH_S: Final = 0.25
"""A call is sent only if the store has said within this time that no penalty holds the operation back."""

_MINUTE_S: Final = 60.6
"""A minute, and what `pacing` leaves free of it: the calls of one minute are spread over it."""

_SAME_HOLD_S: Final = 0.1
"""Two answers about one penalty differ by the time that they were on their way; no slot is dropped for that."""

_UNUSED_S: Final = 0.05
"""A granted slot that nobody has taken for so long shows that no more are wanted ahead."""


class Caller:
    """A call that waits for its slot.

    Attributes:
        deadline: The clock time by which the slot must come.
        early: Whether the caller does the waiting itself, and wants the slot's time as soon as it is known.
        answer: Receives the time of the slot.
    """

    __slots__ = ("answer", "deadline", "early")

    def __init__(self, answer: "asyncio.Future[float]", deadline: float | None, *, early: bool) -> None:
        self.answer: Final = answer
        self.deadline: Final[float] = math.inf if deadline is None else deadline
        self.early: Final = early


class Lane:
    """Match granted slots with callers, in the order in which they came, and say when more slots are wanted.

    The lane decides and does nothing else: `Share` asks the store and wakes the callers. Times are the clock's.

    Args:
        operation: The operation's name.
        interval: The seconds between two slots of the account; 0 where the operation has no limit.
    """

    def __init__(self, operation: str, interval: float) -> None:
        self.operation: Final = operation
        self.interval: Final = interval
        self.spacing: float = interval  # between two slots of this process while it goes on alone
        self.slots: Final[deque[float]] = deque()
        self.waiting: Final[deque[Caller]] = deque()
        self.last: float = -math.inf  # the last slot that was granted
        self.told_at: float = -math.inf  # when the latest answer was asked for
        self.members = 0
        self.asking = False
        self.timer: asyncio.TimerHandle | None = None
        self.listeners: Final[list[asyncio.Future[None]]] = []
        self._most: Final = max(int(SPAN_S / interval), 1) if interval else 0
        self._granted = 1  # slots in the latest grant
        self._ahead = 0  # slots to ask for before a caller wants them: a bulk run takes them one by one
        self._look_at = math.inf  # when to ask for penalties, before a slot that is used elsewhere
        self._alone_from = -math.inf
        self._capped_until = -math.inf
        self._alone = False

    # Callers.

    @property
    def has_spare(self) -> bool:
        """Whether a slot has been granted that no caller waits for, or none is needed."""
        return not self.interval or len(self.slots) > len(self.waiting)

    def enter(self, caller: Caller) -> None:
        """Put a caller at the end of the queue."""
        self.waiting.append(caller)
        if caller.early:
            self._ahead = max(self._ahead, 1)

    def leave(self, caller: Caller) -> None:
        """Take a caller that gives up out of the queue."""
        if caller in self.waiting:
            self.waiting.remove(caller)

    def give_back(self, slot: float) -> None:
        """Take back the slot of a caller that was cancelled; the next one gets it."""
        self.slots.appendleft(slot)

    def served(self, now: float, held_until: float, *, fresh: bool) -> list[tuple[Caller, float]]:
        """Return the callers whose slot is due, each with its slot. Those that wait themselves get it beforehand.

        Args:
            now: The time.
            held_until: The end of a penalty.
            fresh: Whether penalties are known well enough to send a call.
        """
        early = [pair for pair in zip(self.waiting, self.slots, strict=False) if pair[0].early]
        for caller, slot in early:
            self.waiting.remove(caller)
            self.slots.remove(slot)
            if slot - self.told_at > FRESH_S:
                self._look_at = min(self._look_at, slot - AHEAD_S)
        found = early
        while fresh and self.waiting and self.slots and max(self.slots[0], held_until) <= now:
            found.append((self.waiting.popleft(), self.slots.popleft()))
        return found

    def too_late(self, now: float, held_until: float, *, bound: float = -math.inf) -> list[tuple[Caller, float]]:
        """Take out the callers whose slot comes after their deadline, each with the seconds until that slot.

        Args:
            now: The time.
            held_until: The end of a penalty.
            bound: No further slot is granted before this time.
        """
        late: list[tuple[Caller, float]] = []
        kept = 0
        granted = list(self.slots)
        limited = self._has_own_part(now)
        spacing, own_part = (self.spacing, self._alone_from) if limited else (self.interval, -math.inf)
        following = max(self.last + spacing, own_part, now, held_until, bound)
        for caller in list(self.waiting):
            slot = granted[kept] if kept < len(granted) else following + (kept - len(granted)) * spacing
            if slot > caller.deadline:
                self.waiting.remove(caller)
                late.append((caller, slot - now))
            else:
                kept += 1
        return late

    def within(self, now: float) -> float:
        """Return the seconds by which a further slot must come to be of use to any caller that has none."""
        without = [caller.deadline for place, caller in enumerate(self.waiting) if place >= len(self.slots)]
        return max(max(without) - now, 0.0) if without else math.inf

    # Slots.

    def drop(self, now: float, held_until: float) -> None:
        """Forget the slots that are too late by now, and those within a penalty."""
        earliest = max(now - LATE_S, held_until - _SAME_HOLD_S if held_until > now else -math.inf)
        while self.slots and self.slots[0] < earliest:
            self.slots.popleft()
            self._ahead = 0
        if self.interval and any(caller.early for caller in self.waiting):
            self._ahead = max(self._ahead, 1)

    def wanted(self, now: float) -> int:
        """Return how many slots to ask the store for now."""
        if self.asking or self._next_ask(now) > now or not self._wants_more(now):
            return 0
        most = max(int(SPAN_S / self.spacing), 1) if self._has_own_part(now) else self._most
        return min(max(len(self.waiting) - len(self.slots), self._ahead, 1), most)

    def granted(self, first: float, count: int) -> None:
        """Add the slots of a grant.

        Args:
            first: The first one's time.
            count: How many; one interval apart.
        """
        self.slots.extend(first + number * self.interval for number in range(count))
        self.last = self.slots[-1]
        self._granted = count
        self._ahead = min(self._ahead * 2, self._most)
        self._alone_from = first + count * self.spacing

    def wakes_at(self, now: float, held_until: float) -> float:
        """Return when there is something to do next; infinite if nothing is."""
        times = [math.inf, self._look_at]
        if self.waiting and self.slots:
            due = max(self.slots[0], held_until, now)
            times.append(due if self._alone or due - self.told_at <= FRESH_S else max(due - AHEAD_S, now))
        if not self.asking and self._wants_more(now):
            times.append(self._next_ask(now))
        return min(times)

    def must_look(self, now: float, held_until: float) -> bool:
        """Return whether to ask for penalties now, because a slot is about to be used and the last answer is old."""
        if self._look_at <= now:
            self._look_at = math.inf
            return now - self.told_at > FRESH_S - AHEAD_S
        if not (self.waiting and self.slots):
            return False
        due = max(self.slots[0], held_until, now)
        return due - now <= AHEAD_S and due - self.told_at > FRESH_S and now - self.told_at > AHEAD_S

    def _wants_more(self, now: float) -> bool:
        if len(self.waiting) > len(self.slots):
            return True
        return self._ahead > 0 and (not self.slots or self.slots[0] > now - _UNUSED_S)

    def _next_ask(self, now: float) -> float:
        return max(self.last, self._alone_from if self._has_own_part(now) else -math.inf) - AHEAD_S

    def _has_own_part(self, now: float) -> bool:
        """Return whether this process has to keep to its part of the rate."""
        return self._alone or now < self._capped_until

    # Without the store.

    def go_alone(self, members: int, now: float) -> None:
        """Go on without the store, with this process's part of the rate.

        Args:
            members: How many processes share the rate.
            now: The time.
        """
        self._alone = True
        if not self.interval:
            return
        calls = round(_MINUTE_S / self.interval, 6) / members
        # Whole calls a minute, because the parts of all processes add up to no more than the limit only then.
        self.spacing = _MINUTE_S / (math.floor(calls) if calls >= 1 else calls)
        # The other members have grants that follow the last one of this process.
        others_s = (members - 1) * self._granted * self.interval
        self._alone_from = max(self.last + others_s + self.spacing, now)

    def grant_alone(self, now: float, held_until: float) -> None:
        """Give the callers slots of this process's own part."""
        while len(self.waiting) > len(self.slots) and self.last - now <= AHEAD_S:
            slot = max(self._alone_from, held_until, now)
            self.slots.append(slot)
            self.last = slot
            self._alone_from = slot + self.spacing

    def come_back(self, until: float) -> None:
        """Use the store again; but take no more than this process's own part, because others may still be alone.

        Args:
            until: When all processes have surely found the store again.
        """
        self._alone = False
        self._capped_until = until
