"""Jobs of points and links in a PostgreSQL database that several processes share: nobody is served twice."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import anyio
import pytest

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import (
    BulkLinks,
    BulkPoints,
    CancelReport,
    Decision,
    Delivery,
    LineState,
    LinkLine,
    PointsLine,
    PostgresLedger,
    Report,
)
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.sandbox import Faults, Sandbox

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = 60
DAY = date(2099, 12, 31)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Give a sandbox that loses one answer of ten about links."""
    async with Sandbox(latency_ms=5, faults=Faults(mix={"commit_then_reset": 0.1}, operation="generateLink")) as one:
        yield one


@pytest.fixture
async def xoxo(sandbox: Sandbox) -> AsyncIterator[XoxoClient]:
    """Give a client of the sandbox."""
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    limits = RateLimits.unlimited()
    async with XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=limits) as xoxo:
        yield xoxo


async def test_two_workers_deal_each_link_once(sandbox: Sandbox, xoxo: XoxoClient, database: str) -> None:
    """Both work on one job at once; a person closes the rows whose answers were lost."""
    reports: list[Report] = []

    async def work() -> None:
        async with PostgresLedger(database, job="fair") as ledger:
            reports.append(await BulkLinks(xoxo, ledger, concurrency=4, settle_s=0).resume())

    async with PostgresLedger(database, job="fair") as ledger:
        links = BulkLinks(xoxo, ledger, campaign_id=7001, expires_on=DAY, batch=2, settle_s=0)
        await links.plan(LinkLine(key=f"k{n}", quantity=1 + n % 2) for n in range(ROWS))
    async with anyio.create_task_group() as workers:
        workers.start_soon(work)
        workers.start_soon(work)
    async with PostgresLedger(database, job="fair") as ledger:
        for _ in range(10):
            held = [code.code async for line in ledger.lines(with_codes=True) for code in codes_of(line.codes)]
            assert len(held) == len(set(held))
            told = [link for batch in sandbox.books().links if batch.answered for link in batch.links]
            assert sorted(held) == sorted(told)
            doubt = [line.key async for line in ledger.lines(states=(LineState.MANUAL,))]
            lost = sum(not batch.answered for batch in sandbox.books().links)
            if not doubt:
                break
            assert lost
            links = BulkLinks(xoxo, ledger, settle_s=0)
            for key in doubt:
                await links.resolve(key, Decision(resend=True, reason="its batch is disabled"))
            await links.resume()
    assert len(held) == sum(1 + n % 2 for n in range(ROWS))


async def test_two_cancellations_at_once_are_one(sandbox: Sandbox, xoxo: XoxoClient, database: str) -> None:
    """Each credit is asked for by one of the two; the other one sees that it is not its own."""
    reports: list[CancelReport] = []

    async def cancel() -> None:
        async with PostgresLedger(database, job="thanks") as ledger:
            reports.append(await BulkPoints(xoxo, ledger).cancel(None, reason="wrong list"))

    rows = [PointsLine(key=f"k{n}", email=f"p{n}@b.example", name="P", amount=Decimal(10 + n)) for n in range(ROWS)]
    async with PostgresLedger(database, job="thanks") as ledger:
        points = BulkPoints(xoxo, ledger, sender_email="boss@b.example", settle_s=0)
        assert (await points.run(rows)).issued == ROWS
    async with anyio.create_task_group() as both:
        both.start_soon(cancel)
        both.start_soon(cancel)
    assert [(credit.cancelled, credit.cancels) for credit in sandbox.books().credits] == [(True, 1)] * ROWS
    async with PostgresLedger(database, job="thanks") as ledger:
        assert {line.delivery async for line in ledger.lines()} == {Delivery.CANCELLED}
        again = await BulkPoints(xoxo, ledger).cancel(None, reason="wrong list")
    assert (again.cancelled, again.points) == (ROWS, sum((row.amount for row in rows), Decimal(0)))
    assert sum(report.cancelled for report in reports) >= ROWS
    assert sandbox.books().points_given == 0
