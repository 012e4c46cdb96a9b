"""A whole job for the soak tests: orders, a sandbox with faults, runs of the command that are killed, and its books."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio

from tests.warm_python import WarmProcess
from xoxo_async.bulk import LedgerLine, LineState, SqliteLedger
from xoxo_async.sandbox import Faults, Rule, Sandbox

__all__ = ["MIX", "ROWS", "Job", "sandbox_for"]

ROWS: Final = 500
MIX: Final = {
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
Running: TypeAlias = "WarmProcess | subprocess.Popen[str]"
_HAS: Final = re.compile(r"The vendor has: order (\d+)")
_NO_ORDER: Final = {LineState.REJECTED, LineState.PLANNED, LineState.CANCELLED}


def sandbox_for(folder: Path, dice: random.Random, seed: int) -> Sandbox:
    """Return a sandbox with faults of every kind, which restarts once."""
    faults = Faults(mix=MIX, seed=seed)
    faults.rules.append(Rule(kind="lagging_lookup", operation="getOrderDetails", every=3, seconds=0.5))
    faults.rules.append(Rule(kind="restart", nth=dice.randint(50, 300), seconds=0.3))
    # A server that accepts a repeated poNumber would book it twice, so only the ledger prevents that.
    return Sandbox(seed=seed, path=folder / "books", faults=faults, latency_ms=5, unique_po_numbers=False)


@dataclass
class Job:
    """The orders of one job, its ledger, and the command that works on them.

    Attributes:
        sandbox: The server; the ledger is compared with its books.
        folder: The folder of the orders and the ledger.
        dice: Chooses the products and the moments of the kills.
        base_url: The server's address; by default the sandbox's own.
        client_id: The account's.
        program: The command, or a program that runs it under a wrong clock: what follows `python`.
        started_with: The options of a Python of its own for each run; None: a fork of the warm Python.
        said: The output of all runs so far, which must have no codes.
    """

    sandbox: Sandbox
    folder: Path
    dice: random.Random
    base_url: str = ""
    client_id: str = Sandbox.client_id
    program: tuple[str, ...] = ("-W", "error", "-m", "xoxo_async")
    started_with: tuple[str, ...] | None = None
    rows: list[str] = field(default_factory=list)
    said: str = ""

    def __post_init__(self) -> None:
        self.rows = [self.row(number) for number in range(ROWS)]
        self.write_orders()

    @property
    def orders(self) -> Path:
        """The orders file."""
        return self.folder / "orders.csv"

    @property
    def ledger(self) -> Path:
        """The ledger."""
        return self.folder / "run.db"

    def row(self, number: int) -> str:
        """Return a good row, or for every fiftieth row a product that this account may not buy."""
        good = [(1001, 100, 1), (1002, 150, 2), (1004, 5, 1)]
        product = (1012, 500, 1) if number % 50 == 7 else self.dice.choice(good)
        return f"row-{number},{product[0]},{product[1]},{product[2]}"

    def write_orders(self) -> None:
        """Write the orders file again."""
        self.orders.write_text("\n".join(["key,product_id,denomination,quantity", *self.rows]) + "\n")

    def start(self, *options: str) -> Running:
        """Begin a run."""
        bounds = ("--settle", "1", "--concurrency", "16", "--rate", "none")
        return self.command("run", str(self.orders), *bounds, *options)

    def command(self, *arguments: str) -> Running:
        """Begin a command on the ledger."""
        environment = {
            **os.environ,
            "XOXO_BASE_URL": self.base_url or self.sandbox.base_url,
            "XOXO_CLIENT_ID": self.client_id,
            "XOXO_CLIENT_SECRET": self.sandbox.client_secret,
        }
        words = [*self.program, "bulk", *arguments, "--ledger", str(self.ledger), "--json"]
        if self.started_with is None:
            return WarmProcess(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        words = [sys.executable, *self.started_with, *words]
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *options: str) -> tuple[int, str, str]:
        """Run to the end, and return the exit code and the output."""
        with self.start(*options) as process:
            out, err = _heard(process)
        self.said += err
        return process.returncode, out, err

    def killed(self, *options: str, least: int = 0) -> None:
        """Run until some more orders are placed or some seconds have passed, and kill the process.

        Args:
            options: More options of the command.
            least: So many orders are placed, however long a busy machine takes for them.
        """
        with self.start(*options) as process:
            before = self.sandbox.books().orders
            wanted = max(least, self.dice.randint(1, ROWS // 3))
            deadline = time.monotonic() + self.dice.uniform(1.0, 4.0)
            while process.poll() is None:
                placed = self.sandbox.books().orders - before
                if placed >= wanted or (placed >= least and time.monotonic() >= deadline):
                    break
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            self.said += _heard(process)[1]

    def finish(self, *options: str, withdrawn: int = 0) -> dict[str, Any]:
        """Run until all rows are sent or withdrawn, and return the last report."""
        report: dict[str, Any] = {}
        for _ in range(10):
            _, out, err = self.run(*options)
            assert out, err
            report = json.loads(out.splitlines()[-1])
            assert report["rows"], err  # a ledger that cannot be opened has no rows to send either
            if report["not_sent"] == withdrawn:
                break
        return report

    def decide_as_told(self) -> int:
        """Do what a careful person does with the rows of a run, and return how many lines that were."""
        decided = 0
        for line in self.lines():
            told = _HAS.search(line.error) if line.state is LineState.MANUAL else None
            if told is not None:
                with self.command("resolve", line.key, "--placed", told[1]) as process:
                    _, err = _heard(process)
                assert process.returncode == 0, err
                self.said += err
                decided += 1
        return decided

    def lines(self) -> list[LedgerLine]:
        """Return the lines of the ledger with their codes."""

        async def read() -> list[LedgerLine]:
            async with SqliteLedger(self.ledger, must_exist=True) as ledger:
                return [line async for line in ledger.lines(with_codes=True)]

        return anyio.run(read)

    def check(self, report: dict[str, Any], *, rows: int = ROWS) -> None:
        """Compare every line with the books of the sandbox, to the cent, and check the output."""
        lines, books = self.lines(), self.sandbox.books()
        assert len(lines) == report["rows"] == rows
        parts = ("issued", "pending", "rejected", "unknown", "not_sent")
        assert sum(int(report[part]) for part in parts) == rows
        booked = {order.po_number: order for order in self.sandbox.state.orders.values()}
        for line in lines:
            order = booked.pop(line.po_number, None)
            if line.state is LineState.PLACED:
                assert order is not None
                assert (line.order_id, line.amount_charged) == (order.order_id, order.charged), (line, order.order_id)
                stored = json.loads(line.codes or b"[]")
                assert [(code["code"], code.get("pin", "")) for code in stored] == list(order.codes)
            else:
                # Only rows that no look-up can settle wait for a person.
                assert line.state in _NO_ORDER | {LineState.MANUAL}, (line, order)
                assert order is None, (line, line.error)
        assert booked == {}
        charged = (line.amount_charged or Decimal(0) for line in lines if line.state is LineState.PLACED)
        assert sum(charged, Decimal(0)) == books.charged
        assert books.duplicates == {}
        assert "Traceback" not in self.said
        assert not any(code in self.said for order in self.sandbox.state.orders.values() for code, _ in order.codes)


def _heard(process: Running) -> tuple[str, str]:
    """Return the output of a command up to its end. A command that does not end is killed, and the test fails."""
    try:
        return process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
