"""`ledger_backlog`: what is still to be sent and at what price, which rows a plan lacks, and which are withdrawn."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.test_budget import fact
from tests.unit.bulk.ledger.test_packing import planned
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import PlanTerms, Share
from xoxo_async.bulk.ledger.sqlite.backlog import Seen
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import BudgetError, LedgerConflictError, PlanError

pytestmark = pytest.mark.anyio

REFUSE = PlanTerms(missing="refuse")
WITHDRAW = PlanTerms(missing="withdraw")


def alone(*numbers: int) -> list[PlannedLine]:
    return [planned(number, room=0) for number in numbers]


def packable(*numbers: int) -> list[PlannedLine]:
    return [planned(number) for number in numbers]


async def states(ledger: SqliteLedger) -> dict[LineState, int]:
    return {state: lines for state, lines in (await ledger.counts()).states.items() if lines}


async def worths(ledger: SqliteLedger) -> dict[str, int | None]:
    return {line.key: line.worth async for line in ledger.lines()}


# What is still to be sent.


async def test_the_backlog_is_what_is_planned_and_nothing_else(tmp_path: Path) -> None:
    """By product, value and quantity; orders and the rows that share them are told apart, and worth adds up."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        dear = [planned(number, pieces=3, value=250, room=0) for number in (50, 51)]
        await ledger.plan("march", each([*alone(0, 1), *packable(*range(10, 20)), *dear]))
        (first,) = await ledger.claim(1)
        await ledger.record([fact(first, Evidence.ANSWERED_PLACED, charged=100)])
        assert sorted(await ledger.backlog(), key=lambda share: (share.denomination, share.quantity)) == [
            Share(1001, Decimal(100), 1, 1, 1, 1_000_000),
            Share(1001, Decimal(100), 10, 1, 10, 10_000_000),
            Share(1001, Decimal(250), 3, 2, 2, 15_000_000),
        ]


async def test_one_order_of_unknown_worth_makes_its_share_unknown(tmp_path: Path) -> None:
    """A sum that leaves it out would be too low."""
    unpriced = msgspec.structs.replace(planned(1, room=0), worth=None)
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([*alone(0), unpriced]))
        assert [share.worth for share in await ledger.backlog()] == [None]


async def test_the_backlog_counts_in_what_may_be_sent_again_where_that_is_asked(tmp_path: Path) -> None:
    """An order whose answer was lost may still be sent again, at today's price."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(alone(0, 1, 2)))
        lost, placed = await ledger.claim(2)
        await ledger.record([fact(lost, Evidence.OUTCOME_LOST), fact(placed, Evidence.ANSWERED_PLACED, charged=100)])
        assert [share.orders for share in await ledger.backlog()] == [1]
        assert [share.orders for share in await ledger.backlog(doubted=True)] == [2]


# What it may cost today.


async def test_prices_that_moved_bind_what_is_not_placed(tmp_path: Path) -> None:
    """A planned order costs the new price, one in doubt the dearer of both, and a placed one keeps its own."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(alone(*range(3))))
        placed, lost = await ledger.claim(2)
        await ledger.record([fact(placed, Evidence.ANSWERED_PLACED), fact(lost, Evidence.OUTCOME_LOST)])
        await ledger.reprice(lambda _product, value, count: value * count * 2)
        assert await worths(ledger) == {"k0": 1_000_000, "k1": 2_000_000, "k2": 2_000_000}
        await ledger.reprice(lambda _product, value, count: value * count / 2)
        assert await worths(ledger) == {"k0": 1_000_000, "k1": 2_000_000, "k2": 500_000}


async def test_an_order_in_doubt_stays_reserved_where_todays_price_is_not_known(tmp_path: Path) -> None:
    """Its product is no longer listed; a planned order of it fits no bound any more."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(alone(*range(3))))
        await ledger.set_fact("currency", "INR")
        (lost,) = await ledger.claim(1)
        await ledger.record([fact(lost, Evidence.OUTCOME_LOST)])
        await ledger.reprice(lambda _product, _value, _count: None)
        assert await worths(ledger) == {"k0": 1_000_000, "k1": None, "k2": None}
        with pytest.raises(BudgetError, match="what it may cost is not known"):
            await ledger.claim(1, budget=Decimal(1000))
        await ledger.reprice(lambda _product, value, count: value * count)
        with pytest.raises(BudgetError, match="and 50 is left of the 150"):
            await ledger.claim(1, budget=Decimal(150))


async def test_what_was_sent_at_an_unknown_price_fits_no_bound(tmp_path: Path) -> None:
    """A run without a bound may have sent it; until its charge is known, nobody can say what is left."""
    unpriced = [msgspec.structs.replace(line, worth=None) for line in alone(0)]
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([*unpriced, *alone(1)]))
        await ledger.set_fact("currency", "INR")
        (sent,) = await ledger.claim(1)
        await ledger.record([fact(sent, Evidence.ANSWERED_PLACED)])
        with pytest.raises(BudgetError, match=r"row 1 \(key k0\): what it has cost"):
            await ledger.claim(1, budget=Decimal(10_000))
        charged = msgspec.structs.replace(
            fact(sent, Evidence.ANSWERED_PLACED, charged=70), evidence=Evidence.DELIVERY_SEEN
        )
        await ledger.record([charged])
        with pytest.raises(BudgetError, match="and 30 is left of the 100"):
            await ledger.claim(1, budget=Decimal(100))
        assert len(await ledger.claim(1, budget=Decimal(170))) == 1


async def test_the_lines_of_a_pack_are_repriced_with_it(tmp_path: Path) -> None:
    """When its order is refused each of them is an order by itself, at today's price."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(packable(*range(10))))
        await ledger.reprice(lambda _product, value, count: value * count * 2)
        (pack,) = await ledger.claim(1)
        assert pack.worth == 20_000_000
        await ledger.record([fact(pack, Evidence.REFUSED_NO_ORDER)])
        assert [line.worth for line in await ledger.claim(20)] == [2_000_000] * 10


# Which rows a plan lacks.


def test_seen_lines_are_told_from_the_others() -> None:
    """Lines that came after the beginning of a plan are nobody's to miss."""
    seen = Seen(17)
    for seq in (1, 8, 17, 18, 400):
        seen.add(seq)
    assert [seq for seq in range(1, 18) if seq in seen] == [1, 8, 17]
    seen.add_packed(3, 0)
    seen.add_packed(3, 70)
    assert [seen.has_packed(3, first) for first in (0, 1, 70)] == [True, False, True]
    assert not seen.has_packed(4, 0)


@pytest.mark.parametrize("kind", ["alone", "packed"])
async def test_a_plan_that_lacks_planned_rows_is_refused_by_their_names(tmp_path: Path, kind: str) -> None:
    """Also where the rows share orders; nothing of the new plan stays."""
    make = alone if kind == "alone" else packable
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(make(*range(12))))
        with pytest.raises(PlanError, match="lacks 2 planned rows") as caught:
            await ledger.plan("march", each(make(*range(10), 30)), REFUSE)
        assert caught.value.problems == ("row 11 (key k10)", "row 12 (key k11)")
        assert await states(ledger) == {LineState.PLANNED: 12}
        assert (await ledger.plan("march", each(make(*range(12))), REFUSE)).added == 0


async def test_a_thousand_missing_rows_are_counted_and_twenty_named(tmp_path: Path) -> None:
    """The message stays readable; across the chunks that rows are read in, none is forgotten."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(alone(*range(6000))))
        with pytest.raises(PlanError, match=r"(?s)lacks 5999 planned rows.*… and 5979 more") as caught:
            await ledger.plan("march", each(alone(3000)), REFUSE)
        assert (len(caught.value.problems), caught.value.total) == (20, 5999)


async def test_only_rows_that_wait_to_be_sent_can_be_missing(tmp_path: Path) -> None:
    """What was sent, refused or withdrawn stays out of it."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
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
async def test_missing_rows_are_withdrawn_and_the_others_stay(tmp_path: Path, kind: str) -> None:
    """The lines of an order that loses one are orders by themselves from then on, each sent once."""
    make = alone if kind == "alone" else packable
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(make(*range(12))))
        planned_now = await ledger.plan("march", each(make(*range(2, 12), 30)), WITHDRAW)
        assert (planned_now.added, planned_now.withdrawn) == (1, 2)
        assert await states(ledger) == {LineState.PLANNED: 11, LineState.CANCELLED: 2}
        claimed = await ledger.claim(50)
        assert sum(line.lines for line in claimed) == 11
        assert {"k0", "k1"}.isdisjoint(line.key for line in claimed)
        assert not any(line.key.startswith("k0 …") for line in claimed)


# Which rows are withdrawn.


@pytest.mark.parametrize("kind", ["alone", "packed", "both"])
async def test_all_planned_rows_are_withdrawn_also_those_that_share_orders(tmp_path: Path, kind: str) -> None:
    """Nothing is left to send, the rows are counted once, and doing it again withdraws nobody."""
    lines = {
        "alone": alone(*range(25)),
        "packed": packable(*range(25)),
        "both": [*alone(0, 1), *packable(*range(2, 25))],
    }
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(lines[kind]))
        assert await ledger.withdraw(None, reason="the campaign is off") == 25
        assert await states(ledger) == {LineState.CANCELLED: 25}
        assert await ledger.claim(50) == []
        assert await ledger.backlog() == []
        assert await ledger.withdraw(None, reason="again") == 0
        assert await ledger.withdraw(["k3"], reason="again") == 0
        assert (await ledger.plan("march", each(lines[kind]))).known == 25
        assert (await ledger.counts()).rows == 25


async def test_rows_of_a_pack_are_withdrawn_by_name(tmp_path: Path) -> None:
    """Some of it, then all that is left; the journal has the reason of each."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(packable(*range(10))))
        assert await ledger.withdraw(["k3", "k4"], reason="left") == 2
        assert await states(ledger) == {LineState.PLANNED: 8, LineState.CANCELLED: 2}
        assert await ledger.withdraw([f"k{n}" for n in range(10)], reason="all") == 8
        assert await states(ledger) == {LineState.CANCELLED: 10}
        line = await ledger.find("k3")
        assert line is not None
        assert [row.reason async for row in ledger.journal(seq=line.seq) if row.transition == "T14"] == ["left"]


@pytest.mark.parametrize(
    "keys", [["k1", "nobody"], ["k0", "k1"], ["k2", "k1"]], ids=["unknown", "placed", "given back"]
)
async def test_rows_are_withdrawn_all_or_none(tmp_path: Path, keys: list[str]) -> None:
    """A key that is not there, an order that exists, and a line that was claimed before: nothing is changed."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each([*alone(0, 2), *packable(1, 3)]))
        placed, back = await ledger.claim(2)
        await ledger.record([fact(placed, Evidence.ANSWERED_PLACED), fact(back, Evidence.NOT_PROCESSED)])
        with pytest.raises(LedgerConflictError, match="nothing was changed"):
            await ledger.withdraw(keys, reason="gone")
        assert await states(ledger) == {LineState.PLANNED: 3, LineState.PLACED: 1}
        assert (await ledger.counts()).orders == 3


async def test_withdrawing_all_passes_over_what_was_sent_before(tmp_path: Path) -> None:
    """A line that was proven absent is planned again, and may be looked at by a person only."""
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        await ledger.plan("march", each(alone(0, 1)))
        (line,) = await ledger.claim(1)
        await ledger.record([Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)])
        assert await ledger.withdraw(None, reason="off") == 1
        assert [line.key for line in await ledger.claim(5)] == ["k0"]
