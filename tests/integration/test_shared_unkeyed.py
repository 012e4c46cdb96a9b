"""Jobs of points and links in a PostgreSQL database that several processes share: nobody is served twice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import anyio
import asyncpg
import pytest

from xoxo_async import ClientCredentials, PointsRecipient, RateLimits, XoxoClient, errors
from xoxo_async.bulk import (
    BulkIssuer,
    BulkLinks,
    BulkPoints,
    CancelReport,
    Decision,
    Delivery,
    LineState,
    LinkLine,
    OrderLine,
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


POINTS: dict[str, Any] = {"sender_email": "boss@b.example", "missing": "keep"}


def gift(key: str, email: str) -> PointsLine:
    return PointsLine(key=key, email=email, name="P", amount=Decimal(10))


def order(key: str, email: str) -> OrderLine:
    return OrderLine(key=key, product_id=1001, denomination=Decimal(500), email=email)


@pytest.mark.parametrize(
    ("bulk", "given", "row", "other", "problem"),
    [
        (
            BulkPoints,
            POINTS,
            gift,
            ("k2", "Ann@B\u00fc.example"),
            "its recipient is in this ledger already, under the key",
        ),
        (
            BulkPoints,
            POINTS,
            gift,
            ("k2", "Ann@xn--b-eha.example"),
            "its recipient is in this ledger already, under the key",
        ),
        (BulkPoints, POINTS, gift, ("K1", "bob@b.example"), "is planned already, in the spelling 'k1'"),
        (BulkIssuer, {"missing": "keep"}, order, ("K1", "bob@b.example"), "is planned already, in the spelling 'k1'"),
    ],
)
async def test_two_planners_serve_nobody_twice(
    xoxo: XoxoClient,
    database: str,
    bulk: Any,
    given: dict[str, Any],
    row: Callable[[str, str], Any],
    other: tuple[str, str],
    problem: str,
) -> None:
    """Both have looked at an empty ledger: the second one is refused what the first one has planned meanwhile."""
    reading, go_on = anyio.Event(), anyio.Event()

    async def slowly() -> AsyncIterator[Any]:
        yield row("k1", "ann@b\u00fc.example")
        reading.set()
        await go_on.wait()

    async with PostgresLedger(database, job="fair") as one, PostgresLedger(database, job="fair") as two:
        async with anyio.create_task_group() as planners:
            planners.start_soon(bulk(xoxo, one, **given).plan, slowly())
            await reading.wait()
            planners.start_soon(refused, lambda: bulk(xoxo, two, **given).plan([row(*other)]), problem)
            await until_it_waits(database)
            go_on.set()
        assert [line.key async for line in two.lines()] == ["k1"]


async def refused(plan: Callable[[], Awaitable[object]], problem: str) -> None:
    with pytest.raises(errors.PlanError, match=problem):
        await plan()


async def until_it_waits(database: str) -> None:
    """Return once a second plan has asked for the lock that the first one holds."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND query LIKE '%xoxo plan%'"
    )
    connection = await asyncpg.connect(database)
    try:
        with anyio.fail_after(20):
            while not await connection.fetchval(asked):
                await anyio.sleep(0.01)
    finally:
        await connection.close()


async def test_two_runs_of_one_file_pay_once(sandbox: Sandbox, xoxo: XoxoClient, database: str) -> None:
    """Two machines start the same job at the same moment: one of them plans it, and both send it."""
    rows = [gift(f"k{n}", f"p{n}@b.example") for n in range(ROWS)]
    reports: list[Report] = []

    async def run() -> None:
        async with PostgresLedger(database, job="thanks") as ledger:
            reports.append(await BulkPoints(xoxo, ledger, concurrency=4, batch=3, settle_s=0, **POINTS).run(rows))

    async with anyio.create_task_group() as both:
        both.start_soon(run)
        both.start_soon(run)
    assert sorted(credit.email for credit in sandbox.books().credits) == sorted(row.email or "" for row in rows)
    assert [report.issued for report in reports] == [ROWS, ROWS]
    assert sum(report.placed_now for report in reports) == ROWS


async def test_two_cancellations_at_once_are_one(sandbox: Sandbox, xoxo: XoxoClient, database: str) -> None:
    """Each credit is asked for by one of the two; the other one sees that it is not its own."""
    reports: list[CancelReport] = []
    read = {1: anyio.Event(), 2: anyio.Event()}

    async def cancel(number: int) -> None:
        async def approve(_rows: int, _points: Decimal) -> None:
            read[number].set()
            await read[3 - number].wait()  # so neither sees a row that the other one has asked for already

        async with PostgresLedger(database, job="thanks") as ledger:
            reports.append(await BulkPoints(xoxo, ledger).cancel(None, reason="wrong list", approve=approve))

    rows = [PointsLine(key=f"k{n}", email=f"p{n}@b.example", name="P", amount=Decimal(10 + n)) for n in range(ROWS)]
    async with PostgresLedger(database, job="thanks") as ledger:
        points = BulkPoints(xoxo, ledger, sender_email="boss@b.example", settle_s=0)
        assert (await points.run(rows)).issued == ROWS
    async with anyio.create_task_group() as both:
        both.start_soon(cancel, 1)
        both.start_soon(cancel, 2)
    assert [(credit.cancelled, credit.cancels) for credit in sandbox.books().credits] == [(True, 1)] * ROWS
    async with PostgresLedger(database, job="thanks") as ledger:
        assert {line.delivery async for line in ledger.lines()} == {Delivery.CANCELLED}
        again = await BulkPoints(xoxo, ledger).cancel(None, reason="wrong list")
    assert (again.cancelled, again.points) == (ROWS, sum((row.amount for row in rows), Decimal(0)))
    assert sum(report.cancelled for report in reports) >= ROWS
    assert [report.unknown for report in reports] == [0, 0]  # a row of the other process is no doubt
    assert {report.exit_code for report in reports} <= {0, 5}
    assert sandbox.books().points_given == 0


async def test_a_corrected_id_saves_a_stranger(sandbox: Sandbox, xoxo: XoxoClient, database: str) -> None:
    """A person corrects a wrong id while another one reads the question: the stranger keeps their points."""
    stranger = PointsRecipient(name="S", email="s@b.example", amount=70)
    sandbox.script("bare_answer", operation="sendBalance", email="p0@b.example")
    rows = [PointsLine(key=f"k{n}", email=f"p{n}@b.example", name="P", amount=Decimal(10)) for n in range(2)]
    async with PostgresLedger(database, job="thanks") as ledger, PostgresLedger(database, job="thanks") as beside:
        assert (await BulkPoints(xoxo, ledger, sender_email="boss@b.example", settle_s=0).run(rows)).issued == 2
        await xoxo.points.send(sender_email="boss@b.example", recipients=[stranger])
        ids = {credit.email: credit.unique_id for credit in sandbox.books().credits}
        person = BulkPoints(xoxo, beside, sender_email="boss@b.example")
        await person.resolve("k0", Decision(placed=ids["s@b.example"], reason="seen"))

        async def approve(_rows: int, _points: Decimal) -> None:
            await person.resolve("k0", Decision(placed=ids["p0@b.example"], reason="it was another one"))

        points = BulkPoints(xoxo, ledger, batch=2)
        report = await points.cancel(["k0", "k1"], reason="wrong list", approve=approve)
        assert [(one.key, one.unique_id, one.state) for one in report.results] == [
            ("k0", ids["p0@b.example"], "not_asked"),
            ("k1", ids["p1@b.example"], "cancelled"),
        ]
        gone = {credit.email for credit in sandbox.books().credits if credit.cancelled}
        assert gone == {"p1@b.example"}
        assert (await points.cancel(["k0"], reason="wrong list")).cancelled == 1
        assert (await ledger.counts()).alarms_total == 0
    assert {credit.email for credit in sandbox.books().credits if not credit.cancelled} == {"s@b.example"}
