"""Ends what overruns its time: one timer for all that were given the same number of seconds."""

import asyncio
from types import TracebackType
from typing import Any, Final

__all__ = ["Deadlines"]


class Deadlines:
    """Give every task that enters the same time: `with deadlines:` cancels it after that, and raises `TimeoutError`.

    Deadlines of one length come up in the order in which they were set: a timer for the oldest serves all of them,
    and setting one costs an entry in a dictionary. With a timer for each, as `asyncio.timeout` and aiohttp have it,
    thousands that never go off are pushed onto the loop's heap, cancelled and cleared away again.

    A task enters it once at a time.

    Args:
        limit_s: The time given, in seconds.
        loop: The event loop.
    """

    __slots__ = ("_due", "_limit_s", "_loop", "_over", "_timer")

    def __init__(self, limit_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._limit_s: Final = limit_s
        self._loop: Final = loop
        # When each is over; and how often its task had been cancelled when it entered.
        self._due: Final[dict[asyncio.Task[Any], tuple[float, int]]] = {}
        self._over: Final[dict[asyncio.Task[Any], int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task to enter")
        due = self._loop.time() + self._limit_s
        self._due[task] = due, task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task: Any = asyncio.current_task()
        if self._due.pop(task, None) is not None:
            return
        # The cancellation was ours and ends here; but where somebody else has cancelled as well, theirs goes on.
        if task.uncancel() <= self._over.pop(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._due:
            task, (due, cancelling) = next(iter(self._due.items()))
            if due > now:
                self._timer = self._loop.call_at(due, self._look)
                return
            del self._due[task]
            self._over[task] = cancelling
            task.cancel()
