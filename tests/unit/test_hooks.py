"""`hooks`: events, the log, and hooks that cannot change what they observe."""

import json
import logging

import pytest

from xoxo_async import hooks
from xoxo_async.bulk import events as bulk_events
from xoxo_async.hooks import (
    AttemptFailed,
    CallFinished,
    Event,
    LoggingHook,
    OrderInDoubt,
    Penalised,
    TokenRenewed,
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
