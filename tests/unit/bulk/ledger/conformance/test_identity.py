"""Whose orders a ledger holds, and what it says of itself."""

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.ledgers import each, line
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms
from xoxo_async.errors import LedgerConflictError, LedgerError

pytestmark = pytest.mark.anyio

OURS = Identity(address="https://one.example/chef", account="abc")
OTHERS = Identity(address="https://two.example/chef", account="")


async def test_a_ledger_belongs_to_its_first_plan(subject: Subject) -> None:
    """Job, account and address stay for later openings; a plan for another one is refused and leaves nothing."""
    async with subject.open() as ledger:
        assert ledger.identity is None
        await ledger.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        assert (ledger.job, ledger.identity) == ("march", OURS)
    async with subject.open() as ledger:
        assert (ledger.job, ledger.identity) == ("march", OURS)
        with pytest.raises(LedgerError, match=r"another account or address: https://one\.example/chef"):
            await ledger.plan("march", each([line(2)]), PlanTerms(identity=OTHERS))
        with pytest.raises(LedgerError, match="holds the job 'march'"):
            await ledger.plan("april", each([line(2)]), PlanTerms(identity=OURS))
        assert (await ledger.counts()).rows == 1


async def test_rebinding_is_journalled(subject: Subject) -> None:
    """A person lets it belong to another account; the journal says from whom, to whom, and why."""
    async with subject.open() as ledger:
        await ledger.rebind(OURS, reason="first")
        await ledger.plan("march", each([line(1)]), PlanTerms(identity=OURS))
        await ledger.rebind(OTHERS, reason="moved")
        assert ledger.identity == OTHERS
        told = [row.reason async for row in ledger.journal(seq=0)]
    assert told == [
        "from none to https://one.example/chef (account abc): first",
        "from https://one.example/chef (account abc) to https://two.example/chef (account unknown): moved",
    ]
    async with subject.open() as ledger:
        assert ledger.identity == OTHERS


async def test_a_ledger_says_what_it_keeps(subject: Subject) -> None:
    """Its name is for people; whether it keeps codes is a choice of each opening."""
    async with subject.open() as ledger:
        assert ledger.name
        assert ledger.keeps_codes
    async with subject.open(store_codes=False) as ledger:
        assert not ledger.keeps_codes


async def test_the_clock_goes_on_between_openings(subject: Subject) -> None:
    """It counts seconds as they pass, from one holder to the next."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        began = ledger.now()
        subject.now += 100
        assert ledger.now() == pytest.approx(began + 100)
    subject.now += 100
    async with subject.open() as ledger:
        assert ledger.now() >= began + 199


async def test_rebinding_may_name_the_account_before(subject: Subject) -> None:
    """Where it is another one, nothing changes."""
    async with subject.open() as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.rebind(OURS, reason="first", expected=None)
        for expected in (None, OTHERS):
            with pytest.raises(LedgerConflictError, match="nothing was changed"):
                await ledger.rebind(OTHERS, reason="second", expected=expected)
        assert ledger.identity == OURS
        await ledger.rebind(OTHERS, reason="third", expected=OURS)
        assert ledger.identity == OTHERS
        assert len([row async for row in ledger.journal(seq=0)]) == 2
