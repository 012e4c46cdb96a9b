"""`Ledger.claim`: planned lines are taken in order, each by one caller, and go back when their caller is gone."""

import asyncio

import anyio
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.lines import LedgerLine

pytestmark = pytest.mark.anyio


async def test_a_limit_of_zero_claims_nothing(subject: Subject) -> None:
    """Nor where none is left."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        assert await ledger.claim(0) == []
        assert len(await ledger.claim(5)) == 1
        assert await ledger.claim(5) == []


async def test_lines_of_a_cancelled_claim_go_back(subject: Subject) -> None:
    """A cancelled claim leaves no line that nobody will send."""
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
