"""`notifying`: hooks that cannot change what they observe."""

import asyncio
import gc
import logging
import weakref

import pytest

from xoxo_async import notifying
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import CallFinished, Event, LoggingHook, OrderInDoubt
from xoxo_async.notifying import checked, checked_hooks, notify

FINE = CallFinished(operation="getBalance", attempts=1, elapsed_s=0.2, status=200)
DOUBT = OrderInDoubt(po_number="PO-7", reason="its caller was cancelled")


def test_every_hook_gets_every_event_in_order() -> None:
    """`notify` passes the event itself to one hook after another."""
    heard: list[tuple[str, Event]] = []
    notify([lambda event: heard.append(("first", event)), lambda event: heard.append(("second", event))], FINE)
    assert heard == [("first", FINE), ("second", FINE)]
    assert heard[0][1] is heard[1][1]


def test_a_broken_hook_keeps_no_event_back(caplog: pytest.LogCaptureFixture) -> None:
    """The exception of a hook is logged with its traceback, is not raised, and stops no other hook."""
    heard: list[Event] = []

    def broken(_event: Event) -> None:
        raise ValueError("of the observer")

    notify([broken, heard.append], DOUBT)
    assert heard == [DOUBT]
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (logging.WARNING, True)
    assert "failed on OrderInDoubt" in record.getMessage()


def test_no_hook_cancels_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """A hook cannot cancel the call that it observes."""

    def cancels(_event: Event) -> None:
        raise asyncio.CancelledError

    notify([cancels], DOUBT)
    assert "failed on OrderInDoubt" in caplog.text


def test_a_slow_hook_is_named_once_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says which hook holds every call up, and what helps."""
    now = iter([100.0, 101.0, 102.0, 103.0, 200.0, 201.0])
    monkeypatch.setattr(notifying.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(notifying, "_said_slow_at", 0.0)
    for _ in range(3):
        notify([lambda _event: None], FINE)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "took 1.00 s" in said[0]
    assert "integrations.background" in said[0]


class Unhashable:
    """A hook that no dictionary takes."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, _event: Event) -> None:
        raise ValueError("of the observer")


def test_a_failing_hook_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trace is logged once a minute for each kind of event, with the number of failures that were not logged."""
    now = [100.0]
    monkeypatch.setattr(notifying.time, "monotonic", lambda: now[0])

    def broken(_event: Event) -> None:
        raise ValueError("of the observer")

    def broken_too(_event: Event) -> None:
        raise ValueError("of another one")

    for _ in range(50):
        notify([broken], FINE)
    notify([broken, broken_too], DOUBT)
    assert [record.getMessage().split(" failed ")[1] for record in caplog.records] == [
        "on CallFinished", "on OrderInDoubt", "on OrderInDoubt"
    ]  # fmt: skip
    assert all(record.exc_info for record in caplog.records)
    caplog.clear()
    now[0] = 159.9
    notify([broken], FINE)
    assert not caplog.records
    now[0] = 160.0
    notify([broken, broken_too], DOUBT)
    notify([broken], FINE)
    assert [record.getMessage().split(" failed ")[1] for record in caplog.records] == [
        "on OrderInDoubt",
        "on OrderInDoubt",
        "on CallFinished; 50 failures before this one are not in the log",
    ]


class Slotted:
    """A hook that no weak reference can lead to."""

    __slots__ = ()

    def __call__(self, _event: Event) -> None:
        raise ValueError("of the observer")


def test_a_hook_without_references_is_logged_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be known of it that would end with it."""
    hook = Slotted()
    notify([hook, hook], FINE)
    assert len(caplog.records) == 2


def test_a_failing_hook_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of its failures ends with it."""
    monkeypatch.setattr(notifying._LOG, "disabled", True)  # pytest keeps what is logged, with its frames

    class Broken:
        def __call__(self, _event: Event) -> None:
            raise ValueError("of the observer")

    hook = Broken()
    of = weakref.ref(hook)
    notify([hook], FINE)
    del hook
    gc.collect()
    assert of() is None
    assert not [known for known, _ in notifying._said_failed.values() if known() is None]


async def coroutine_hook(_event: Event) -> None: ...


@pytest.mark.parametrize("hook", [coroutine_hook, LoggingHook, "no hook"], ids=["coroutine", "class", "text"])
def test_a_hook_that_cannot_work_is_refused(hook: object) -> None:
    """A coroutine function would never run, and a class would only be made."""
    with pytest.raises(ConfigError, match="hook"):
        checked(hook)  # type: ignore[arg-type]


@pytest.mark.parametrize("hooks", [LoggingHook(), None, 5, "no list"], ids=["a hook", "none", "number", "text"])
def test_hooks_are_a_list(hooks: object) -> None:
    """One hook without a list is what people write first, and the error shows the list."""
    with pytest.raises(ConfigError, match="hooks must be"):
        checked_hooks(hooks)  # type: ignore[arg-type]


class Unruly(Unhashable):
    """A hook whose own methods fail, too."""

    def __hash__(self) -> int:  # type: ignore[override]
        raise RuntimeError("of the observer")

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("of the observer")


@pytest.mark.parametrize("kind", [Unhashable, Unruly])
def test_no_method_of_a_hook_ends_the_call(kind: type[Unhashable], caplog: pytest.LogCaptureFixture) -> None:
    """A hook may be any callable object; its failure is logged once all the same."""
    hook = kind()
    notify([hook], FINE)
    notify([hook], FINE)
    assert len(caplog.records) == 1
