"""The events that the SDK emits, the `Hook` protocol, and a hook that writes them to a log.

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

__all__ = [
    "AllowanceAway",
    "AllowanceBack",
    "AttemptFailed",
    "CallFinished",
    "Event",
    "Hook",
    "LoggingHook",
    "OrderInDoubt",
    "TokenRenewed",
    "notify",
]

_LOG: Final = logging.getLogger("xoxo_async")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base class of all events. An event records something that has happened."""

    @property
    def level(self) -> int:
        """The level at which `LoggingHook` logs the event: `logging.DEBUG`, unless the event's class overrides it."""
        return logging.DEBUG


class CallFinished(Event, frozen=True, kw_only=True):
    """A call ended. `LoggingHook` logs a failed call at INFO.

    Attributes:
        operation: The operation's name.
        attempts: The number of HTTP attempts.
        elapsed_s: Seconds from the start of the call to its end, waits included.
        error: The name of the error's class; empty for success.
        status: The last HTTP status; None without an answer.
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
    """An attempt failed and another one follows. `LoggingHook` logs it at INFO.

    Attributes:
        operation: The operation's name.
        attempt: The number of this attempt within the call, from 1.
        error: The name of the error's class.
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
        expires_at: When the new token expires, in epoch seconds; None where the vendor did not say.
    """

    expires_at: float | None


class OrderInDoubt(Event, frozen=True, kw_only=True):
    """The outcome of an order is unknown. `LoggingHook` logs it at WARNING.

    The caller was cancelled after the order may have left, or the look-ups ran out of time, or the answer came on a
    connection whose answers were out of step, so that it may belong to another order.

    Attributes:
        po_number: The poNumber to settle the order with: `await client.orders.settle(po_number)`.
        reason: Why the outcome is unknown.
    """

    po_number: str
    reason: str

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class AllowanceAway(Event, frozen=True, kw_only=True):
    """The store of a shared allowance does not answer, and the process goes on with its part of the rate.

    `LoggingHook` logs it at WARNING.

    Attributes:
        store: The store, without a password.
        reason: What failed.
        members: By how many processes the rate is divided until the store is back.
    """

    store: str
    reason: str
    members: int

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class AllowanceBack(Event, frozen=True, kw_only=True):
    """The store of a shared allowance answers again. `LoggingHook` logs it at WARNING, as the event before it.

    Attributes:
        store: The store, without a password.
    """

    store: str

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class Hook(Protocol):
    """A callable that receives events. It runs on the event loop, so it must be quick and must not block."""

    def __call__(self, event: Event, /) -> None:
        """Receive one event. An exception is logged and otherwise ignored.

        Args:
            event: What happened. A new version may bring new kinds of event, so ignore those that you do not know.
        """


class LoggingHook:
    """Write every event to the logger `xoxo_async`, at the event's own level.

    An order in doubt is a WARNING, so that a reader of warnings alone sees every one. Failures and the steps of a bulk
    run are logged at INFO, and all other events at DEBUG.
    """

    def __call__(self, event: Event, /) -> None:
        """Log one event.

        Args:
            event: What happened.
        """
        _LOG.log(event.level, "%s", event)


def notify(hooks: Sequence[Hook], event: Event) -> None:
    """Call every hook with one event. An exception of a hook is logged and not raised.

    Args:
        hooks: The hooks.
        event: What happened.
    """
    for hook in hooks:
        try:
            hook(event)
        except Exception:  # noqa: BLE001 - a bug in a hook must not end a call that moves money
            _LOG.warning("hook %r failed on %s", hook, type(event).__name__, exc_info=True)
