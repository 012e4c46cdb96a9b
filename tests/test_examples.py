"""The examples, each run against the sandbox as a user would run it."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from xoxo_async import Order, XoxoClient
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
    """An example is read in a minute."""
    assert len(path.read_text().splitlines()) < 60


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
async def test_the_fastapi_app_serves_claims(xoxo_sandbox: Sandbox) -> None:
    """A claim made twice is one order; a senseless one is told so."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(load("fastapi_app").app, port=0, log_level="error"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:  # uvicorn offers nothing to wait on
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/claims"
    body = {"claim_id": "7", "product_id": 1001, "denomination": 500}
    answers = []
    async with ClientSession() as http:
        for claim in (body, body, {**body, "claim_id": "8", "denomination": -1}):
            async with http.post(url, json=claim) as response:
                answers.append((response.status, await response.json()))
    server.should_exit = True
    await serving
    assert [status for status, _ in answers] == [200, 200, 422]
    assert answers[0] == answers[1]
    assert xoxo_sandbox.books().orders == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.anyio
async def test_the_aiohttp_app_serves_claims(xoxo_sandbox: Sandbox) -> None:
    """A claim made twice is one order."""
    async with TestClient(TestServer(load("aiohttp_app").make_app())) as client:
        bodies = []
        for _ in range(2):
            response = await client.post("/claims/7", json={"product_id": 1001, "denomination": 500})
            assert response.status == 200
            bodies.append(await response.json())
    assert bodies[0] == bodies[1]
    assert xoxo_sandbox.books().orders == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.anyio
async def test_the_worker_orders_once_for_a_redelivered_message(xoxo_sandbox: Sandbox) -> None:
    """The same message twice delivers the same code twice, from one order."""
    worker = load("worker")
    delivered: list[str] = []

    async def deliver(_message: object, order: Order) -> None:
        delivered.append(order.vouchers[0].code.reveal())

    message = worker.Message("m-1", 1001, "500", "jane@example.com")
    async with XoxoClient.from_env() as xoxo:
        assert await worker.handle(xoxo, message, deliver)
    queue: asyncio.Queue[object] = asyncio.Queue()
    queue.put_nowait(message)
    task = asyncio.ensure_future(worker.work(queue, deliver))
    await asyncio.wait_for(queue.join(), 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(delivered) == 2
    assert len(set(delivered)) == 1
    assert xoxo_sandbox.books().orders == 1
