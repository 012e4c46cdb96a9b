"""`Ledger.recover` and `Ledger.restored`: what another holder may have sent is in doubt (T7, T15)."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject, killed_while_sending, refuses_stale
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, Rules
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.bulk.ledger.table import MAX_HOLD_S

pytestmark = pytest.mark.anyio


async def test_lines_of_a_dead_holder_are_doubted_once(subject: Subject) -> None:
    """`recover` doubts the lines of the holder before, once, and never the caller's own."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
    async with subject.open() as ledger:
        assert (await ledger.recover(), await ledger.recover()) == (1, 0)
        await ledger.claim(1)
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.SENDING]


async def test_a_line_to_be_sent_again_is_doubted_once(subject: Subject) -> None:
    """It was never claimed before: a restored ledger doubted it, and a person found that it was not sent."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.restored(reason="the disk died")
        for evidence, error in ((Evidence.LOOKUP_MISMATCHED, "another order"), (Evidence.PERSON_RESEND, "")):
            subject.now += 1000
            (first, _) = [one async for one in ledger.lines()]
            told = Change(seq=first.seq, evidence=evidence, epoch=first.epoch, error=error, reason="looked into it")
            await ledger.record([told])
        (sent,) = await ledger.claim(5)
        assert sent.key == "k1"
    async with subject.open() as ledger:
        assert await ledger.recover() == 1
        assert [row.transition async for row in ledger.journal(seq=sent.seq)].count("T7") == 1


async def test_restoring_doubts_planned_and_unknown_lines(subject: Subject) -> None:
    """Placed, rejected and cancelled lines stay as they are, and each generation is journalled."""
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


async def test_restoring_refuses_what_was_sent_before(subject: Subject) -> None:
    """It begins a new epoch, so that a fact about an earlier send says nothing of the line any more."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (sent,) = await ledger.claim(1)
        lost = Change(seq=sent.seq, evidence=Evidence.OUTCOME_LOST, epoch=sent.epoch)
        await ledger.record([lost])
        await ledger.restored(reason="the disk died")
        (after,) = [one async for one in ledger.lines()]
        assert after.epoch > sent.epoch
        await refuses_stale(subject, ledger, lost, f"in epoch {after.epoch}")


async def test_absence_counts_from_the_restoring(subject: Subject) -> None:
    """The lost ledger may have sent the line a moment ago, so the settling time begins now."""
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
    """After `restored` with a person's word the orders are the ledger's own, also if a copy is found later."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.restored(reason="the disk died")
        assert [one.foreign async for one in ledger.lines()] == [False, False]
        await ledger.restored(reason="a copy", copied=True)
        assert [one.foreign async for one in ledger.lines()] == [False, False]


async def test_a_killed_holders_lines_are_doubted(subject: Subject) -> None:
    """Absence counts from the death, or from the end of the hold where that is not known; never from the claim."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
    killed_while_sending(subject)
    subject.now += 30
    subject.prove_death()
    async with subject.open() as ledger:
        (claimed,) = [one async for one in ledger.lines(states=(LineState.SENDING,))]
        assert await ledger.recover() == 1
        lines = [one async for one in ledger.lines()]
        assert [(one.state, one.suspect) for one in lines] == [(LineState.UNKNOWN, True), (LineState.PLANNED, False)]
        assert lines[0].epoch > claimed.epoch
        assert ledger.now() <= (lines[0].last_sent_tick or 0.0) <= subject.now - 30 + MAX_HOLD_S
        stale = Change(seq=claimed.seq, evidence=Evidence.NOT_PROCESSED, epoch=claimed.epoch)
        await refuses_stale(subject, ledger, stale)


async def test_a_live_holders_lines_are_its_own(subject: Subject) -> None:
    """`recover` leaves the lines of a holder that is alive."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        assert await ledger.recover() == 0
        assert [stored async for stored in ledger.lines()] == [one]


async def test_a_copy_is_doubted_with_its_plan(subject: Subject) -> None:
    """Its rows are foreign, and an order is adopted only when it is not older than the plan."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        assert not ledger.copied
    copy = subject.copy()
    if copy is None:
        pytest.skip("the store cannot tell a copy")
    async with copy.open() as ledger:
        assert ledger.copied
        assert not ledger.older
        await ledger.plan("march", each([line(1), line(3)]), PlanTerms(restored="a copy", copied=True))
        assert not ledger.copied
        lines = [one async for one in ledger.lines()]
        assert [(one.state, one.foreign, one.evidence) for one in lines] == [
            (LineState.UNKNOWN, True, "ledger_copied"),
        ] * 3
        found = Change(seq=1, evidence=Evidence.LOOKUP_MATCHED, epoch=lines[0].epoch, order_id=5)
        (left,) = await ledger.record([found])
        assert left.state is LineState.MANUAL
        since = Change(seq=2, evidence=Evidence.ORDER_SINCE_PLAN, epoch=lines[1].epoch, order_id=6)
        (adopted,) = await ledger.record([since])
        assert (adopted.state, adopted.order_id) == (LineState.PLACED, 6)
    async with copy.open() as ledger:
        assert not ledger.copied
