"""`signals`: Ctrl-C, SIGTERM and SIGHUP end a command in order, unless SIGHUP is ignored."""

import os
import signal

import pytest

from xoxo_async.cli.signals import as_before, ending_signals, interrupt_on_signals

pytestmark = pytest.mark.usefixtures("hang_ups")


def test_an_ending_signal_interrupts() -> None:
    """Each of them raises KeyboardInterrupt."""
    interrupt_on_signals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """`nohup` ignores it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert signal.SIGHUP not in ending_signals()
    interrupt_on_signals()
    os.kill(os.getpid(), signal.SIGHUP)


def test_handlers_are_put_back_after_a_block() -> None:
    """An event loop installs the system's default action when it ends."""
    interrupt_on_signals()
    before = signal.getsignal(signal.SIGTERM)
    with as_before():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGTERM) is before
