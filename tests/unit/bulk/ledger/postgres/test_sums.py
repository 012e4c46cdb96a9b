"""`sums`: a job's numbers, as they are kept, are those that a count of its lines finds."""

from decimal import Decimal

import pytest

from tests.unit.bulk.ledger.facts import alone, fact, packable
from tests.unit.bulk.ledger.ledgers import each, line, placed
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, lost, opened
from xoxo_async.bulk.ledger.counting import alarms_of
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LineState
from xoxo_async.bulk.ledger.postgres.sums import (
    add_to_tally,
    count,
    count_orders,
    first_unpriced,
    read_committed,
    read_spent,
)
from xoxo_async.bulk.ledger.protocol import PlanTerms
from xoxo_async.bulk.ledger.tallying import TallyRow, groups_of, planned_rows
from xoxo_async.errors import LedgerConflictError

pytestmark = pytest.mark.anyio


async def test_workers_counts_are_added_up(database: str) -> None:
    """Each worker's row may be negative; their sum is the job's, and a group without orders is none."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(0)))
        job = (await job_of(database)).id
        row = TallyRow(LineState.PLACED, Delivery.DELIVERED, "INR", True, 5, 4, Decimal("40.5"))
        async with connection.transaction():
            await add_to_tally(connection, job, 7, [row])
            await add_to_tally(connection, job, 7, [row])
            await add_to_tally(connection, job, 8, [row._replace(orders=-9, priced=-7, charged=Decimal(-60))])
            await add_to_tally(connection, job, 8, [row._replace(currency="USD"), *planned_rows(2, 0)])
            await add_to_tally(
                connection, job, 9, [row._replace(currency="USD", orders=-5, priced=-4, charged=-row.charged)]
            )
            await add_to_tally(connection, job, 9, [])
        counts = await count(connection, job)
        assert (counts.rows, counts.issued, counts.not_sent) == (4, 1, 3)
        assert counts.charged == {"INR": Decimal("21.0")}


async def test_what_is_kept_is_what_is_there(database: str) -> None:
    """Counts, charges and budget of a job with orders of every kind."""
    async with opened(database) as ledger, opened(database) as other, connected(database) as connection:
        await ledger.plan(
            "march", each([*alone(*range(6)), *packable(10, 11, 12), line(40)]), PlanTerms(facts={CURRENCY: "INR"})
        )
        first, second, third, *rest = await ledger.claim(5)
        await other.record(
            [
                fact(first, Evidence.ANSWERED_PLACED, charged=90),
                fact(second, Evidence.ANSWERED_PLACED, charged=70, currency="USD"),
                fact(third, Evidence.REFUSED_NO_ORDER),
            ]
        )
        await ledger.record([fact(one, Evidence.OUTCOME_LOST) for one in rest])
        await lost(other, 5)
        job = (await job_of(database)).id
        counts = await count(connection, job)
        alone_now = sum(group.orders for group in await count_orders(connection, job) if group.single)
        assert counts.charged == {"INR": 90, "USD": 70}
        assert counts.rows == alone_now + 3
        assert counts.orders == counts.rows - 2
        spent = await read_spent(connection, job, "INR")
        assert spent.committed == await read_committed(connection, job)
        assert spent.unpriced == 1
        assert await first_unpriced(connection, job, "INR") == ("k40", 40)
        assert (await read_spent(connection, job, "USD")).committed == spent.committed - 200_000


async def test_alarms_are_as_the_rules_say(database: str) -> None:
    """Each once, however often it was noticed, in the order in which it came up; those of a person do not count."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each([line(1), line(2)]))
        one, two = await ledger.claim(2)
        await ledger.record([placed(two, 8), placed(one, 7)])
        for order in (21, 22, 21):
            for sent in (one, two):
                with pytest.raises(LedgerConflictError):
                    await ledger.record([placed(sent, order)])
        counts = await count(connection, (await job_of(database)).id)
        lines = {stored.seq: stored async for stored in ledger.lines()}
        assert (counts.alarms, counts.alarms_total) == alarms_of([row async for row in ledger.journal()], lines)
        assert counts.alarms_total == 4


async def test_groups_of_nothing() -> None:
    """A job without lines has no group."""
    assert groups_of([]) == []
