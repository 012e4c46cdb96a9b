"""`Ledger.record`: one order belongs to one line, whoever names it."""

import asyncio

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def test_a_second_order_overwrites_nothing(subject: Subject) -> None:
    """The second order is refused and journalled as an alarm (T12)."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        await ledger.record([placed(one, 7)])
        with pytest.raises(LedgerConflictError, match="order 7 is stored, and order 8"):
            await ledger.record([placed(one, 8)])
        assert [line.order_id async for line in ledger.lines()] == [7]
        alarms = [(row.transition, row.order_id) async for row in ledger.journal(seq=one.seq)]
        assert alarms[-1] == ("!", 8)


async def test_a_second_order_raises_an_alarm(subject: Subject) -> None:
    """A second order in an answer is an alarm; a wrong order that a person names is only refused."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        await ledger.record([placed(one, 7)])
        for evidence, alarms in ((Evidence.LATE_PROOF, 0), (Evidence.ANSWERED_PLACED, 1)):
            other = Change(seq=one.seq, evidence=evidence, epoch=one.epoch, order_id=999)
            with pytest.raises(LedgerConflictError, match="order 7 is stored, and order 999"):
                await ledger.record([other])
            assert (await ledger.counts()).alarms_total == alarms


async def test_an_order_belongs_to_one_line(subject: Subject) -> None:
    """Two answers that name one order put both lines in doubt; an order from a look-up stays with its line."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2), line(3)]))
        first, second, third = await ledger.claim(3)
        await ledger.record([placed(first, 7), placed(second, 7)])
        doubted = [one async for one in ledger.lines(states=(LineState.UNKNOWN,), with_codes=True)]
        assert [(one.seq, one.order_id, one.codes, one.suspect) for one in doubted] == [
            (first.seq, None, None, True),
            (second.seq, None, None, True),
        ]
        assert all("order 7" in one.error for one in doubted)
        found = Change(seq=first.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=first.epoch, order_id=7)
        (one,) = await ledger.record([found])
        assert (one.state, one.order_id) == (LineState.PLACED, 7)
        (other,) = await ledger.record([placed(third, 7)])  # a look-up is better proof than another line's answer
        assert other.state is LineState.UNKNOWN
        (other,) = await ledger.record([msgspec.structs.replace(found, seq=second.seq, epoch=second.epoch)])
        assert other.state is LineState.MANUAL
        word = Change(seq=second.seq, evidence=Evidence.PERSON_PLACED, epoch=second.epoch, order_id=7, reason="r")
        with pytest.raises(LedgerConflictError, match="order 7 is line 1's"):
            await ledger.record([word])
        right = msgspec.structs.replace(word, order_id=8)
        (other,) = await ledger.record([right])
        assert other.state is LineState.PLACED


async def test_a_look_up_takes_an_answered_order(subject: Subject) -> None:
    """A look-up by poNumber is better proof than an answer, so the answered line is in doubt."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        first, second = await ledger.claim(2)
        lost = Change(seq=second.seq, evidence=Evidence.OUTCOME_LOST, epoch=second.epoch)
        await ledger.record([placed(first, 7), lost])
        found = Change(seq=second.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=second.epoch, order_id=7)
        await ledger.record([found])
        assert [one.state async for one in ledger.lines()] == [LineState.UNKNOWN, LineState.UNKNOWN]
        (one,) = await ledger.record([found])
        assert (one.seq, one.state, one.order_id) == (second.seq, LineState.PLACED, 7)


async def test_doubts_are_recorded_with_their_result(subject: Subject) -> None:
    """Answered and looked-up orders are doubted in the same transaction; an order that a person named stays."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(number) for number in range(1, 5)]))
        answered, looked_up, said, odd = await ledger.claim(4)
        lost = [Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch) for one in (looked_up, said)]
        await ledger.record([placed(answered, 7), *lost])
        found = Change(seq=looked_up.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=looked_up.epoch, order_id=8)
        word = Change(seq=said.seq, evidence=Evidence.LATE_PROOF, epoch=said.epoch, order_id=9, reason="r")
        await ledger.record([found, word])
        names = [(one.po_number, number) for one, number in ((answered, 7), (looked_up, 8), (said, 9), (odd, 10))]
        result = Change(seq=odd.seq, evidence=Evidence.OUTCOME_LOST, epoch=odd.epoch, error="another product")
        written = await ledger.record([result], doubts=[*names, (answered.po_number, 99), ("nobody's", 7)])
        assert [(one.key, one.state) for one in written[1:]] == [("k1", LineState.UNKNOWN), ("k2", LineState.UNKNOWN)]
        lines = [(one.state, one.order_id, one.codes) async for one in ledger.lines(with_codes=True)]
        assert lines == [
            (LineState.UNKNOWN, None, None),
            (LineState.UNKNOWN, None, None),
            (LineState.PLACED, 9, None),
            (LineState.UNKNOWN, None, None),
        ]


async def persons(ledger: Ledger, count: int) -> list[LedgerLine]:
    """Leave lines to a person: their first sends were refused, and nobody knows why."""
    await ledger.plan("march", each([line(number) for number in range(1, count + 1)]))
    lines = await ledger.claim(count)
    for evidence in (Evidence.REFUSED_UNCLEAR, Evidence.LOOKUPS_EXHAUSTED):
        lines = await ledger.record(
            [Change(seq=one.seq, evidence=evidence, epoch=one.epoch, reason="r") for one in lines]
        )
    return lines


def word(one: LedgerLine, order_id: int, evidence: Evidence = Evidence.PERSON_CORRECTED) -> Change:
    """Return what a person says of a line's order."""
    return Change(seq=one.seq, evidence=evidence, epoch=one.epoch, order_id=order_id, reason="looked it up")


async def orders(ledger: Ledger) -> dict[str, int | None]:
    """Return every line's order."""
    return {one.key: one.order_id async for one in ledger.lines()}


async def test_a_correction_takes_no_lines_order(subject: Subject) -> None:
    """A correction to an order of another line is refused, and the line can still be corrected."""
    async with subject.open() as ledger:
        one, two, three = await persons(ledger, 3)
        await ledger.record([word(one, 5, Evidence.PERSON_PLACED), word(two, 6, Evidence.PERSON_PLACED)])
        late = Change(seq=three.seq, evidence=Evidence.ANSWERED_PLACED, epoch=three.epoch, order_id=9)
        await ledger.record([late])
        for taken, owner in ((6, two.seq), (9, three.seq)):
            with pytest.raises(LedgerConflictError, match=f"order {taken} is line {owner}'s, not line {one.seq}'s"):
                await ledger.record([word(one, taken)])
            assert await orders(ledger) == {"k1": 5, "k2": 6, "k3": 9}
        await ledger.record([word(one, 7)])
        assert await orders(ledger) == {"k1": 7, "k2": 6, "k3": 9}
    async with subject.open() as ledger:
        assert await orders(ledger) == {"k1": 7, "k2": 6, "k3": 9}


async def test_a_correction_drops_the_wrong_orders_codes(subject: Subject) -> None:
    """Codes and charge of the wrong order are removed, and the journal has both orders."""
    async with subject.open() as ledger:
        (one,) = await persons(ledger, 1)
        codes = msgspec.structs.replace(
            placed(one, 5), evidence=Evidence.PERSON_PLACED, reason="a typo", codes=b'[{"code":"WRONG"}]', held=1
        )
        await ledger.record([codes])
        await ledger.record([word(one, 7)])
        (after,) = [line async for line in ledger.lines(with_codes=True)]
        assert (after.order_id, after.codes, after.amount_charged, after.held) == (7, None, None, 0)
        told = [(row.transition, row.order_id, row.reason) async for row in ledger.journal(seq=one.seq)][-2:]
        assert told == [("T13", 5, "a typo"), ("T13", 7, "looked it up")]


async def test_no_person_corrects_a_look_up(subject: Subject) -> None:
    """An order that was found by poNumber cannot be corrected, rejected or resent."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        (one,) = await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])
        found = Change(seq=one.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=one.epoch, order_id=5)
        await ledger.record([found])
        for evidence in (Evidence.PERSON_CORRECTED, Evidence.PERSON_REJECTED, Evidence.PERSON_RESEND):
            with pytest.raises(LedgerConflictError):
                await ledger.record([word(one, 7, evidence)])
        assert await orders(ledger) == {"k1": 5}


@pytest.mark.parametrize("together", ["one by one", "one batch", "two callers"])
async def test_sharing_a_transaction_changes_no_decision(subject: Subject, together: str) -> None:
    """A look-up that finds another line's order is a mismatch, also where that line loses the order right after."""
    async with subject.open() as ledger:
        (owner,) = await persons(ledger, 1)
        await ledger.record([word(owner, 999, Evidence.PERSON_PLACED)])
        await ledger.plan("march", each([line(2)]))
        (one,) = await ledger.claim(1)
        await ledger.record([Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch)])
        found = Change(seq=one.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=one.epoch, order_id=999)
        again = Change(seq=owner.seq, evidence=Evidence.PERSON_RESEND, epoch=owner.epoch, reason="a typo")
        if together == "two callers":
            await asyncio.gather(ledger.record([found]), ledger.record([again]))
        else:
            batches = [[found, again]] if together == "one batch" else [[found], [again]]
            for batch in batches:
                await ledger.record(batch)
        assert [(stored.key, stored.state, stored.order_id) async for stored in ledger.lines()] == [
            ("k1", LineState.PLANNED, None),
            ("k2", LineState.MANUAL, None),
        ]
