"""Every wait of a bulk run ends at a known time: penalties, failing look-ups, histories without an end."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, SqliteLedger
from xoxo_async.bulk.deciding import Decision
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.sandbox import Sandbox
from xoxo_async.sandbox.handlers import HANDLERS

pytestmark = pytest.mark.anyio

THROTTLED = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0.5}]}


def lines(count: int) -> list[OrderLine]:
    return [
        OrderLine(key=str(n), po_number=f"PO-{n}", product_id=1001, denomination=Decimal(100)) for n in range(count)
    ]


@asynccontextmanager
async def issuing(sandbox: Sandbox, path: Path, pause_limit_s: float = 1.0) -> AsyncIterator[BulkIssuer]:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    limits, retry = RateLimits.unlimited(), RetryPolicy(base_s=0.01, max_s=0.02)
    async with (
        XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=limits, retry=retry) as client,
        SqliteLedger(path) as ledger,
    ):
        yield BulkIssuer(client, ledger, job="j", concurrency=2, settle_s=0.2, pause_limit_s=pause_limit_s)


async def states(path: Path) -> dict[str, LineState]:
    async with SqliteLedger(path, read_only=True) as ledger:
        return {line.key: line.state async for line in ledger.lines()}


async def test_a_throttled_token_endpoint_pauses_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short penalties follow each other, and together they last no longer than the pause limit."""
    async with Sandbox() as sandbox, issuing(sandbox, tmp_path / "l.db") as issuer:
        await issuer.plan(lines(20))
        monkeypatch.setattr(sandbox.tokens, "issue", lambda *_request: (429, THROTTLED))
        sandbox.script("revoke_token", nth=5)
        with anyio.fail_after(10):
            report = await issuer.issue()
        assert (report.pause, report.exit_code, report.unknown, report.rejected) == (Pause.RATE, 5, 0, 0)
        assert report.not_sent > 0
        assert "until" in report.reason


async def test_a_penalty_over_the_limit_pauses_at_once(tmp_path: Path) -> None:
    """The end of the penalty is known, so waiting gains nothing. Lines in doubt are settled."""
    async with Sandbox() as sandbox, issuing(sandbox, tmp_path / "l.db") as issuer:
        sandbox.script("commit_then_reset", nth=3)
        sandbox.script("throttle", nth=9, seconds=3600)
        before = time.time()
        with anyio.fail_after(10):
            report = await issuer.run(lines(20))
        assert (report.pause, report.exit_code, report.unknown) == (Pause.RATE, 5, 0)
        assert report.not_sent > 0
        ends = {time.strftime("%H:%M", time.localtime(at + 3600)) for at in (before, time.time())}
        assert any(f"held back by the vendor until {end}" in report.reason for end in ends)


async def test_an_hour_without_look_ups_ends_the_settling(tmp_path: Path) -> None:
    """It ends within the pause limit with the reason. The line stays unknown, and the next run looks it up."""
    async with Sandbox() as sandbox:
        sandbox.script("commit_then_reset", nth=3)
        sandbox.script("throttle", operation="getOrderDetails", nth=1, seconds=3600)
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            with anyio.fail_after(10):
                report = await issuer.run(lines(5))
        assert (report.issued, report.unknown, report.pause) == (4, 1, Pause.RATE)
        assert "look-ups" in report.reason


async def test_a_row_that_always_fails_needs_a_person(tmp_path: Path) -> None:
    """The other lines are settled and sent again, and `resolve` settles this row."""
    path = tmp_path / "l.db"
    async with Sandbox() as sandbox:
        sandbox.script("reset_before_commit", first=4)
        sandbox.script("error_5xx_before", operation="getOrderDetails", po_number="PO-1")
        async with issuing(sandbox, path) as issuer:
            with anyio.fail_after(60):
                report = await issuer.run(lines(12))
        assert (report.issued, report.unknown, report.not_sent) == (11, 1, 0)
        assert (await states(path))["1"] is LineState.MANUAL
        async with issuing(sandbox, path) as issuer:
            await issuer.resolve("1", Decision(reason="not there"))
    assert (await states(path))["1"] is LineState.REJECTED


async def test_a_vendor_with_failing_look_ups_is_alive(tmp_path: Path) -> None:
    """After an outage of placeOrder the rest is issued without any look-up, and lines in doubt stay unknown."""
    path = tmp_path / "l.db"
    async with Sandbox() as sandbox:
        sandbox.script("error_5xx_before", first=6)
        sandbox.script("error_5xx_before", operation="getOrderDetails")
        async with issuing(sandbox, path, pause_limit_s=8.0) as issuer:
            with anyio.fail_after(60):
                report = await issuer.run(lines(40))
        assert report.issued >= 33
        assert (report.not_sent, report.issued + report.unknown, report.pause) == (0, 40, Pause.UNREACHABLE)
        assert "look-ups fail" in report.reason


async def test_a_history_that_repeats_its_page_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that only the history could show waits for a person after a limited number of calls."""
    asked, path = 0, tmp_path / "l.db"

    def history(_state: object, data: Mapping[str, object], _openapi: bool) -> object:
        nonlocal asked
        asked += 1
        limit = int(str(data["limit"]))
        return [{"orderId": 10_000_000 + asked + n, "poNumber": f"OTHER-{asked + n}"} for n in range(limit)]

    monkeypatch.setitem(HANDLERS, "getOrderHistory", history)
    async with Sandbox() as sandbox:
        sandbox.script("duplicate_answer", po_number="PO-1")
        sandbox.script("lagging_lookup", operation="getOrderDetails", po_number="PO-1", seconds=600)
        async with issuing(sandbox, path) as issuer:
            with anyio.fail_after(60):
                report = await issuer.run(lines(3))
        assert (report.issued, report.unknown) == (2, 1)
        assert (await states(path))["1"] is LineState.MANUAL
    assert asked <= 50
