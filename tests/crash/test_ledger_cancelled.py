"""A ledger whose caller is cancelled at any await can be opened again at once, and its books are right.

These tests use asyncio's own cancellation (`task.cancel()`, `asyncio.timeout`), which anyio's shields do not stop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger

pytestmark = pytest.mark.anyio

Work = Callable[[Path], Coroutine[Any, Any, None]]


class Cut:
    """Runs a coroutine as its task does, and cancels the task at some of its suspensions.

    Args:
        work: The coroutine.
        first: The suspension to cancel at, from 0.
        again: Whether to cancel at every one after it, too.
    """

    def __init__(self, work: Coroutine[Any, Any, None], first: int, *, again: bool) -> None:
        self.work = work
        self.first = first
        self.again = again
        self.suspended = 0

    def __await__(self) -> Generator[Any, Any, None]:
        task = asyncio.current_task()
        assert task is not None
        steps = self.work.__await__()
        try:
            waited_for = next(steps)
            while True:
                if self.suspended == self.first or (self.again and self.suspended > self.first):
                    task.cancel()
                self.suspended += 1
                try:
                    given = yield waited_for
                except BaseException as error:  # noqa: BLE001 - a cancellation is handed on as it came
                    waited_for = steps.throw(error)
                else:
                    waited_for = steps.send(given)
        except StopIteration:
            return


async def cut_everywhere(tmp_path: Path, work: Work, check: Work, *, again: bool) -> int:
    """Run work again and again, and cancel one suspension later each time. Return how many suspensions there were."""
    for point in range(500):
        path = tmp_path / f"{point}{again}.db"
        cut = Cut(work(path), point, again=again)

        async def run(cut: Cut = cut) -> None:
            await cut

        with anyio.fail_after(30):
            task = asyncio.ensure_future(run())
            await asyncio.wait([task])
            await check(path)
        if cut.suspended <= point:
            await task
            return point
        assert task.cancelled() or task.exception() is None
    raise AssertionError


async def opened_and_closed(path: Path) -> None:
    """Open and close."""
    async with SqliteLedger(path):
        pass


async def worked(path: Path) -> None:
    """Open, plan, claim, record, read and close."""
    async with SqliteLedger(path) as ledger:
        await ledger.recover()
        await ledger.plan("march", each(line(number) for number in range(1, 4)))
        lines = await ledger.claim(2)
        await ledger.record([placed(one, one.seq) for one in lines])
        await ledger.counts()
        await ledger.set_fact("a", "b")


async def is_open_to_the_next(path: Path) -> None:
    """The same process opens it at once, and finishes the run."""
    async with SqliteLedger(path) as ledger:
        assert ledger.job in {None, "march"}
        counts = await ledger.counts()
        assert counts.rows in {0, 3}
        assert (counts.rows == 3) == (ledger.job == "march")
        # A claim whose caller was cancelled is undone. Lines that were claimed and not recorded are in flight.
        assert counts.states.get(LineState.SENDING, 0) in {0, 2}
        recovered = await ledger.recover()
        assert recovered == counts.states.get(LineState.SENDING, 0)
        planned = await ledger.plan("march", each(line(number) for number in range(1, 4)))
        assert planned.added + planned.known == 3
        rest = await ledger.claim(3)
        assert len(rest) == 3 - counts.issued - recovered
        await ledger.record([placed(one, one.seq) for one in rest])
        journal: dict[int, str] = {}
        async for entry in ledger.journal():
            assert journal.get(entry.seq, "") == entry.from_state
            journal[entry.seq] = entry.to_state
        assert journal == {one.seq: one.state.value async for one in ledger.lines()}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("work", [opened_and_closed, worked])
async def test_a_cancellation_at_any_await_keeps_the_books(tmp_path: Path, work: Work, again: bool) -> None:
    """After one cancellation, or one at every later await, the lock is free and each line has its right state."""
    points = await cut_everywhere(tmp_path, work, is_open_to_the_next, again=again)
    assert points >= 2


async def claimed_then_closed(path: Path) -> None:
    """Cancel a claim, and close at once."""
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        claiming = asyncio.ensure_future(ledger.claim(1))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])


async def test_a_cancelled_claim_goes_back_before_the_end(tmp_path: Path) -> None:
    """A close right afterwards leaves a planned line, not one in doubt."""
    await claimed_then_closed(tmp_path / "l.db")
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        assert [one.state async for one in ledger.lines()] == [LineState.PLANNED]


async def test_a_read_that_was_cancelled_disturbs_no_other(tmp_path: Path) -> None:
    """It continues in its thread for a moment. The next read waits for it and does not share its transaction."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 3000)))
        for _ in range(20):
            reading = asyncio.ensure_future(ledger.counts())
            await asyncio.sleep(0.001)
            reading.cancel()
            assert (await ledger.counts()).rows == 2999


async def test_a_plan_cancelled_at_its_commit_is_known(tmp_path: Path) -> None:
    """The plan exists or it does not, and the job of the ledger shows which."""
    for delay in range(12):
        async with SqliteLedger(tmp_path / f"{delay}.db") as ledger:
            planning = asyncio.ensure_future(ledger.plan("march", each([line(1)])))
            for _ in range(delay):
                await asyncio.sleep(0.0005)
            planning.cancel()
            await asyncio.wait([planning])
            rows = (await ledger.counts()).rows
            await ledger.set_fact("a", "b")  # after the commit
            assert ((await ledger.counts()).rows, ledger.job) in {(0, None), (1, "march")}
            assert rows in {0, 1}


TIMEOUTS: dict[str, Callable[[SqliteLedger], Awaitable[None]]] = {
    "open": lambda ledger: ledger.open(),
    "close": lambda ledger: ledger.aclose(),
}


@pytest.mark.parametrize("what", TIMEOUTS)
async def test_a_timeout_of_asyncio_leaves_the_ledger_free(tmp_path: Path, what: str) -> None:
    """It can be opened at once after each of thirty timeouts at thirty moments."""
    for number in range(30):
        path = tmp_path / f"{number}.db"
        ledger = SqliteLedger(path)
        if what == "close":
            await ledger.open()
            await ledger.plan("march", each([line(1)]))
        try:
            async with asyncio.timeout(number / 2000):
                await TIMEOUTS[what](ledger)
        except TimeoutError:
            pass
        else:
            await ledger.aclose()
        async with SqliteLedger(path) as again:
            await again.recover()
