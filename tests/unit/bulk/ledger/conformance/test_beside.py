"""Two holders of one ledger at work at once: none writes over what the other has written."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger, PlanTerms
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio

Pair = tuple[Ledger, Ledger]


@pytest.fixture
async def pair(subject: Subject) -> AsyncIterator[Pair]:
    """Give two openings of a ledger with three planned lines."""
    async with subject.open() as one:
        beside = subject.beside()
        if beside is None:
            pytest.skip("the store lets one holder in, so no other one can write beside it")
        await one.plan("march", each([line(1), line(2), line(3)]))
        async with beside as other:
            yield one, other


async def test_holders_at_once_share_no_line(pair: Pair) -> None:
    """Each line is claimed by one of them, and a live holder's lines are not doubted."""
    one, other = pair
    claims = await asyncio.gather(*(ledger.claim(1) for ledger in (one, other, one, other)))
    assert sorted(claimed.key for lines in claims for claimed in lines) == ["k1", "k2", "k3"]
    assert (await one.recover(), await other.recover()) == (0, 0)


async def test_a_stale_write_is_refused(pair: Pair) -> None:
    """A fact meets the line as the other holder has left it: an order that it has proven stays."""
    one, other = pair
    (sent,) = await one.claim(1)
    await other.record([placed(sent, 7)])
    with pytest.raises(LedgerConflictError):
        await one.record([Change(seq=sent.seq, evidence=Evidence.NOT_PROCESSED, epoch=sent.epoch)])
    with pytest.raises(LedgerConflictError, match="order 7 is stored, and order 8"):
        await one.record([placed(sent, 8)])
    for ledger in pair:
        found = await ledger.find("k1")
        assert found is not None
        assert (found.state, found.order_id) == (LineState.PLACED, 7)


async def test_a_look_up_leaves_a_row_unwanted(pair: Pair) -> None:
    """Neither of the two facts changes state or epoch; one written over the other would have the row sent again."""
    one, other = pair
    rules = Rules(settle_s=0, spacing_s=0)
    (sent,) = await one.claim(1)
    await one.record([Change(seq=sent.seq, evidence=Evidence.OUTCOME_LOST, epoch=sent.epoch)])
    absent = Change(seq=sent.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=sent.epoch)
    lacking = other.plan("march", each([line(2), line(3)]), PlanTerms(missing="withdraw"))
    await asyncio.gather(lacking, one.record([absent], rules=rules))
    (after,) = await one.record([absent], rules=rules)
    assert (after.state, after.unwanted) == (LineState.UNKNOWN, True)
