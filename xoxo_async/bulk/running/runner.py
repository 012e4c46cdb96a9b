"""Works through planned lines: bounded concurrency, an intent before each request, a result after each answer."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

import anyio
import anyio.abc

from xoxo_async.bulk.ledger.budget import overcharge
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.report import Pause
from xoxo_async.bulk.running.circuit import LATE, Circuit, Flow
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.sender import Sender
from xoxo_async.client import XoxoClient
from xoxo_async.errors import BudgetError, LedgerError, RateLimitedError, XoxoError
from xoxo_async.services.orders import PLACE_ORDER
from xoxo_async.transport.connections import OrderAnswer

__all__ = ["Runner"]

_TURN_S: Final = 0.02
"""How often to look whether the one line that tries a server is back."""


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
        pause_limit_s: How long a dead server, or a vendor that holds the run back, is waited for before the run pauses.
        progress: Where ends are counted, and waits are told.
        clock: A monotonic clock.
        wall: The ledger's clock.
    """

    def __init__(
        self,
        client: XoxoClient,
        ledger: Ledger,
        *,
        concurrency: int,
        budget: Decimal | None = None,
        pause_limit_s: float = 60.0,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float],
    ) -> None:
        self.progress: Final = progress or Progress()
        self.pause: Pause = Pause.NONE
        self.reason: str = ""
        self.currency: str = ""
        """The account's currency; a budget is in it."""
        self.interrupted: Final = anyio.Event()
        self._stopped: Final = anyio.Event()
        self._dispatcher: Final = client.dispatcher
        self._ledger: Final = ledger
        self._concurrency: Final = concurrency
        self._budget: Final = budget
        self._pause_limit_s: Final = pause_limit_s
        self._clock: Final = clock
        self._wall: Final = wall
        self._circuit: Final = Circuit(pause_limit_s, clock, most=concurrency)
        self._sender: Final = Sender(client.dispatcher, self._circuit, self.progress, self.stop, clock)
        # A line is planned, then ready (armed, for a worker to take), in flight, ended, and written down.
        self._planned = 0
        self._ready: Final[deque[LedgerLine]] = deque()
        self._ended: Final[deque[Change]] = deque()
        self._armed = 0
        self._workers = 0
        self._idle: Final[list[anyio.Event]] = []
        self._slot_due: float | None = None
        self._no_token_since: float | None = None
        # What the feeder and the recorder wait for.
        self._low = anyio.Event()
        self._some_ended = anyio.Event()
        self._fed = self._wave_over = False

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
        self._fed = self._wave_over = False
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._record)
                try:
                    async with anyio.create_task_group() as workers:
                        await self._feed(workers)
                        self._fed = True
                        self._wake(len(self._idle))
                finally:
                    self._wave_over = True
                    self._some_ended.set()
        except BaseExceptionGroup as error:
            raise _single(error) from None
        finally:
            await self._write_down_what_was_cut_off()

    # Arming.

    async def _feed(self, workers: anyio.abc.TaskGroup) -> None:
        """Arm lines as places come free and their slots fall due."""
        while self._planned > 0 and not self.pause:  # no slot is waited for that nothing is left for
            await self._authorised()
            slots = await self._take_slots(await self._room())
            lines = await self._claim(slots) if slots else []
            if not lines:
                return
            self._ready.extend(lines)
            # A worker more whenever a line is due and nobody is free: that is as many in flight as the allowance needs
            # at the latency the server has now, and no more.
            missing = len(lines) - self._wake(len(lines))
            for _ in range(min(missing, self._concurrency - self._workers)):
                self._workers += 1
                workers.start_soon(self._work)

    async def _claim(self, limit: int) -> list[LedgerLine]:
        """Arm lines; where the budget is all reserved, wait for charges to settle it, and pause when none can."""
        while not self.pause:
            low = self._low = anyio.Event()
            try:
                lines = await self._ledger.claim(limit, budget=self._budget)
            except BudgetError as error:
                if not self._armed:
                    self.stop(Pause.BUDGET, error.message)
                    return []
                await low.wait()
            else:
                self._armed += len(lines)
                self._planned -= sum(line.lines for line in lines)
                return lines
        return []

    async def _room(self) -> int:
        """Return how many lines may be armed now; waits while the server is dead, and while one line tries it."""
        while self._circuit.flow is not Flow.FULL and not self.pause:
            if self._circuit.given_up:
                self.stop(Pause.UNREACHABLE, self._circuit.reason)
            elif self._circuit.flow is Flow.NONE:
                ends = clock_time(self._wall() + self._circuit.patience_s, self._wall())
                self.progress.wait = f"waiting for the server, until {ends} at most ({self._circuit.reason})"
                await self._pause_for(self._circuit.next_wait())
                if not self.pause:
                    await self._sender.probe()
            elif not self.progress.in_flight:
                self.progress.wait = ""
                return 1
            else:
                await self._pause_for(_TURN_S)
        self.progress.wait = ""
        while not self.pause:
            ready, limit = len(self._ready), self._circuit.limit
            # A server in distress has less in flight; 0 when it has died meanwhile: then a line given back costs least.
            if 0 < limit < self._concurrency:
                room = limit - ready - self.progress.in_flight
            else:
                # Many lines in one transaction, or none: a claim costs the same for one line as for fifty.
                ahead = max(self._concurrency // 2, self._concurrency - self.progress.in_flight)
                room = min(ahead - ready, 2 * self._concurrency - self._armed) if ready <= ahead // 2 else 0
            if room > 0:
                return room
            self._low = anyio.Event()
            await self._low.wait()
        return 1

    async def _authorised(self) -> None:
        """Have a token before slots are taken: a renewal within them would let all of them go at once.

        While the token endpoint imposes penalties, nothing is claimed at all. They count together: one short penalty
        after another keeps a run from working as one long one does.
        """
        while not self.pause:
            try:
                await self._dispatcher.authorise()
            except RateLimitedError as error:
                now = self._clock()
                self._no_token_since = now if self._no_token_since is None else self._no_token_since
                wait_s = error.retry_after_s or 1.0
                if self._bears(wait_s, now - self._no_token_since, f"the token endpoint: {error.message}"):
                    await self._serve(wait_s)
            except XoxoError:
                return  # the next line's own attempt meets it, and says what it means
            else:
                self._no_token_since = None
                return

    def _bears(self, wait_s: float, waited_s: float, who: str) -> bool:
        """Return whether a penalty ends in time; one that does not pauses the run, at once: its end is known."""
        if waited_s + wait_s <= self._pause_limit_s * LATE:
            return True
        now = self._wall()
        until, limit = clock_time(now + wait_s, now), f"the {self._pause_limit_s:g} s that this run waits"
        self.stop(Pause.RATE, f"held back by the vendor until {until}, for longer than {limit} ({who})")
        return False

    async def _serve(self, wait_s: float) -> None:
        """Wait for the end of a penalty, and tell of it."""
        now = self._wall()
        self.progress.wait = f"held back by the vendor until {clock_time(now + wait_s, now)}"
        await self._pause_for(wait_s)
        self.progress.wait = ""

    async def _take_slots(self, wanted: int) -> int:
        """Take up to `wanted` rate slots that are due, waiting for the first; none once the run is stopped."""
        pacer, slots = self._dispatcher.pacer, 0
        while slots < wanted and not self.pause:
            if pacer.is_free(PLACE_ORDER.name):
                return wanted
            now = self._clock()
            if self._slot_due is None or pacer.is_blocked(PLACE_ORDER.name):
                # A slot from before a penalty is worth nothing.
                self._slot_due = now + pacer.reserve(PLACE_ORDER.name)
            if self._slot_due > now:
                if slots:
                    break
                await self._wait_for_slot(self._slot_due - now)
                continue
            self._slot_due = None
            slots += 1
        return 0 if self.pause else slots

    async def _wait_for_slot(self, wait_s: float) -> None:
        """Wait until the slot is due; pause the run where a penalty puts it off for too long."""
        pacer = self._dispatcher.pacer
        held_s = pacer.blocked_s(PLACE_ORDER.name)
        # What is held back for no longer than the distance of two orders is as good as not held back; a run that keeps
        # its distance to the last order of an earlier run holds itself back so.
        if held_s <= pacer.interval_s(PLACE_ORDER.name):
            await self._pause_for(wait_s)
        elif self._bears(held_s, 0.0, "it takes no orders"):
            await self._serve(wait_s)

    async def _pause_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopped.wait()

    # Sending.

    async def _work(self) -> None:
        """Send lines until no more come; wait while none is ready."""
        while self._ready or not self._fed:
            if self._ready:
                await self._carry(self._ready.popleft())
                if len(self._ready) <= self._concurrency // 2:
                    self._low.set()
            else:
                woken = anyio.Event()
                self._idle.append(woken)
                await woken.wait()

    def _wake(self, wanted: int) -> int:
        """Have idle workers look for lines; return how many there were."""
        woken = self._idle[-wanted:] if wanted else []
        del self._idle[len(self._idle) - len(woken) :]
        for worker in woken:
            worker.set()
        return len(woken)

    async def _carry(self, line: LedgerLine) -> None:
        """Send one armed line and note how that ended, also when this task is cancelled on the way."""
        held_s = self._wall() - (line.last_sent_tick or 0.0)
        held_back = self._circuit.flow is Flow.NONE or self._dispatcher.pacer.is_blocked(PLACE_ORDER.name)
        if self.pause or held_back or held_s > MAX_HOLD_S / 2:
            # Never sent: the run stopped, the server is dead or has imposed a penalty, or all workers were busy longer
            # than recovery assumes a sender may take.
            self._note(_unsent(line))
            return
        change: Change | None = None
        self.progress.in_flight += 1
        try:
            change = await self._sender.send(line)
        finally:
            self.progress.in_flight -= 1
            self._note(_cut_off(line) if change is None else change)

    def _note(self, change: Change) -> None:
        self._ended.append(change)
        if len(self._ended) == 1:
            self._some_ended.set()

    # Writing down.

    async def _record(self) -> None:
        """Write results as they come, all that are there in one transaction."""
        while True:
            if not self._ended:
                if self._wave_over:
                    return
                self._some_ended = anyio.Event()
                await self._some_ended.wait()
            # Not gathered for: what ends while one transaction is written shares the next.
            batch, doubts = tuple(self._ended), tuple(self._sender.doubts)
            self.watch_charges(await self._ledger.record(batch, doubts=doubts))
            self._forget_doubts(doubts)
            for _ in batch:
                self._ended.popleft()
            self._armed -= len(batch)
            self._planned += sum(change.evidence is Evidence.NOT_PROCESSED for change in batch)
            self._low.set()

    async def write_doubts(self) -> int:
        """Put lines in doubt that were answered on a connection whose answers were not in step.

        Returns:
            How many lines there were.

        Raises:
            LedgerError: When that cannot be written; it is tried again.
        """
        doubts = tuple(self._sender.doubts)
        if not doubts:
            return 0
        doubted = await self._ledger.record((), doubts=doubts)
        self._forget_doubts(doubts)
        return len(doubted)

    def hear_doubt(self, answer: OrderAnswer) -> None:
        """Note an order in doubt that somebody else on the same client found: a look-up shares its connections."""
        self._sender.doubts.append(answer)

    def _forget_doubts(self, written: Sequence[OrderAnswer]) -> None:
        for _ in written:
            self._sender.doubts.popleft()

    def watch_charges(self, lines: Iterable[LedgerLine]) -> None:
        """Pause a run with a budget once an order was charged more than was reserved for it, or in another currency.

        The price has moved then, so what is reserved for the other lines is too little as well.

        Args:
            lines: Lines as they stand after something was recorded.
        """
        if self._budget is None or self.pause:
            return
        for line in lines:
            if line.amount_charged is not None and (told := overcharge(line, self.currency)):
                self.stop(Pause.BUDGET, told)
                return

    async def _write_down_what_was_cut_off(self) -> None:
        """After a cancellation: lines never sent go back, and every doubt goes into the ledger."""
        changes, doubts = [*self._ended, *(_unsent(line) for line in self._ready)], tuple(self._sender.doubts)
        self._ended.clear()
        self._ready.clear()
        self._idle.clear()
        self._armed = self._workers = 0
        if changes or doubts:
            with anyio.CancelScope(shield=True):
                try:
                    await self._ledger.record(changes, doubts=doubts)
                except LedgerError:
                    # The ledger is what failed: these lines stay `sending` in it, and the next run looks them up.
                    return


def _unsent(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)


def _cut_off(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error="cancelled in flight")


def _single(error: BaseException) -> BaseException:
    """Return the one error of a group, so that callers need no `except*`."""
    return _single(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
