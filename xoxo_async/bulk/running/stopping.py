"""The stop signal of a run, with its reason; every part of a run may set it."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from xoxo_async.bulk.pauses import Pause

__all__ = ["StopSignal"]

T = TypeVar("T")


class StopSignal:
    """Set once, when a run should take no more lines. The first reason stays."""

    def __init__(self) -> None:
        self.pause: Pause = Pause.NONE
        self.reason: str = ""
        self.interrupted: Final = anyio.Event()
        """Set when a person stops the run: then look-ups end as well. After any other pause they go on."""
        self._stopped: Final = anyio.Event()
        self._callbacks: Final[list[Callable[[Pause], None]]] = []

    def call_when_set(self, callback: Callable[[Pause], None]) -> None:
        """Call a callable with the pause when the signal is set.

        Args:
            callback: The callable.
        """
        self._callbacks.append(callback)

    def stop(self, pause: Pause, reason: str) -> None:
        """Take no more lines; those in flight end and are recorded.

        Args:
            pause: Why.
            reason: The same in words.
        """
        if not self.pause:
            self.pause, self.reason = pause, reason
            self._stopped.set()
            for callback in self._callbacks:
                callback(pause)
        if pause is Pause.INTERRUPTED:
            self.interrupted.set()

    async def wait(self) -> None:
        """Wait until the signal is set."""
        await self._stopped.wait()

    async def unless_set(self, work: Awaitable[T]) -> T | None:
        """Wait for some work, and cancel it when the signal is set.

        Args:
            work: The work.

        Returns:
            Its result; None where it was cancelled.
        """
        with anyio.CancelScope() as scope:

            def cancel(_pause: Pause) -> None:
                scope.cancel()

            self._callbacks.append(cancel)
            try:
                return await work
            finally:
                self._callbacks.remove(cancel)
        return None

    async def sleep(self, seconds: float) -> None:
        """Sleep, and wake up early when the signal is set.

        Args:
            seconds: How long.
        """
        with anyio.move_on_after(seconds):
            await self._stopped.wait()
