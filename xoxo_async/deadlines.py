"""Ends what overruns its time: one timer for all that were given the same number of seconds."""

import asyncio
from types import TracebackType
from typing import Final

__all__ = ["Deadlines", "Watch"]


class Deadlines:
    """Watch tasks that are all given the same time.

    Deadlines of one length come up in the order in which they were set: a timer for the oldest serves all of them,
    and setting one costs an entry in a dictionary. With a timer for each, as `asyncio.timeout` and aiohttp have it,
    thousands that never go off are pushed onto the loop's heap, cancelled and cleared away again.

    Args:
        limit_s: The time given, in seconds.
        loop: The event loop.
    """

    __slots__ = ("_due", "_limit_s", "_loop", "_timer")

    def __init__(self, limit_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._limit_s: Final = limit_s
        self._loop: Final = loop
        self._due: Final[dict[Watch, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> "Watch":
        """Return what cancels the task that enters it once the time is over, and then raises `TimeoutError`."""
        return Watch(self)

    def add(self, watch: "Watch") -> None:
        """Begin to watch."""
        due = self._due[watch] = self._loop.time() + self._limit_s
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def drop(self, watch: "Watch") -> bool:
        """Watch no longer; return whether it was in time."""
        return self._due.pop(watch, None) is not None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._due:
            watch, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._loop.call_at(due, self._look)
                return
            del self._due[watch]
            watch.task.cancel()


class Watch:
    """One deadline, entered by the task it is for.

    Args:
        deadlines: Those of its length.
    """

    __slots__ = ("_cancelling", "_deadlines", "task")

    task: "asyncio.Task[object]"

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines: Final = deadlines

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task to enter")
        self.task = task
        self._cancelling = task.cancelling()
        self._deadlines.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._deadlines.drop(self):
            return
        # The cancellation was ours and ends here; but where somebody else has cancelled as well, theirs goes on.
        if self.task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
