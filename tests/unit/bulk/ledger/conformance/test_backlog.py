"""`Ledger.backlog` and `Ledger.reprice`: what is still to be sent, and what it may cost today."""

from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.conformance.subjects import Subject
from tests.unit.bulk.ledger.facts import alone, fact, packable, planned
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.bulk.ledger.protocol import Ledger, Share
from xoxo_async.errors import BudgetError

pytestmark = pytest.mark.anyio


async def worths(ledger: Ledger) -> dict[str, int | None]:
    return {line.key: line.worth async for line in ledger.lines()}


async def test_the_backlog_is_what_is_planned(subject: Subject) -> None:
    """It is grouped by product, value and quantity, and counts orders, rows and their worth."""
    async with subject.open() as ledger:
        dear = [planned(number, pieces=3, value=250, room=0) for number in (50, 51)]
        await ledger.plan("march", each([*alone(0, 1), *packable(*range(10, 20)), *dear]))
        (first,) = await ledger.claim(1)
        await ledger.record([fact(first, Evidence.ANSWERED_PLACED, charged=100)])
        assert sorted(await ledger.backlog(), key=lambda share: (share.denomination, share.quantity)) == [
            Share(1001, Decimal(100), 1, 1, 1, 1_000_000),
            Share(1001, Decimal(100), 10, 1, 10, 10_000_000),
            Share(1001, Decimal(250), 3, 2, 2, 15_000_000),
        ]


async def test_one_unknown_worth_makes_its_share_unknown(subject: Subject) -> None:
    """A sum without the unknown amount would be too low."""
    unpriced = msgspec.structs.replace(planned(1, room=0), worth=None)
    async with subject.open() as ledger:
        await ledger.plan("march", each([*alone(0), unpriced]))
        assert [share.worth for share in await ledger.backlog()] == [None]


async def test_the_backlog_includes_doubted_lines_when_asked(subject: Subject) -> None:
    """An order whose answer was lost may still be sent again, at today's price."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(0, 1, 2)))
        lost, placed = await ledger.claim(2)
        await ledger.record([fact(lost, Evidence.OUTCOME_LOST), fact(placed, Evidence.ANSWERED_PLACED, charged=100)])
        assert [share.orders for share in await ledger.backlog()] == [1]
        assert [share.orders for share in await ledger.backlog(doubted=True)] == [2]


async def test_a_line_left_to_a_person_may_cost(subject: Subject) -> None:
    """A person may have it sent again: it is in the backlog of doubted lines, and takes the higher price of both."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(0)))
        (one,) = await ledger.claim(1)
        for evidence in (Evidence.REFUSED_UNCLEAR, Evidence.LOOKUPS_EXHAUSTED):
            (one,) = await ledger.record([fact(one, evidence)])
        assert one.state is LineState.MANUAL
        await ledger.reprice(lambda _product, value, count: value * count * 2)
        assert await worths(ledger) == {"k0": 2_000_000}
        assert await ledger.backlog() == []
        assert await ledger.backlog(doubted=True) == [Share(1001, Decimal(100), 1, 1, 1, 2_000_000)]


async def test_new_prices_bind_lines_not_placed(subject: Subject) -> None:
    """A planned order gets the new price, one in doubt the higher of both, and a placed one keeps its price."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(alone(*range(3))))
        placed, lost = await ledger.claim(2)
        await ledger.record([fact(placed, Evidence.ANSWERED_PLACED), fact(lost, Evidence.OUTCOME_LOST)])
        await ledger.reprice(lambda _product, value, count: value * count * 2)
        assert await worths(ledger) == {"k0": 1_000_000, "k1": 2_000_000, "k2": 2_000_000}
        await ledger.reprice(lambda _product, value, count: value * count / 2)
        assert await worths(ledger) == {"k0": 1_000_000, "k1": 2_000_000, "k2": 500_000}


async def test_an_order_in_doubt_stays_reserved_without_price(subject: Subject) -> None:
    """When its product is no longer listed, an order in doubt keeps its reserve and a planned one fits no budget."""
    async with subject.open() as ledger:
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


async def test_an_unpriced_order_in_doubt_fits_no_budget(subject: Subject) -> None:
    """A run without a budget sent it; until its charge is known, no claim under a budget succeeds."""
    unpriced = [msgspec.structs.replace(line, worth=None) for line in alone(0)]
    async with subject.open() as ledger:
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


async def test_the_lines_of_a_pack_are_repriced(subject: Subject) -> None:
    """When its order is refused, each line becomes an order of its own at today's price."""
    async with subject.open() as ledger:
        await ledger.plan("march", each(packable(*range(10))))
        await ledger.reprice(lambda _product, value, count: value * count * 2)
        (pack,) = await ledger.claim(1)
        assert pack.worth == 20_000_000
        await ledger.record([fact(pack, Evidence.REFUSED_NO_ORDER)])
        assert [line.worth for line in await ledger.claim(20)] == [2_000_000] * 10


async def test_a_backlog_counts_who_is_mailed(subject: Subject) -> None:
    """Rows with an address, and those of them whose codes the vendor mails."""
    bodies = ['"email":"a@b.de","notifyReceiverEmail":1', '"email":"c@d.de","notifyReceiverEmail":0', '"tag":"x"']
    lines = [
        msgspec.structs.replace(line, request=line.request.removesuffix(b"}") + f",{more}}}".encode())
        for line, more in zip(alone(0, 1, 2), bodies, strict=True)
    ]
    async with subject.open() as ledger:
        await ledger.plan("march", each(lines))
        assert [(share.rows, share.addressed, share.mailed) for share in await ledger.backlog()] == [(3, 2, 1)]
