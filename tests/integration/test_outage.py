"""A bulk run during trouble: its server stops, fails, throttles, or refuses tokens."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, XoxoClient
from xoxo_async.bulk import BulkIssuer, OrderLine, Pause, Report, SqliteLedger
from xoxo_async.sandbox import Rule, Sandbox

pytestmark = pytest.mark.anyio

ROWS = 300


def lines() -> list[OrderLine]:
    return [OrderLine(key=str(n), product_id=1001, denomination=Decimal(100)) for n in range(ROWS)]


@asynccontextmanager
async def issuing(sandbox: Sandbox, path: Path, pause_limit_s: float = 20) -> AsyncIterator[BulkIssuer]:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    limits = RateLimits.unlimited()
    retry = RetryPolicy(base_s=0.05, max_s=0.1)
    async with (
        XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=limits, retry=retry) as client,
        SqliteLedger(path) as ledger,
    ):
        yield BulkIssuer(client, ledger, job="j", concurrency=8, settle_s=0.3, pause_limit_s=pause_limit_s)


async def run_with_trouble(sandbox: Sandbox, path: Path, trouble: "Trouble", pause_limit_s: float = 20) -> Report:
    """Run, and begin the trouble when a third of the orders is booked."""
    async with issuing(sandbox, path, pause_limit_s) as issuer, anyio.create_task_group() as group:
        group.start_soon(trouble, sandbox)
        with anyio.fail_after(60):
            return await issuer.run(lines())


class Trouble:
    """A trouble that begins when a third of the orders is booked, and lasts for a while."""

    def __init__(self, rule: Rule | None, seconds: float) -> None:
        self.rule = rule
        self.seconds = seconds
        self.requests_during = 0

    async def __call__(self, sandbox: Sandbox) -> None:
        while sandbox.books().orders < ROWS / 3:
            await anyio.sleep(0.002)
        if self.rule is None:
            await sandbox.restart(self.seconds)
            return
        before = sandbox.books().requests["placeOrder"]
        sandbox.faults.rules.append(self.rule)
        await anyio.sleep(self.seconds)
        sandbox.faults.rules.clear()
        self.requests_during = sandbox.books().requests["placeOrder"] - before


async def test_a_restart_in_mid_run_is_waited_for(tmp_path: Path) -> None:
    """Nobody listens for a second. Then the run continues, and issues every line once."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False) as sandbox:
        report = await run_with_trouble(sandbox, tmp_path / "l.db", Trouble(None, 1.0))
        assert (report.issued, report.pause) == (ROWS, Pause.NONE)
        assert (sandbox.books().orders, sandbox.books().duplicates) == (ROWS, {})


@pytest.mark.parametrize("kind", ["error_5xx_before", "html_502", "reset_before_commit", "html_502_after"])
async def test_an_outage_makes_few_lines_unknown(tmp_path: Path, kind: str) -> None:
    """The run probes a failing server with look-ups and single lines, not with the whole file."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False) as sandbox:
        trouble = Trouble(Rule(kind=kind, operation=""), 1.5)
        report = await run_with_trouble(sandbox, tmp_path / "l.db", trouble)
        assert (report.issued, report.unknown, report.pause) == (ROWS, 0, Pause.NONE)
        assert sandbox.books().duplicates == {}
    assert trouble.requests_during < 40


async def test_a_dead_server_pauses_the_run(tmp_path: Path) -> None:
    """After the limit the run stops, names the reason, and leaves the rest unsent. A later run sends it."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False) as sandbox:
        trouble = Trouble(None, 3.0)
        report = await run_with_trouble(sandbox, tmp_path / "l.db", trouble, pause_limit_s=0.5)
        assert (report.pause, report.exit_code, report.rejected) == (Pause.UNREACHABLE, 5, 0)
        assert report.not_sent > 0
        assert report.reason
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            report = await issuer.resume()
        assert report.issued == ROWS
        assert sandbox.books().duplicates == {}


async def test_a_penalty_is_waited_for(tmp_path: Path) -> None:
    """No order is sent during a penalty, and the run continues after it."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False, limits={"placeOrder": 100}, penalty_s=0.8) as sandbox:
        started = time.monotonic()
        async with issuing(sandbox, tmp_path / "l.db") as issuer, anyio.create_task_group() as group:

            async def lift() -> None:
                while not sandbox.limiter.refused:
                    await anyio.sleep(0.002)
                sandbox.limiter.limits["placeOrder"] = 10_000

            group.start_soon(lift)
            report = await issuer.run(lines())
        assert report.issued == ROWS
        assert time.monotonic() - started > 0.8
        # Orders in flight at the first refusal are refused, too. Nothing is sent after them until the penalty ends.
        assert sandbox.limiter.refused <= 8


async def test_a_revoked_token_costs_one_renewal(tmp_path: Path) -> None:
    """Each token is revoked once. The lines are sent again with a new one, and none is lost."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False) as sandbox:
        sandbox.script("revoke_token", nth=100)
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            report = await issuer.run(lines())
        assert report.issued == ROWS
        assert sandbox.books().requests["token"] <= 3


async def test_a_failing_token_endpoint_rejects_no_line(tmp_path: Path) -> None:
    """A failing token endpoint is no answer to an order, so lines stay unsent."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False, token_ttl_s=1) as sandbox:
        async with issuing(sandbox, tmp_path / "l.db", pause_limit_s=0.5) as issuer:
            await issuer.plan(lines())
            sandbox.tokens.broken = True
            await anyio.sleep(1.0)
            with anyio.fail_after(20):
                report = await issuer.resume()
        assert (report.rejected, report.not_sent) == (0, ROWS - report.issued)
        assert report.exit_code == 5


async def test_a_top_up_finishes_a_run_without_funds(tmp_path: Path) -> None:
    """Missing funds reject no line, and the same command continues after a top-up."""
    async with Sandbox(balance=100 * 100, latency_ms=5) as sandbox:
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            report = await issuer.run(lines())
        assert (report.issued, report.rejected, report.unknown) == (100, 0, 0)
        assert (report.pause, report.exit_code) == (Pause.FUNDS, 5)
        sandbox.state.add_funds(Decimal(100 * 1000))
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            report = await issuer.run(lines())
        assert (report.issued, report.exit_code) == (ROWS, 0)
        assert sandbox.books().duplicates == {}


async def test_a_throttled_token_endpoint_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is revoked and its renewal is throttled. Few lines are claimed in vain, and every line is issued."""
    async with Sandbox(latency_ms=5, unique_po_numbers=False) as sandbox:
        issue, asked = sandbox.tokens.issue, 0

        def throttled(path: str, body: bytes, content_type: str) -> tuple[int, Mapping[str, object]]:
            nonlocal asked
            asked += 1
            refusal = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 1.5}]}
            return (429, refusal) if asked == 2 else issue(path, body, content_type)

        monkeypatch.setattr(sandbox.tokens, "issue", throttled)
        sandbox.script("revoke_token", nth=100)
        started = time.monotonic()
        async with issuing(sandbox, tmp_path / "l.db") as issuer:
            report = await issuer.run(lines())
        assert (report.issued, report.rejected) == (ROWS, 0)
        assert time.monotonic() - started > 1.4
        assert asked == 3
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            attempts = [line.attempts async for line in ledger.lines()]
        assert sum(attempts) < ROWS + 60
