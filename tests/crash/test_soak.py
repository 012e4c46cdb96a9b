"""Whole runs of the command through every fault, killed at random moments, until the books can be compared."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from xoxo_async.bulk import LedgerLine, LineState, SqliteLedger
from xoxo_async.sandbox import Faults, Rule, Sandbox

pytestmark = pytest.mark.slow

ROWS = 500
MIX = {
    "commit_then_reset": 0.02,
    "reset_before_commit": 0.02,
    "timeout_after_commit": 0.01,
    "timeout_before": 0.01,
    "late_commit": 0.02,
    "error_5xx_before": 0.01,
    "error_5xx_after": 0.01,
    "html_502": 0.01,
    "html_502_after": 0.01,
    "truncated": 0.01,
    "garbage": 0.01,
    "not_json": 0.01,
    "empty_body": 0.01,
    "wrong_types": 0.01,
    "no_order_id": 0.01,
    "error_in_200": 0.005,
    "duplicate_answer": 0.01,
    "deep_json": 0.005,
    "bad_utf8": 0.005,
    "redirect_307": 0.005,
    "slow_body": 0.01,
    "throttle": 0.002,
    "revoke_token": 0.005,
}


def write_orders(path: Path) -> None:
    """Write rows that are fine but for every fiftieth, whose product this account may not buy."""
    rows = ["key,product_id,denomination,quantity"]
    for number in range(ROWS):
        product = (1012, 500, 1) if number % 50 == 7 else random.choice([(1001, 100, 1), (1002, 150, 2), (1004, 5, 1)])
        rows.append(f"row-{number},{product[0]},{product[1]},{product[2]}")
    path.write_text("\n".join(rows) + "\n")


def command(sandbox: Sandbox, *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "XOXO_BASE_URL": sandbox.base_url,
        "XOXO_CLIENT_ID": sandbox.client_id,
        "XOXO_CLIENT_SECRET": sandbox.client_secret,
    }
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "xoxo_async", "bulk", *arguments, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def read_ledger(path: Path) -> list[LedgerLine]:
    async with SqliteLedger(path, must_exist=True) as ledger:
        return [line async for line in ledger.lines(with_codes=True)]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_bought_twice(tmp_path: Path, seed: int) -> None:
    """However often it dies, the sandbox's books and the ledger agree to the cent, and every end state is true."""
    dice = random.Random(seed)
    random.seed(seed)
    orders, ledger = tmp_path / "orders.csv", tmp_path / "run.db"
    write_orders(orders)
    faults = Faults(mix=MIX, seed=seed)
    faults.rules.append(Rule(kind="lagging_lookup", operation="getOrderDetails", every=3, seconds=0.5))
    faults.rules.append(Rule(kind="restart", nth=dice.randint(50, 300), seconds=0.3))
    # A server that takes a repeated poNumber would book it twice: nothing but the ledger prevents that.
    sandbox = Sandbox(seed=seed, path=tmp_path / "books", faults=faults, latency_ms=5, unique_po_numbers=False)
    with sandbox.run_in_thread():
        options = ("--ledger", str(ledger), "--settle", "1", "--concurrency", "16", "--rate", "none")
        kills, report, output = dice.randint(1, 3), None, ""
        for attempt in range(12):
            with command(sandbox, "run", str(orders), *options) as process:
                if attempt < kills:
                    before = sandbox.books().orders
                    wanted = dice.randint(1, ROWS // 3)
                    deadline = time.monotonic() + dice.uniform(1.0, 4.0)
                    while process.poll() is None and time.monotonic() < deadline:
                        if sandbox.books().orders - before >= wanted:
                            break
                        time.sleep(0.002)
                    process.send_signal(signal.SIGKILL)
                out, err = process.communicate(timeout=90)
            output += err
            if attempt >= kills:
                report = json.loads(out.splitlines()[-1])
                if not report["not_sent"]:
                    break
        books = sandbox.books()
        lines = anyio.run(read_ledger, ledger)
        assert report is not None
        check(sandbox, lines, report)
        assert books.duplicates == {}
        assert "Traceback" not in output
        assert not any(code in output for order in sandbox.state.orders.values() for code, _ in order.codes)


def check(sandbox: Sandbox, lines: list[LedgerLine], report: dict[str, object]) -> None:
    """Compare every line with the sandbox's own books."""
    assert len(lines) == report["rows"] == ROWS
    parts = ("issued", "pending", "rejected", "unknown", "not_sent")
    assert sum(int(str(report[part])) for part in parts) == ROWS
    booked = {order.po_number: order for order in sandbox.state.orders.values()}
    for line in lines:
        order = booked.pop(line.po_number, None)
        if line.state is LineState.PLACED:
            assert order is not None
            assert (line.order_id, line.amount_charged) == (order.order_id, order.charged)
            stored = json.loads(line.codes or b"[]")
            assert [(code["code"], code.get("pin", "")) for code in stored] == list(order.codes)
        elif line.state in {LineState.REJECTED, LineState.PLANNED}:
            assert order is None
        else:
            # Only what no look-up can tell is left to a person.
            assert line.state is LineState.MANUAL, (line, order)
            assert order is None
    assert booked == {}
    placed = sum((line.amount_charged or Decimal(0) for line in lines if line.state is LineState.PLACED), Decimal(0))
    assert placed == sandbox.books().charged
