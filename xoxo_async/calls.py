"""One call of a caller's as the hooks see it: it gives all its events one call id. Made only where there are hooks."""

import asyncio
import itertools
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, Protocol

from xoxo_async.consequences import in_short, known_error_id
from xoxo_async.errors import RateLimitedError, XoxoError, effect_of
from xoxo_async.hooks import (
    AttemptEnded,
    AttemptFailed,
    AttemptStarted,
    CallFinished,
    CallQueued,
    Event,
    Hook,
    LoggingHook,
    OrderInDoubt,
    OrderSettled,
    Penalised,
)
from xoxo_async.notifying import notify
from xoxo_async.pacing import Pacing

__all__ = ["Call", "Calls", "Sent", "current_call_id", "report_doubt"]

_SAYS_WHEN: Final = frozenset({429, 503})
"""With these statuses an answer may impose a penalty, whatever else it says."""

_LOG: Final = logging.getLogger("xoxo_async")


class Sent(Protocol):
    """What an attempt's events say of its operation."""

    @property
    def name(self) -> str:
        """The operation's name."""
        ...

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The path below the base URL."""
        ...


class Call:
    """One call, from its begin to its end. Its methods are called by whoever makes the call, in this order.

    Args:
        calls: Where its events go.
        operation: The operation's name.
        po_number: The poNumber asked with, where there is one.
        held: Whether `OrderService.place` ends it, because a look-up may follow.
    """

    __slots__ = (
        "_attempts", "_began", "_calls", "_context", "_held", "_hooks", "_look_ups", "_method", "_number", "_queued_s",
        "_running", "_settled", "_since", "_started", "_status", "_task", "_url", "id", "operation", "po_number",
    )  # fmt: skip

    def __init__(self, calls: "Calls", operation: str, po_number: str | None, *, held: bool) -> None:
        self.id: Final = _new_id()
        self.operation: Final = operation
        self.po_number: Final = po_number
        self._calls: Final = calls
        self._hooks: Final = calls.hooks
        self._held: Final = held
        self._task: Final = _task()
        self._context: Final[Token[Call | None]] = _CURRENT.set(self)
        self._started = self._since = self._began = calls.clock()
        self._attempts = self._look_ups = self._number = 0
        self._queued_s = 0.0
        self._method = self._url = ""
        self._running = ""  # the operation of the attempt that is under way
        self._settled = False
        self._status: int | None = None
        notify(self._hooks, CallQueued(operation=operation, call_id=self.id, po_number=po_number))

    def is_of(self, calls: "Calls") -> bool:
        """Return whether a request of this task belongs to this call: `place` holds it open for its look-ups."""
        return self._held and self._calls is calls and self._task is _task()

    def attempting(self, operation: Sent) -> None:
        """Note that an attempt begins.

        Args:
            operation: What is asked: of a look-up, another operation than the call's.
        """
        now, name = self._calls.clock(), operation.name
        queued_s = now - self._since
        self._queued_s += queued_s
        if name == self.operation:
            self._attempts += 1
            self._number = self._attempts
        else:
            self._look_ups += 1
            self._number = self._look_ups
        self._began, self._running, self._method = now, name, operation.method
        self._url = self._calls.base_url + operation.path.partition("?")[0]
        event = AttemptStarted(
            operation=name,
            call_id=self.id,
            po_number=self.po_number,
            attempt=self._number,
            queued_s=queued_s,
            method=self._method,
            url=self._url,
            per_minute=self._calls.per_minute(name),
        )
        notify(self._hooks, event)

    def answered(self, status: int) -> None:
        """Note that the attempt under way was answered, and that the answer is a success.

        Args:
            status: The HTTP status.
        """
        self._end_attempt(status, "")

    def failed(self, error: XoxoError) -> None:
        """Note what ended the attempt under way, or the wait before it.

        Args:
            error: The error.
        """
        operation = self._running
        self._end_attempt(error.status, type(error).__name__)
        self._since = self._calls.clock()
        if operation and (error.status in _SAYS_WHEN or isinstance(error, RateLimitedError)):
            self._calls.penalised(self, operation)

    def again(self, error: XoxoError, operation: str, wait_s: float) -> None:
        """Note that another attempt follows.

        Args:
            error: What ended the last one.
            operation: What is asked.
            wait_s: Seconds until it.
        """
        event = AttemptFailed(
            operation=operation,
            call_id=self.id,
            po_number=self.po_number,
            attempt=max(self._number, 1),
            error=type(error).__name__,
            wait_s=wait_s,
        )
        notify(self._hooks, event)

    def settled(self, order_id: int, error: XoxoError) -> None:
        """Note that a look-up has found the order.

        Args:
            order_id: The order.
            error: Why its outcome was unknown.
        """
        self._settled = True
        event = OrderSettled(
            operation=self.operation,
            call_id=self.id,
            po_number=self.po_number,
            order_id=order_id,
            reason=in_short(error),
        )
        notify(self._hooks, event)

    def ended(self, error: BaseException | None = None) -> None:
        """Note how a request of the call ended. Unless `place` holds the call, that is the end of the call.

        Args:
            error: What is raised; None for a success.
        """
        if isinstance(error, XoxoError):
            self.failed(error)
        elif self._running:  # a cancellation, or a bug
            self._end_attempt(None, type(error).__name__)
        self._since = self._calls.clock()
        if not self._held:
            self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """End the call.

        Args:
            error: What the caller receives; None for a success.
        """
        with suppress(ValueError):  # a coroutine that is thrown away is closed in another context
            _CURRENT.reset(self._context)
        of_ours = error if isinstance(error, XoxoError) else None
        if of_ours is not None:
            of_ours.call_id = self.id
        event = CallFinished(
            operation=self.operation,
            call_id=self.id,
            po_number=self.po_number,
            attempts=self._attempts,
            elapsed_s=self._calls.clock() - self._started,
            queued_s=self._queued_s,
            look_ups=self._look_ups,
            settled=self._settled,
            error=type(error).__name__ if error is not None else "",
            error_id=known_error_id(of_ours.error_id) if of_ours is not None else "",
            effect=effect_of(error) if error is not None else "",
            status=of_ours.status if of_ours is not None else self._status,
        )
        notify(self._hooks, event)

    def _end_attempt(self, status: int | None, error: str) -> None:
        name, self._running = self._running, ""
        if not name:
            return  # it failed before an attempt began
        self._status = status
        event = AttemptEnded(
            operation=name,
            call_id=self.id,
            po_number=self.po_number,
            attempt=self._number,
            elapsed_s=self._calls.clock() - self._began,
            method=self._method,
            url=self._url,
            status=status,
            error=error,
        )
        notify(self._hooks, event)


class Calls:
    """The calls of one client, for its hooks.

    Args:
        hooks: Receive the events.
        base_url: The address.
        pacer: Knows the allowance and the penalties.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        hooks: Sequence[Hook],
        *,
        base_url: str = "",
        pacer: Pacing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hooks: Final = hooks
        self.base_url: Final = base_url
        self.clock: Final = clock
        self._pacer: Final = pacer
        self._penalised_until: Final[dict[str, float]] = {}

    def begin(self, operation: str, po_number: str | None) -> Call:
        """Return the call that a request belongs to: the one that `place` holds open in this task, or a new one.

        Args:
            operation: The operation's name.
            po_number: The poNumber asked with, where there is one.
        """
        held = _CURRENT.get()
        if held is not None and held.is_of(self):
            return held
        return Call(self, operation, po_number, held=False)

    def hold(self, operation: str, po_number: str) -> Call:
        """Begin a call that its caller ends with `close`, because look-ups may follow.

        Args:
            operation: The operation's name.
            po_number: The poNumber asked with.
        """
        return Call(self, operation, po_number, held=True)

    def per_minute(self, operation: str) -> float | None:
        """Return the calls a minute of an operation, None without a limit.

        Args:
            operation: The operation's name.
        """
        return None if self._pacer is None else self._pacer.per_minute(operation)

    def penalised(self, call: Call, operation: str) -> None:
        """Report the penalty that an operation has now, unless it is one that another call has met.

        Args:
            call: The call that met it.
            operation: What was asked.
        """
        wait_s = 0.0 if self._pacer is None else self._pacer.blocked_s(operation)
        now, until = self.clock(), self._penalised_until.get(operation, 0.0)
        self._penalised_until[operation] = max(until, now + wait_s)
        if wait_s > 0 and now >= until:
            event = Penalised(operation=operation, call_id=call.id, po_number=call.po_number, wait_s=wait_s)
            notify(self.hooks, event)


def current_call_id() -> str:
    """Return the id of the call that this code runs for; empty outside a call, and where the client has no hooks."""
    call = _CURRENT.get()
    return "" if call is None else call.id


def report_doubt(hooks: Sequence[Hook], po_number: str, reason: str) -> None:
    """Report an order with an unknown outcome to the hooks, and to the log unless a hook logs.

    Args:
        hooks: The hooks.
        po_number: The order's poNumber.
        reason: Why, without words of the vendor's.
    """
    if not any(isinstance(hook, LoggingHook) for hook in hooks):
        # Without a hook that logs, this is the only trace of an order that may have spent money.
        _LOG.warning("order %s may or may not exist (%s); settle it by its poNumber", po_number, reason)
    call = _CURRENT.get()
    call_id = call.id if call is not None and call.po_number == po_number else ""
    event: Event = OrderInDoubt(po_number=po_number, reason=reason, call_id=call_id)
    notify(hooks, event)


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # trio, or no loop at all: the session refuses the call in a sentence


_CURRENT: Final[ContextVar[Call | None]] = ContextVar("xoxo_async_call", default=None)

_ids = itertools.count(1)
_process = secrets.token_hex(4)


def _after_fork() -> None:
    global _process  # noqa: PLW0603 - a child goes on with the parent's count
    _process = secrets.token_hex(4)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _new_id() -> str:
    """Return an id that no other call has: random for the process, and counted within it."""
    return f"{_process}-{next(_ids):x}"
