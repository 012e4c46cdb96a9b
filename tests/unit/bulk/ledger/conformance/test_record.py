"""`Ledger.record`: what applies is written, and what does not apply is named."""

import asyncio

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def test_a_refused_change_holds_up_no_other(subject: Subject) -> None:
    """What applies is written, then the rest is named; facts only the ledger may state are refused too."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        one, two = await ledger.claim(2)
        withdrawn = Change(seq=two.seq, evidence=Evidence.WITHDRAWN, epoch=two.epoch)
        nowhere = Change(seq=99, evidence=Evidence.NOT_PROCESSED, epoch=1)
        armed = Change(seq=two.seq, evidence=Evidence.SLOT_IN_HAND, epoch=two.epoch)
        huge = placed(two, order_id=2**63)
        with pytest.raises(LedgerConflictError, match=r"refused 4 of 5 changes.*k2"):
            await ledger.record([withdrawn, nowhere, armed, huge, placed(one)])
        states = [one.state async for one in ledger.lines()]
        assert states == [LineState.PLACED, LineState.SENDING]


async def test_the_result_of_a_cancelled_caller_is_written(subject: Subject) -> None:
    """A cancelled recorder loses nothing."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        recording = asyncio.create_task(ledger.record([placed(one)]))
        await asyncio.sleep(0)
        recording.cancel()
    async with subject.open() as ledger:
        assert (await ledger.counts()).issued == 1


async def test_closing_waits_for_results_told_before(subject: Subject) -> None:
    """Closing waits for the writer, and the writer for what stands in front of the end."""
    ledger = subject.open()
    await ledger.open()
    await ledger.plan("march", each([line(1)]))
    [one] = await ledger.claim(1)
    recording = asyncio.create_task(ledger.record([placed(one)]))
    await asyncio.sleep(0)  # it has asked
    await ledger.aclose()
    assert [line.state for line in await recording] == [LineState.PLACED]
    async with subject.open() as again:
        assert (await again.counts()).issued == 1
