"""What a ledger tells: lines, the line of a key, the journal, and the facts kept beside them."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState

pytestmark = pytest.mark.anyio


async def one_placed(subject: Subject) -> None:
    """Leave a ledger with one placed line."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.record([placed((await ledger.claim(1))[0])])


async def test_lines_of_some_states_come_in_order(subject: Subject) -> None:
    """Streaming by state merges the states, and misses none."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(line(number) for number in range(1, 1701)))
        claimed = await ledger.claim(1300)
        lost = [Change(seq=c.seq, evidence=Evidence.OUTCOME_LOST, epoch=c.epoch) for c in claimed if c.seq % 2]
        await ledger.record(lost)
        seqs = [one.seq async for one in ledger.lines(states={LineState.UNKNOWN, LineState.PLANNED})]
        assert seqs == [*range(1, 1301, 2), *range(1301, 1701)]
        assert [one.seq async for one in ledger.lines(after=1690)] == list(range(1691, 1701))


async def test_a_line_is_found_by_its_key(subject: Subject) -> None:
    """As it stands now; no such key is no line."""
    await one_placed(subject)
    async with subject.open() as ledger:
        found = await ledger.find("k1")
        assert found is not None
        assert (found.seq, found.state, found.order_id, found.codes) == (1, LineState.PLACED, 7, None)
        assert await ledger.find("po1") is None


async def test_the_journal_tells_a_lines_life(subject: Subject) -> None:
    """Planned, sent, placed; by line, from an entry on, and across openings."""
    await one_placed(subject)
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
        rows = [row async for row in ledger.journal(seq=1)]
        assert [row.to_state for row in rows][-2:] == [LineState.SENDING, LineState.PLACED]
        assert [row.id async for row in ledger.journal(seq=1, after=rows[0].id)] == [row.id for row in rows[1:]]
        assert {row.seq async for row in ledger.journal()} == {1, 2}


async def test_facts_are_kept_beside_the_lines(subject: Subject) -> None:
    """The latest counts; they cannot touch what the ledger keeps for itself."""
    await one_placed(subject)
    async with subject.open() as ledger:
        for value in ("1", "2"):
            await ledger.set_fact("job", value)
    async with subject.open() as ledger:
        assert (await ledger.get_fact("job"), await ledger.get_fact("none"), ledger.job) == ("2", None, "march")
