"""The recipes of examples/queue_*.py: what fails comes again, a killed process is replaced; each order exists once."""

import asyncio
import importlib.util
import json
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from tests.integration.commands import QUICK, environment, requests_of, server, wait_until, write_values, xoxo
from tests.warm_python import WarmProcess
from xoxo_async import XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, LineState, OrderLine, open_ledger
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.settings import Bounds
from xoxo_async.sandbox import Sandbox

ROWS = 90
EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def running(name: str, folder: Path, **extra: str) -> Iterator[WarmProcess]:
    """Run an example, and end it."""
    with (folder / f"{name}-{os.urandom(2).hex()}.log").open("wb") as log:
        process = WarmProcess(
            [*QUICK[1:], EXAMPLES / f"{name}.py"], env=environment(**extra), stdout=log.fileno(), stderr=log.fileno()
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


@pytest.fixture
def environment_of_the_sandbox(xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The XOXO_* variables of the running sandbox."""
    monkeypatch.setenv("XOXO_BASE_URL", xoxo_sandbox.base_url)
    monkeypatch.setenv("XOXO_CLIENT_ID", "sandbox-client")
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "sandbox-secret")


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


async def placed(url: str) -> int:
    async with open_ledger(url, must_exist=True, read_only=True) as ledger:
        return (await ledger.counts()).states.get(LineState.PLACED, 0)


def states(url: str) -> dict[LineState, int]:
    """Return how many lines are in each state."""

    async def read() -> dict[LineState, int]:
        async with open_ledger(url, must_exist=True, read_only=True) as ledger:
            return {state: lines for state, lines in (await ledger.counts()).states.items() if lines}

    return asyncio.run(read())


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


@pytest.mark.parametrize("name", ["queue_procrastinate", "queue_taskiq"])
def test_a_recipe_ends_in_order(tmp_path: Path, database: str, name: str) -> None:
    """At SIGTERM it waits for its orders in flight, with exit code 0: nothing is in doubt."""
    ledger = f"{database}#march"
    if name == "queue_procrastinate":
        asyncio.run(make_procrastinate(database))
    with server(tmp_path, "--latency-ms", "700") as env:
        orders = write_values(tmp_path, *((f"k{n}", 100) for n in range(8)))
        done = xoxo("bulk", "plan", orders, "--ledger", ledger, cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
        asyncio.run(keep_bounds(ledger))
        with running(name, tmp_path, XOXO_LEDGER=database, **env) as process:
            wait_until(lambda: states(ledger).get(LineState.SENDING, 0) > 0)
            process.send_signal(signal.SIGTERM)
            process.wait(40)
            said = "".join(log.read_text()[-2000:] for log in tmp_path.glob("*.log"))
            assert process.returncode == 0, said
        assert states(ledger).keys() <= {LineState.PLACED, LineState.PLANNED}, said
        assert states(ledger)[LineState.PLACED] == requests_of(env) > 0


@pytest.mark.usefixtures("environment_of_the_sandbox")
@pytest.mark.anyio
@pytest.mark.parametrize("name", ["queue_procrastinate", "queue_taskiq"])
async def test_a_recipe_outlives_what_fails(
    xoxo_sandbox: Sandbox, database: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look for jobs fails, then the first shift; all orders are placed nevertheless, each once."""
    if name == "queue_procrastinate":
        await make_procrastinate(database)
    async with XoxoClient.from_env() as xoxo, open_ledger(f"{database}#march") as ledger:
        rows = [OrderLine(key=f"k{n}", product_id=1001, denomination=Decimal(100)) for n in range(3)]
        await BulkIssuer(xoxo, ledger, job="march").plan(rows)
    monkeypatch.setenv("XOXO_LEDGER", database)
    recipe = load(name, monkeypatch)
    failed: list[str] = []

    def once(does: str) -> None:
        works: Any = getattr(recipe, does)

        async def fail_once(*given: Any, **named: Any) -> Any:
            if does in failed:
                return await works(*given, **named)
            failed.append(does)
            raise errors.LedgerError("the database restarts")

        monkeypatch.setattr(recipe, does, fail_once)

    once("open_jobs")
    once("run_shift")
    monkeypatch.setattr(recipe, "AGAIN_S", 0.1)
    working = asyncio.ensure_future(recipe.main())
    try:
        with anyio.fail_after(60):
            while await placed(f"{database}#march") != 3:
                assert not working.done(), "the recipe ended"
                await asyncio.sleep(0.05)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert failed == ["open_jobs", "run_shift"]
    assert xoxo_sandbox.books().orders == 3
