"""`budget`: reserved before an order may leave, settled by its charge, freed by a certain refusal."""

import random
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.test_packing import planned
from xoxo_async.bulk.ledger.budget import amount, commitment, overcharge, units
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import BudgetError

pytestmark = pytest.mark.anyio


def fact(line: LedgerLine, evidence: Evidence, charged: int | None = None, currency: str = "INR") -> Change:
    """Return a fact about a line."""
    return Change(
        seq=line.seq,
        evidence=evidence,
        epoch=line.epoch,
        order_id=line.seq if evidence is Evidence.ANSWERED_PLACED else None,
        delivery=Delivery.DELIVERED if evidence is Evidence.ANSWERED_PLACED else Delivery.NONE,
        amount_charged=None if charged is None else Decimal(charged),
        currency=currency,
    )


def alone(count: int) -> list[PlannedLine]:
    """Return lines worth 100 each."""
    return [planned(number, room=0) for number in range(count)]


async def budgeted(ledger: SqliteLedger, lines: list[PlannedLine]) -> None:
    """Plan lines for an account in INR."""
    await ledger.plan("march", each(lines))
    await ledger.set_fact("currency", "INR")


async def drained(ledger: SqliteLedger, budget: Decimal) -> None:
    """Claim and settle until the budget says no; lines cost what they may at most."""
    while lines := await ledger.claim(1, budget=budget):
        await ledger.record([fact(lines[0], Evidence.ANSWERED_PLACED, charged=100)])


def test_amounts_are_whole_and_rounded_up() -> None:
    """A budget is never undercut by rounding."""
    assert units(Decimal("0.00001")) == 1
    assert units(Decimal("12.5")) == 125_000
    assert units(None) is None
    assert amount(125_000) == Decimal("12.5")


async def test_a_claim_takes_what_fits_and_says_what_does_not(tmp_path: Path) -> None:
    """250 hold two lines of 100; the third is refused by row, key and amounts, and nothing is taken."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await budgeted(ledger, alone(4))
        assert len(await ledger.claim(10, budget=Decimal(250))) == 2
        with pytest.raises(BudgetError, match=r"row 3 \(key k2\) may cost 100, and 50 is left of the 250"):
            await ledger.claim(10, budget=Decimal(250))
        assert len(await ledger.claim(10)) == 2  # without a budget there is no bound


async def test_charges_settle_and_refusals_free(tmp_path: Path) -> None:
    """An order charged less than reserved, and a certain refusal, make room; doubt keeps its reserve."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await budgeted(ledger, alone(6))
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
async def test_only_a_positive_charge_in_the_accounts_currency_settles_a_reservation(
    tmp_path: Path, charged: int | None, currency: str
) -> None:
    """Nothing, a negative amount or another currency leaves committed what the order may cost at most."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await budgeted(ledger, alone(3))
        budget = Decimal(200)
        first, second = await ledger.claim(10, budget=budget)
        await ledger.record([fact(one, Evidence.ANSWERED_PLACED, charged, currency) for one in (first, second)])
        with pytest.raises(BudgetError, match="0 is left of the 200"):
            await ledger.claim(1, budget=budget)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        with pytest.raises(BudgetError, match="0 is left of the 200"):
            await ledger.claim(1, budget=budget)


def test_a_charge_that_breaks_its_reservation_is_told() -> None:
    """More than was reserved, beyond a cent of rounding, or another currency than the account's."""
    line = LedgerLine(1, "k", "po", "d", "{}", 1, worth=1_000_000, state=LineState.PLACED, order_id=5, currency="INR")
    for charged, currency, word in [
        ("100", "INR", ""),
        ("100.01", "INR", ""),
        ("0", "INR", ""),
        ("100.02", "INR", "at most 100 was reserved"),
        ("90", "USD", "account's currency is INR"),
    ]:
        told = overcharge(msgspec.structs.replace(line, amount_charged=Decimal(charged), currency=currency), "INR")
        assert word in told
        assert bool(told) == bool(word)
    unpriced = msgspec.structs.replace(line, worth=None, amount_charged=Decimal(500))
    assert overcharge(unpriced, "INR") == ""


async def test_what_is_committed_survives_a_restart(tmp_path: Path) -> None:
    """Another holder of the ledger starts from what its lines say, not from nothing."""
    path, budget = tmp_path / "l.db", Decimal(250)
    async with SqliteLedger(path) as ledger:
        await budgeted(ledger, alone(4))
        line, _ = await ledger.claim(10, budget=budget)
        await ledger.record([fact(line, Evidence.ANSWERED_PLACED, charged=90)])
    async with SqliteLedger(path) as ledger:
        await ledger.recover()
        with pytest.raises(BudgetError, match="60 is left"):
            await ledger.claim(10, budget=budget)


async def test_a_line_of_unknown_worth_fits_no_budget(tmp_path: Path) -> None:
    """Where nobody knows what a row may cost, nothing is sent under a budget."""
    unknown = msgspec.structs.replace(planned(0, room=0), worth=None)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([unknown]))
        with pytest.raises(BudgetError, match="not known"):
            await ledger.claim(1, budget=Decimal(10**9))


@pytest.mark.parametrize("seed", range(5))
async def test_the_running_sum_is_the_sum_of_the_lines(tmp_path: Path, seed: int) -> None:
    """After any mix of facts, what a budget counts is what the lines themselves add up to, and never over it."""
    dice, budget = random.Random(seed), Decimal(1000)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await budgeted(ledger, alone(260))
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
