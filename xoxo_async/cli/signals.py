"""The signals that end a command in order: Ctrl-C, a service manager's SIGTERM, and the SIGHUP of a lost terminal."""

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

__all__ = ["as_before", "ending_signals", "interrupt_on_signals"]


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a command; SIGHUP is none where it was ignored at the start, as `nohup` has it."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hangup)


def interrupt_on_signals() -> None:
    """Make every ending signal end the command as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    with suppress(ValueError):  # not the main thread: somebody else's process
        for number in ending_signals():  # SIGINT too: a script's background jobs begin with it ignored
            signal.signal(number, stop)


@contextmanager
def as_before() -> Generator[None]:
    """Put the handlers back after a block that hears signals itself.

    An event loop that stops listening leaves the system's default behind: a signal would then kill the command while
    it still has to say how the work ended.
    """
    handlers = {number: signal.getsignal(number) for number in ending_signals()}
    try:
        yield
    finally:
        with suppress(ValueError):
            for number, handler in handlers.items():
                if handler is not None:
                    signal.signal(number, handler)
