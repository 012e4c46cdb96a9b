"""`Ledger.claim`: planned lines are taken in order, each by one caller, and go back when their caller is gone."""

import asyncio

import anyio
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.facts import LAST_SLOT
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState

pytestmark = pytest.mark.anyio


async def test_a_limit_of_zero_claims_nothing(subject: Subject) -> None:
    """A claim is empty when its limit is zero, and when no line is left."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        assert await ledger.claim(0) == []
        assert len(await ledger.claim(5)) == 1
        assert await ledger.claim(5) == []


async def test_lines_of_a_cancelled_claim_go_back(subject: Subject) -> None:
    """The lines of a cancelled claim are planned again."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        claiming = asyncio.create_task(ledger.claim(1))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
        assert claiming.cancelled()
        lines: list[LedgerLine] = []
        with anyio.fail_after(30):
            while not lines:  # each round is a transaction: it comes back behind one of them
                lines = await ledger.claim(1)
        assert lines[0].attempts == 2


async def test_lines_are_claimed_in_planning_order(subject: Subject) -> None:
    """State, attempts, epoch and stamps of the claimed lines are stored when the claim returns."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        first = await ledger.claim(2)
        assert [one.key for one in first] == ["k1", "k2"]
        assert [one.key for one in await ledger.claim(2)] == ["k3"]
        one = await ledger.find("k1")
        assert one == first[0]
        assert (one.state, one.attempts) == (LineState.SENDING, 1)
        assert one.last_sent_tick == pytest.approx(ledger.now(), abs=0.001)
        assert (one.first_sent_at, one.last_sent_at) == (subject.now, subject.now)
    look = subject.look()
    if look is not None:
        async with look as view:
            assert [one.attempts async for one in view.lines()] == [1, 1, 1]


async def test_claims_at_once_share_no_line(subject: Subject) -> None:
    """Ten callers at once get thirty lines, each line once."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 31)]))
        claims = await asyncio.gather(*(ledger.claim(4) for _ in range(10)))
        seqs = [one.seq for lines in claims for one in lines]
        assert sorted(seqs) == list(range(1, 31))
        assert max(len(lines) for lines in claims) == 4


async def test_a_line_given_back_is_claimed_again(subject: Subject) -> None:
    """A line that was not processed is claimed again, as another attempt in another epoch."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.NOT_PROCESSED, epoch=one.epoch)])
        (again,) = await ledger.claim(1)
        assert (again.attempts, again.suspect) == (2, False)
        assert again.epoch > one.epoch


async def test_the_last_slot_is_kept(subject: Subject) -> None:
    """Each claim keeps when it was, by the ledger's clock, so that the next run keeps its distance."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        assert await ledger.get_fact(LAST_SLOT) is None
        for _ in range(2):
            subject.now += 10
            await ledger.claim(1)
            assert float(await ledger.get_fact(LAST_SLOT) or 0) == pytest.approx(ledger.now(), abs=0.001)
        last = await ledger.get_fact(LAST_SLOT)
    async with subject.open() as ledger:
        assert await ledger.get_fact(LAST_SLOT) == last
