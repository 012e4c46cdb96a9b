"""Show the progress of a run: a live bar on a terminal, a line every five seconds elsewhere."""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.output import is_terminal, say
from xoxo_async.cli.tables import console
from xoxo_async.cli.wording import amounts, duration
from xoxo_async.errors import LedgerError

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.spinner import Spinner
    from rich.text import Text

__all__ = ["Figure", "Fitted", "Pace", "bar_of", "fitted", "showing_progress"]

_BAR_EVERY_S: Final = 0.25
_LINE_EVERY_S: Final = 5.0
_COUNT_EVERY_S: Final = 1.0
_BAR: Final = 10
"""Columns that the bar has beside all words; on a narrow terminal it has fewer."""
_BAR_LEAST: Final = 4
_BAR_WIDEST: Final = 40
_ON_FIRST_LINE: Final = 3
"""Figures that stay beside the bar when the others need a second line: rows, pace, time left."""


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
async def showing_progress(progress: Progress, ledger: Ledger) -> AsyncGenerator[None]:
    """Show a run's progress on standard error while the block runs.

    Args:
        progress: What the run has done so far.
        ledger: Its ledger.
    """
    pace = Pace(progress, ledger)
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
    from rich.live import Live

    drawn = bar_of(pace)
    live = Live(drawn, console=console(sys.stderr), auto_refresh=False)
    try:
        with suppress(OSError, ValueError):  # the run continues if the terminal is gone
            live.start()
        while True:
            await pace.refresh()
            with suppress(OSError, ValueError):
                live.refresh()
            await anyio.sleep(_BAR_EVERY_S)
    finally:
        with anyio.CancelScope(shield=True):
            await pace.refresh(at_once=True)  # the last figures stay on the screen
        live.transient = not pace.rows
        with suppress(OSError, ValueError):
            live.refresh()
            live.stop()


def bar_of(pace: Pace) -> "_Bar":
    """Return what draws a job's bar and its figures in one line, as wide as the terminal is then.

    Args:
        pace: The figures.
    """
    from rich.spinner import Spinner

    return _Bar(pace, Spinner("dots"))


class _Bar:
    def __init__(self, pace: Pace, spinner: "Spinner") -> None:
        self._pace: Final = pace
        self._spinner: Final = spinner

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.table import Table
        from rich.text import Text

        line = fitted(self._pace, options.max_width - 2)
        filled, empty = ("#", "-") if options.ascii_only else ("━", "─")
        done = line.bar * self._pace.done // max(self._pace.rows, 1)
        # Two signs, so that a bar without colours is one.
        bar = Text.assemble((filled * done, "bar.complete"), (empty * (line.bar - done), "bar.back"))
        words = [Text(line.before)] if line.before else []
        grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        grid.add_row(self._spinner, *words, bar, _coloured(line.after))
        yield grid
        if line.below:
            yield _coloured(f"  {line.below}")


def _coloured(figures: str) -> "Text":
    from rich.text import Text

    text = Text(figures, no_wrap=True, overflow="crop")
    text.highlight_regex(r"\b[1-9][\d,]* unkn[a-z]*", "yellow")
    text.highlight_regex(r"\b[1-9][\d,]* rej[a-z]*", "red")
    return text


class Fitted(NamedTuple):
    """A job's figures, as they fit on a terminal.

    Attributes:
        before: What stands before the bar.
        bar: The columns of the bar.
        after: The figures after it.
        below: The figures that need a line of their own.
    """

    before: str
    bar: int
    after: str
    below: str = ""


class Figure(NamedTuple):
    """A figure of the line, in full and in short.

    Attributes:
        full: With all its words.
        short: With as few as it needs.
        rank: How long it stays on a terminal that gets narrower: 0 goes first, 1 then, and 2 stays.
    """

    full: str
    short: str
    rank: int = 2


def fitted(pace: Pace, width: int) -> Fitted:
    """Return the figures as they fit.

    A narrow terminal loses words first, then figures that are 0, then columns of the bar. The other numbers stay; where
    nothing else helps, they get a second line.

    Args:
        pace: The figures.
        width: The columns for all of it.
    """
    figures = _figures(pace)
    full, most, least = (" · ".join(figure.full for figure in figures if figure.rank >= rank) for rank in range(3))
    needed = [figure for figure in figures if figure.rank == 2]
    short = " · ".join(figure.short for figure in needed)
    wait = [(pace.doing, after, _BAR) for after in (least, short)] if pace.doing != pace.phase else []
    forms = [
        (pace.doing, full, _BAR),
        *wait,  # what the run waits for is worth more than figures that are 0
        (pace.phase, full, _BAR),
        (pace.phase, most, _BAR),
        ("", most, _BAR),
        (pace.phase, least, _BAR),
        ("", least, _BAR_LEAST),
        ("", short, _BAR_LEAST),
    ]
    for before, after, bar in forms:
        room = width - len(after) - 1 - (len(before) + 1 if before else 0)
        if room >= bar:
            return Fitted(before, min(room, _BAR_WIDEST), after)
    first, second = needed[:_ON_FIRST_LINE], needed[_ON_FIRST_LINE:]
    below = " · ".join(figure.full for figure in second)
    return Fitted("", _BAR_LEAST, " · ".join(figure.short for figure in first), below)


def _figures(pace: Pace) -> list[Figure]:
    counts = pace.counts
    if counts is None:
        return []
    done, charged = f"{pace.done:,}/{pace.rows:,}", amounts(counts.charged)
    pace_now = f"{pace.per_minute:,.0f}/min"
    figures = [
        Figure(done, done),
        Figure(pace_now, pace_now),
        Figure(f"ETA {pace.eta}", pace.eta, rank=1 if pace.eta == "-" else 2),
        Figure(f"{counts.issued:,} issued", "", rank=0),  # the rows that are done, without those below
        *([Figure(f"{counts.pending:,} pending", f"{counts.pending:,} pend.")] if counts.pending else []),
        Figure(f"{pace.in_doubt:,} unknown", f"{pace.in_doubt:,} unkn.", rank=2 if pace.in_doubt else 1),
        Figure(f"{counts.rejected:,} rejected", f"{counts.rejected:,} rej.", rank=2 if counts.rejected else 1),
    ]
    return [*figures, *([Figure(charged, charged)] if counts.charged else [])]
