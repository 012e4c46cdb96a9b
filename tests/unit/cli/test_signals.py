"""`signals`: Ctrl-C, SIGTERM and SIGHUP end a command in order, unless SIGHUP is ignored."""

import os
import signal

import anyio
import pytest

from xoxo_async.cli.signals import as_before, ending_signals, interrupt_on_signals, listen

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


@pytest.mark.anyio
async def test_each_signal_is_more_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one stops in order, the second one at once, and the third one ends the process."""
    send, receive = anyio.create_memory_object_stream[object](10)
    monkeypatch.setattr("os._exit", lambda code: send.send_nowait(f"exit {code}"))
    with as_before(), send, receive:
        async with anyio.create_task_group() as group:
            await group.start(listen, lambda number, _group, at_once: send.send_nowait((number, at_once)))
            heard = []
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)
                heard.append(await receive.receive())
            group.cancel_scope.cancel()
    assert heard == [(signal.SIGTERM, False), (signal.SIGTERM, True), "exit 130"]
