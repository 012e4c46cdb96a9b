"""An order desk on an event loop of its own, in a thread: for Django, Flask and whatever has a loop for each request.

A client belongs to the loop that it is first used on. Django's `async_to_sync` and Flask's async views make a loop for
each request, so each request would have to open connections and log in. This client stays:

    background = BackgroundDesk()
    order = background.run(lambda desk: desk.place(...))            # in a sync view
    order = await background.call(lambda desk: desk.place(...))     # in an async view

A call goes on when its request is cancelled, so a disconnect leaves no order half-way.
"""

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

from xoxo_async.client import XoxoClient
from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError, OutcomeUnknownError, XoxoError
from xoxo_async.integrations.desk import OrderDesk, opened
from xoxo_async.integrations.http_status import log_error

__all__ = ["BackgroundDesk"]

_LOG: Final = logging.getLogger("xoxo_async")

T = TypeVar("T")


class BackgroundDesk:
    """Run the calls of every thread and every event loop on one client, whose loop runs in a thread.

    The thread starts at the first call. So an object made at import time is right in a server that forks its workers
    too: each worker has a thread and a client of its own. Give all of them one allowance (`XOXO_SHARED`).

    Args:
        source: A function that makes the client; `XoxoClient.from_env` by default.
        finish_s: Seconds that calls under way get when the object is closed, or the process ends.

    Raises:
        ConfigError: `finish_s` is no number from 0, or `source` is no function.

    Example:
        ```python
        from xoxo_async.integrations.background_desk import BackgroundDesk

        background = BackgroundDesk(XoxoClient.from_env)
        balance = await background.call(lambda desk: desk.client.account.get_balance())
        background.close()
        ```
    """

    def __init__(self, source: Callable[[], XoxoClient] = XoxoClient.from_env, *, finish_s: float = 20.0) -> None:
        if not callable(source):  # a fork would copy a client
            raise ConfigError("source must be a function that makes a client")
        self._source: Final = source
        self._finish_s: Final = check_number("finish_s", finish_s, zero=True)
        self._lock = threading.Lock()
        self._thread: _Thread | None = None
        self._closed = False
        atexit.register(_if_alive, weakref.WeakMethod(self.close))
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=partial(_if_alive, weakref.WeakMethod(self._forget)))

    def run(self, use: Callable[[OrderDesk], Awaitable[T]]) -> T:
        """Make a call from a thread that has no event loop, and wait for its end.

        Args:
            use: Called on the client's loop with the desk; what it returns is awaited there.

        Returns:
            What the call returns.

        Raises:
            ConfigError: The object is closed, the client cannot be made, or this thread runs an event loop, which the
                call would block.
            XoxoError: What the call raises.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._submit(use).result()
        raise ConfigError("run() would block the event loop of this thread: await call()")

    async def call(self, use: Callable[[OrderDesk], Awaitable[T]]) -> T:
        """Make a call from any event loop. It goes on if its caller is cancelled.

        Args:
            use: As for `run`.

        Returns:
            What the call returns.

        Raises:
            ConfigError: The object is closed, or the client cannot be made.
            XoxoError: What the call raises.
        """
        return await asyncio.wrap_future(self._submit(use))

    def close(self) -> None:
        """Wait up to `finish_s` for the calls that are under way, and close the client.

        The end of the process does it too.
        """
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None and thread.pid == os.getpid():
            thread.stop()

    def _submit(self, use: Callable[[OrderDesk], Awaitable[T]]) -> "Future[T]":
        with self._lock:
            if self._closed:
                raise ConfigError("the background desk is closed")
            # A fork copies this object and not the thread. A thread whose client could not be made has ended.
            if self._thread is None or self._thread.pid != os.getpid() or not self._thread.is_alive():
                self._thread = _Thread(self._source, self._finish_s)
            return self._thread.submit(use)

    def _forget(self) -> None:
        """Start anew in a process that was forked: the lock may have been held, and the thread is gone."""
        self._lock = threading.Lock()
        self._thread = None


def _if_alive(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    if (call := method()) is not None:
        call()


class _Thread:
    """A thread with a loop, a client and its desk."""

    def __init__(self, source: Callable[[], XoxoClient], finish_s: float) -> None:
        self.pid: Final = os.getpid()
        self._source: Final = source
        self._finish_s: Final = finish_s
        self._started: Final[Future[OrderDesk]] = Future()
        self._tasks: Final[set[asyncio.Task[Any]]] = set()
        # A daemon: the interpreter joins other threads before it runs what closes this one.
        self._thread: Final = threading.Thread(target=self._serve, name="xoxo-background", daemon=True)
        self._thread.start()
        self._desk: Final = self._started.result()

    def is_alive(self) -> bool:
        """Return whether the loop runs."""
        return self._thread.is_alive()

    def submit(self, use: Callable[[OrderDesk], Awaitable[T]]) -> "Future[T]":
        """Start a call on the loop.

        Args:
            use: What to call there.

        Returns:
            Its result. To cancel it does not cancel the call.
        """
        result: Future[T] = Future()
        self._loop.call_soon_threadsafe(self._begin, use, result)
        return result

    def _begin(self, use: Callable[[OrderDesk], Awaitable[T]], result: "Future[T]") -> None:
        async def calling() -> T:
            return await use(self._desk)

        task = asyncio.ensure_future(calling())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(done, result))

    def _end(self, task: "asyncio.Task[T]", result: "Future[T]") -> None:
        self._tasks.discard(task)
        awaited = result.set_running_or_notify_cancel()
        if task.cancelled():
            error: BaseException | None = OutcomeUnknownError(
                "the background desk was closed before the call had ended"
            )
        else:
            error = task.exception()
        if not awaited:
            if isinstance(error, XoxoError):
                log_error(error)
            elif error is not None:
                _LOG.error("a call that nobody waits for failed", exc_info=error)
        elif error is None:
            result.set_result(task.result())
        else:
            result.set_exception(error)

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            if self._started.done():
                _LOG.exception("the background desk failed")
            else:
                self._started.set_exception(error)

    async def _main(self) -> None:
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._stopping: asyncio.Event = asyncio.Event()
        async with opened(self._source, finish_s=self._finish_s) as desk:
            self._started.set_result(desk)
            await self._stopping.wait()
            # The desk first says of its orders that they may exist; then the other calls are cancelled.
            waiting = [asyncio.wait(self._tasks, timeout=self._finish_s)] if self._tasks else []
            await asyncio.gather(desk.aclose(), *waiting)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Let the calls end, close the client, and wait for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
