"""A budget: reserved before an order may leave, settled by its charge, freed by a certain refusal."""

import random
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import alone, fact, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.budget import commitment, units
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import BudgetError

pytestmark = pytest.mark.anyio


async def budgeted(ledger: Ledger, lines: list[PlannedLine]) -> None:
    """Plan lines for an account in INR."""
    await ledger.plan("march", each(lines))
    await ledger.set_fact("currency", "INR")


async def drained(ledger: Ledger, budget: Decimal) -> None:
    """Claim and settle until the budget says no; lines cost what they may at most."""
    while lines := await ledger.claim(1, budget=budget):
        await ledger.record([fact(lines[0], Evidence.ANSWERED_PLACED, charged=100)])


async def test_a_claim_takes_what_the_budget_holds(subject: Subject) -> None:
    """A budget of 250 holds two lines of 100; the error names the third, and no line is taken."""
    async with subject.open() as ledger:
        await budgeted(ledger, alone(*range(4)))
        assert len(await ledger.claim(10, budget=Decimal(250))) == 2
        with pytest.raises(BudgetError, match=r"row 3 \(key k2\) may cost 100, and 50 is left of the 250"):
            await ledger.claim(10, budget=Decimal(250))
        assert len(await ledger.claim(10)) == 2  # without a budget there is no bound


async def test_charges_settle_and_refusals_free(subject: Subject) -> None:
    """A lower charge and a certain refusal free budget; a line in doubt keeps its reserve."""
    async with subject.open() as ledger:
        await budgeted(ledger, alone(*range(6)))
        budget = Decimal(300)
        first, second, third = await ledger.claim(10, budget=budget)
        await ledger.record([fact(first, Evidence.OUTCOME_LOST)])
        with pytest.raises(BudgetError):
            await ledger.claim(1, budget=budget)
        await ledger.record([fact(second, Evidence.REFUSED_NO_ORDER)])
        assert len(await ledger.claim(10, budget=budget)) == 1
        await ledger.record([fact(third, Evidence.ANSWERED_PLACED, charged=40)])
        with pytest.raises(BudgetError, match="60 is left"):
            await ledger.claim(10, budget=budget)


@pytest.mark.parametrize(("charged", "currency"), [(0, "INR"), (-40, "INR"), (1, "USD"), (40, ""), (None, "INR")])
async def test_only_a_true_charge_settles_a_reservation(subject: Subject, charged: int | None, currency: str) -> None:
    """No charge, zero, a negative amount or another currency leaves the full reserve committed."""
    async with subject.open() as ledger:
        await budgeted(ledger, alone(*range(3)))
        budget = Decimal(200)
        first, second = await ledger.claim(10, budget=budget)
        await ledger.record([fact(one, Evidence.ANSWERED_PLACED, charged, currency) for one in (first, second)])
        with pytest.raises(BudgetError, match="0 is left of the 200"):
            await ledger.claim(1, budget=budget)
    async with subject.open() as ledger:
        with pytest.raises(BudgetError, match="0 is left of the 200"):
            await ledger.claim(1, budget=budget)


async def test_what_is_committed_outlives_its_holder(subject: Subject) -> None:
    """The next holder counts what the stored lines have committed."""
    budget = Decimal(250)
    async with subject.open() as ledger:
        await budgeted(ledger, alone(*range(4)))
        line, _ = await ledger.claim(10, budget=budget)
        await ledger.record([fact(line, Evidence.ANSWERED_PLACED, charged=90)])
    async with subject.open() as ledger:
        await ledger.recover()
        with pytest.raises(BudgetError, match="60 is left"):
            await ledger.claim(10, budget=budget)


async def test_a_line_of_unknown_worth_fits_no_budget(subject: Subject) -> None:
    """A row whose price is not known cannot be claimed under a budget."""
    unknown = msgspec.structs.replace(planned(0, room=0), worth=None)
    async with subject.open() as ledger:
        await ledger.plan("march", each([unknown]))
        with pytest.raises(BudgetError, match="not known"):
            await ledger.claim(1, budget=Decimal(10**9))


@pytest.mark.parametrize("seed", range(5))
async def test_the_running_sum_is_the_lines_sum(subject: Subject, seed: int) -> None:
    """After any mix of facts, the lines' commitments never exceed the budget."""
    dice, budget = random.Random(seed), Decimal(1000)
    async with subject.open() as ledger:
        await budgeted(ledger, alone(*range(260)))
        flying: list[LedgerLine] = []
        for _ in range(200):
            try:
                flying += await ledger.claim(dice.randint(1, 4), budget=budget)
            except BudgetError:
                if not flying:
                    break
            if flying:
                line = flying.pop(dice.randrange(len(flying)))
                choice = dice.choice(
                    [
                        fact(line, Evidence.NOT_PROCESSED),
                        fact(line, Evidence.REFUSED_NO_ORDER),
                        fact(line, Evidence.ANSWERED_PLACED, charged=dice.randint(0, 100)),
                        fact(line, Evidence.ANSWERED_PLACED),
                        fact(line, Evidence.OUTCOME_LOST),
                    ]
                )
                await ledger.record([choice])
            committed = sum([commitment(one, "INR") async for one in ledger.lines()])
            assert committed <= units(budget)  # type: ignore[operator]
        with pytest.raises(BudgetError, match="is left of the 1000"):
            await drained(ledger, budget)
        assert sum([commitment(one, "INR") async for one in ledger.lines()]) <= 1000 * 10_000


async def test_an_unpriced_claim_ends_all_budgets(subject: Subject) -> None:
    """A claim without a budget sends an order that nobody can bound, between two claims under one."""
    unpriced = msgspec.structs.replace(planned(1, room=0), worth=None)
    async with subject.open() as ledger:
        await ledger.plan("march", each([planned(0, room=0), unpriced, planned(2, room=0)]))
        await ledger.set_fact("currency", "INR")
        assert len(await ledger.claim(1, budget=Decimal(1000))) == 1
        assert len(await ledger.claim(1)) == 1
        with pytest.raises(BudgetError, match=r"row 2 \(key k1\): what it has cost"):
            await ledger.claim(1, budget=Decimal(1000))
