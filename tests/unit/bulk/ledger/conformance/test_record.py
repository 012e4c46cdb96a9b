"""`Ledger.record`: what applies is written, and what does not apply is named."""

import asyncio

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject, refuses_stale
from tests.unit.bulk.ledger.facts import fact
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import Moment, decide
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def test_a_refused_change_holds_up_no_other(subject: Subject) -> None:
    """The changes that apply are written, and the error names the others."""
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
    """A result is written although its caller is cancelled."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        [one] = await ledger.claim(1)
        recording = asyncio.create_task(ledger.record([placed(one)]))
        await asyncio.sleep(0)
        recording.cancel()
    async with subject.open() as ledger:
        assert (await ledger.counts()).issued == 1


async def test_closing_waits_for_earlier_results(subject: Subject) -> None:
    """A result that was told before `aclose` is written before the ledger closes."""
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


FOR_THE_LEDGER = [
    Evidence.SLOT_IN_HAND,
    Evidence.SENDER_DIED,
    Evidence.LEDGER_RESTORED,
    Evidence.LEDGER_COPIED,
    Evidence.UNWANTED,
]


@pytest.mark.parametrize("evidence", FOR_THE_LEDGER)
async def test_no_caller_states_a_ledgers_fact(subject: Subject, evidence: Evidence) -> None:
    """A fact that only the store can prove is refused from a caller in every state."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1), line(2)]))
        await ledger.claim(1)
        before = [one async for one in ledger.lines()]
        for one in before:
            with pytest.raises(LedgerConflictError, match=f"{evidence.value} is stated by the ledger itself only"):
                await ledger.record([Change(seq=one.seq, evidence=evidence, epoch=one.epoch, reason="r")])
        assert [one async for one in ledger.lines()] == before


async def in_every_state(ledger: Ledger) -> list[LedgerLine]:
    """Bring lines into every state that `record`, `claim` and `withdraw` lead to."""
    await ledger.plan("march", each([line(number) for number in range(1, 9)]))
    await ledger.withdraw(["k8"], reason="gone")
    claimed = await ledger.claim(6)
    lead = [Evidence.OUTCOME_LOST, Evidence.REFUSED_UNCLEAR, Evidence.REFUSED_NO_ORDER, Evidence.OUTCOME_LOST]
    await ledger.record([fact(one, evidence) for one, evidence in zip(claimed[1:], lead, strict=False)])
    await ledger.record([fact(claimed[4], Evidence.LOOKUPS_EXHAUSTED), placed(claimed[5], 6)])
    return [one async for one in ledger.lines()]


async def test_every_state_is_reached(subject: Subject) -> None:
    """The helper of the next test brings a line into each state."""
    async with subject.open() as ledger:
        assert {one.state for one in await in_every_state(ledger)} == set(LineState)


@pytest.mark.parametrize("evidence", sorted(set(Evidence) - set(FOR_THE_LEDGER)))
async def test_the_table_decides_each_fact(subject: Subject, evidence: Evidence) -> None:
    """The ledger stores, returns and journals what `decide` says, and a refused fact changes nothing."""
    async with subject.open() as ledger:
        for before in await in_every_state(ledger):
            change = Change(
                seq=before.seq, evidence=evidence, epoch=before.epoch, order_id=before.seq, reason="asked", error="said"
            )
            now = round(ledger.now(), 3)
            moment = Moment(now=now, epoch=before.epoch, rules=Rules(), ahead=subject.now - now)
            expected = decide(before, change, moment)
            noted = len([row async for row in ledger.journal(seq=before.seq)])
            if expected.refusal:
                with pytest.raises(LedgerConflictError, match=rf"line {before.seq} \(key {before.key}\)"):
                    await ledger.record([change])
            else:
                assert await ledger.record([change]) == [expected.line]
            assert await anext(ledger.lines(after=before.seq - 1)) == expected.line
            rows = [row async for row in ledger.journal(seq=before.seq)][noted:]
            taken = [] if expected.transition is None else [(expected.transition.number, evidence.value, before.seq)]
            assert [(row.transition, row.evidence, row.order_id) for row in rows] == taken


async def test_a_stale_fact_is_fenced_off(subject: Subject) -> None:
    """A fact about an earlier claim is refused, and a proof of an order is taken."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (old,) = await ledger.claim(1)
        await ledger.record([fact(old, Evidence.NOT_PROCESSED)])
        (new,) = await ledger.claim(1)
        for evidence in (Evidence.NOT_PROCESSED, Evidence.REFUSED_NO_ORDER, Evidence.OUTCOME_LOST):
            words = f"epoch {old.epoch}, and the line is in epoch {new.epoch}"
            await refuses_stale(subject, ledger, fact(old, evidence), words)
        assert [one async for one in ledger.lines()] == [new]
        (after,) = await ledger.record([placed(old)])
        assert (after.state, after.order_id) == (LineState.PLACED, 7)


async def test_a_repeated_result_is_written_once(subject: Subject) -> None:
    """A repeated result is no error and adds no journal row."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        (first,) = await ledger.record([fact(one, Evidence.OUTCOME_LOST)])
        rows = [row async for row in ledger.journal()]
        assert await ledger.record([fact(one, Evidence.OUTCOME_LOST)]) == [first]
        assert [row async for row in ledger.journal()] == rows


async def test_facts_about_one_line_apply_in_order(subject: Subject) -> None:
    """Each change applies to the line as the change before left it, and returns the line after it."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        facts = [fact(one, Evidence.OUTCOME_LOST), fact(one, Evidence.LOOKUPS_EXHAUSTED), placed(one)]
        states = [after.state for after in await ledger.record(facts)]
        assert states == [LineState.UNKNOWN, LineState.MANUAL, LineState.PLACED]
        assert await ledger.record([]) == []


async def test_texts_of_the_vendor_are_cut_and_cleaned(subject: Subject) -> None:
    """Texts are stored with at most a thousand characters, without NUL and lone surrogates."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        (one,) = await ledger.claim(1)
        odd = "\0\ud800Zoë" + "x" * 3000
        texts = {"error": odd, "reason": odd, "error_id": odd, "currency": odd}
        change = msgspec.structs.replace(fact(one, Evidence.OUTCOME_LOST), **texts)
        (after,) = await ledger.record([change])
        rows = [row async for row in ledger.journal(seq=one.seq)]
        for text in (after.error, after.error_id, rows[-1].reason, rows[-1].error_id):
            assert text.startswith("?Zoë")
            assert 990 < len(text) <= 1000
        assert [stored async for stored in ledger.lines()] == [after]
