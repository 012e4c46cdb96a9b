"""The events that the SDK emits, the `Hook` protocol, and a hook that writes them to a log.

A hook is a callable. The client calls it on the event loop with every event, so it must be quick and must not block:

    def count_failures(event: Event) -> None:
        if isinstance(event, CallFinished) and event.error:
            failures.labels(event.operation, event.error).inc()

    async with XoxoClient.from_env(hooks=[count_failures]) as client:
        ...

Hooks only observe. An exception in a hook is logged, and changes neither the call nor the run. A slow hook belongs into
`xoxo_async.integrations.background.Background`. The events of bulk runs are in `xoxo_async.bulk.events`; the same hooks
receive them.

All events of one call have the same `call_id`. No event holds a voucher code, a PIN, a token, a secret, an e-mail
address or words of the vendor's.
"""

import logging
import re
from enum import Enum
from functools import cache
from typing import Final, Protocol

import msgspec

from xoxo_async.errors import ConfigError

__all__ = [
    "AllowanceAway",
    "AllowanceBack",
    "AttemptEnded",
    "AttemptFailed",
    "AttemptStarted",
    "CallEvent",
    "CallFinished",
    "CallQueued",
    "Event",
    "Hook",
    "LoggingHook",
    "OrderInDoubt",
    "OrderSettled",
    "Penalised",
    "TokenNotRenewed",
    "TokenRenewed",
]

_LOG: Final = logging.getLogger("xoxo_async")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The base class of all events. An event records something that has happened."""

    @property
    def name(self) -> str:
        """What happened, for logs: `call_finished` for a `CallFinished`."""
        return _name_of(type(self))

    @property
    def level(self) -> int:
        """The level at which `LoggingHook` logs the event: `logging.DEBUG`, unless the event's class overrides it."""
        return logging.DEBUG

    def fields(self) -> dict[str, str | int | float | bool]:
        """Return what the event says, for logs: fields without a value are left out, amounts are texts."""
        return {
            name: _plain(value)
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None and value != ""
        }


class CallEvent(Event, frozen=True, kw_only=True):
    """The base class of the events of one call.

    Attributes:
        call_id: The call. All its events have the same id, and no other call has it. The look-ups with which
            `orders.place` settles a lost answer belong to the call.
        operation: The operation's name.
        po_number: The order's poNumber; None where the call has none.
    """

    operation: str
    call_id: str = ""
    po_number: str | None = None


class CallQueued(CallEvent, frozen=True, kw_only=True):
    """A call begins. It waits for a token and a rate slot, where there is none at once.

    `CallFinished` follows in every case, also after a cancellation.
    """


class AttemptStarted(CallEvent, frozen=True, kw_only=True):
    """An HTTP attempt begins, with a token and a rate slot.

    Attributes:
        attempt: The number of this attempt at this operation within the call, from 1.
        queued_s: Seconds that it waited for a token and a slot; 0 in a bulk run, which takes its slots ahead.
        method: The HTTP method.
        url: The address, without a query.
        per_minute: How many calls of this operation the allowance has in a minute; None without a limit.
    """

    attempt: int
    queued_s: float
    method: str
    url: str
    per_minute: float | None = None


class AttemptEnded(CallEvent, frozen=True, kw_only=True):
    """An HTTP attempt ended: with an answer, or with the reason why there is none.

    Attributes:
        attempt: As in its `AttemptStarted`.
        elapsed_s: Seconds from its begin until its answer was read.
        method: The HTTP method.
        url: The address, without a query.
        status: The HTTP status; None without an answer.
        error: The name of the error's class; empty for success.
    """

    attempt: int
    elapsed_s: float
    method: str
    url: str
    status: int | None = None
    error: str = ""


class CallFinished(CallEvent, frozen=True, kw_only=True):
    """A call ended. `LoggingHook` logs a failed call at INFO.

    A call of `orders.place` that look-ups settled is one call, and one success.

    Attributes:
        attempts: The number of HTTP attempts, look-ups aside.
        elapsed_s: Seconds from the start of the call to its end, waits included.
        queued_s: Of these, seconds that it waited for tokens and slots.
        look_ups: The number of HTTP attempts of look-ups that settled it.
        settled: Whether a look-up found its order, after the answer was lost.
        error: The name of the class of what the caller received, `CancelledError` after a cancellation; empty for
            success.
        error_id: The vendor's error id, where it is a known one.
        effect: After an error, whether the call may have taken effect: `none` or `possible`.
        status: The last HTTP status; None without an answer.
    """

    attempts: int
    elapsed_s: float
    queued_s: float = 0.0
    look_ups: int = 0
    settled: bool = False
    error: str = ""
    error_id: str = ""
    effect: str = ""
    status: int | None = None

    @property
    def level(self) -> int:
        """INFO for a failure, DEBUG for success."""
        return logging.INFO if self.error else logging.DEBUG


class AttemptFailed(CallEvent, frozen=True, kw_only=True):
    """An attempt failed and another one follows. `LoggingHook` logs it at INFO.

    Attributes:
        attempt: The number of this attempt within the call, from 1.
        error: The name of the error's class.
        wait_s: Seconds until the next attempt.
    """

    attempt: int
    error: str
    wait_s: float

    @property
    def level(self) -> int:
        """INFO."""
        return logging.INFO


class Penalised(CallEvent, frozen=True, kw_only=True):
    """The vendor has imposed a penalty; one event for each, from the call that met it first. `LoggingHook`: WARNING.

    No call of the operation leaves before its end. `operation` is `token` for the token endpoint.

    Attributes:
        wait_s: Seconds until the penalty ends, by what the vendor says.
    """

    wait_s: float

    @property
    def level(self) -> int:
        """WARNING."""
        return logging.WARNING


class OrderSettled(CallEvent, frozen=True, kw_only=True):
    """The answer to an order was lost, and a look-up has found the order. `LoggingHook` logs it at INFO.

    Attributes:
        order_id: The vendor's order.
        reason: Why its outcome was unknown.
    """

    order_id: int
    reason: str

    @property
    def level(self) -> int:
        """INFO."""
        return logging.INFO


class TokenRenewed(Event, frozen=True, kw_only=True):
    """The access token was renewed.

    Attributes:
        expires_at: When the new token expires, in epoch seconds; None where the vendor did not say.
        call_id: The call that began the renewal; empty without one.
    """

    expires_at: float | None
    call_id: str = ""


class TokenNotRenewed(Event, frozen=True, kw_only=True):
    """A token request failed. While the old token lives, calls go on; then each one fails.

    `LoggingHook` logs it at INFO where another request follows by itself, otherwise at WARNING.

    Attributes:
        error: The name of the error's class.
        status: The HTTP status; None without an answer.
        wait_s: Seconds until the next request; None where none follows before a call needs the token.
        call_id: The call that began the renewal; empty without one.
    """

    error: str
    status: int | None = None
    wait_s: float | None = None
    call_id: str = ""

    @property
    def level(self) -> int:
        """INFO while requests follow, otherwise WARNING."""
        return logging.WARNING if self.wait_s is None else logging.INFO


class OrderInDoubt(Event, frozen=True, kw_only=True):
    """The outcome of an order is unknown. `LoggingHook` logs it at WARNING.

    The caller was cancelled after the order may have left, or the look-ups ran out of time, or the answer came on a
    connection whose answers were out of step, so that it may belong to another order.

    Attributes:
        po_number: The poNumber to settle the order with: `await client.orders.settle(po_number)`.
        reason: Why the outcome is unknown: the class of the error, or a sentence of ours.
        call_id: The call that found it out; empty where another call's answer put it in doubt.
    """

    po_number: str
    reason: str
    call_id: str = ""

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
    """Write every event to a logger, at the event's own level.

    An order in doubt and a penalty are WARNINGs, failures and the steps of a bulk run INFO, and all else DEBUG. The
    event's fields are in the record as well (`extra`): `record.event`, `record.call_id`, `record.po_number` …

    Args:
        logger: Where to write; the logger `xoxo_async` by default.
        json: Whether the message is one JSON object, instead of `name field=value …`.

    Raises:
        ConfigError: `logger` is no logger.
    """

    def __init__(self, logger: logging.Logger | None = None, *, json: bool = False) -> None:
        if logger is not None and not callable(getattr(logger, "isEnabledFor", None)):
            raise ConfigError("logger must be a logger, for example logging.getLogger('vouchers')")
        self._logger: Final = logger or _LOG
        self._json: Final = json

    def __call__(self, event: Event, /) -> None:
        """Log one event.

        Args:
            event: What happened.
        """
        level = event.level
        if not self._logger.isEnabledFor(level):
            return
        fields = event.fields()
        if self._json:
            message = msgspec.json.encode({"event": event.name, **fields}).decode()
        else:
            message = " ".join((event.name, *(f"{name}={value}" for name, value in fields.items())))
        self._logger.log(level, "%s", message, extra={"event": event.name, **fields})


@cache
def _name_of(event: type[Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


def _plain(value: object) -> str | int | float | bool:
    if isinstance(value, Enum):
        value = value.value
    return value if isinstance(value, bool | int | float) else str(value)
