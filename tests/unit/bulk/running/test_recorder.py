"""`recorder`: results share transactions, no fact is lost, and charges are watched."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from tests.unit.bulk.ledger.facts import alone, fact
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async import errors
from xoxo_async.bulk.events import LineDoubted, LineSettled
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.hooks import Event
from xoxo_async.transport.connections import OrderAnswer

pytestmark = pytest.mark.anyio


class Counting(SqliteLedger):
    """A ledger that notes how many facts each transaction had, and may fail."""

    batches: list[int]
    fails: errors.LedgerError | None = None

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        if self.fails is not None:
            raise self.fails
        self.batches.append(len(changes))
        return await super().record(changes, rules=rules, doubts=doubts)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Counting]:
    """Yield a ledger of ten lines that are being sent."""
    async with Counting(tmp_path / "l.db") as ledger:
        ledger.batches = []
        await ledger.plan("march", each(alone(*range(10))))
        yield ledger


async def written(recorder: Recorder, changes: Sequence[Change]) -> list[Change]:
    """Hand changes in at once, and return those that were written in the background."""
    durable: list[Change] = []
    recorder.open()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.write_added, durable.extend)
        for change in changes:
            recorder.add(change)
        recorder.close()
    return durable


async def test_results_that_are_there_share_a_transaction(ledger: Counting) -> None:
    """No result waits for more, and none is lost at the end."""
    lines = await ledger.claim(10)
    changes = [fact(line, Evidence.ANSWERED_PLACED) for line in lines]
    assert await written(Recorder(ledger, StopSignal()), changes) == changes
    assert ledger.batches == [10]
    assert (await ledger.counts()).states == {LineState.PLACED: 10}


async def test_a_recorder_writes_wave_after_wave(ledger: Counting) -> None:
    """It opens again after it was closed."""
    recorder, lines = Recorder(ledger, StopSignal()), await ledger.claim(2)
    for line in lines:
        await written(recorder, [fact(line, Evidence.ANSWERED_PLACED)])
    assert ledger.batches == [1, 1]


async def test_an_overcharge_stops_a_run_with_a_budget(ledger: Counting) -> None:
    """The price has changed; without a budget the run goes on."""
    bounded, free = StopSignal(), StopSignal()
    one, two = await ledger.claim(2)
    recorder = Recorder(ledger, bounded, budget=Decimal(10_000))
    recorder.currency = "INR"
    await recorder.record([fact(one, Evidence.ANSWERED_PLACED, charged=150)])
    await Recorder(ledger, free).record([fact(two, Evidence.ANSWERED_PLACED, charged=150)])
    assert (bounded.pause, free.pause) == (Pause.BUDGET, Pause.NONE)
    assert "was charged 150" in bounded.reason


async def test_doubts_are_written_and_forgotten(ledger: Counting) -> None:
    """Each once; the lines that came into doubt are counted and reported."""
    events: list[Event] = []
    recorder = Recorder(ledger, StopSignal(), hooks=[events.append])
    (line,) = await ledger.claim(1)
    await recorder.record([fact(line, Evidence.ANSWERED_PLACED)])
    recorder.add_doubt(OrderAnswer(line.po_number, line.seq))
    assert (await recorder.write_doubts(), await recorder.write_doubts()) == (1, 0)
    assert [type(event) for event in events] == [LineSettled, LineDoubted]


async def test_doubts_stay_until_they_are_written(ledger: Counting) -> None:
    """A ledger that fails loses none of them."""
    recorder = Recorder(ledger, StopSignal())
    (line,) = await ledger.claim(1)
    await recorder.record([fact(line, Evidence.ANSWERED_PLACED)])
    recorder.add_doubt(OrderAnswer(line.po_number, line.seq))
    ledger.fails = errors.LedgerError("the disk is full")
    with pytest.raises(errors.LedgerError):
        await recorder.write_doubts()
    await recorder.write_the_rest([])
    ledger.fails = None
    assert await recorder.write_doubts() == 1


async def test_the_rest_is_written_under_a_cancellation(ledger: Counting) -> None:
    """Results that were handed in, lines that go back, and doubts."""
    recorder = Recorder(ledger, StopSignal())
    one, two = await ledger.claim(2)
    recorder.add(fact(one, Evidence.OUTCOME_LOST))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await recorder.write_the_rest([fact(two, Evidence.NOT_PROCESSED)])
    assert (await ledger.counts()).states == {LineState.PLANNED: 9, LineState.UNKNOWN: 1}


async def test_a_fact_that_moves_nothing_is_no_event(ledger: Counting) -> None:
    """A look-up that changes nothing sends no event."""
    events: list[Event] = []
    recorder = Recorder(ledger, StopSignal(), hooks=[events.append])
    (line,) = await ledger.claim(1)
    (line,) = await recorder.record([fact(line, Evidence.OUTCOME_LOST)])
    await recorder.record([fact(line, Evidence.LOOKUP_ABSENT)])
    assert [type(event) for event in events] == [LineDoubted]
