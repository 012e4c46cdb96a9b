"""Send claimed lines, and apply the answer to the lines after them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import msgspec

from xoxo_async.bulk.client import SingleAttempts
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine
from xoxo_async.bulk.ledger.table import MAX_HOLD_S, MAX_ORDER_ID
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.circuit import PROBE_PO_NUMBER, Circuit, ProbeAnswer
from xoxo_async.bulk.running.evidence import change_from_error, change_from_order, ordered
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.sent import Sent
from xoxo_async.consequences import NextOrders, is_answer, next_orders
from xoxo_async.errors import RateLimitedError, XoxoError
from xoxo_async.services.orders.operations import GET_ORDER, PLACE_ORDER
from xoxo_async.services.orders.requests import OrderLookup
from xoxo_async.transport.connections import Attempt, OrderAnswer

__all__ = ["Sender", "probe_orders", "send_line"]

_MAX_PENALTIES: Final = 5
_PLACED: Final = Evidence.ANSWERED_PLACED  # Python 3.11 finds a member of an enum slower than a name of the module
_DONE: Final = frozenset({Evidence.ANSWERED_PLACED, Evidence.ANSWERED_DONE})


async def send_line(
    dispatcher: SingleAttempts,
    doubt: Callable[[OrderAnswer], None],
    wall: Callable[[], float],
    lines: Sequence[LedgerLine],
) -> Sent:
    """Send an order whose intent is durable, exactly once. Moves money.

    It leaves within the hold of its claim, or not at all, however long a token or a connection takes.

    Args:
        dispatcher: Makes single attempts.
        doubt: Called with every order that was named on a connection whose answers are not in step.
        wall: The ledger's clock, in epoch seconds.
        lines: The order, alone: each is a call of its own.
    """
    (line,) = lines
    # The rest of the hold is for clocks that differ, and for the last byte.
    latest = (line.last_sent_tick or 0.0) + 0.9 * MAX_HOLD_S
    attempt = Attempt(line.po_number, lambda: wall() < latest)
    wanted = ordered(line.body)  # decoded before money moves: a stored request that cannot be read must not be sent
    try:
        order = await dispatcher.once(PLACE_ORDER, msgspec.Raw(line.request), attempt=attempt)
    except XoxoError as error:
        for answer in attempt.doubted:
            doubt(answer)
        return Sent((change_from_error(line, error),), error)
    change = change_from_order(line, wanted, order, _PLACED)
    connection = attempt.connection
    doubted = change.evidence is not _PLACED
    if doubted and connection is not None and 0 < order.order_id <= MAX_ORDER_ID:
        # The answer cannot be to its request, so earlier answers on its connection may be wrong, too. An impossible
        # order id is not the answer to another request, so it does not taint the connection.
        for answer in dispatcher.taint(connection, line.po_number):
            doubt(answer)
    return Sent((change,), None)


async def probe_orders(dispatcher: SingleAttempts) -> None:
    """Look up an order that does not exist; see `Sender.probe`.

    Args:
        dispatcher: Makes single attempts.
    """
    await dispatcher.once(GET_ORDER, OrderLookup(po_number=PROBE_PO_NUMBER))


class Sender:
    """Send lines, once each, and watch how the sends end.

    Args:
        call: Makes the one call of some lines, see `send_line`.
        look: Makes a call that reads and risks no line, see `probe_orders`.
        circuit: Receives how each send ended.
        progress: Where ends are counted.
        stop: Called when no further line should be taken.
        clock: A monotonic clock.
        one: What a call is for, in messages: an order, or a call.
    """

    def __init__(
        self,
        call: Callable[[Sequence[LedgerLine]], Awaitable[Sent]],
        look: Callable[[], Awaitable[object]],
        circuit: Circuit,
        progress: Progress,
        *,
        stop: Callable[[Pause, str], None],
        clock: Callable[[], float],
        one: str = "an order",
    ) -> None:
        self._one: Final = one
        self._call: Final = call
        self._look: Final = look
        self._circuit: Final = circuit
        self._progress: Final = progress
        self._stop: Final = stop
        self._clock: Final = clock
        self._penalties = 0
        self._penalty_until = 0.0

    async def send(self, lines: Sequence[LedgerLine]) -> Sequence[Change]:
        """Send lines whose intent is durable, in one call. Moves money.

        Args:
            lines: The lines.

        Returns:
            For each the fact that its answer, or the lack of one, proves.
        """
        sent = await self._call(lines)
        if sent.error is not None:
            self._learn(sent.error)
        else:
            self._circuit.succeeded()
            self._penalties = 0
        for place, line in enumerate(lines):
            self._count(line, sent.changes[place])
        return sent.changes

    def _count(self, line: LedgerLine, change: Change) -> None:
        """Count how the send of a line ended."""
        progress = self._progress
        if change.evidence in _DONE:
            progress.placed += line.lines
        elif change.evidence is Evidence.REFUSED_NO_ORDER and not line.suspect:
            progress.rejected += line.lines == 1  # the lines of a refused pack get orders of their own
        elif change.evidence is not Evidence.NOT_PROCESSED:
            progress.in_doubt += line.lines

    async def probe(self) -> None:
        """Make a call that reads: any answer proves that the server works, and risks no line.

        The probe ends with the circuit's patience: a server that keeps a connection open without an answer counts as
        dead.
        """
        answer = ProbeAnswer.NONE
        with anyio.move_on_after(self._circuit.patience_s):
            answer = await self._probe()
        self._circuit.probed(answer)

    async def _probe(self) -> ProbeAnswer:
        try:
            await self._look()
        except XoxoError as error:
            meaning = next_orders(error)
            if meaning is NextOrders.NEED_A_PERSON:
                self._stop(Pause.CREDENTIALS, error.message)
            if meaning is NextOrders.SERVER_FAILS:
                return ProbeAnswer.FAILURE
            return ProbeAnswer.GOOD if is_answer(error) else ProbeAnswer.NONE
        return ProbeAnswer.GOOD

    def _learn(self, error: XoxoError) -> None:
        """Act on what one error means for the lines after it."""
        match next_orders(error):
            case NextOrders.NO_FUNDS:
                self._stop(Pause.FUNDS, f"the vendor refused for lack of funds: {error.message}")
            case NextOrders.NEED_A_PERSON:
                self._stop(Pause.CREDENTIALS, error.message)
            case NextOrders.SERVER_FAILS | NextOrders.NO_ANSWER:
                reached = error.effect == "possible"
                self._circuit.failed(error.message, reached=reached, in_flight=self._progress.in_flight)
            case NextOrders.TOO_FAST:
                # A penalty is for the operation, so it holds for every line (wire documentation § 5).
                self._circuit.throttled(self._progress.in_flight)
                self._count_penalty(error)
            case NextOrders.UNAFFECTED:
                self._circuit.succeeded()  # a refusal with a reason proves that the server works

    def _count_penalty(self, error: XoxoError) -> None:
        """Pause after five penalties in a row without a success between them: more sends would bring more penalties."""
        now = self._clock()
        if now < self._penalty_until:
            return  # sent before the penalty was known
        self._penalties += 1
        penalty_s = (error.retry_after_s if isinstance(error, RateLimitedError) else None) or 0.0
        self._penalty_until = now + penalty_s * 0.9  # the penalty began before its answer was read
        if self._penalties >= _MAX_PENALTIES:
            self._stop(
                Pause.RATE, f"{self._penalties} penalties in a row without {self._one} between them: {error.message}"
            )
