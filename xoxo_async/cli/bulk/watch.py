"""Watch a job while any number of workers are at it: counts, pace, workers, pause and alarms."""

import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.abc
import msgspec

from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.terms import Holder
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import is_terminal, say
from xoxo_async.cli.signals import ending_signals
from xoxo_async.cli.tables import console
from xoxo_async.cli.wording import amounts, count, duration
from xoxo_async.errors import LedgerError

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["Pace", "Reading", "watch"]

_LOOK_EVERY_S: Final = 1.0
_LINE_EVERY_S: Final = 5.0
_PACE_OVER_S: Final = 60.0
_WORKERS_SHOWN: Final = 12
_AWAY_S: Final = 20.0
"""Seconds without a shift after which a worker counts no more. Between two shifts it has no lease, and often waits some
seconds; a lease that ends says nothing of the process."""
_AT_WORK: Final = (LineState.PLANNED, LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)


class Reading(msgspec.Struct, frozen=True):
    """What a ledger says at one moment.

    Attributes:
        job: The name of the job.
        counts: Its counts.
        workers: The processes that work on it, or did so a moment ago.
        paused: Why it is paused; None if it is not.
    """

    job: str
    counts: Counts
    workers: list[Holder]
    paused: str | None

    @property
    def done(self) -> int:
        """How many rows are placed or rejected."""
        return self.counts.issued + self.counts.pending + self.counts.rejected

    @property
    def in_flight(self) -> int:
        """How many rows are in flight."""
        return self.counts.states.get(LineState.SENDING, 0)

    @property
    def left(self) -> int:
        """How many rows a worker can still do something about."""
        return sum(self.counts.states.get(state, 0) for state in _AT_WORK)

    def line(self, per_minute: float) -> str:
        """Return all figures in one line.

        Args:
            per_minute: How many rows a minute are done.
        """
        counts = self.counts
        return (
            f"{self.job}: {counts.issued + counts.pending:,} of {counts.rows:,} issued, {self.in_flight:,} in flight,"
            f" {counts.unknown - self.in_flight:,} unknown, {counts.rejected:,} rejected, {self.facts(per_minute)},"
            f" {count(len(self.workers), 'worker')}"
        )

    def facts(self, per_minute: float) -> str:
        """Return pace, time left and cost.

        Args:
            per_minute: How many rows a minute are done.
        """
        left = duration(self.left * 60 / per_minute) if self.left and per_minute > 0 else "-"
        return f"{per_minute:,.0f}/min, ETA {left}, spent {amounts(self.counts.charged)}"

    def troubles(self) -> list[str]:
        """Return the lines that a person should see: the pause, and the alarms."""
        lines = [] if self.paused is None else [f"paused: {scrub(self.paused)}; `xoxo bulk resume` goes on"]
        if self.counts.alarms_total:
            lines.append(f"{count(self.counts.alarms_total, 'alarm')}, the first: {scrub(self.counts.alarms[0].text)}")
        return lines


class Pace:
    """How many rows a minute all workers together do, over the last minute."""

    def __init__(self) -> None:
        self._seen: Final[deque[tuple[float, int]]] = deque()

    def add(self, at: float, done: int) -> None:
        """Take a reading.

        Args:
            at: When, by a monotonic clock.
            done: How many rows were done.
        """
        self._seen.append((at, done))
        while self._seen[-1][0] - self._seen[0][0] > _PACE_OVER_S and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def per_minute(self) -> float:
        """Rows a minute."""
        if len(self._seen) < 2:
            return 0.0
        (since, before), (now, done) = self._seen[0], self._seen[-1]
        return max(done - before, 0) * 60 / (now - since) if now > since else 0.0


class Attendance:
    """Which processes work on a job: also those that are between two shifts of it."""

    def __init__(self) -> None:
        self._seen: Final[dict[tuple[str, int], tuple[float, Holder]]] = {}

    def add(self, at: float, workers: Sequence[Holder]) -> list[Holder]:
        """Take a reading, and return who works on the job.

        Args:
            at: When, by a monotonic clock.
            workers: Who has a lease.

        Returns:
            Those, and who had one a moment ago, with nothing in hand.
        """
        now = {(worker.host, worker.pid): (at, worker) for worker in workers}
        for who, (seen_at, _) in list(self._seen.items()):
            if at - seen_at > _AWAY_S:
                del self._seen[who]
        self._seen.update(now)
        away = [
            Holder(worker.host, worker.pid, 0, at - seen_at)
            for who, (seen_at, worker) in self._seen.items()
            if who not in now
        ]
        return [*workers, *away]


async def watch(ledger: "Ledger") -> Counts:
    """Show a job until nothing is left for a worker, or until a signal.

    Args:
        ledger: The ledger, open to read.

    Returns:
        Its counts at the last look.
    """
    attendance = Attendance()
    follow = _Follow(ledger, await _read(ledger, attendance), attendance, _LOOK_EVERY_S)
    async with anyio.create_task_group() as group:
        await group.start(_listen, group.cancel_scope)
        await follow.until_done()
        group.cancel_scope.cancel()
    return follow.last.counts


async def _read(ledger: "Ledger", attendance: Attendance) -> Reading:
    return Reading(
        job=ledger.job or "(none yet)",
        counts=await ledger.counts(),
        workers=attendance.add(time.monotonic(), await ledger.holders()),
        paused=await ledger.paused(),
    )


class _Follow:
    """Look at a ledger again and again, and show what it says."""

    def __init__(self, ledger: "Ledger", first: Reading, attendance: Attendance, look_every_s: float) -> None:
        self.last = first
        self._attendance: Final = attendance
        self._ledger: Final = ledger
        self._look_every_s: Final = look_every_s
        self._pace: Final = Pace()

    async def until_done(self) -> None:
        with suppress(OSError), _Live() if is_terminal(sys.stderr) else _Lines() as shown:  # standard error is gone
            while True:
                began = time.monotonic()
                self._pace.add(began, self.last.done)
                shown.show(self.last, self._pace.per_minute)
                if not self.last.left:
                    shown.end(self.last, self._pace.per_minute)
                    return
                await anyio.sleep(self._look_every_s)
                await self._look(shown)

    async def _look(self, shown: "_Lines | _Live") -> None:
        began = time.monotonic()
        try:
            self.last = await _read(self._ledger, self._attendance)
        except LedgerError as error:
            shown.trouble(scrub(error.message))  # the database may answer again
        # Counting may read every row: look seldom at a ledger where that takes long.
        await anyio.sleep(max(20 * (time.monotonic() - began) - self._look_every_s, 0.0))


async def _listen(scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """End the watch at a signal: whoever watches has seen enough, and that is no failure."""
    with anyio.open_signal_receiver(*ending_signals()) as signals:
        task_status.started()
        async for _number in signals:
            scope.cancel()
            return


class _Lines:
    """Plain lines: one every five seconds, and one for each change that a person should see."""

    def __init__(self) -> None:
        self._due = 0.0
        self._said: list[str] = []
        self._workers: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def show(self, reading: Reading, per_minute: float) -> None:
        if time.monotonic() >= self._due:
            say(reading.line(per_minute))
            self._due = time.monotonic() + _LINE_EVERY_S
        now = {(worker.host, worker.pid) for worker in reading.workers}
        for host, pid in sorted(now - self._workers):
            say(f"worker {pid} on {host} is at work")
        for host, pid in sorted(self._workers - now):
            say(f"worker {pid} on {host} has not worked on this job for {_AWAY_S:.0f} s")
        self._workers = now
        troubles = reading.troubles()
        for line in troubles:
            if line not in self._said:
                say(line)
        self._said = troubles

    def end(self, reading: Reading, per_minute: float) -> None:
        say(reading.line(per_minute))
        say("nothing is left for a worker")

    def trouble(self, line: str) -> None:
        if line not in self._said:
            say(line)
            self._said.append(line)


class _Live:
    """A bar for the job, and a line for each worker, drawn in place."""

    def __init__(self) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}", markup=False),
        )
        self._bar: Final = Progress(*columns, console=console(sys.stderr), auto_refresh=False, expand=True)
        self._task: Final = self._bar.add_task("", total=1)
        self._live: Final[Any] = Live(console=console(sys.stderr), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def show(self, reading: Reading, per_minute: float) -> None:
        from rich.console import Group
        from rich.text import Text

        counts = reading.counts
        # A line of their own, which is wrapped: beside the bar, a narrow terminal would cut them.
        facts = (
            f"  {reading.in_flight:,} in flight · {counts.unknown - reading.in_flight:,} unknown ·"
            f" {counts.rejected:,} rejected · {reading.facts(per_minute)}"
        )
        self._bar.update(self._task, description=reading.job, total=counts.rows or 1, completed=reading.done)
        lines = [Text(line) for line in (facts, *_workers(reading.workers), *reading.troubles())]
        self._live.update(Group(self._bar, *lines), refresh=True)

    def end(self, reading: Reading, per_minute: float) -> None:
        self.show(reading, per_minute)

    def trouble(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False)


def _workers(workers: Sequence[Holder]) -> list[str]:
    """Return a line for each worker, the busiest first."""
    lines = [
        f"  worker {worker.pid} on {worker.host}: {count(worker.lines, 'order')} in hand"
        + ("" if worker.seen_s is None else f", seen {worker.seen_s:.0f} s ago")
        for worker in sorted(workers, key=lambda worker: -worker.lines)
    ]
    more = len(lines) - _WORKERS_SHOWN
    return lines[:_WORKERS_SHOWN] + ([f"  … and {count(more, 'more worker')}"] if more > 0 else [])
