"""What the SDK reports about itself: event records, the `Hook` protocol, and a hook that writes a log.

A hook is a callable. The client calls it on the event loop with every event, so it must be quick and must not block:

    def count_failures(event: Event) -> None:
        if isinstance(event, CallFinished) and event.error:
            failures.labels(event.operation, event.error).inc()

    async with XoxoClient.from_env(hooks=[count_failures]) as client:
        ...

Hooks only observe. An exception in a hook is logged, and changes neither the call nor the run. The events of bulk runs
are in `xoxo_async.bulk.events`; the same hooks receive them.
"""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

__all__ = ["AttemptFailed", "CallFinished", "Event", "Hook", "LoggingHook", "OrderInDoubt", "TokenRenewed", "notify"]

_LOG: Final = logging.getLogger("xoxo_async")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all events. An event tells of something that has happened already."""

    @property
    def level(self) -> int:
        """The level under which `LoggingHook` logs the event: `logging.DEBUG`, unless the event's class says more."""
        return logging.DEBUG


class CallFinished(Event, frozen=True, kw_only=True):
    """A call ended. Logged under INFO when it failed.

    Attributes:
        operation: The operation's name.
        attempts: HTTP attempts made.
        elapsed_s: Seconds from the call to its end, waits included.
        error: The error class's name, empty for success.
        status: The last HTTP status, None without an answer.
    """

    operation: str
    attempts: int
    elapsed_s: float
    error: str = ""
    status: int | None = None

    @property
    def level(self) -> int:
        """INFO for a failure, DEBUG for success."""
        return logging.INFO if self.error else logging.DEBUG


class AttemptFailed(Event, frozen=True, kw_only=True):
    """An attempt failed and another one follows. Logged under INFO.

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

    @property
    def level(self) -> int:
        """INFO."""
        return logging.INFO


class TokenRenewed(Event, frozen=True, kw_only=True):
    """The access token was renewed.

    Attributes:
        expires_at: When the new one expires, in epoch seconds; None when the vendor did not say.
    """

    expires_at: float | None


class OrderInDoubt(Event, frozen=True, kw_only=True):
    """Nobody knows for certain what became of an order. Logged under WARNING.

    Its caller was cancelled after the order may have left, the look-ups ran out of time, or the order was answered on a
    connection whose answers were not in step: then the answer may belong to another order.

    Attributes:
        po_number: The poNumber to settle it with: `await client.orders.settle(po_number)`.
        reason: Why nobody knows.
    """

    po_number: str
    reason: str

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class Hook(Protocol):
    """A callable that receives events. It runs on the event loop, so it must be quick and must not block."""

    def __call__(self, event: Event, /) -> None:
        """Receive one event. An exception is logged and otherwise ignored.

        Args:
            event: What happened. New kinds of event may come with a new version: ignore those that you do not know.
        """


class LoggingHook:
    """Write every event to the logger `xoxo_async`, under the event's own level.

    Doubt is logged under WARNING, so somebody who reads warnings alone misses no order in doubt. Failures, and the
    steps of a bulk run, are logged under INFO, everything else under DEBUG.
    """

    def __call__(self, event: Event, /) -> None:
        """Log one event.

        Args:
            event: What happened.
        """
        _LOG.log(event.level, "%s", event)


def notify(hooks: Sequence[Hook], event: Event) -> None:
    """Call every hook with one event. An exception of a hook is logged, and reaches nobody else.

    Args:
        hooks: The hooks.
        event: What happened.
    """
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - a fault of an observer must not become a fault of the observed call
            _LOG.warning("hook %r failed on %s", hook, type(event).__name__, exc_info=True)
