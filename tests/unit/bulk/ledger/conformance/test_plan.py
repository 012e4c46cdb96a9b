"""`Ledger.plan`: a plan is added whole or not at all, and one row of it is one order."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Literal

import anyio
import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import planned
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.intake.unique import OtherSpellings
from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger, Planned, PlanTerms, Share
from xoxo_async.errors import LedgerConflictError, LedgerError, PlanError

pytestmark = pytest.mark.anyio


async def test_a_failed_plan_leaves_nothing(subject: Subject) -> None:
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

    async with subject.open() as ledger:
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
        assert await ledger.get_fact(PLANNED_AT) is None
        assert await ledger.plan("march", each(late)) == (2499, 0, 2499, 0, 0)
        with pytest.raises(LedgerError, match="holds the job 'march'"):
            await ledger.plan("april", each([line(1)]))
        assert ledger.job == "march"


@pytest.mark.parametrize("room", [0, 10])
async def test_two_rows_of_a_plan_share_no_po_number(subject: Subject, room: int) -> None:
    """Where the first row may share an order as well: the error names both rows, and nothing is planned."""
    one = planned(0, room=room)
    other = msgspec.structs.replace(planned(1), po_number=one.po_number)
    async with subject.open() as ledger:
        with pytest.raises(LedgerConflictError, match=r"row 2 \(key k1\) has the poNumber of row 1"):
            await ledger.plan("march", each([one, other]))
        assert (await ledger.counts()).rows == 0


@pytest.mark.parametrize("apart", [1, 1500])
async def test_a_repeated_row_of_one_plan_is_refused(subject: Subject, apart: int) -> None:
    """A later plan may repeat a row; twice in one plan, also in different chunks, it may be two gifts."""
    lines = [line(n) for n in range(1, apart + 1)]
    again = msgspec.structs.replace(lines[0], row=apart + 7)
    async with subject.open() as ledger:
        with pytest.raises(PlanError, match=rf"row {apart + 7}, column key: .* is in row {lines[0].row} already"):
            await ledger.plan("march", each([*lines, again]))
        assert (await ledger.counts()).rows == 0
        await ledger.plan("march", each(lines))
        assert (await ledger.plan("march", each([again]))).known == 1


async def said(ledger: Ledger) -> tuple[object, ...]:
    """Return everything a ledger says."""
    return await ledger.counts(), [one async for one in ledger.lines()], [row async for row in ledger.journal()]


@pytest.mark.parametrize("missing", ["keep", "withdraw"])
async def test_a_plan_nobody_approves_leaves_nothing(subject: Subject, missing: Literal["keep", "withdraw"]) -> None:
    """A refused plan adds, withdraws, reprices and doubts no line, and the ledger can be used at once."""

    async def no(_planned: Planned, _shares: list[Share] | None) -> None:
        raise ValueError("no")

    terms = PlanTerms(
        missing=missing,
        pricing=lambda _product, _value, _count: Decimal(7),
        approve=no,
        restored="" if missing == "withdraw" else "r",
    )
    async with subject.open() as ledger:
        with pytest.raises(ValueError, match="no"):
            await ledger.plan("march", each([planned(1)]), terms)
        assert await ledger.get_fact(PLANNED_AT) is None
        await ledger.plan("march", each([planned(0, room=0), planned(1, room=0)]))
        before = await said(ledger)
        with pytest.raises(ValueError, match="no"):
            await ledger.plan("march", each([planned(1, room=0), planned(2, room=0)]), terms)
        assert await said(ledger) == before
        assert [one.key for one in await ledger.claim(5)] == ["k0", "k1"]


async def test_nothing_is_claimed_while_a_person_is_asked(subject: Subject) -> None:
    """A claim waits until `approve` returns, or gets nothing; afterwards the lines of the plan can be claimed."""
    claims: list[asyncio.Task[list[LedgerLine]]] = []

    async def ask(_planned: Planned, _shares: list[Share] | None) -> None:
        claims.append(asyncio.ensure_future(ledger.claim(5)))
        assert (await ledger.counts()).rows == 0  # what is not agreed to is not there for anybody who looks
        for _ in range(50):
            await asyncio.sleep(0)
        assert not claims[0].done() or claims[0].result() == []

    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0, room=0)]), PlanTerms(approve=ask))
        assert [one.key for one in await claims[0] or await ledger.claim(5)] == ["k0"]


async def test_nothing_is_claimed_before_a_plan_ends(subject: Subject) -> None:
    """No line of a plan can be sent before the whole plan is durable: a claim waits, or gets nothing."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[PlannedLine]:
        yield line(1)
        begun.set()
        await go_on.wait()
        yield line(2)

    async with subject.open() as ledger:
        planning = asyncio.create_task(ledger.plan("march", slow()))
        await begun.wait()
        claiming = asyncio.create_task(ledger.claim(5))
        await asyncio.sleep(0)  # it has asked; were it answered with a line now, the plan could not be undone
        go_on.set()
        assert await planning == (2, 0, 2, 0, 0)
        assert [one.key for one in await claiming or await ledger.claim(5)] == ["k1", "k2"]


async def test_approve_gets_the_backlog_only_when_it_differs(subject: Subject) -> None:
    """`approve` gets None when the new lines are everything that is to be sent, and the whole backlog otherwise."""
    told: list[tuple[int, int | None]] = []

    async def look(planned_now: Planned, shares: list[Share] | None) -> None:
        told.append((planned_now.added, None if shares is None else sum(share.rows for share in shares)))

    terms = PlanTerms(approve=look)
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(n, room=0) for n in range(3)]), terms)
        await ledger.plan("march", each([planned(n, room=0) for n in range(5)]), terms)
        await ledger.claim(5)
        await ledger.plan("march", each([planned(n, room=0) for n in range(5)]), terms)
        await ledger.plan("march", each([planned(9, room=0)]), terms)
    assert told == [(3, None), (2, 5), (0, 0), (1, None)]


async def test_a_plan_of_a_restored_ledger_is_doubted(subject: Subject) -> None:
    """The lines are in doubt in the plan's own transaction, so that no claim can take them in between."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0, room=0), planned(1)]), PlanTerms(restored="lost"))
        assert [one.state for one in [one async for one in ledger.lines()]] == [LineState.UNKNOWN] * 2
        assert await ledger.claim(5) == []
        assert [row.reason async for row in ledger.journal(seq=0)] == ["generation 2: lost"]


async def test_facts_are_kept_with_their_plan(subject: Subject) -> None:
    """A plan that is refused keeps none of them; the next one replaces them."""

    async def no(_planned: Planned, _shares: list[Share] | None) -> None:
        raise ValueError("no")

    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0, room=0)]), PlanTerms(facts={"a": "1", "b": "2"}))
        with pytest.raises(ValueError, match="no"):
            await ledger.plan("march", each([planned(1, room=0)]), PlanTerms(facts={"a": "3"}, approve=no))
        assert (await ledger.get_fact("a"), await ledger.get_fact("b")) == ("1", "2")
        await ledger.plan("march", each([planned(1, room=0)]), PlanTerms(facts={"a": "3"}))
        assert (await ledger.get_fact("a"), await ledger.get_fact("b")) == ("3", "2")


async def test_lines_may_add_facts(subject: Subject) -> None:
    """What a file shows of its columns is known only once it is read."""
    facts = {"a": "1"}

    async def lines() -> AsyncIterator[PlannedLine]:
        yield planned(0, room=0)
        facts["columns"] = "Emp"

    async with subject.open() as ledger:
        await ledger.plan("march", lines(), PlanTerms(facts=facts))
        assert (await ledger.get_fact("a"), await ledger.get_fact("columns")) == ("1", "Emp")


@pytest.mark.parametrize("room", [0, 10])
async def test_another_spelling_is_found(subject: Subject, room: int) -> None:
    """In lines that travel alone and in those that share an order, but not in one that was withdrawn."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(number, room=room) for number in range(3)]))
        if not room:
            await ledger.withdraw(["k2"], reason="a wrong file")
        spellings = OtherSpellings(ledger)
        await spellings.read()
        found = [await spellings.other(key) for key in ("k0", "K1", "K2", "K3")]
        assert found == [None, "k1", "k2" if room else None, None]


async def test_the_first_plan_keeps_its_date(subject: Subject) -> None:
    """An order that is older than the job is not the job's, whatever is planned later."""
    began = subject.now
    async with subject.open() as ledger:
        for number in range(2):
            await ledger.plan("march", each([planned(number, room=0)]))
            assert float(await ledger.get_fact(PLANNED_AT) or 0) == pytest.approx(began, abs=0.001)
            subject.now += 1000


async def test_a_plan_prices_what_was_there(subject: Subject) -> None:
    """Rates move between two plans: `approve` is asked about today's price of earlier lines."""
    asked: list[int | None] = []

    async def look(_planned: Planned, shares: list[Share] | None) -> None:
        asked.extend(share.worth for share in shares or ())

    terms = PlanTerms(pricing=lambda _product, value, count: value * count * 2, approve=look)
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0, room=0)]))
        await ledger.plan("march", each([planned(0, room=0)]), terms)
        assert asked == [2_000_000]
        assert [one.worth async for one in ledger.lines()] == [2_000_000]


async def test_approve_writes_nothing(subject: Subject) -> None:
    """What `approve` would write waits for the plan, and the plan for `approve`: that is an error and no deadlock."""

    async def write(_planned: Planned, _shares: list[Share] | None) -> None:
        await ledger.set_fact("a", "b")

    async with subject.open() as ledger:
        with anyio.fail_after(30), pytest.raises(LedgerError, match="approve"):
            await ledger.plan("march", each([planned(0, room=0)]), PlanTerms(approve=write))
        assert (await ledger.counts()).rows == 0
        await ledger.set_fact("a", "c")
        assert await ledger.get_fact("a") == "c"
