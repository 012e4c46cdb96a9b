"""Sends one armed line, says what its answer proves, and learns from it for the lines after it."""

from collections import deque
from collections.abc import Callable
from typing import Final

import anyio
import msgspec

from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine
from xoxo_async.bulk.ledger.table import MAX_ORDER_ID
from xoxo_async.bulk.report import Pause
from xoxo_async.bulk.running.circuit import Circuit, ProbeAnswer
from xoxo_async.bulk.running.evidence import change_from_error, change_from_order
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.dispatcher import Dispatcher
from xoxo_async.errors import (
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    InsufficientFundsError,
    RateLimitedError,
    ServerError,
    TransportError,
    XoxoError,
)
from xoxo_async.services.orders import GET_ORDER, PLACE_ORDER, OrderLookup
from xoxo_async.transport.connections import Attempt, OrderAnswer

__all__ = ["PROBE", "Sender"]

PROBE: Final = "xoxo-async-probe"
"""A poNumber that no order has."""

_MAX_PENALTIES: Final = 5


class Sender:
    """Send lines, once each, and watch how that goes.

    Args:
        dispatcher: Makes single attempts.
        circuit: Told how each send ended.
        progress: Where ends are counted.
        stop: Called when no further line should be taken.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        circuit: Circuit,
        progress: Progress,
        stop: Callable[[Pause, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._dispatcher: Final = dispatcher
        self._circuit: Final = circuit
        self._progress: Final = progress
        self._stop: Final = stop
        self._clock: Final = clock
        self.doubts: Final[deque[OrderAnswer]] = deque()
        """Orders that were answered on a connection whose answers turned out not to be in step."""
        self._penalties = 0
        self._penalty_until = 0.0

    async def send(self, line: LedgerLine) -> Change:
        """Send a line whose intent is durable; moves money.

        Args:
            line: The line.

        Returns:
            What its answer, or the lack of one, proves.
        """
        progress, attempt = self._progress, Attempt(line.po_number)
        try:
            order = await self._dispatcher.once(PLACE_ORDER, msgspec.Raw(line.request), attempt=attempt)
        except XoxoError as error:
            self.doubts.extend(attempt.doubted)
            self._learn(error)
            change = change_from_error(line, error)
            if change.evidence is Evidence.REFUSED_NO_ORDER and not line.suspect:
                progress.rejected += line.lines == 1  # the lines of a refused pack get orders of their own
            elif change.evidence is not Evidence.NOT_PROCESSED:
                progress.in_doubt += line.lines
            return change
        self._circuit.succeeded()
        self._penalties = 0
        change = change_from_order(line, order, Evidence.ANSWERED_PLACED)
        if change.evidence is Evidence.ANSWERED_PLACED:
            progress.placed += line.lines
        else:
            progress.in_doubt += line.lines
            # The answer cannot be to this request, so those before it on the connection may not be either. An id that
            # no order has is nobody's answer, and says nothing about the others.
            if attempt.connection is not None and 0 < order.order_id <= MAX_ORDER_ID:
                self.doubts.extend(self._dispatcher.taint(attempt.connection, line.po_number))
        return change

    async def probe(self) -> None:
        """Ask for an order that does not exist: any answer to that proves the server alive, and costs no line.

        Ends with the patience that is left: a server that keeps a connection open in silence is a dead one.
        """
        answer = ProbeAnswer.NONE
        with anyio.move_on_after(self._circuit.patience_s):
            answer = await self._probe()
        self._circuit.probed(answer)

    async def _probe(self) -> ProbeAnswer:
        try:
            await self._dispatcher.once(GET_ORDER, OrderLookup(po_number=PROBE))
        except XoxoError as error:
            if _needs_a_person(error):
                self._stop(Pause.CREDENTIALS, error.message)
            if isinstance(error, ServerError | DecodeError):
                return ProbeAnswer.FAILURE
            return ProbeAnswer.GOOD if isinstance(error, ApiError) else ProbeAnswer.NONE
        return ProbeAnswer.GOOD

    def _learn(self, error: XoxoError) -> None:
        """Draw what one failure means for the lines after it."""
        if isinstance(error, InsufficientFundsError):
            self._stop(Pause.FUNDS, f"the vendor refused for lack of funds: {error.message}")
        elif _needs_a_person(error):
            self._stop(Pause.CREDENTIALS, error.message)
        elif isinstance(error, TransportError | ServerError | AuthError | DecodeError):
            reached = error.effect == "possible"
            self._circuit.failed(error.message, reached=reached, in_flight=self._progress.in_flight)
        elif isinstance(error, RateLimitedError):
            self._circuit.throttled(self._progress.in_flight)
            self._count_penalty(error)
        else:
            self._circuit.succeeded()  # a refusal with a reason comes from a server at work

    def _count_penalty(self, error: RateLimitedError) -> None:
        """Pause once one penalty has followed another so often that nothing comes of going on."""
        now = self._clock()
        if now < self._penalty_until:
            return  # sent before the penalty was known
        self._penalties += 1
        self._penalty_until = now + (error.retry_after_s or 0.0) * 0.9  # it began before its answer was read
        if self._penalties >= _MAX_PENALTIES:
            self._stop(Pause.RATE, f"{self._penalties} penalties in a row, and no order between them: {error.message}")


def _needs_a_person(error: XoxoError) -> bool:
    return isinstance(error, ConfigError) or (isinstance(error, AuthError) and not error.retryable)
