"""Claims that go wrong in the middle: what is under way stays this worker's, and what nobody has is given out again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal

import pytest

from tests.unit.bulk.ledger.facts import alone
from tests.unit.bulk.ledger.ledgers import each, placed
from tests.unit.bulk.ledger.postgres.databases import before, connected, cut, lapse, opened, waits
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.postgres.ledger import PostgresLedger
from xoxo_async.errors import BudgetError, LedgerError

pytestmark = pytest.mark.anyio

Pair = tuple[PostgresLedger, PostgresLedger]
ALL = {"k0", "k1", "k2", "k3"}


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    """Give two workers of a job of four lines worth 100 each, whose currency is known."""
    async with opened(database) as first, opened(database) as second:
        await first.plan("march", each(alone(*range(4))))
        await first.set_fact(CURRENCY, "INR")
        yield first, second


async def keys(ledger: PostgresLedger) -> set[str]:
    """Claim what there is, and return the keys."""
    return {line.key for line in await ledger.claim(4)}


async def test_a_registration_that_fails_gives_no_line_back_that_is_under_way(database: str, pair: Pair) -> None:
    """The worker is the old one then, and its own claims are not what nobody has sent."""
    first, second = pair
    (held,) = await first.claim(1)
    await lapse(database, first)
    async with connected(database) as connection, connection.transaction():
        await connection.execute("LOCK TABLE xoxo.worker IN SHARE MODE")  # the registration waits for it
        claim = asyncio.create_task(first.claim(1))
        await waits(database, "xoxo ledger lease")
        await cut(database, "xoxo ledger lease")
        with pytest.raises(LedgerError):
            await claim
    assert await keys(first) | await keys(second) == ALL - {held.key}
    (after,) = await first.record([placed(held)])
    assert (after.state, after.attempts) == (LineState.PLACED, 1)


@pytest.mark.parametrize(("budget", "statement"), [(None, "WITH moved"), (Decimal(50), "WITH gone")])
async def test_lines_that_get_a_price_while_they_are_reserved_are_given_out(
    pair: Pair, budget: Decimal | None, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is refused, or its lines do not fit the budget: they go back, whatever they cost by now."""
    first, second = pair
    before(monkeypatch, statement, lambda _: second.reprice(lambda _product, value, count: value * count + 1))
    got: set[str] = set()
    with suppress(BudgetError):
        got = {line.key for line in await first.claim(2, budget=budget)}
    assert got | await keys(second) == ALL
