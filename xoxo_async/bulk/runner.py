"""Sends planned lines: bounded concurrency, an intent before each request, a result after each answer."""

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from typing import Final, TypeVar

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from xoxo_async.bulk.circuit import Circuit, Flow
from xoxo_async.bulk.evidence import change_from_error, change_from_order
from xoxo_async.bulk.ledger import MAX_HOLD_S, Change, Evidence, Ledger, LedgerLine, LineState
from xoxo_async.bulk.report import Pause
from xoxo_async.client import XoxoClient
from xoxo_async.errors import (
    ApiError,
    AuthError,
    BudgetError,
    ConfigError,
    DecodeError,
    InsufficientFundsError,
    LedgerError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    XoxoError,
)
from xoxo_async.services.orders import GET_ORDER, PLACE_ORDER, OrderLookup

__all__ = ["Progress", "Runner"]

_PROBE: Final = "xoxo-async-probe"
"""A poNumber that no order has."""

_GATHER_S: Final = 0.005
"""How long results are gathered into one transaction. A crash within it costs look-ups, not codes."""

_MAX_PENALTIES: Final = 5

_TURN_S: Final = 0.02
"""How often to look whether the one line that tries a server is back."""


class Progress(msgspec.Struct):
    """What the run at hand has done so far; read by a progress display, never decided on.

    Attributes:
        placed: Order lines this run placed, or found placed.
        rejected: Rows refused for certain.
        in_doubt: Rows that ended without proof.
        in_flight: Requests under way.
        phase: What is going on, in a word.
    """

    placed: int = 0
    rejected: int = 0
    in_doubt: int = 0
    in_flight: int = 0
    phase: str = "planning"


class Runner:
    """One sending phase after another over one ledger.

    A feeder arms lines (writes their intent) as places come free and as rate slots fall due, workers send them, and a
    recorder writes the results behind them, many in a transaction. No more than twice the lines in flight are armed:
    after a crash each of those costs a look-up. A result that a crash swallows is found again by its poNumber.

    Args:
        client: Sends.
        ledger: The truth.
        concurrency: Requests in flight at most.
        budget: What the job may cost, in the account's currency.
        pause_limit_s: How long a dead server is waited for before the run pauses.
        clock: A monotonic clock.
        wall: The wall clock, in epoch seconds; the ledger's.
    """

    def __init__(
        self,
        client: XoxoClient,
        ledger: Ledger,
        *,
        concurrency: int,
        budget: Decimal | None = None,
        pause_limit_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float],
    ) -> None:
        self.progress: Final = Progress()
        self.pause: Pause = Pause.NONE
        self.reason: str = ""
        self.interrupted: Final = anyio.Event()
        self._stopped: Final = anyio.Event()
        self._low = anyio.Event()
        self._dispatcher: Final = client.dispatcher
        self._ledger: Final = ledger
        self._concurrency: Final = concurrency
        self._clock: Final = clock
        self._wall: Final = wall
        self._circuit: Final = Circuit(pause_limit_s, clock, most=concurrency)
        self._left_over: Final[list[Change]] = []
        self._budget: Final = budget
        self._armed = 0
        self._planned = 0
        self._penalties = 0
        self._penalty_until = 0.0
        self._settled = anyio.Event()
        self._slot_due: float | None = None
        self._held_back = False

    def stop(self, pause: Pause, reason: str) -> None:
        """Take no more lines; those in flight end and are written down. The first reason stays.

        Args:
            pause: Why.
            reason: Why, in words.
        """
        if not self.pause:
            self.pause, self.reason = pause, reason
            self._stopped.set()
            self._low.set()
        if pause is Pause.INTERRUPTED:
            self.interrupted.set()

    async def send_all(self) -> None:
        """Send every planned line of the ledger, or as many as go until something stops the run.

        Raises:
            LedgerError: When an intent or a result cannot be written; nothing further is sent then.
        """
        self.progress.phase = "sending"
        # A wave ends when the ledger has no planned line; lines given back during it make another.
        while not self.pause:
            self._planned = (await self._ledger.counts()).states.get(LineState.PLANNED, 0)
            if not self._planned:
                return
            await self._wave()

    async def _wave(self) -> None:
        """Arm, send and record until no line is planned."""
        to_workers, armed = anyio.create_memory_object_stream[LedgerLine](self._concurrency)
        to_recorder, results = anyio.create_memory_object_stream[Change](self._concurrency)
        workers = 0

        async def work(sink: MemoryObjectSendStream[Change]) -> None:
            async with sink:
                async for line in armed:
                    if armed.statistics().current_buffer_used <= self._concurrency // 2:
                        self._low.set()
                    await self._carry(line, sink)
                    if self._held_back:
                        self._low.set()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._record, results)
                async with to_recorder, to_workers:
                    async for line in self._feed(to_workers):
                        # A worker more whenever a line is due and nobody is free: that is as many in flight as the
                        # allowance needs at the latency the server has now, and no more.
                        waiting = to_workers.statistics().current_buffer_used
                        if workers < self._concurrency and workers <= self.progress.in_flight + waiting:
                            group.start_soon(work, to_recorder.clone())
                            workers += 1
                        await self._hand_over(line, to_workers)
        except BaseExceptionGroup as error:
            raise _single(error) from None
        finally:
            await self._write_down_what_was_cut_off(armed, results)

    # Arming.

    async def _feed(self, to_workers: MemoryObjectSendStream[LedgerLine]) -> AsyncGenerator[LedgerLine]:
        """Yield armed lines as their slots fall due; when cut off, those not handed over go back."""
        lines: deque[LedgerLine] = deque()
        try:
            while self._planned > 0 and not self.pause:  # no slot is waited for that nothing is left for
                await self._authorised()
                slots = await self._take_slots(await self._room(to_workers))
                lines.extend(await self._claim(slots) if slots else [])
                if not lines:
                    return
                while lines:
                    yield lines.popleft()
        finally:
            self._left_over.extend(_unsent(line) for line in lines)

    async def _claim(self, limit: int) -> list[LedgerLine]:
        """Arm lines; where the budget is all reserved, wait for charges to settle it, and pause when none can."""
        while not self.pause:
            settled = self._settled = anyio.Event()
            try:
                lines = await self._ledger.claim(limit, budget=self._budget)
            except BudgetError as error:
                if not self._armed:
                    self.stop(Pause.BUDGET, error.message)
                    return []
                await settled.wait()
            else:
                self._armed += len(lines)
                self._planned -= sum(line.lines for line in lines)
                return lines
        return []

    async def _room(self, to_workers: MemoryObjectSendStream[LedgerLine]) -> int:
        """Return how many lines may be armed now; waits while the server is dead, and while one line tries it."""
        while self._circuit.flow is not Flow.FULL and not self.pause:
            if self._circuit.given_up:
                self.stop(Pause.UNREACHABLE, self._circuit.reason)
            elif self._circuit.flow is Flow.NONE:
                await self._pause_for(self._circuit.next_wait())
                await self._probe()
            elif not self.progress.in_flight:
                return 1
            else:
                await self._pause_for(_TURN_S)
        while not self.pause:
            waiting = to_workers.statistics().current_buffer_used
            limit = self._circuit.limit
            # A server in distress has less in flight; 0 when it has died meanwhile: then a line given back costs least.
            self._held_back = 0 < limit < self._concurrency
            if self._held_back:
                if waiting + self.progress.in_flight < limit:
                    return limit - waiting - self.progress.in_flight
            elif waiting <= self._concurrency // 2:
                return self._concurrency - waiting
            # Many lines in one transaction, or none: a claim costs the same for one line as for fifty.
            self._low = anyio.Event()
            await self._low.wait()
        return 1

    async def _authorised(self) -> None:
        """Have a token before slots are taken: a renewal within them would let all of them go at once.

        While the token endpoint imposes a penalty, nothing is claimed at all.
        """
        while not self.pause:
            try:
                await self._dispatcher.authorise()
            except RateLimitedError as error:
                await self._pause_for(error.retry_after_s or 1.0)
            except XoxoError:
                return  # the next line's own attempt meets it, and says what it means
            else:
                return

    async def _probe(self) -> None:
        """Ask for an order that does not exist: any answer to that proves the server at work, and costs no line."""
        try:
            await self._dispatcher.once(GET_ORDER, OrderLookup(po_number=_PROBE))
        except NotFoundError:
            self._circuit.probed(alive=True)
        except XoxoError as error:
            alive = isinstance(error, ApiError) and not isinstance(error, ServerError)
            self._circuit.probed(alive=alive)
        else:
            self._circuit.probed(alive=True)

    async def _hand_over(self, line: LedgerLine, to_workers: MemoryObjectSendStream[LedgerLine]) -> None:
        try:
            await to_workers.send(line)
        except BaseException:
            self._left_over.append(_unsent(line))
            raise

    async def _take_slots(self, wanted: int) -> int:
        """Take up to `wanted` rate slots that are due, waiting for the first; none once the run is stopped."""
        pacer, slots = self._dispatcher.pacer, 0
        while slots < wanted and not self.pause:
            now = self._clock()
            if self._slot_due is None or pacer.is_blocked(PLACE_ORDER.name):
                # A slot from before a penalty is worth nothing.
                self._slot_due = now + pacer.reserve(PLACE_ORDER.name)
            if self._slot_due > now:
                if slots:
                    break
                await self._pause_for(self._slot_due - now)
                continue
            self._slot_due = None
            slots += 1
        return 0 if self.pause else slots

    async def _pause_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopped.wait()

    # Sending.

    async def _carry(self, line: LedgerLine, sink: MemoryObjectSendStream[Change]) -> None:
        """Send one armed line and hand its result on, also when this task is cancelled on the way."""
        held_s = self._wall() - (line.last_sent_at or 0.0)
        held_back = self._circuit.flow is Flow.NONE or self._dispatcher.pacer.is_blocked(PLACE_ORDER.name)
        if self.pause or held_back or held_s > MAX_HOLD_S / 2:
            # Never sent: the run stopped, the server is dead or has imposed a penalty, or all workers were busy longer
            # than recovery assumes a sender may take.
            await sink.send(_unsent(line))
            return
        change = Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error="cancelled in flight")
        self.progress.in_flight += 1
        try:
            change = await self._send(line)
        except BaseException:
            self._left_over.append(change)
            raise
        finally:
            self.progress.in_flight -= 1
        try:
            await sink.send(change)
        except BaseException:
            self._left_over.append(change)
            raise

    async def _send(self, line: LedgerLine) -> Change:
        try:
            order = await self._dispatcher.once(PLACE_ORDER, msgspec.Raw(line.request))
        except XoxoError as error:
            self._learn(error)
            change = change_from_error(line, error)
            if change.evidence is Evidence.REFUSED_NO_ORDER and not line.suspect:
                self.progress.rejected += line.lines == 1  # the lines of a refused pack get orders of their own
            elif change.evidence is not Evidence.NOT_PROCESSED:
                self.progress.in_doubt += line.lines
            return change
        self._circuit.succeeded()
        self._penalties = 0
        change = change_from_order(line, order, Evidence.ANSWERED_PLACED)
        if change.evidence is Evidence.ANSWERED_PLACED:
            self.progress.placed += line.lines
        else:
            self.progress.in_doubt += line.lines
        return change

    def _learn(self, error: XoxoError) -> None:
        """Draw what one failure means for the lines after it."""
        if isinstance(error, InsufficientFundsError):
            self.stop(Pause.FUNDS, f"the vendor refused for lack of funds: {error.message}")
        elif isinstance(error, ConfigError) or (isinstance(error, AuthError) and not error.retryable):
            self.stop(Pause.CREDENTIALS, error.message)
        elif isinstance(error, TransportError | ServerError | AuthError | DecodeError):
            reached = error.effect == "possible"
            self._circuit.failed(error.message, reached=reached, in_flight=self.progress.in_flight)
        elif isinstance(error, RateLimitedError):
            self._circuit.throttled(self.progress.in_flight)
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
            self.stop(Pause.RATE, f"{self._penalties} penalties in a row, and no order between them: {error.message}")

    # Writing down.

    async def _record(self, results: MemoryObjectReceiveStream[Change]) -> None:
        """Write results as they come, all that are there in one transaction."""
        async with results:
            async for first in results:
                await anyio.sleep(_GATHER_S)
                batch = [first]
                while results.statistics().current_buffer_used:
                    batch.append(results.receive_nowait())
                try:
                    await self._ledger.record(batch)
                except BaseException:
                    self._left_over.extend(batch)
                    raise
                self._armed -= len(batch)
                self._planned += sum(change.evidence is Evidence.NOT_PROCESSED for change in batch)
                self._settled.set()

    async def _write_down_what_was_cut_off(
        self, armed: MemoryObjectReceiveStream[LedgerLine], results: MemoryObjectReceiveStream[Change]
    ) -> None:
        """After a cancellation: lines never sent go back, and every doubt goes into the ledger."""
        changes = list(self._left_over)
        self._left_over.clear()
        self._armed = 0
        changes.extend(_unsent(line) for line in _drained(armed))
        changes.extend(_drained(results))
        if changes:
            with anyio.CancelScope(shield=True):
                try:
                    await self._ledger.record(changes)
                except LedgerError:
                    # The ledger is what failed: these lines stay `sending` in it, and the next run looks them up.
                    return


T = TypeVar("T")


def _unsent(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)


def _drained(stream: MemoryObjectReceiveStream[T]) -> list[T]:
    items: list[T] = []
    try:
        while True:
            items.append(stream.receive_nowait())
    except (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError):
        stream.close()
        return items


def _single(error: BaseException) -> BaseException:
    """Return the one error of a group, so that callers need no `except*`."""
    return _single(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
