"""Time limits: one timer for all requests that were given the same number of seconds."""

import asyncio
from types import TracebackType
from typing import Any, Final

__all__ = ["Deadlines"]


class Deadlines:
    """Give every task that enters the same time: `with deadlines:` cancels it after that, and raises `TimeoutError`.

    Deadlines of one length expire in the order in which they were set. So one timer, for the oldest, serves all of
    them, and a new deadline costs an entry in a dictionary. `asyncio.timeout` and aiohttp set a timer for each request:
    thousands of timers that never expire go onto the loop's heap and are cancelled again (measured: 26 k of the 444 k
    instructions of an order).

    A task enters it once at a time.

    Args:
        limit_s: The time given, in seconds.
        loop: The event loop.
    """

    __slots__ = ("_due", "_limit_s", "_loop", "_over", "_timer")

    def __init__(self, limit_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._limit_s: Final = limit_s
        self._loop: Final = loop
        # For each task: when its time ends, and how often it had been cancelled when it entered.
        self._due: Final[dict[asyncio.Task[Any], tuple[float, int]]] = {}
        self._over: Final[dict[asyncio.Task[Any], int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a deadline is for a task to enter")
        due = self._loop.time() + self._limit_s
        self._due[task] = due, task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task: Any = asyncio.current_task(self._loop)
        if self._due.pop(task, None) is not None:
            return
        # This object cancelled the task, and that ends here. If someone else cancelled it as well, theirs goes on.
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
