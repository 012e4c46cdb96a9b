"""`ledger_planning`: a plan is added whole or not at all, and a row of it is one order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledgers import each, line
from xoxo_async.bulk.ledger import PlannedLine
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.errors import LedgerConflictError, LedgerError, PlanError

pytestmark = pytest.mark.anyio


async def test_a_plan_that_fails_anywhere_leaves_nothing(tmp_path: Path) -> None:
    """An error in the stream, a conflict late in it, and a cancelled planner each leave the ledger as it was."""

    async def broken() -> AsyncIterator[PlannedLine]:
        for number in range(1, 2500):
            yield line(number)
        raise ValueError("a bad row")

    stuck = asyncio.Event()

    async def endless() -> AsyncIterator[PlannedLine]:
        for number in range(1, 1500):
            yield line(number)
        stuck.set()
        await asyncio.Event().wait()

    async with SqliteLedger(tmp_path / "march.db") as ledger:
        with pytest.raises(ValueError, match="a bad row"):
            await ledger.plan("march", broken())
        late = [line(number) for number in range(1, 2500)]
        with pytest.raises(LedgerConflictError, match=r"row 2 \(key k2\)"):
            await ledger.plan("march", each([*late, line(2, digest="other")]))
        with pytest.raises(LedgerConflictError, match="has the poNumber of row 1"):
            await ledger.plan("march", each([line(1), line(2, po_number="po1", digest="d1")]))
        planning = asyncio.create_task(ledger.plan("march", endless()))
        await stuck.wait()
        planning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await planning
        assert (await ledger.counts()).rows == 0
        assert await ledger.plan("april", each(late)) == (2499, 0, 2499, 0)
        with pytest.raises(LedgerError, match="holds the job 'april'"):
            await ledger.plan("march", each([line(1)]))
        assert ledger.job == "april"


@pytest.mark.parametrize("apart", [1, 1500])
async def test_a_row_that_repeats_another_one_of_its_plan_is_refused(tmp_path: Path, apart: int) -> None:
    """Said again in a later plan it is the same row; twice in one plan, also chunks apart, it may be two gifts."""
    lines = [line(n) for n in range(1, apart + 1)]
    again = msgspec.structs.replace(lines[0], row=apart + 7)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(PlanError, match=rf"row {apart + 7}, column key: .* stands in row {lines[0].row} already"):
            await ledger.plan("job", each([*lines, again]))
        assert (await ledger.counts()).rows == 0
        await ledger.plan("job", each(lines))
        assert (await ledger.plan("job", each([again]))).known == 1
