"""`Ledger.arm`: one line is added and taken in one transaction, once, however often and by whomever it is delivered."""

import asyncio
from collections import Counter
from decimal import Decimal

import anyio
import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject, killed_while_sending
from tests.unit.bulk.ledger.facts import fact, planned
from tests.unit.bulk.ledger.ledgers import each, line, placed
from xoxo_async.bulk.ledger.facts import LAST_SLOT, PLANNED_AT
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState
from xoxo_async.bulk.ledger.protocol import Identity, Ledger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.errors import BudgetError, LedgerConflictError, LedgerError
from xoxo_async.verdicts import verdict_of

pytestmark = pytest.mark.anyio

ME = Identity("https://plum.test:443/chef", "f1")


async def transitions(ledger: Ledger, seq: int) -> list[str]:
    return [row.transition async for row in ledger.journal(seq=seq)]


async def test_a_new_line_is_added_and_taken(subject: Subject) -> None:
    """It is in flight when `arm` returns, with both rows of the journal, in a ledger that was empty before."""
    async with subject.open() as ledger:
        armed = await ledger.arm("march", line(1), identity=ME)
        assert armed.mine
        assert (armed.line.state, armed.line.attempts, armed.line.row) == (LineState.SENDING, 1, 1)
        assert armed.line == await ledger.find("k1")
        assert armed.line.last_sent_tick == pytest.approx(ledger.now(), abs=0.001)
        assert (ledger.job, ledger.identity) == ("march", ME)
        assert await transitions(ledger, armed.line.seq) == ["T0", "T1"]
        assert float(await ledger.get_fact(LAST_SLOT) or 0) == pytest.approx(ledger.now(), abs=0.001)
        assert float(await ledger.get_fact(PLANNED_AT) or 0) == pytest.approx(subject.now, abs=0.001)
        assert (await ledger.counts()).states == {LineState.SENDING: 1}
    async with subject.open() as ledger:
        assert (ledger.job, ledger.identity) == ("march", ME)


async def test_a_line_without_row_gets_its_number(subject: Subject) -> None:
    """A message has no row, so the ledger gives each line its own number."""
    async with subject.open() as ledger:
        rows = [(await ledger.arm("march", msgspec.structs.replace(line(n), row=0))).line.row for n in (1, 2)]
        assert rows[0] != rows[1]
        assert [one.row async for one in ledger.lines()] == rows


async def test_a_line_in_flight_is_nobody_elses(subject: Subject) -> None:
    """The second caller gets the line as it stands, and nothing is written."""
    async with subject.open() as ledger:
        first = await ledger.arm("march", line(1))
        again = await ledger.arm("march", line(1))
        assert (again.mine, again.line) == (False, first.line)
        assert await transitions(ledger, first.line.seq) == ["T0", "T1"]


async def test_callers_at_once_share_no_line(subject: Subject) -> None:
    """Twenty lines, each handed to five callers at once: one of the five gets it."""
    async with subject.open() as ledger:
        calls = [ledger.arm("march", line(number)) for number in range(20) for _ in range(5)]
        armed = await asyncio.gather(*calls)
        assert Counter(one.line.key for one in armed if one.mine) == {f"k{number}": 1 for number in range(20)}
        assert all(one.line.state is LineState.SENDING for one in armed)
        assert (await ledger.counts()).rows == 20


async def test_a_line_given_back_is_armed_again(subject: Subject) -> None:
    """A planned line is taken, whether it was given back or comes from a plan."""
    async with subject.open() as ledger:
        (one, mine) = await ledger.arm("march", line(1))
        assert mine
        await ledger.record([Change(seq=one.seq, evidence=Evidence.NOT_PROCESSED, epoch=one.epoch)])
        await ledger.plan("march", each([line(2)]))
        again, of_plan = await ledger.arm("march", line(1)), await ledger.arm("march", line(2))
        assert (again.mine, again.line.attempts, again.line.seq) == (True, 2, one.seq)
        assert again.line.epoch > one.epoch
        assert (of_plan.mine, of_plan.line.attempts) == (True, 1)
        assert await ledger.claim(5) == []


async def test_settled_lines_are_returned(subject: Subject) -> None:
    """A line that is placed, rejected, unknown or withdrawn is returned as it stands."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(4)]))
        await ledger.withdraw(["k4"], reason="gone")
        sent = [(await ledger.arm("march", line(number))).line for number in (1, 2, 3)]
        await ledger.record(
            [
                placed(sent[0]),
                Change(seq=sent[1].seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=sent[1].epoch),
                Change(seq=sent[2].seq, evidence=Evidence.OUTCOME_LOST, epoch=sent[2].epoch),
            ]
        )
        armed = [await ledger.arm("march", line(number)) for number in (1, 2, 3, 4)]
        assert [(one.mine, one.line.state) for one in armed] == [
            (False, LineState.PLACED),
            (False, LineState.REJECTED),
            (False, LineState.UNKNOWN),
            (False, LineState.CANCELLED),
        ]
        assert armed[0].line.order_id == 7


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"digest": "other"}, "k1 is in this ledger with other contents"),
        ({"po_number": "other"}, "k1 is in this ledger with other contents"),
        ({"key": "other"}, "other has the poNumber of k1"),
    ],
)
async def test_other_contents_are_refused(subject: Subject, other: dict[str, str], words: str) -> None:
    """A key or poNumber that is there with other contents is a conflict, also for two callers at once."""
    async with subject.open() as ledger:
        first, second = await asyncio.gather(
            ledger.arm("march", line(1)), ledger.arm("march", line(1, **other)), return_exceptions=True
        )
        assert not isinstance(first, BaseException)
        assert isinstance(second, LedgerConflictError)
        assert words in second.message
        with pytest.raises(LedgerConflictError, match=words):
            await ledger.arm("march", line(1, **other))
        assert (await ledger.counts()).rows == 1


async def test_a_line_of_a_shared_order_is_refused(subject: Subject) -> None:
    """Its order belongs to other rows as well. Once it is taken apart, the line is one like any other."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(1), planned(2)]))
        with pytest.raises(LedgerConflictError, match="k1 shares an order with other rows"):
            await ledger.arm("march", planned(1))
        (pack,) = await ledger.claim(1)
        await ledger.record([fact(pack, Evidence.REFUSED_NO_ORDER)])
        assert (await ledger.arm("march", planned(1))).mine


async def test_another_job_or_account_is_refused(subject: Subject) -> None:
    """One ledger holds the orders of one job and one account."""
    async with subject.open() as ledger:
        await ledger.arm("march", line(1), identity=ME)
        with pytest.raises(LedgerError, match="march"):
            await ledger.arm("april", line(2), identity=ME)
        with pytest.raises(LedgerError, match="another account"):
            await ledger.arm("march", line(2), identity=Identity(ME.address, "f2"))
        assert (await ledger.counts()).rows == 1


async def test_a_budget_bounds_new_lines(subject: Subject) -> None:
    """A line that does not fit is not added, not even beside others at once, and fits once budget is free."""
    async with subject.open() as ledger:
        await ledger.set_fact("currency", "INR")
        budget = Decimal(250)
        calls = [ledger.arm("march", planned(number, room=0), budget=budget) for number in range(3)]
        first, _second, third = await asyncio.gather(*calls, return_exceptions=True)
        assert not isinstance(first, BaseException)
        assert isinstance(third, BudgetError)
        assert "(key k2) may cost 100, and 50 is left of the 250" in third.message
        assert (await ledger.counts()).rows == 2
        await ledger.record([fact(first.line, Evidence.REFUSED_NO_ORDER)])
        assert (await ledger.arm("march", planned(2, room=0), budget=budget)).mine
        await ledger.plan("march", each([planned(3, room=0)]))
        with pytest.raises(BudgetError):  # a claim counts the lines that were armed
            await ledger.claim(1, budget=budget)


async def test_a_paused_job_arms_nothing(subject: Subject) -> None:
    """A new line is not added, a free one stays free, and what is settled is returned all the same."""
    async with subject.open() as ledger:
        sent = (await ledger.arm("march", line(1))).line
        free = (await ledger.arm("march", line(2))).line
        await ledger.record([placed(sent), Change(seq=free.seq, evidence=Evidence.NOT_PROCESSED, epoch=free.epoch)])
        await ledger.pause("the balance is used up")
        for number in (2, 3):
            with pytest.raises(LedgerError, match="the job is paused: the balance is used up; nothing was sent"):
                await ledger.arm("march", line(number))
        assert (await ledger.arm("march", line(1))).line.state is LineState.PLACED
        assert (await ledger.counts()).rows == 2
        await ledger.unpause()
        assert (await ledger.arm("march", line(2))).mine
        assert (await ledger.arm("march", line(3))).mine


async def test_a_line_of_a_cancelled_caller_goes_back(subject: Subject) -> None:
    """It is planned again, and the next caller gets it."""
    async with subject.open() as ledger:
        arming = asyncio.create_task(ledger.arm("march", line(1)))
        await asyncio.sleep(0)
        arming.cancel()
        await asyncio.wait([arming])
        assert arming.cancelled()
        with anyio.fail_after(30):
            while not (again := await ledger.arm("march", line(1))).mine:  # each round is a transaction
                pass
        assert again.line.attempts == 2
        assert not again.line.suspect


async def test_a_line_of_a_killed_sender_is_doubted(subject: Subject) -> None:
    """It is not taken again: absence counts from the death, or from the end of the hold where that is not known."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
    killed_while_sending(subject)
    began = subject.now
    subject.now += 30
    subject.prove_death()
    async with subject.open() as ledger:
        sending = await ledger.find("k1")
        assert sending is not None
        armed = await ledger.arm("march", line(1))
        assert (armed.mine, armed.line.state, armed.line.suspect) == (False, LineState.UNKNOWN, True)
        assert armed.line.epoch > sending.epoch
        assert ledger.now() <= (armed.line.last_sent_tick or 0.0) <= began + MAX_HOLD_S
        assert await transitions(ledger, armed.line.seq) == ["T0", "T1", "T7"]


async def test_a_copy_arms_nothing(subject: Subject) -> None:
    """Another copy may have sent what this one does not know of; what is settled here is returned all the same."""
    async with subject.open() as ledger:
        await ledger.record([placed((await ledger.arm("march", line(1))).line)])
    copy = subject.copy()
    if copy is None:
        pytest.skip("the store cannot tell a copy")
    async with copy.open() as ledger:
        with pytest.raises(LedgerError, match="k2 may have been sent") as refused:
            await ledger.arm("march", line(2))
        # Every other new line ends so as well, until somebody looks the lines up: it is no fault of this one.
        verdict = verdict_of(refused.value)
        assert (verdict.action, verdict.pause) == ("again", True)
        assert (await ledger.arm("march", line(1))).line.state is LineState.PLACED
        await ledger.restored(reason="a person said so")
        assert (await ledger.arm("march", line(2))).mine


async def test_a_found_line_shows_its_codes(subject: Subject) -> None:
    """`find` returns the codes of a placed line where they are asked for."""
    async with subject.open(codes_key="") as ledger:
        await ledger.record([placed((await ledger.arm("march", line(1))).line)])
        with_codes, without = await ledger.find("k1", with_codes=True), await ledger.find("k1")
        assert with_codes is not None
        assert without is not None
        assert b"BEARER-CASH" in (with_codes.codes or b"")
        assert without.codes is None
        assert await ledger.find("k9", with_codes=True) is None
