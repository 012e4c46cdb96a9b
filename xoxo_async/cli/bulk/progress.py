"""Show the progress of a run: a live bar on a terminal, a line every five seconds elsewhere."""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import is_terminal, say
from xoxo_async.cli.tables import console
from xoxo_async.cli.wording import amounts, duration
from xoxo_async.errors import LedgerError

__all__ = ["Pace", "showing_progress"]

_BAR_EVERY_S: Final = 0.25
_LINE_EVERY_S: Final = 5.0
_COUNT_EVERY_S: Final = 1.0


class Pace:
    """The figures of a running job, from its ledger and its runner.

    Args:
        progress: What the run has done so far.
        ledger: Its ledger.

    Attributes:
        counts: The counts of the ledger at the last reading; None before the first one.
    """

    def __init__(self, progress: Progress, ledger: Ledger) -> None:
        self._progress: Final = progress
        self._ledger: Final = ledger
        self.counts: Counts | None = None
        self._first: tuple[float, int] | None = None
        self._next_count = 0.0

    async def refresh(self, *, at_once: bool = False) -> None:
        """Read the counts of the ledger, but seldom, because counting reads every line.

        Args:
            at_once: Whether to read them now, for the figures at the end.
        """
        now = time.monotonic()
        if self.phase == "planning" or (now < self._next_count and not at_once):
            return
        with suppress(LedgerError):  # the run itself reports this error
            self.counts = await self._ledger.counts()
        took = time.monotonic() - now
        self._next_count = now + max(_COUNT_EVERY_S, 20 * took)
        if self._first is None and self.counts is not None:
            self._first = (now, self.done - self._progress.placed - self._progress.rejected)

    @property
    def phase(self) -> str:
        """What the run does, in one word."""
        return self._progress.phase

    @property
    def doing(self) -> str:
        """What the run does, and what it waits for."""
        wait = scrub(self._progress.wait)  # it may contain words of the server
        return f"{self.phase}, {wait}" if wait else self.phase

    @property
    def rows(self) -> int:
        """How many order lines the ledger has; 0 during planning."""
        return self.counts.rows if self.counts else 0

    @property
    def done(self) -> int:
        """How many lines are placed or rejected."""
        return self.counts.issued + self.counts.pending + self.counts.rejected if self.counts else 0

    @property
    def in_doubt(self) -> int:
        """How many lines are in doubt. The ledger also counts lines in flight as unknown, and this does not."""
        return self.counts.unknown - self.counts.states.get(LineState.SENDING, 0) if self.counts else 0

    @property
    def per_minute(self) -> float:
        """How many lines a minute this run has done."""
        if self._first is None:
            return 0.0
        since, before = self._first
        seconds = time.monotonic() - since
        return (self.done - before) * 60 / seconds if seconds > 0.2 else 0.0

    @property
    def eta(self) -> str:
        """How long the other lines take at this pace; a dash if that is not known."""
        left, pace = self.rows - self.done, self.per_minute
        if not left or pace <= 0:
            return "-"
        return duration(left * 60 / pace)

    @property
    def line(self) -> str:
        """All figures in one line."""
        counts = self.counts
        if counts is None:
            return f"{self.doing} …"
        return (
            f"{self.doing}: {counts.issued + counts.pending:,} of {counts.rows:,} issued, "
            f"{self.in_doubt:,} unknown, {counts.rejected:,} rejected, "
            f"{self.per_minute:,.0f}/min, spent {amounts(counts.charged)}, ETA {self.eta}"
        )


@asynccontextmanager
async def showing_progress(progress: Progress, ledger: Ledger, first: str) -> AsyncGenerator[None]:
    """Show a run's progress on standard error while the block runs.

    Args:
        progress: What the run has done so far.
        ledger: Its ledger.
        first: A line to print first, after planning: the screen keeps it when the process is killed.
    """
    pace = Pace(progress, ledger)
    say(first)
    async with anyio.create_task_group() as group:
        group.start_soon(_bar if is_terminal(sys.stderr) else _lines, pace)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _lines(pace: Pace) -> None:
    due = time.monotonic() + _LINE_EVERY_S
    while True:
        await anyio.sleep(_BAR_EVERY_S)
        await pace.refresh()
        if time.monotonic() >= due:
            say(pace.line)
            due += _LINE_EVERY_S


async def _bar(pace: Pace) -> None:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}", markup=False),
        TextColumn("{task.fields[facts]}", markup=False),
    )
    bar = Bar(*columns, console=console(sys.stderr), auto_refresh=False)
    task = bar.add_task("planning", total=1, facts="")

    def draw() -> None:
        with suppress(OSError, ValueError):
            bar.update(task, description=pace.doing, total=pace.rows or 1, completed=pace.done, facts=_facts(pace))
            bar.refresh()

    try:
        with suppress(OSError, ValueError):  # the run continues if the terminal is gone
            bar.start()
        while True:
            await pace.refresh()
            draw()
            await anyio.sleep(_BAR_EVERY_S)
    finally:
        with anyio.CancelScope(shield=True):
            await pace.refresh(at_once=True)  # the last figures stay on the screen
        draw()
        bar.live.transient = not pace.rows
        with suppress(OSError, ValueError):
            bar.stop()


def _facts(pace: Pace) -> str:
    counts = pace.counts
    if counts is None:
        return ""
    return (
        f"{pace.per_minute:,.0f}/min · {counts.issued:,} issued · {pace.in_doubt:,} unknown · "
        f"{counts.rejected:,} rejected · ETA {pace.eta} · {amounts(counts.charged)}"
    )
