"""`integrations.background`: a slow hook delays no call, and events that it cannot take are dropped and counted."""

import threading
import time

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.hooks import CallQueued, Event
from xoxo_async.integrations.background import Background

EVENTS = [CallQueued(operation="placeOrder", call_id=str(number)) for number in range(3)]


def test_events_arrive_in_order_in_another_thread() -> None:
    """The caller never waits for the hook; `close` waits until it has everything."""
    heard: list[Event] = []
    threads: set[str] = set()
    free = threading.Event()

    def slow(event: Event) -> None:
        free.wait(60)
        threads.add(threading.current_thread().name)
        heard.append(event)

    hook = Background(slow)
    began = time.perf_counter()
    for event in EVENTS:
        hook(event)
    assert time.perf_counter() - began < 30
    assert heard == []
    free.set()
    hook.close()
    assert heard == EVENTS
    assert threads == {"xoxo_async hook"}


def test_what_does_not_fit_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """`dropped` counts, and the log says so once."""
    free = threading.Event()
    hook = Background(lambda _event: free.wait(60) and None, most=1)
    for _ in range(5):
        hook(EVENTS[0])
    assert hook.dropped >= 3
    free.set()
    hook.close()
    assert sum("cannot keep up" in record.getMessage() for record in caplog.records) == 1


def test_a_broken_hook_gets_the_next_event(caplog: pytest.LogCaptureFixture) -> None:
    """Its exception is logged, as on the event loop."""
    heard: list[Event] = []

    def broken(event: Event) -> None:
        heard.append(event)
        raise ValueError("of the observer")

    hook = Background(broken)
    for event in [*EVENTS[:2], *[EVENTS[0]] * 20]:
        hook(event)
    hook.close()
    assert heard[:2] == EVENTS[:2]
    assert len(heard) == 22
    assert "failed on CallQueued" in caplog.text
    assert len(caplog.records) == len({type(event) for event in heard})  # each trace once a minute


def test_an_event_after_close_is_heard() -> None:
    """A client that lives on after the hook was closed loses nothing."""
    heard: list[Event] = []
    hook = Background(heard.append)
    hook.close()
    hook(EVENTS[0])
    hook.close()
    hook(EVENTS[1])
    hook.close()
    assert heard == EVENTS[:2]


async def coroutine_hook(_event: Event) -> None: ...


def test_a_coroutine_function_is_refused() -> None:
    """Nobody would await it."""
    with pytest.raises(ConfigError, match="coroutine"):
        Background(coroutine_hook)  # type: ignore[arg-type]
