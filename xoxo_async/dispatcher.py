"""One operation in, one decoded struct out: encode, wait for a slot, attempt, read, retry."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import anyio
import msgspec
from msgspec.structs import replace

from xoxo_async.belief import Belief
from xoxo_async.calls import Call, Calls
from xoxo_async.config import Timeouts
from xoxo_async.consequences import as_outcome, renews_the_token
from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConnectError, DecodeError, RateLimitedError, XoxoError, mark_effect
from xoxo_async.operation import Operation
from xoxo_async.options import Bounds, Options, Scope
from xoxo_async.pacing import Pacing
from xoxo_async.reading import LARGE, Reader, keep_beside, note_error
from xoxo_async.retry import RetryPolicy, RetryQuota
from xoxo_async.session import Session
from xoxo_async.transport.connections import Attempt
from xoxo_async.transport.http import Answer
from xoxo_async.wire.raw import KEPT_BYTES, RawReply
from xoxo_async.wire.replies import keep_answer

__all__ = ["Dispatcher"]

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply")

_KEYED: Final = EffectClass.KEYED
_UNKEYED: Final = EffectClass.UNKEYED


class _Failures(msgspec.Struct):
    """The failed attempts of one call; made only once an attempt has failed.

    Attributes:
        po_number: The poNumber asked with, where there is one.
        started: When the call began, by the clock.
        latest: Until when another attempt may be made, by the clock.
        attempts: How many attempts failed. The first one that a refused token ended is not counted.
        renewed: Whether a refused token has been renewed.
        last: The last error.
        waits: The waits of the retry policy; None before the first one.
    """

    po_number: str | None
    started: float
    latest: float
    attempts: int = 0
    renewed: bool = False
    last: XoxoError | None = None
    waits: Iterator[float] | None = None


class _Common(msgspec.Struct):
    """What a client's dispatcher and those of its views share."""

    reader: Reader
    belief: Belief
    quota: RetryQuota = msgspec.field(default_factory=RetryQuota)
    scope: Scope = msgspec.field(default_factory=Scope)


class Dispatcher:
    """Run operations over a session, within the allowance and the retry policy.

    Args:
        session: Makes single attempts.
        pacer: Hands out the rate slots.
        retry: Decides whether and when a failed attempt is repeated.
        timeouts: How long attempts and calls may take.
        calls: Tells the hooks what happens; None where there are none.
        clock: A monotonic clock.
        doubt: Called with the poNumber of each order whose answer may belong to another request, and the reason.
        options: What a view changes.

    Attributes:
        bounds: How long calls may take.
        telling_doubts: As of `Belief`.
        distrust: As of `Belief`.
        taint: As of `Belief`.
    """

    def __init__(
        self,
        session: Session,
        *,
        pacer: Pacing,
        retry: RetryPolicy,
        timeouts: Timeouts,
        calls: Calls | None = None,
        clock: Callable[[], float] = time.monotonic,
        doubt: Callable[[str, str], None] = lambda _po_number, _reason: None,
        options: Options | None = None,
        common: _Common | None = None,
    ) -> None:
        self._common: Final = common or _Common(Reader(session, pacer), Belief(doubt))
        self._given: Final = retry, timeouts
        options = options or Options()
        self.bounds: Final = Bounds(options.times(timeouts), self._common.scope, options.ends_at)
        self._session: Final = session
        self._pacer: Final = pacer
        self._retry: Final = retry if options.attempts is None else replace(retry, attempts=options.attempts)
        self._headers: Final = options.headers
        self._keep_body: Final = options.keep_body
        self._quota: Final = self._common.quota
        self._timeouts: Final = self.bounds.timeouts
        self.calls: Final = calls
        self._clock: Final = clock
        self._reader: Final = self._common.reader
        belief = self._common.belief
        self._believe: Final = belief.check
        # For callers of `once`, whose answers share connections with other calls.
        self.telling_doubts: Final = belief.telling_doubts
        self.distrust: Final = belief.distrust
        self.taint: Final = belief.taint

    def view(self, options: Options) -> "Dispatcher":
        """Return a dispatcher over the same session and allowance that differs in its options alone.

        Args:
            options: What differs from the client's own settings, also where this is a view.
        """
        retry, timeouts = self._given
        return Dispatcher(
            self._session,
            pacer=self._pacer,
            retry=retry,
            timeouts=timeouts,
            calls=self.calls,
            clock=self._clock,
            options=options,
            common=self._common,
        )

    def ends_at(self) -> float:
        """Return when a call made now must have ended, apart from its own time; infinity without a deadline."""
        return self.bounds.ends_at

    async def __call__(self, operation: Operation[Request, Reply], request: Request, /) -> Reply:
        """Run one operation to its end.

        Args:
            operation: What to ask.
            request: Its request struct.

        Returns:
            The decoded reply.

        Raises:
            OutcomeUnknownError: The operation may have moved money, and no answer says what happened.
            XoxoError: Any other failure. Its `effect` says whether the call may have taken effect, its `attempts` how
                often it was tried.
        """
        po_number = getattr(request, "po_number", None)
        started = now = self._clock()
        call = None if self.calls is None else self.calls.begin(operation.name, po_number)
        latest, deadline = self._bounds(operation, po_number, started, call)
        failures: _Failures | None = None
        while True:
            try:
                if not (self._pacer.is_free(operation.name) and self._session.has_token):
                    await self._turn(operation.name, latest)
                    now = self._clock()
                if call is not None:
                    call.attempting(operation)
                # Encoded only now, each time: thousands may wait for their turn, and it is always the same bytes.
                answer = await self._send(operation, operation.encode(request), deadline - now)
                reply = _read_at_once(operation, answer)
                if reply is None:
                    reply = await self._reader.read(operation, answer)
                if answer.connection is not None:
                    asked = getattr(request, "order_id", 0)
                    self._believe(operation, po_number, asked, answer.connection, reply, started)
            except XoxoError as error:
                failures = failures or _Failures(po_number, started, latest)
                await self._wait_after(operation, error, failures, call)
                now = self._clock()
            except BaseException as error:  # a cancellation, or a bug of the caller's session
                if call is not None:
                    call.ended(error)
                raise
            else:
                answer.queued_at, answer.attempts = started, failures.attempts + 1 if failures else 1
                self._finish(operation, reply, answer, call)
                return reply

    async def once(
        self,
        operation: Operation[Request, Reply],
        request: Request | msgspec.Raw,
        /,
        *,
        attempt: Attempt | None = None,
    ) -> Reply:
        """Make exactly one attempt: no pacing, no retry, no second try with a renewed token.

        For callers that keep a ledger: they take the rate slot first (`pacer`) and record every attempt.

        Args:
            operation: What to ask.
            request: Its request struct, or its encoded bytes: a ledger sends exactly the bytes that it has stored.
            attempt: Receives the connection that the answer came on.

        Returns:
            The decoded reply.

        Raises:
            XoxoError: The attempt's own error; it is never replaced by `OutcomeUnknownError`.
        """
        body, po_number = operation.encode(request), getattr(request, "po_number", None)
        asked = getattr(request, "order_id", 0)
        if po_number is None and attempt is not None:
            po_number = attempt.po_number or None
        del request  # thousands may be in flight, and the struct is half of what each would hold in memory
        started = self._clock()
        call = None if self.calls is None else self.calls.begin(operation.name, po_number)
        try:
            if call is not None:
                call.attempting(operation)
            may_leave = None if attempt is None else attempt.may_leave
            answer = await self._send(operation, body, self.bounds.left_s(started), may_leave)
            if attempt is not None:
                attempt.connection = answer.connection
            reply = _read_at_once(operation, answer)
            if reply is None:
                reply = await self._reader.read(operation, answer)
            if answer.connection is not None:
                self._believe(operation, po_number, asked, answer.connection, reply, started, attempt)
        except BaseException as error:
            if isinstance(error, XoxoError):
                error.located(operation=operation.name, attempts=1, po_number=po_number)
                note_error(error, started, 1)
            if call is not None:
                call.ended(error)
            raise
        answer.queued_at = started
        self._finish(operation, reply, answer, call)
        return reply

    async def authorise(self) -> None:
        """Get a token unless there is a living one: for callers of `once`, before they take a rate slot.

        Raises:
            AuthError: No token could be had.
            RateLimitedError: The token endpoint has imposed a penalty; `retry_after_s` says how long.
        """
        if not self._session.has_token:
            await self._session.authorise()

    @property
    def pacer(self) -> Pacing:
        """The rate slots, shared by everything that uses this client."""
        return self._pacer

    def _finish(self, operation: Operation[Any, Any], reply: Any, answer: Answer, call: Call | None) -> None:
        self._reader.worked = answer.bearer
        if self._quota.spent:
            self._quota.succeeded()
        # The body of an order is kept: what the SDK does not know of it is compared with the request.
        if len(answer.body) > KEPT_BYTES and not self._keep_body and not operation.names_order:
            answer.let_go()
        answer.connection = None
        if operation.whole:
            if reply is not operation.empty:  # that one belongs to all calls
                keep_answer(reply, answer)
        elif type(getattr(reply, "raw", None)) is RawReply:
            keep_beside(reply, answer)
        if call is not None:
            call.answered(answer.status)
            call.ended()

    def _bounds(
        self, operation: Operation[Any, Any], po_number: str | None, started: float, call: Call | None
    ) -> tuple[float, float]:
        """Return until when a call may be sent, and when its last attempt ends, by the clock.

        A call that moves money is not sent when too little time is left for its answer, because the answer would then
        be lost. An order also keeps time for its look-up.
        """
        bounds, effect = self.bounds, operation.effect
        if bounds.has_end or bounds.scope.used:
            try:
                return bounds.within(effect, started)
            except ConnectError as error:  # its deadline is over
                error.located(operation=operation.name, attempts=0, po_number=po_number)
                if call is not None:
                    call.ended(error)
                raise
        if effect is _KEYED:
            return started + bounds.order_room[0], started + bounds.order_room[1]
        if effect is _UNKEYED:
            return started + bounds.unkeyed_room[0], started + bounds.unkeyed_room[1]
        return started + self._timeouts.call_s, started + self._timeouts.call_s

    async def _turn(self, operation: str, deadline: float) -> None:
        """Wait for a token and then for a rate slot, both of which have to come by a deadline.

        In the other order, all calls whose slots fall into a renewal would leave together when it ends, and could meet
        a penalty.
        """
        try:
            while True:
                if not self._session.has_token:
                    await self._session.authorise(deadline - self._clock())
                await self._pacer.slot(operation, deadline)
                if self._session.has_token:
                    return
        except BaseException as error:
            _note_unsent(error)
            raise

    def _is_queued(self, operation: str) -> bool:
        """Return whether the pacer spaces the calls after a penalty: then a refused call asks it for a slot at once.

        Otherwise the call sleeps, and the jitter of its wait spaces the calls.
        """
        return self._pacer.is_blocked(operation) and self._pacer.interval_s(operation) > 0

    def _send(
        self,
        operation: Operation[Request, Reply],
        body: bytes,
        left: float,
        may_leave: Callable[[], bool] | None = None,
    ) -> Coroutine[Any, Any, Answer]:
        limit = self._timeouts.order_s if operation.effect is _KEYED else self._timeouts.read_s
        total_s = limit if limit < left else max(left, 0.001)
        return self._session.send(
            operation.method, operation.path, body, operation.content_type, total_s, may_leave, self._headers
        )

    async def _wait_after(
        self, operation: Operation[Any, Any], error: XoxoError, failures: _Failures, call: Call | None
    ) -> None:
        """Wait until another attempt may be made, or raise what the call ends with."""
        if call is not None:
            call.failed(error)
        if failures.last is not None and isinstance(error, RateLimitedError) and error.status is None:
            error = failures.last  # no slot was left for another try: what the last one met says more
        failures.attempts += 1
        error.located(operation=operation.name, attempts=failures.attempts, po_number=failures.po_number)
        note_error(error, failures.started, failures.attempts)
        if renews_the_token(error) and not failures.renewed:
            failures.renewed = True
            failures.attempts -= 1  # the session has forgotten the token, and the attempt with the next one is free
            return
        failures.waits = failures.waits or self._retry.waits()
        wait = self._retry.wait_after(error, operation.effect, failures.attempts, failures.waits)
        if wait is None or self._clock() + wait > failures.latest or not self._quota.take(error):
            outcome = as_outcome(error, operation.effect)
            if outcome is not error:
                outcome.__cause__ = error
            if call is not None:
                call.ended(outcome)
            try:
                raise outcome from outcome.__cause__
            finally:
                # Its traceback leads to this frame and to the caller's: together they would wait for a full collection.
                failures.last = None
                del error, outcome
        if call is not None:
            call.again(error, operation.name, wait)
        failures.last = error.with_traceback(None)  # which leads to the frame that holds this
        if not (isinstance(error, RateLimitedError) and self._is_queued(operation.name)):
            try:
                await anyio.sleep(wait)
            except BaseException as cancelled:
                _note_unsent(cancelled, call)
                raise


def _note_unsent(error: BaseException, call: Call | None = None) -> None:
    """Note in what ends a wait before an attempt that nothing was sent, where it is a cancellation."""
    if isinstance(error, asyncio.CancelledError):
        mark_effect(error, "none")
    if call is not None:
        call.ended(error)


def _read_at_once(operation: Operation[Request, Reply], answer: Answer) -> Reply | None:
    """Read a small answer that is a success, as nearly all are; None for one that `Reader` has to look at."""
    if answer.status >= 300 or len(answer.body) >= LARGE:
        return None
    try:
        return operation.read(answer.body)
    except DecodeError:
        return None
