"""The signals that end a command: SIGINT (Ctrl-C), SIGTERM (a service manager), SIGHUP (the terminal is closed)."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from xoxo_async.cli import exits

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

__all__ = ["as_before", "ending_signals", "interrupt_on_signals", "listen"]


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a command. SIGHUP is not one of them if `nohup` or a caller ignores it."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hangup)


def interrupt_on_signals() -> None:
    """Make each of these signals end the command as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    with suppress(ValueError):  # ValueError: not the main thread, so the handlers belong to another program
        for number in ending_signals():  # SIGINT too: a shell starts background jobs with SIGINT ignored
            signal.signal(number, stop)


@contextmanager
def as_before() -> Generator[None]:
    """Restore the signal handlers after a block that receives signals itself.

    When an event loop stops receiving a signal, it installs the system's default action. A signal would then kill the
    command before it has printed how the work ended.
    """
    handlers = {number: signal.getsignal(number) for number in ending_signals()}
    try:
        yield
    finally:
        with suppress(ValueError):
            for number, handler in handlers.items():
                if handler is not None:
                    signal.signal(number, handler)


async def listen(stop: "Callable[[signal.Signals, TaskGroup, bool], None]", *, task_status: "TaskStatus[None]") -> None:
    """Have the work stop in order after the first signal, and at once after the second; end the process at the third.

    Args:
        stop: Is called with the signal, with a group for what it starts, and with whether to stop at once.
        task_status: Is told when signals are received.
    """
    import anyio

    with anyio.open_signal_receiver(*ending_signals()) as signals:
        task_status.started()
        heard = 0
        async with anyio.create_task_group() as group:
            async for number in signals:
                heard += 1
                if heard > 2:
                    os._exit(exits.INTERRUPTED)  # safe: every intent is durable before its request leaves
                stop(number, group, heard > 1)
