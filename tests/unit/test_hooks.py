"""`hooks`: events, the log, and hooks that cannot change what they observe."""

import asyncio
import json
import logging

import pytest

from xoxo_async import hooks
from xoxo_async.bulk import events as bulk_events
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import (
    AttemptFailed,
    CallFinished,
    Event,
    LoggingHook,
    OrderInDoubt,
    Penalised,
    TokenRenewed,
    checked,
    notify,
)

FINE = CallFinished(operation="getBalance", attempts=1, elapsed_s=0.2, status=200)
FAILED = CallFinished(operation="getBalance", attempts=3, elapsed_s=9.0, error="ServerError", status=502)
AGAIN = AttemptFailed(operation="getBalance", attempt=1, error="ServerError", wait_s=0.5)
RENEWED = TokenRenewed(expires_at=1_800_000_000.0)
DOUBT = OrderInDoubt(po_number="PO-7", reason="its caller was cancelled")


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (DOUBT, logging.WARNING),
        (Penalised(operation="placeOrder", wait_s=60.0), logging.WARNING),
        (AGAIN, logging.INFO),
        (FAILED, logging.INFO),
        (FINE, logging.DEBUG),
        (RENEWED, logging.DEBUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else logging.getLevelName(value),
)
def test_each_event_is_logged_under_its_level(caplog: pytest.LogCaptureFixture, event: Event, level: int) -> None:
    """`LoggingHook` writes one line for each event to `xoxo_async`; doubt is a warning."""
    with caplog.at_level(logging.DEBUG, logger="xoxo_async"):
        LoggingHook()(event)
    assert [(record.name, record.levelno) for record in caplog.records] == [("xoxo_async", level)]


def test_a_logged_doubt_says_what_to_settle_with(caplog: pytest.LogCaptureFixture) -> None:
    """The log line of an `OrderInDoubt` has the poNumber and the reason."""
    LoggingHook()(DOUBT)
    assert "PO-7" in caplog.text
    assert "its caller was cancelled" in caplog.text


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


@pytest.mark.parametrize("event", [FINE, AGAIN, RENEWED, DOUBT], ids=lambda event: type(event).__name__)
def test_no_hook_can_change_an_event(event: Event) -> None:
    """Events are frozen, so every hook receives the same values."""
    with pytest.raises(AttributeError):
        setattr(event, type(event).__struct_fields__[0], "other")


def test_the_log_record_has_the_events_fields(caplog: pytest.LogCaptureFixture) -> None:
    """As `extra`, for formatters that write fields; the message has them too, as text or as one JSON object."""
    with caplog.at_level(logging.DEBUG, logger="xoxo_async"):
        LoggingHook()(FAILED)
        LoggingHook(json=True)(DOUBT)
    first, second = caplog.records
    assert (vars(first)["event"], vars(first)["operation"], vars(first)["status"]) == (
        "call_finished",
        "getBalance",
        502,
    )
    assert "call_finished operation=getBalance" in first.getMessage()
    told = json.loads(second.getMessage())
    assert told == {"event": "order_in_doubt", "po_number": "PO-7", "reason": "its caller was cancelled"}


def test_no_field_hides_one_of_the_log_record() -> None:
    """`logging` raises a `KeyError` for such an `extra`."""
    events = [kind for module in (hooks, bulk_events) for kind in vars(module).values() if isinstance(kind, type)]
    kinds = [kind for kind in events if issubclass(kind, Event)]
    assert len(kinds) > 15
    fields = {field for kind in kinds for field in kind.__struct_fields__} | {"event"}
    assert fields & (set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}) == set()


def test_a_level_that_is_off_costs_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is formatted for a level that the logger does not write."""
    logger = logging.getLogger("xoxo_async.off")
    logger.setLevel(logging.WARNING)
    monkeypatch.setattr(logger, "log", lambda *_: pytest.fail("logged"))
    LoggingHook(logger)(FINE)


def test_no_hook_cancels_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """A hook cannot cancel the call that it observes."""

    def cancels(_event: Event) -> None:
        raise asyncio.CancelledError

    notify([cancels], DOUBT)
    assert "failed on OrderInDoubt" in caplog.text


def test_a_slow_hook_is_named_once_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says which hook holds every call up, and what helps."""
    now = iter([100.0, 101.0, 102.0, 103.0, 200.0, 201.0])
    monkeypatch.setattr(hooks.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(hooks, "_said_slow_at", 0.0)
    for _ in range(3):
        notify([lambda _event: None], FINE)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "took 1.00 s" in said[0]
    assert "integrations.background" in said[0]


async def coroutine_hook(_event: Event) -> None: ...


@pytest.mark.parametrize("hook", [coroutine_hook, LoggingHook, "no hook"], ids=["coroutine", "class", "text"])
def test_a_hook_that_cannot_work_is_refused(hook: object) -> None:
    """A coroutine function would never run, and a class would only be made."""
    with pytest.raises(ConfigError, match="hook"):
        checked(hook)  # type: ignore[arg-type]
