"""`progress`: the ledger is read seldom, the figures add up, and a figure that cannot be read ends no run."""

import io
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from rich.console import Console

from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.cli.bulk.progress import Pace, bar_of, fitted, showing_progress
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


def counts(**given: Any) -> Counts:
    return Counts(**{"rows": 0, "issued": 0, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0, **given})


class Run:
    """A run, its ledger, and a clock for its progress."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.progress = Progress(phase="sending")
        self.says: Counts | Exception = counts()
        self.asked = 0
        self.now = 1000.0
        monkeypatch.setattr("xoxo_async.cli.bulk.progress.time", SimpleNamespace(monotonic=lambda: self.now))
        self.pace = Pace(self.progress, self)  # type: ignore[arg-type]

    async def counts(self) -> Counts:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def refresh(self, after_s: float = 0.0, **given: Any) -> None:
        if given:
            self.says = counts(**given)
        self.now += after_s
        await self.pace.refresh()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


async def test_a_ledger_in_planning_is_not_read(run: Run) -> None:
    """The phase is shown without figures."""
    run.progress.phase = "planning"
    await run.refresh()
    assert (run.asked, run.pace.line) == (0, "planning …")
    assert (run.pace.rows, run.pace.done, run.pace.in_doubt, run.pace.per_minute, run.pace.eta) == (0, 0, 0, 0.0, "-")


async def test_the_ledger_is_read_each_second(run: Run) -> None:
    """Counting reads every line, so it is done once a second at most, and at once at the end."""
    for _ in range(3):
        await run.refresh(0.3)
    assert run.asked == 1
    await run.refresh(1.0)
    assert run.asked == 2
    await run.pace.refresh(at_once=True)
    assert run.asked == 3


async def test_a_slow_ledger_is_read_seldom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the counts takes a twentieth of the time at most."""

    async def slowly() -> Counts:
        run.asked += 1
        run.now += 2.0
        return counts()

    monkeypatch.setattr(run, "counts", slowly)
    await run.refresh()
    await run.refresh(30.0)
    assert run.asked == 1
    await run.refresh(10.0)
    assert run.asked == 2


async def test_an_unreadable_ledger_keeps_the_figures(run: Run) -> None:
    """The last figures stay, because the run itself reports the error."""
    await run.refresh(rows=4, issued=3, not_sent=1)
    run.says = LedgerError("locked")
    await run.refresh(2.0)
    assert (run.asked, run.pace.rows, run.pace.done) == (2, 4, 3)


async def test_lines_in_flight_are_not_in_doubt(run: Run) -> None:
    """The ledger counts lines in flight as unknown, too. Placed and rejected lines are done."""
    states = {LineState.SENDING: 5, LineState.UNKNOWN: 2}
    await run.refresh(rows=20, issued=4, pending=3, rejected=1, unknown=7, not_sent=5, states=states)
    assert (run.pace.rows, run.pace.done, run.pace.in_doubt) == (20, 8, 2)


async def test_the_pace_is_that_of_this_run(run: Run) -> None:
    """The pace counts only this run, and the rest takes as long as the pace says."""
    run.progress.placed = 2  # before the first reading
    await run.refresh(rows=100, issued=42, not_sent=58)
    await run.refresh(30.0, rows=100, issued=70, not_sent=30)
    assert run.pace.per_minute == 60.0
    assert run.pace.eta == "0:30"


async def test_without_a_pace_the_end_is_unknown(run: Run) -> None:
    """Without a pace, or without rows left, a dash stands for the time."""
    await run.refresh(rows=10, not_sent=10)
    await run.refresh(30.0)
    assert run.pace.eta == "-"
    await run.refresh(30.0, rows=10, issued=10)
    assert run.pace.eta == "-"


async def test_a_line_has_every_figure(run: Run) -> None:
    """A pending order is placed, so its row counts as issued."""
    run.progress.phase = "settling"
    charged = {"INR": Decimal(1500)}
    await run.refresh(rows=2000, issued=1000, pending=100, rejected=2, unknown=3, not_sent=895, charged=charged)
    assert run.pace.line == ("settling: 1,100 of 2,000 issued, 3 unknown, 2 rejected, 0/min, spent INR 1,500, ETA -")


async def test_a_wait_is_shown_with_its_end(run: Run) -> None:
    """It stands before the figures, where a narrow terminal shows it. Words of the server move no cursor."""
    run.progress.wait = "held back by the vendor until 14:05"
    assert run.pace.line == "sending, held back by the vendor until 14:05 …"
    await run.refresh(rows=10, issued=4, not_sent=6)
    assert run.pace.line.startswith("sending, held back by the vendor until 14:05: 4 of 10 issued")
    run.progress.wait = "waiting for the server (\x1b[2J502)"
    assert run.pace.doing == "sending, waiting for the server ([2J502)"


async def test_the_display_changes_no_error(run: Run) -> None:
    """An error in the block is raised unchanged, and the display ends."""
    with anyio.fail_after(30), pytest.raises(BaseExceptionGroup) as caught:
        async with showing_progress(run.progress, run):  # type: ignore[arg-type]
            raise LedgerError("gone")
    assert caught.group_contains(LedgerError, match="gone")


@pytest.mark.parametrize("width", [58, 78, 98, 138])
async def test_a_narrow_line_keeps_its_numbers(run: Run, width: int) -> None:
    """Words go first. The bar stays, and everything fits."""
    charged = {"INR": Decimal(6172500)}
    await run.refresh(rows=50_000, issued=11_345, unknown=3, rejected=7, not_sent=38_645, charged=charged)
    run.progress.placed = 577
    await run.refresh(60.0, rows=50_000, issued=11_922, unknown=3, rejected=7, not_sent=38_068, charged=charged)
    line = fitted(run.pace, width)
    before, after = line.before, f"{line.after} · {line.below}"
    assert len(before) + 1 + line.bar + 1 + len(line.after) <= width + 1
    assert len(line.below) <= width
    assert line.bar >= 4
    for number in ("11,929/50,000", "577/min", "1:05:59", "3 unkn", "7 rej", "INR 6,172,500"):
        assert number in after
    assert ("sending" in before) is (width > 90)


async def test_figures_of_nothing_go_first(run: Run) -> None:
    """With 80 columns they stay; with 60 they give way to the bar."""
    await run.refresh(rows=200, issued=33, not_sent=167, charged={"INR": Decimal(16500)})
    assert fitted(run.pace, 78).after == "33/200 · 0/min · ETA - · 0 unknown · 0 rejected · INR 16,500"
    assert fitted(run.pace, 58).after == "33/200 · 0/min · INR 16,500"


async def test_a_wait_stays_while_it_fits(run: Run) -> None:
    """What the run waits for is worth more than figures of nothing."""
    run.progress.wait = "held back until 14:05"
    await run.refresh(rows=200, issued=33, not_sent=167, charged={"INR": Decimal(16500)})
    assert fitted(run.pace, 78).before == "sending, held back until 14:05"
    assert fitted(run.pace, 58).before == "sending"


@pytest.mark.parametrize("no_colour", ["", "1"])
async def test_the_drawn_line_fits_its_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, no_colour: str) -> None:
    """It is one line; NO_COLOR takes its colours away."""
    monkeypatch.setenv("NO_COLOR", no_colour)
    await run.refresh(rows=200, issued=33, rejected=2, not_sent=165, charged={"INR": Decimal(16500)})
    screen = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="256")
    screen.print(bar_of(run.pace), end="")
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "35/200" in drawn
    assert "━" in drawn
    assert "─" in drawn
    assert "…" not in drawn
    assert drawn.count("\n") <= 1
    assert ("\x1b[31m2 rejected" in drawn) is (not no_colour)
