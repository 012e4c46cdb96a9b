"""`Ledger.recover` and `Ledger.restored`: what another holder may have sent is in doubt (T7, T15)."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, Rules

pytestmark = pytest.mark.anyio


async def test_lines_of_a_dead_holder_are_doubted_once(subject: Subject) -> None:
    """The next holder says so before its first claim; what it claims itself is its own."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
    async with subject.open() as ledger:
        assert (await ledger.recover(), await ledger.recover()) == (1, 0)
        await ledger.claim(1)
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.SENDING]


async def test_restoring_doubts_planned_and_unknown_lines(subject: Subject) -> None:
    """Each generation is journalled; what was sent, refused or withdrawn stays as it is."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 6)]))
        sent, refused = await ledger.claim(2)
        refusal = Change(seq=refused.seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=refused.epoch)
        await ledger.record([placed(sent, 7), refusal])
        await ledger.withdraw(["k3"], reason="gone")
        assert await ledger.restored(reason="the disk died") == 2
        states = [(one.key, one.state, one.suspect) async for one in ledger.lines()]
        assert states == [
            ("k1", LineState.PLACED, False),
            ("k2", LineState.REJECTED, False),
            ("k3", LineState.CANCELLED, False),
            ("k4", LineState.UNKNOWN, True),
            ("k5", LineState.UNKNOWN, True),
        ]
        assert await ledger.restored(reason="and again") == 2  # their absence is counted anew
        told = [row.reason async for row in ledger.journal(seq=0)]
        assert told == ["generation 2: the disk died", "generation 3: and again"]


async def test_absence_counts_from_the_restoring(subject: Subject) -> None:
    """The ledger that was lost may have sent it a moment ago."""
    began = subject.now
    rules = Rules(settle_s=150, spacing_s=10)
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.restored(reason="r")
        (one,) = [one async for one in ledger.lines()]
        states: list[LineState] = []
        for passed in (0, 140, 151, 162):
            subject.now = began + passed
            absent = Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch, at=ledger.now())
            (after,) = await ledger.record([absent], rules=rules)
            states.append(after.state)
        assert states == [LineState.UNKNOWN, LineState.UNKNOWN, LineState.UNKNOWN, LineState.PLANNED]


async def test_a_persons_word_leaves_no_foreign_rows(subject: Subject) -> None:
    """Who says that the ledger replaces another one says whose the orders are; a row sent before keeps its doubt."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.restored(reason="the disk died")
        assert [one.foreign async for one in ledger.lines()] == [False, False]
        await ledger.restored(reason="a copy", copied=True)
        assert [one.foreign async for one in ledger.lines()] == [False, False]
