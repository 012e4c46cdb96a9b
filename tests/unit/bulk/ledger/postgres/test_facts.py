"""`facts`: what is kept beside a job's lines."""

import pytest

from tests.unit.bulk.ledger.facts import alone, fact
from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.postgres.databases import connected, job_of, opened
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import Evidence
from xoxo_async.bulk.ledger.postgres.facts import get_fact, set_facts
from xoxo_async.bulk.ledger.protocol import PlanTerms

pytestmark = pytest.mark.anyio


async def test_a_new_currency_counts_the_budget_anew(database: str) -> None:
    """A charge in another currency than the account's is no charge: the order's worth counts instead."""
    async with opened(database) as ledger:
        await ledger.plan("march", each(alone(0, 1)), PlanTerms(facts={CURRENCY: "INR"}))
        first, second = await ledger.claim(2)
        await ledger.record([fact(first, Evidence.ANSWERED_PLACED, charged=90), fact(second, Evidence.OUTCOME_LOST)])
        assert await ledger.committed() == 190
        await ledger.set_fact(CURRENCY, "USD")
        assert await ledger.committed() == 200
        async with connected(database) as connection, connection.transaction():
            await set_facts(connection, (await job_of(database)).id, {CURRENCY: "INR", "a": "1"})
        assert await ledger.committed() == 190
        assert await ledger.get_fact("a") == "1"


async def test_facts_are_replaced_one_by_one(database: str) -> None:
    """Setting one leaves the others; setting none changes nothing."""
    async with opened(database) as ledger, connected(database) as connection:
        await ledger.plan("march", each(alone(0)))
        job = (await job_of(database)).id
        async with connection.transaction():
            await set_facts(connection, job, {"a": "1", "b": 'a "quoted" text'})
            await set_facts(connection, job, {"a": "2"})
            await set_facts(connection, job, {})
        assert [await get_fact(connection, job, name) for name in "abc"] == ["2", 'a "quoted" text', None]
