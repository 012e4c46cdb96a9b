"""The examples without a web server, each run against the sandbox as a user would run it."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from tests.queues import MemoryQueue
from xoxo_async import XoxoClient
from xoxo_async.bulk import Once, SettledLine, SqliteLedger, derive_po_number
from xoxo_async.sandbox import Sandbox

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def environment(xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The XOXO_* variables of the running sandbox."""
    monkeypatch.setenv("XOXO_BASE_URL", xoxo_sandbox.base_url)
    monkeypatch.setenv("XOXO_CLIENT_ID", "sandbox-client")
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "sandbox-secret")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    """An example is read in a minute or two."""
    assert len(path.read_text().splitlines()) < 80


@pytest.mark.usefixtures("environment")
def test_the_script_orders_once(xoxo_sandbox: Sandbox) -> None:
    """Run twice with one poNumber, it prints the same code twice and has ordered once."""
    command = [sys.executable, str(EXAMPLES / "script.py"), "PO-1", "1001", "500"]
    runs = [subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ) for _ in range(2)]
    assert [(run.returncode, run.stderr) for run in runs] == [(0, ""), (0, "")]
    assert runs[0].stdout == runs[1].stdout != ""
    assert xoxo_sandbox.books().orders == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.anyio
async def test_the_worker_goes_on_behind_bad_messages(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """A message that comes twice is bought once; one that is wrong, or not sold, becomes a dead letter."""
    worker = load("worker")
    delivered: list[SettledLine] = []

    async def deliver(settled: SettledLine) -> None:
        delivered.append(settled)
        if len(delivered) == 1:
            raise OSError("the mail server is down")  # the message comes again

    good = [worker.Message(f"m-{number}", 1001, Decimal(500)) for number in range(3)]
    bad = [worker.Message("bad-field", 1001, Decimal(-1)), worker.Message("not-sold", 1001, Decimal(333))]
    xoxo_sandbox.script("commit_then_reset", po_number=derive_po_number("messages", "m-0"))
    queue = MemoryQueue(*bad, *good, *good)
    task = asyncio.ensure_future(worker.work(queue, deliver, str(tmp_path / "messages.db")))
    await asyncio.wait_for(queue.ended.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(queue.acknowledged) == sorted(message.id for message in [*good, *good])
    assert {key: why.partition(":")[0] for key, why in queue.dead.items()} == {
        "bad-field": "ArgumentError",
        "not-sold": "the order of not-sold is rejected after 1 send",
    }
    assert len({settled.codes[0].code.reveal() for settled in delivered}) == 3
    assert xoxo_sandbox.books().orders == 3


@pytest.mark.anyio
async def test_the_worker_pauses_without_credentials(
    xoxo_sandbox: Sandbox, environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A message is not lost while the credentials are refused: it goes back, and the worker pauses."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "wrong")
    worker = load("worker")
    message = worker.Message("m-1", 1001, Decimal(500))
    queue = MemoryQueue(message)

    async def deliver(_settled: SettledLine) -> None:
        raise AssertionError

    async with XoxoClient.from_env() as xoxo, SqliteLedger(tmp_path / "m.db") as ledger:
        handling = asyncio.ensure_future(worker.handle(Once(xoxo, ledger, job="j"), queue, message, deliver))
        while not queue.verdicts:
            await asyncio.sleep(0.01)
        assert not handling.done()  # it takes no other message
        handling.cancel()
        await asyncio.gather(handling, return_exceptions=True)
    assert (queue.verdicts[0].action, queue.verdicts[0].pause) == ("again", True)
    assert queue.dead == {}


@pytest.mark.anyio
async def test_the_worker_returns_a_message_when_it_stops(
    xoxo_sandbox: Sandbox, environment: None, tmp_path: Path
) -> None:
    """Cancelled in flight, it gives the message back; the next worker finds its order."""
    worker = load("worker")
    message = worker.Message("m-1", 1001, Decimal(500))
    queue = MemoryQueue(message)
    xoxo_sandbox.script("timeout_after_commit", first=1, seconds=60)

    async def deliver(settled: SettledLine) -> None:
        assert settled.order_id

    for delivery in (1, 2):
        async with XoxoClient.from_env() as xoxo, SqliteLedger(tmp_path / "m.db") as ledger:
            handling = asyncio.ensure_future(worker.handle(Once(xoxo, ledger, job="j"), queue, message, deliver))
            while not xoxo_sandbox.books().orders:
                await asyncio.sleep(0.01)
            if delivery == 1:
                handling.cancel()
            await asyncio.gather(handling, return_exceptions=True)
    assert [verdict.action for verdict in queue.verdicts] == ["again", "done"]
    assert xoxo_sandbox.books().orders == 1
