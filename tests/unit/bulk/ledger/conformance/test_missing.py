"""`PlanTerms.missing`: what becomes of planned rows that the input lacks."""

from typing import Literal

import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import alone, fact, packable, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger, PlanTerms
from xoxo_async.errors import PlanError

pytestmark = pytest.mark.anyio

REFUSE = PlanTerms(missing="refuse")
WITHDRAW = PlanTerms(missing="withdraw")


async def states(ledger: Ledger) -> dict[LineState, int]:
    return {state: lines for state, lines in (await ledger.counts()).states.items() if lines}


@pytest.mark.parametrize("kind", ["alone", "packed"])
async def test_a_plan_lacking_planned_rows_is_refused(subject: Subject, kind: str) -> None:
    """The error names the missing rows, also rows that share orders, and the ledger stays as it was."""
    make = alone if kind == "alone" else packable
    async with subject.open() as ledger:
        await ledger.plan("march", each(make(*range(12))))
        with pytest.raises(PlanError, match="lacks 2 planned rows") as caught:
            await ledger.plan("march", each(make(*range(10), 30)), REFUSE)
        assert caught.value.problems == ("row 11 (key k10)", "row 12 (key k11)")
        assert await states(ledger) == {LineState.PLANNED: 12}
        assert (await ledger.plan("march", each(make(*range(12))), REFUSE)).added == 0


async def test_twenty_of_all_missing_rows_are_named(subject: Subject) -> None:
    """The message names twenty rows and counts them all, over many chunks."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(*range(6000))))
        with pytest.raises(PlanError, match=r"(?s)lacks 5999 planned rows.*… and 5979 more") as caught:
            await ledger.plan("march", each(alone(3000)), REFUSE)
        assert (len(caught.value.problems), caught.value.total) == (20, 5999)


async def test_only_planned_rows_can_be_missing(subject: Subject) -> None:
    """A row that was sent, refused or withdrawn is not missing."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(*range(4))))
        placed, refused, lost = await ledger.claim(3)
        await ledger.record(
            [
                fact(placed, Evidence.ANSWERED_PLACED),
                fact(refused, Evidence.REFUSED_NO_ORDER),
                fact(lost, Evidence.OUTCOME_LOST),
            ]
        )
        await ledger.withdraw(["k3"], reason="gone")
        assert (await ledger.plan("march", each(alone(9)), REFUSE)).added == 1


@pytest.mark.parametrize("kind", ["alone", "packed"])
async def test_missing_rows_are_withdrawn_and_others_stay(subject: Subject, kind: str) -> None:
    """When a shared order loses a line, each other line becomes an order of its own and is sent once."""
    make = alone if kind == "alone" else packable
    async with subject.open() as ledger:
        await ledger.plan("march", each(make(*range(12))))
        planned_now = await ledger.plan("march", each(make(*range(2, 12), 30)), WITHDRAW)
        assert (planned_now.added, planned_now.withdrawn) == (1, 2)
        assert await states(ledger) == {LineState.PLANNED: 11, LineState.CANCELLED: 2}
        claimed = await ledger.claim(50)
        assert sum(line.lines for line in claimed) == 11
        assert {"k0", "k1"}.isdisjoint(line.key for line in claimed)
        assert not any(line.key.startswith("k0 …") for line in claimed)


@pytest.mark.parametrize("missing", ["refuse", "withdraw", "keep"])
async def test_a_missing_row_in_doubt_is_not_resent(
    subject: Subject, missing: Literal["refuse", "withdraw", "keep"]
) -> None:
    """Its order may exist, so it is looked up and not withdrawn; it may be sent again once the input has it again."""
    async with subject.open() as ledger:
        rows = [planned(n, room=0) for n in range(2)]
        await ledger.plan("march", each(rows))
        await ledger.record(
            [Change(seq=one.seq, evidence=Evidence.OUTCOME_LOST, epoch=one.epoch) for one in await ledger.claim(2)]
        )
        told = await ledger.plan("march", each(rows[:1]), PlanTerms(missing=missing))
        lines = [one async for one in ledger.lines()]
        unwanted = missing != "keep"
        assert (told.withdrawn, told.unwanted) == (0, int(unwanted))
        assert [(one.state, one.unwanted) for one in lines] == [
            (LineState.UNKNOWN, False),
            (LineState.UNKNOWN, unwanted),
        ]
        rules = Rules(settle_s=0, spacing_s=0)
        for _ in range(2):
            absent = [Change(seq=one.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=one.epoch) for one in lines]
            lines = await ledger.record(absent, rules=rules)
        assert lines[0].state is LineState.PLANNED
        assert lines[1].state is (LineState.UNKNOWN if unwanted else LineState.PLANNED)
        await ledger.plan("march", each(rows))
        assert not any([one.unwanted async for one in ledger.lines()])
