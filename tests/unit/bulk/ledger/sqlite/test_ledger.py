"""`ledger_sqlite`: an open ledger answers from its file, and says so when it is closed."""

import os
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, line, one_placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_lines_of_some_states_come_in_order_across_chunks(tmp_path: Path) -> None:
    """Streaming by state merges the states, and misses none."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 1701)))
        claimed = await ledger.claim(1300)
        lost = [Change(seq=c.seq, evidence=Evidence.OUTCOME_LOST, epoch=c.epoch) for c in claimed if c.seq % 2]
        await ledger.record(lost)
        seqs = [one.seq async for one in ledger.lines(states={LineState.UNKNOWN, LineState.PLANNED})]
        assert seqs == [*range(1, 1301, 2), *range(1301, 1701)]
        assert [one.seq async for one in ledger.lines(after=1690)] == list(range(1691, 1701))


async def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    """Using it before opening or after closing is an error of ours, and closing twice is none."""
    ledger = SqliteLedger(tmp_path / "march.db")
    with pytest.raises(LedgerError, match="not open"):
        await ledger.claim(1)
    await ledger.open()
    await ledger.aclose()
    await ledger.aclose()
    with pytest.raises(LedgerError, match="not open"):
        await ledger.counts()


async def test_a_line_is_found_by_its_key(tmp_path: Path) -> None:
    """As it stands now; no such key is no line."""
    await one_placed(tmp_path / "march.db")
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        found = await ledger.find("k1")
        assert found is not None
        assert (found.seq, found.state, found.order_id, found.codes) == (1, LineState.PLACED, 7, None)
        assert await ledger.find("po1") is None


async def test_the_journal_tells_a_lines_life_in_order(tmp_path: Path) -> None:
    """Planned, sent, placed; by line, from an entry on, and across openings."""
    path = tmp_path / "march.db"
    await one_placed(path)
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
        rows = [row async for row in ledger.journal(seq=1)]
        assert [row.to_state for row in rows][-2:] == [LineState.SENDING, LineState.PLACED]
        assert [row.id async for row in ledger.journal(seq=1, after=rows[0].id)] == [row.id for row in rows[1:]]
        assert {row.seq async for row in ledger.journal()} == {1, 2}


async def test_what_a_dead_holder_was_sending_is_in_doubt_once(tmp_path: Path) -> None:
    """The next holder says so before its first claim; what it claims itself is its own."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
    async with SqliteLedger(path) as ledger:
        assert (await ledger.recover(), await ledger.recover()) == (1, 0)
        await ledger.claim(1)
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.SENDING]


async def test_no_line_is_claimed_where_none_is_wanted(tmp_path: Path) -> None:
    """Nor where none is left."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        await ledger.plan("march", each([line(1)]))
        assert await ledger.claim(0) == []
        assert len(await ledger.claim(5)) == 1
        assert await ledger.claim(5) == []


async def test_facts_of_a_run_are_kept_beside_it(tmp_path: Path) -> None:
    """The latest counts; they cannot touch what the ledger keeps for itself."""
    path = tmp_path / "march.db"
    await one_placed(path)
    async with SqliteLedger(path) as ledger:
        for value in ("1", "2"):
            await ledger.set_fact("job", value)
    async with SqliteLedger(path) as ledger:
        assert (await ledger.get_fact("job"), await ledger.get_fact("none"), ledger.job) == ("2", None, "march")


async def test_a_ledger_is_opened_once(tmp_path: Path) -> None:
    """The second time says so, and the first goes on."""
    async with SqliteLedger(tmp_path / "march.db") as ledger:
        with pytest.raises(LedgerError, match="open already"):
            await ledger.open()
        assert (await ledger.counts()).rows == 0
        assert ledger.holder == os.getpid()
