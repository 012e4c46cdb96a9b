"""Sends planned lines: bounded concurrency, an intent before each request, a result after each answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final, Protocol

import anyio
import anyio.abc

from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.circuit import Circuit, Flow
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.errors import BudgetError

__all__ = ["Runner", "Slots", "single_error"]

_TRIAL_CHECK_S: Final = 0.02
"""Seconds between checks whether the one trial line has ended."""

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0
"""Seconds between two claims that give nothing although lines are planned; the wait doubles each time."""


class Slots(Protocol):
    """Decides when calls may be sent; see `CallSlots`."""

    @property
    def held_back(self) -> bool:
        """Whether a penalty on these calls lasts now."""
        ...

    async def authorise(self) -> None:
        """Get a token before slots are taken."""
        ...

    async def take(self, wanted: int) -> int:
        """Take up to so many slots, and return how many are due now."""
        ...


class Runner:
    """Send every planned line of a ledger, in waves.

    A feeder claims lines (which writes their intents) as places come free and as rate slots fall due; workers send
    them; the recorder writes their results. At most twice as many lines are claimed as may be in flight, because each
    claimed line costs a look-up after a crash. A result that is lost in a crash is found again by its poNumber.

    Args:
        ledger: The ledger.
        recorder: Writes the results.
        slots: Decides when calls may be sent.
        circuit: Decides how many calls the server gets now.
        stop: Set when no further line should be taken.
        progress: Shows how many are in flight and what the run waits for.
        send: Sends some lines in one call, and returns for each the fact that the answer proves.
        probe: Checks whether a dead server answers again.
        concurrency: Requests in flight at most.
        batch: How many lines travel in one call at most; an order is always a call of its own.
        fit: Whether two lines may travel in one call.
        budget: What the job may cost, in the account's currency; None for no limit.
        wall: The ledger's clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        slots: Slots,
        circuit: Circuit,
        stop: StopSignal,
        progress: Progress,
        *,
        send: Callable[[Sequence[LedgerLine]], Awaitable[Sequence[Change]]],
        probe: Callable[[], Awaitable[None]],
        concurrency: int,
        batch: int = 1,
        fit: Callable[[LedgerLine, LedgerLine], bool] = lambda _one, _other: True,
        budget: Decimal | None = None,
        wall: Callable[[], float],
    ) -> None:
        self._ledger: Final = ledger
        self._recorder: Final = recorder
        self._slots: Final = slots
        self._circuit: Final = circuit
        self._stop: Final = stop
        self._progress: Final = progress
        self._send: Final = send
        self._probe: Final = probe
        self._concurrency: Final = concurrency
        self._batch: Final = batch
        self._fit: Final = fit
        # No line is claimed while more calls than these wait for a worker. With a third more, claims are smaller, and
        # there are more commits. With a third fewer, workers wait for a claim.
        self._few: Final = 3 * concurrency // 16
        self._budget: Final = budget
        self._wall: Final = wall
        # A line is planned, then ready (claimed, for a worker to take), in flight, ended, and recorded.
        self._planned = 0
        self._ready: Final[deque[LedgerLine]] = deque()
        self._claimed = 0  # ready, in flight, or ended and not recorded
        self._workers = 0
        # Futures, since an event of anyio costs four times as much, and each order waits for one.
        self._idle: Final[list[asyncio.Future[None]]] = []
        self._room_again = anyio.Event()  # the feeder waits for it
        self._lines_again = anyio.Event()  # and for this one while other workers hold what is left
        self._wait_s = _FIRST_WAIT_S
        self._fed = False
        stop.call_when_set(lambda _pause: self._wake_feeder())

    async def send_all(self) -> None:
        """Send the planned lines of the ledger, until none is left, the job is paused, or the run stops.

        Raises:
            LedgerError: When an intent or a result cannot be written; nothing further is sent then.
        """
        self._progress.phase = "sending"
        # A wave ends when the ledger has no planned line; lines given back during it make another.
        while not self._stop.pause and not await self._job_is_paused():
            self._planned = await self._count_planned()
            if not self._planned:
                return
            await self._wave()

    async def _count_planned(self) -> int:
        return (await self._ledger.counts()).states.get(LineState.PLANNED, 0)

    async def _job_is_paused(self) -> bool:
        """Stop the run if the job is paused in its ledger, or was restored meanwhile; return whether it is."""
        reason = await self._ledger.paused()
        if reason is None and self._ledger.copied:
            # Nothing is claimed: planned lines may have been sent. The next run puts them in doubt before it sends.
            reason = "the ledger was restored to an older state; run it again, and planned rows are looked up first"
        if reason is not None:
            self._stop.stop(Pause.JOB, reason)
        return reason is not None

    async def _wave(self) -> None:
        """Claim, send and record until no line is planned."""
        self._fed = False
        self._recorder.open()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._recorder.write_added, self._recorded)
                try:
                    async with anyio.create_task_group() as workers:
                        await self._feed(workers)
                        self._fed = True
                        self._wake(len(self._idle))
                finally:
                    self._recorder.close()
        except BaseExceptionGroup as error:
            raise single_error(error) from None
        finally:
            # After a cancellation, lines that were never sent go back, and every doubt goes into the ledger.
            unsent = [_unsent(line) for line in self._ready]
            self._ready.clear()
            self._idle.clear()
            self._claimed = self._workers = 0
            await self._recorder.write_the_rest(unsent)

    def _recorded(self, batch: Sequence[Change]) -> None:
        """Count results that are durable now."""
        self._claimed -= len(batch)
        given_back = sum(change.evidence is Evidence.NOT_PROCESSED for change in batch)
        self._planned += given_back
        self._room_again.set()
        if given_back:
            self._lines_again.set()

    def _wake_feeder(self) -> None:
        self._room_again.set()
        self._lines_again.set()

    # Claiming.

    async def _feed(self, workers: anyio.abc.TaskGroup) -> None:
        """Claim lines as places come free and their slots fall due."""
        # Do not wait for a slot when no planned line is left.
        while self._planned > 0 and not self._stop.pause:
            await self._slots.authorise()
            slots = await self._slots.take(await self._room())
            trial = self._circuit.flow is not Flow.FULL  # one line tries a dead server, and no more come into doubt
            lines = await self._claim(slots if trial else slots * self._batch) if slots else []
            if not lines:
                if not await self._more_to_come():
                    return
                continue
            self._wait_s = _FIRST_WAIT_S
            self._ready.extend(lines)
            # Start a worker only when a line is due and no worker is free: then no more requests are in flight than the
            # allowance needs at the present latency.
            calls = self._calls(len(lines))
            missing = calls - self._wake(calls)
            for _ in range(min(missing, self._concurrency - self._workers)):
                self._workers += 1
                workers.start_soon(self._work)

    async def _claim(self, limit: int) -> list[LedgerLine]:
        """Claim lines. If all of the budget is reserved, wait until charges free some; pause if none can."""
        while not self._stop.pause:
            room_again = self._room_again = anyio.Event()
            try:
                lines = await self._ledger.claim(limit, budget=self._budget)
            except BudgetError as error:
                if not self._claimed:
                    self._stop.stop(Pause.BUDGET, error.message)
                    return []
                await room_again.wait()
            else:
                self._claimed += len(lines)
                self._planned -= sum(line.lines for line in lines)
                return lines
        return []

    async def _more_to_come(self) -> bool:
        """Wait for planned lines that the ledger does not give out now; return whether to claim again.

        Other workers have reserved them, and may give them back. If the job is paused, the run stops.
        """
        again = self._lines_again = anyio.Event()
        if self._stop.pause or await self._job_is_paused():
            return False
        self._planned = await self._count_planned()
        if self._planned:
            with anyio.move_on_after(self._wait_s):
                await again.wait()
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        return self._planned > 0

    async def _room(self) -> int:
        """Return for how many calls lines may be claimed now, from 1. Waits while there is no room."""
        if not await self._server_works():
            return 1
        while not self._stop.pause:
            room = self._free_places()
            if room > 0:
                return room
            self._room_again = anyio.Event()
            await self._room_again.wait()
        return 1

    async def _server_works(self) -> bool:
        """Wait while the server is dead; return False when exactly one line should try it."""
        while self._circuit.flow is not Flow.FULL and not self._stop.pause:
            if self._circuit.given_up:
                self._stop.stop(Pause.UNREACHABLE, self._circuit.reason)
            elif self._circuit.flow is Flow.NONE:
                ends = clock_time(self._wall() + self._circuit.patience_s, self._wall())
                self._progress.wait = f"waiting for the server, until {ends} at most ({self._circuit.reason})"
                await self._stop.sleep(self._circuit.next_wait())
                if not self._stop.pause:
                    await self._probe()
            elif not self._progress.in_flight:
                self._progress.wait = ""
                return False
            else:
                await self._stop.sleep(_TRIAL_CHECK_S)
        self._progress.wait = ""
        return True

    def _free_places(self) -> int:
        """Return for how many calls lines may be claimed now."""
        ready, limit, in_flight = self._calls(len(self._ready)), self._circuit.limit, self._progress.in_flight
        # A server in distress gets fewer lines. The limit is 0 if the server has died meanwhile: then claim as usual,
        # because giving a line back costs least.
        if 0 < limit < self._concurrency:
            return limit - ready - in_flight
        # Claim many lines in one transaction, or none: a claim costs the same for one line as for fifty.
        ahead = max(3 * self._concurrency // 4, self._concurrency - in_flight)
        if ready > self._few:
            return 0
        return min(ahead - ready, 2 * self._concurrency - self._calls(self._claimed))

    def _calls(self, lines: int) -> int:
        """Return how many calls some lines take."""
        return -(-lines // self._batch)

    # Sending.

    async def _work(self) -> None:
        """Send lines until no more come; wait while none is ready."""
        while self._ready or not self._fed:
            if self._ready:
                line = self._ready.popleft()
                lines = (line,) if self._batch == 1 else self._together_with(line)
                if self._workers - len(self._idle) < self._concurrency:
                    self._wake_if_few()  # before the answer comes: a place is free, and the next slot may be due
                await self._send_lines(lines)
                self._wake_if_few()
            else:
                woken = asyncio.get_running_loop().create_future()
                self._idle.append(woken)
                await woken

    def _wake_if_few(self) -> None:
        """Let the feeder claim lines, if few are ready."""
        if len(self._ready) <= self._few * self._batch:
            self._room_again.set()

    def _together_with(self, first: LedgerLine) -> Sequence[LedgerLine]:
        """Return a line with those that travel in its call. One that does not fit goes back, for a slot of its own."""
        lines = [first]
        while self._ready and len(lines) < self._batch:
            line = self._ready.popleft()
            if self._fit(first, line):
                lines.append(line)
            else:
                self._recorder.add(_unsent(line))
        return lines

    def _wake(self, wanted: int) -> int:
        """Wake idle workers for lines; return how many were woken."""
        woken = self._idle[-wanted:] if wanted else []
        del self._idle[len(self._idle) - len(woken) :]
        for worker in woken:
            if not worker.done():  # its task was cancelled
                worker.set_result(None)
        return len(woken)

    async def _send_lines(self, lines: Sequence[LedgerLine]) -> None:
        """Send claimed lines in one call and record what became of each, also if this task is cancelled meanwhile."""
        held_s = self._wall() - (lines[0].last_sent_tick or 0.0)  # the one that was claimed first
        held_back = self._circuit.is_open or self._slots.held_back
        if self._stop.pause or held_back or held_s > MAX_HOLD_S / 2:
            # Give them back unsent: the run stopped, the server is dead or imposes a penalty, or they waited for a
            # worker longer than recovery allows for.
            for line in lines:
                self._recorder.add(_unsent(line))
            return
        changes: Sequence[Change] | None = None
        self._progress.in_flight += 1
        try:
            changes = await self._send(lines)
        finally:
            self._progress.in_flight -= 1
            for change in [_cut_off(line) for line in lines] if changes is None else changes:
                self._recorder.add(change)


def _unsent(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)


def _cut_off(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error="cancelled in flight")


def single_error(error: BaseException) -> BaseException:
    """Return the one error of a group, so that callers need no `except*`.

    Args:
        error: An error, or a group of them.
    """
    return single_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
