"""The signals that end a command: SIGINT (Ctrl-C), SIGTERM (a service manager), SIGHUP (the terminal is closed)."""

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

__all__ = ["as_before", "ending_signals", "interrupt_on_signals"]


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
