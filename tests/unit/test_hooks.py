"""`hooks`: events, the log, and hooks that cannot change what they observe."""

import logging

import pytest

from xoxo_async.hooks import AttemptFailed, CallFinished, Event, LoggingHook, OrderInDoubt, TokenRenewed, notify

FINE = CallFinished(operation="getBalance", attempts=1, elapsed_s=0.2, status=200)
FAILED = CallFinished(operation="getBalance", attempts=3, elapsed_s=9.0, error="ServerError", status=502)
AGAIN = AttemptFailed(operation="getBalance", attempt=1, error="ServerError", wait_s=0.5)
RENEWED = TokenRenewed(expires_at=1_800_000_000.0)
DOUBT = OrderInDoubt(po_number="PO-7", reason="its caller was cancelled")


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (DOUBT, logging.WARNING),
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
