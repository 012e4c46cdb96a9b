"""One run over a ledger: send what is planned, settle what is in doubt, collect late codes, report."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import anyio
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.facts import LAST_SLOT
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.bulk.run_events import RunEvents
from xoxo_async.bulk.running.circuit import Circuit
from xoxo_async.bulk.running.others import OtherWorkers
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.refusals import RefusalBound, RefusalWatch
from xoxo_async.bulk.running.road import Road, Run, Settler
from xoxo_async.bulk.running.runner import Runner, single_error
from xoxo_async.bulk.running.sender import Sender
from xoxo_async.bulk.running.slots import CallSlots
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.bulk.settings import Bounds
from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConfigError
from xoxo_async.retry import RetryPolicy

__all__ = ["PROBING", "BulkSession"]

PROBING: Final = RetryPolicy(base_s=0.2, max_s=1.0)
"""The waits between probes of a dead server: at most a second, so that a server that answers again is used soon."""

_LOOK_AGAIN_S: Final = 0.05
_LOOK_AGAIN_AT_LAST_S: Final = 1.0
"""Seconds until a run looks again at a ledger in which other workers hold everything that is left: the first wait, and
the longest. A wait is twice as long as the one before it."""

_WITHOUT_A_LIMIT: Final = 64
"""In flight without a rate limit: enough to keep a processor busy. More requests only queue at the server."""


class BulkSession:
    """One run: it is made for one call of `work`, and stops once.

    Each run has its own session, so a stopped, paused or cancelled run leaves no state that a later one has to clear.

    Args:
        client: Sends and looks up.
        ledger: The job's ledger.
        road: How its lines are sent and settled.
        bounds: What the run keeps to.
        progress: Where the run shows what it does.
        restore: Whether the ledger replaces a lost one.
        pause_limit_s: How many seconds the run waits for the vendor before it pauses.
        shift: Whether the run is a shift of a worker. It does not wait for look-ups to fall due, nor for other workers:
            the next shift goes on. If it pauses for funds, credentials or refusals, the job pauses, until a person goes
            on.
        settle_first_s: Seconds of look-ups at most before a shift sends.
        clock: A monotonic clock.
        wall: The ledger's clock.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        road: Road,
        bounds: Bounds,
        progress: Progress,
        *,
        restore: bool,
        pause_limit_s: float,
        shift: bool = False,
        settle_first_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float],
    ) -> None:
        self.next_due: float | None = None
        """When the next look-up of a line in doubt is due, by the ledger's clock, as far as this run knows."""
        self.refreshed: bool = False
        """Whether this run has looked up the lines that wait for their codes."""
        self._settle_first_s: Final = settle_first_s
        self._shift: Final = shift
        self._client: Final = client
        self._ledger: Final = ledger
        self._road: Final = road
        self._bounds: Final = bounds
        self._progress: Final = progress
        self._clock: Final = clock
        self._wall: Final = wall
        self._stop: Final = StopSignal()
        self._events: Final = RunEvents(client.hooks, ledger)
        self._stop.call_when_set(self._events.paused)
        self._shared: Final = ledger.holder is None  # many may work on it at once
        self._others: Final = OtherWorkers(ledger, self._stop, pauses_job=self._shared or shift)
        budget = None if bounds.max_spend is None else Decimal(bounds.max_spend)
        bound = RefusalBound(None if bounds.max_errors == "none" else bounds.max_errors)
        self._refusals: Final = RefusalWatch(ledger, self._stop, bound, shared=self._shared)
        self._recorder: Final = Recorder(ledger, self._stop, budget=budget, hooks=client.hooks, refusals=self._refusals)
        self._runner: Final = self._new_runner(budget, pause_limit_s)
        rules = bounds.rules(restore=restore)
        # A pause ends only the sending. Lines in doubt are still settled, unless a person stopped the run.
        stopped = self._stop.interrupted
        self._settler: Final[Settler] = road.settler(
            Run(self._recorder, rules, progress, stopped, pause_limit_s, self._events.penalty, wall)
        )

    def _new_runner(self, budget: Decimal | None, pause_limit_s: float) -> Runner:
        road, dispatcher, stop, progress = self._road, self._client.dispatcher, self._stop, self._progress
        concurrency = _in_flight_limit(self._client, road.operation, self._bounds)
        circuit = Circuit(pause_limit_s, self._clock, most=concurrency, waits=PROBING.waits)
        slots = CallSlots(
            dispatcher,
            road.operation,
            "calls" if road.kind.effect is EffectClass.UNKEYED else "orders",
            stop,
            progress,
            pause_limit_s=pause_limit_s,
            penalised=self._events.penalty,
            clock=self._clock,
            wall=self._wall,
        )
        call = road.caller(self._recorder.add_doubt, self._wall)
        one = "an order" if road.kind.effect is EffectClass.KEYED else "a call that succeeded"
        sender = Sender(call, road.look, circuit, progress, stop=stop.stop, clock=self._clock, one=one)
        return Runner(
            self._ledger,
            self._recorder,
            slots,
            circuit,
            stop,
            progress,
            send=sender.send,
            probe=sender.probe,
            concurrency=concurrency,
            batch=road.batch,
            fit=road.fit,
            budget=budget,
            wall=self._wall,
        )

    def stop(self, reason: str) -> None:
        """Take no more lines, because a person stops the run. Requests in flight end and are recorded.

        Args:
            reason: Why, for the report.
        """
        self._stop.stop(Pause.INTERRUPTED, reason)

    def pause(self, pause: Pause, reason: str) -> None:
        """Send nothing, because of what is known before the run begins. Lines in doubt are still settled.

        Args:
            pause: Why, for the report.
            reason: The same in words.
        """
        self._stop.stop(pause, reason)

    async def work(self, *, send: bool, pending: bool | None, currency: str, started: float) -> Report:
        """Do the run.

        Args:
            send: Whether orders may be placed.
            pending: Whether to look up lines that wait for their codes; None: if there were such lines when the run
                began.
            currency: The account's currency, where the job has a budget.
            started: When the run began, by the clock.

        Returns:
            The report, also when the run paused.

        Raises:
            ConfigError: The ledger cannot do what its lines need; nothing was sent.
            LedgerError: The ledger fails.
        """
        self._recorder.currency = currency
        counts = await self._ledger.counts()
        if counts.orders < counts.rows and not self._ledger.keeps_codes:
            raise ConfigError("lines of this ledger share orders, so it has to keep their codes; nothing was sent")
        if send and not self._shared:  # the workers of a shared ledger share slots in another way, or not at all
            await self._keep_distance()
        self._events.started(counts, sends=send)
        if send and counts.states.get(LineState.PLANNED):
            await self._events.begin_note(self._client.dispatcher.pacer.interval_s(self._road.operation))
        if send and (self._bounds.max_errors is None or await self._ledger.paused() is None):
            self._refusals.begin(counts)
        refresh = bool(counts.pending) if pending is None else pending
        try:
            if self._shared:
                async with self._others.watching():
                    await self._send_settle_and_refresh(send=send, pending=refresh)
            else:
                await self._send_settle_and_refresh(send=send, pending=refresh)
            return await self._finish(started)
        except BaseException as errors:
            error = single_error(errors)
            self._events.failed(error, placed_now=self._progress.placed, elapsed_s=self._clock() - started)
            with anyio.CancelScope(shield=True):
                await self._events.end_note(placed=self._progress.placed, end=type(error).__name__)
            if error is errors:
                raise
            raise error from None

    async def _send_settle_and_refresh(self, *, send: bool, pending: bool) -> None:
        with self._client.dispatcher.telling_doubts(self._recorder.add_doubt):
            try:
                await self._send_and_settle(send=send)
                if pending and not self._stop.pause and await self._settles():
                    await self._settler.refresh_pending()
                    self.refreshed = True
                    if await self._recorder.write_doubts():  # a look-up found a connection that was not in step
                        await self._send_and_settle(send=send)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._recorder.write_doubts()

    async def _settles(self) -> bool:
        """Return whether this run may look lines up: the vendor answers, and no other worker does it."""
        return not self._settler.pause and await self._ledger.settles()

    async def _send_and_settle(self, *, send: bool) -> None:
        """Send and settle in turn, until no line is planned and none is in doubt that a look-up could settle."""
        if self._shared or self._shift:
            await self._send_and_settle_beside_others(send=send)
            return
        stop = self._stop
        while True:
            # Lines that an earlier run left unknown are settled after the sending: their look-ups must not delay it.
            if send:
                await self._runner.send_all()
            if not stop.interrupted.is_set():
                await self._settler.settle()
            if await self._recorder.write_doubts() and not (stop.interrupted.is_set() or self._settler.pause):
                continue  # a look-up found a connection that was not in step
            if not send or stop.pause or not (await self._ledger.counts()).states.get(LineState.PLANNED):
                return

    async def _send_and_settle_beside_others(self, *, send: bool) -> None:
        """Do the same where other workers may hold lines.

        It never waits long in one place: other workers give lines back, die, and settle what becomes planned again. A
        run stays until they hold nothing any more: if the last of them dies, nobody else sends and settles its lines.
        """
        stop, wait_s = self._stop, _LOOK_AGAIN_S
        self._settler.begin()
        if self._shift:
            await self._settle_first()
        while True:
            if send:
                await self._runner.send_all()
            settles = not stop.interrupted.is_set() and await self._settles()
            self.next_due = await self._settler.settle_due() if settles else None
            await self._recorder.write_doubts()
            states = (await self._ledger.counts()).states
            if send and not stop.pause and states.get(LineState.PLANNED):
                continue  # a look-up proved their absence, or another worker gave them back
            if self._shift or stop.interrupted.is_set() or not self._has_to_stay(states, send=send, settles=settles):
                return
            self._progress.wait = "" if settles else "waiting for other workers"
            await self._wait_for_others(wait_s)
            wait_s = min(2 * wait_s, _LOOK_AGAIN_AT_LAST_S)
            self._progress.wait = ""

    async def _settle_first(self) -> None:
        """Look up for a while what is in doubt: the shifts of a long job end while lines are still to be sent."""
        states = (await self._ledger.counts()).states
        doubted = states.get(LineState.UNKNOWN) or states.get(LineState.CONFLICT)
        if doubted and not self._stop.interrupted.is_set() and await self._settles():
            await self._settler.settle_due(self._settle_first_s)

    def _has_to_stay(self, states: dict[LineState, int], *, send: bool, settles: bool) -> bool:
        """Return whether a run that may not send now still has something to wait for."""
        if self._settler.pause:
            return False
        # Lines may have come into doubt since the look-ups: another worker died.
        doubted = states.get(LineState.UNKNOWN, 0) + states.get(LineState.CONFLICT, 0)
        if self._stop.pause:
            return bool(settles and doubted)
        return bool(doubted or (send and states.get(LineState.SENDING)))

    async def _wait_for_others(self, wait_s: float) -> None:
        left_s = wait_s if self.next_due is None else self.next_due - self._wall()
        with anyio.move_on_after(min(max(left_s, 0.05), wait_s)):
            await self._stop.interrupted.wait()

    async def _keep_distance(self) -> None:
        """Wait one interval after the last slot of an earlier run: two runs in a row must not send a burst."""
        pacer = self._client.dispatcher.pacer
        operation = self._road.operation
        interval_s, last = pacer.interval_s(operation), await self._ledger.get_fact(LAST_SLOT)
        wait_s = float(last) + interval_s - self._wall() if last and interval_s else 0.0
        if 0 < wait_s <= interval_s:  # a longer wait means that the clock was set back
            pacer.keep_distance(operation, wait_s)

    async def _finish(self, started: float) -> Report:
        """Return the report."""
        counts = await self._ledger.counts()
        pause, reason = self._stop.pause, self._stop.reason
        if not pause and (counts.unknown or counts.pending):
            pause, reason = self._settler.pause, self._settler.reason
            if pause:
                self._events.paused(pause)
        if pause is Pause.REFUSALS:
            reason = self._refusals.reason(counts)
        await self._others.pause_job(pause, reason)
        report = msgspec.structs.replace(
            Report.of(self._ledger, counts, pause=pause, reason=reason),
            placed_now=self._progress.placed,
            superseded=self._recorder.superseded,
            elapsed_s=self._clock() - started,
        )
        await self._events.end_note(placed=report.placed_now, end=pause.value)
        self._events.finished(report)
        return report


def _in_flight_limit(client: BulkClient, operation: str, bounds: Bounds) -> int:
    """Return the most requests in flight.

    It is at most the connections of the pool: the timeout of a request runs while it waits for a connection.

    Args:
        client: Its pool and its rate limit bound the number.
        operation: The call that the run makes.
        bounds: Say how many, or `auto`.
    """
    wanted = bounds.concurrency or "auto"
    if wanted == "auto":
        paced = client.dispatcher.pacer.interval_s(operation) > 0
        wanted = client.max_connections if paced else _WITHOUT_A_LIMIT
    return min(wanted, client.max_connections)
