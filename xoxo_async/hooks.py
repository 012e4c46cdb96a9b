"""What the SDK tells about itself: event records, the `Hook` protocol, and a hook that logs."""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

__all__ = ["AttemptFailed", "CallFinished", "Event", "Hook", "LoggingHook", "OrderInDoubt", "TokenRenewed", "notify"]

_LOG: Final = logging.getLogger("xoxo_async")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all events. Events tell of something finished; no hook can change what happens."""


class CallFinished(Event, frozen=True, kw_only=True):
    """A call ended.

    Attributes:
        operation: The operation's name.
        attempts: HTTP attempts made.
        elapsed_s: From the call to its end, waits included.
        error: The error class's name, empty for success.
        status: The last HTTP status, None without an answer.
    """

    operation: str
    attempts: int
    elapsed_s: float
    error: str = ""
    status: int | None = None


class AttemptFailed(Event, frozen=True, kw_only=True):
    """An attempt failed and another one follows.

    Attributes:
        operation: The operation's name.
        attempt: Which attempt of the call this was, from 1.
        error: The error class's name.
        wait_s: Seconds until the next attempt.
    """

    operation: str
    attempt: int
    error: str
    wait_s: float


class TokenRenewed(Event, frozen=True, kw_only=True):
    """The access token was renewed.

    Attributes:
        expires_at: When the new one expires, epoch seconds; None when the vendor did not say.
    """

    expires_at: float | None


class OrderInDoubt(Event, frozen=True, kw_only=True):
    """An order may or may not exist: its caller was cancelled after it may have left, or look-ups ran out of time.

    Attributes:
        po_number: What to settle with: `await client.orders.settle(po_number)`.
        reason: Why nobody knows.
    """

    po_number: str
    reason: str


class Hook(Protocol):
    """Something that wants to know. Called on the event loop, so it must be quick and must not block."""

    def __call__(self, event: Event, /) -> None:
        """Take one event; an exception is logged and otherwise ignored."""


class LoggingHook:
    """Write every event to the logger `xoxo_async`: doubt at WARNING, failures at INFO, the rest at DEBUG."""

    def __call__(self, event: Event, /) -> None:
        """Log one event."""
        if isinstance(event, OrderInDoubt):
            level = logging.WARNING
        elif isinstance(event, AttemptFailed) or (isinstance(event, CallFinished) and event.error):
            level = logging.INFO
        else:
            level = logging.DEBUG
        _LOG.log(level, "%s", event)


def notify(hooks: Sequence[Hook], event: Event) -> None:
    """Hand one event to every hook; a broken hook breaks no call.

    Args:
        hooks: Who wants to know.
        event: What happened.
    """
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - an observer's fault must not become the observed call's
            _LOG.warning("hook %r failed on %s", hook, type(event).__name__, exc_info=True)
