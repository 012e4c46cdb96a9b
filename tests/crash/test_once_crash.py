"""A worker that dies with messages in flight: they are delivered again, and bought once.

The vendor of these tests accepts a poNumber twice, so a second send would be a second order.
"""

import asyncio
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.crash import hundred_messages
from tests.crash.hundred_messages import KILLED, MESSAGES
from tests.warm_python import WarmProcess
from xoxo_async.bulk import SqliteLedger
from xoxo_async.sandbox import Sandbox


def start(sandbox: Sandbox, path: Path, *point: str) -> WarmProcess:
    program = [hundred_messages.__file__, sandbox.base_url, path, *point]
    return WarmProcess(program, stderr=subprocess.PIPE)


def check(sandbox: Sandbox, path: Path) -> None:
    """Deliver all messages again: each has one order, the ledger agrees, and nobody is asked."""
    orders = asyncio.run(hundred_messages.work(sandbox.base_url, str(path)))
    booked = {order.order_id for order in sandbox.state.orders.values()}
    assert len(booked) == MESSAGES
    assert set(orders.values()) == booked

    async def issued() -> int:
        async with SqliteLedger(path) as ledger:
            return (await ledger.counts()).issued

    assert asyncio.run(issued()) == MESSAGES


@pytest.mark.parametrize("nth", ["1", "20"])
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_worker_dies_at_an_order(tmp_path: Path, point: str, nth: str) -> None:
    """Between intent and request, or between answer and record: the redelivered messages are looked up (T7)."""
    with Sandbox(latency_ms=5, unique_po_numbers=False).run_in_thread() as sandbox:
        worker = start(sandbox, tmp_path / "m.db", point, nth)
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == KILLED, errors
        check(sandbox, tmp_path / "m.db")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_worker_is_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """A kill -9 while some orders are placed and others are in flight, twice."""
    chance = random.Random(seed)
    with Sandbox(latency_ms=20, unique_po_numbers=False).run_in_thread() as sandbox:
        for _ in range(2):
            worker = start(sandbox, tmp_path / "m.db")
            before = sandbox.books().orders
            wanted = before + chance.randrange(1, 30)
            while sandbox.books().orders < min(wanted, MESSAGES) and worker.poll() is None:
                time.sleep(0.001)  # polling: the books offer nothing to wait on
            worker.send_signal(signal.SIGKILL)
            worker.communicate(timeout=60)
        check(sandbox, tmp_path / "m.db")
