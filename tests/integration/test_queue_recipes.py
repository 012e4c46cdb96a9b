"""The recipes of examples/queue_*.py: two processes, one killed in the midst; each order exists once."""

import asyncio
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.commands import QUICK, environment, requests_of, server, wait_until, write_values, xoxo
from xoxo_async.bulk import LineState, open_ledger
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.settings import Bounds

ROWS = 90
EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def running(name: str, folder: Path, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an example, and end it."""
    with (folder / f"{name}-{os.urandom(2).hex()}.log").open("wb") as log:
        process = subprocess.Popen(
            [*QUICK, str(EXAMPLES / f"{name}.py")], env=environment(**extra), stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


async def placed(url: str) -> int:
    async with open_ledger(url, must_exist=True, read_only=True) as ledger:
        return (await ledger.counts()).states.get(LineState.PLACED, 0)


async def keep_bounds(url: str) -> None:
    """Keep what the shifts keep to: absence counts at once, and two orders are in flight in each process."""
    async with open_ledger(url, must_exist=True) as ledger:
        await ledger.set_fact(BOUNDS, Bounds(settle_s=0.0, concurrency=2).to_json())


async def make_procrastinate(database: str) -> None:
    from procrastinate import App, PsycopgConnector

    async with App(connector=PsycopgConnector(conninfo=database)).open_async() as app:
        await app.schema_manager.apply_schema_async()


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("name", ["queue_procrastinate", "queue_taskiq"])
def test_a_killed_worker_loses_and_repeats_nothing(tmp_path: Path, database: str, name: str) -> None:
    """The other one finds its lines by their poNumbers, once its lease has ended."""
    ledger = f"{database}#march"
    if name == "queue_procrastinate":
        asyncio.run(make_procrastinate(database))
    with server(tmp_path, "--latency-ms", "50") as env:
        orders = write_values(tmp_path, *((f"k{n}", 100) for n in range(ROWS)))
        done = xoxo("bulk", "plan", orders, "--ledger", ledger, cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
        asyncio.run(keep_bounds(ledger))
        with (
            running(name, tmp_path, XOXO_LEDGER=database, **env) as first,
            running(name, tmp_path, XOXO_LEDGER=database, **env),
        ):
            wait_until(lambda: requests_of(env) > 20)
            first.send_signal(signal.SIGKILL)
            first.wait(20)
            with suppress(AssertionError):
                wait_until(lambda: asyncio.run(placed(ledger)) == ROWS, 180)
            assert asyncio.run(placed(ledger)) == ROWS, "".join(
                log.read_text()[-2000:] for log in tmp_path.glob("*.log")
            )
        books = env["XOXO_BASE_URL"].replace("/chef", "/_sandbox/books")
        with urllib.request.urlopen(books, timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["orders"] == ROWS
