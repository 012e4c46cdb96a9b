"""A hook in a thread of its own, for what is slow: a file, a database, a web service."""

import atexit
import logging
import os
import queue
import threading
from contextlib import suppress
from typing import Final

from xoxo_async.config import check_count
from xoxo_async.hooks import Event, Hook
from xoxo_async.notifying import checked, report_failure

__all__ = ["Background"]

_LOG: Final = logging.getLogger("xoxo_async")


class Background:
    """Call a slow hook in a thread of its own, so that it delays no call.

    The hook receives the events in order, one at a time. Where it cannot keep up, events are dropped: `dropped` counts
    them, and the log says so. At the end of the process, the waiting events get two more seconds.

    Args:
        hook: The hook. It must not use the event loop, nor its context variables, as `OpenTelemetryHook` does: it runs
            in another thread.
        most: How many events may wait.

    Attributes:
        dropped: How many events were dropped.

    Raises:
        ConfigError: The hook is none, or `most` is no whole number from 1.

    Example:
        ```python
        from xoxo_async.integrations.background import Background

        client = XoxoClient.from_env(hooks=[Background(print)])
        ```
    """

    def __init__(self, hook: Hook, *, most: int = 10_000) -> None:
        self.dropped: int = 0
        self._hook: Final = checked(hook)
        self._events: queue.Queue[Event | None] = queue.Queue(check_count("most", most))
        self._thread: threading.Thread | None = None
        self._process = 0

    def __call__(self, event: Event, /) -> None:
        """Take one event.

        Args:
            event: What happened.
        """
        if self._process != os.getpid():  # the first event, or the first one after a fork, which copies no thread
            self._start()
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self.dropped += 1
            if self.dropped == 1:
                _LOG.warning("hook %r cannot keep up: events are dropped", self._hook)

    def close(self, within_s: float = 2.0) -> None:
        """Wait until the hook has received the events so far.

        Args:
            within_s: Seconds to wait at most.
        """
        thread, self._thread = self._thread, None
        if thread is None or self._process != os.getpid():
            return
        self._process = 0
        with suppress(queue.Full):
            self._events.put(None, timeout=within_s)
            thread.join(within_s)

    def _start(self) -> None:
        self._process = os.getpid()
        self._events = queue.Queue(self._events.maxsize)
        self._thread = threading.Thread(target=self._run, args=(self._events,), name="xoxo_async hook", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self, events: "queue.Queue[Event | None]") -> None:
        while (event := events.get()) is not None:
            try:
                self._hook(event)
            except Exception:  # noqa: BLE001 - the next event may pass
                report_failure(self._hook, event)
