"""The web apps of the examples, each called as a browser would call it, against the sandbox."""

import asyncio
import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientError, ClientSession
from aiohttp.test_utils import TestClient, TestServer

from tests.asgi import started
from xoxo_async import RateLimits, Timeouts
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.sandbox import Sandbox

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment")]

CORNER_SHOP = {"product_id": 1001, "denomination": 500}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def environment(xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The XOXO_* variables of the running sandbox, and a profile without limits."""
    monkeypatch.setenv("XOXO_BASE_URL", xoxo_sandbox.base_url)
    monkeypatch.setenv("XOXO_CLIENT_ID", "sandbox-client")
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "sandbox-secret")
    # The sandbox has no limits, and a hundred orders a minute would be one every 0.6 s.
    limits = "".join(f'{name} = "none"\n' for name in RateLimits.__struct_fields__)
    (tmp_path / "config.toml").write_text(f"[profiles.fast.limits]\n{limits}")
    monkeypatch.setenv("XOXO_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("XOXO_PROFILE", "fast")


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    json: Any


class Ask:
    """Makes claims of the user ann."""

    def __init__(self, request: Any) -> None:
        self._request = request

    async def __call__(
        self, key: str, claim: dict[str, Any] | None = None, *, path: str = "/claims", gone: asyncio.Event | None = None
    ) -> Reply:
        headers = {"Idempotency-Key": key, "X-User": "ann"}
        reply: Reply = await self._request("GET" if claim is None else "POST", path, claim, headers, gone)
        return reply


@asynccontextmanager
async def over_asgi(app: Any, *, lifespan: bool = True) -> AsyncIterator[Ask]:
    async with started(app, lifespan=lifespan) as asgi:

        async def request(method: str, path: str, data: Any, headers: Any, gone: Any) -> Reply:
            answer = await asgi.request(method, path, data=data, headers=headers, gone=gone)
            return Reply(answer.status, answer.headers, answer.json if answer.body.startswith(b"{") else None)

        yield Ask(request)


@asynccontextmanager
async def fastapi_app() -> AsyncIterator[Ask]:
    module = load("fastapi_app")
    module.LIMITS = RateLimits.unlimited()  # type: ignore[attr-defined]
    async with over_asgi(module.app) as ask:
        yield ask


@asynccontextmanager
async def starlette_app() -> AsyncIterator[Ask]:
    async with over_asgi(load("starlette_app").app) as ask:
        yield ask


@asynccontextmanager
async def litestar_app() -> AsyncIterator[Ask]:
    async with over_asgi(load("litestar_app").app) as ask:
        yield ask


@asynccontextmanager
async def aiohttp_app() -> AsyncIterator[Ask]:
    async with TestClient(TestServer(load("aiohttp_app").make_app())) as http:

        async def request(method: str, path: str, data: Any, headers: Any, _gone: Any) -> Reply:
            sent = {"data": data} if isinstance(data, bytes) else {"json": data}
            async with http.request(method, path, **sent, headers=headers) as answer:
                lower = {name.lower(): value for name, value in answer.headers.items()}
                text = await answer.text()
                return Reply(answer.status, lower, json.loads(text) if text.startswith("{") else None)

        yield Ask(request)


@cache  # Django has one configuration for a process
def django() -> ModuleType:
    return load("django_app")


@asynccontextmanager
async def django_app() -> AsyncIterator[Ask]:
    module = django()
    module.background = BackgroundDesk()  # the sandbox is another one in each test
    async with over_asgi(module.application, lifespan=False) as ask:
        yield ask
    await asyncio.to_thread(module.background.close)


@asynccontextmanager
async def flask_app() -> AsyncIterator[Ask]:
    module = load("flask_app")

    async def request(method: str, path: str, data: Any, headers: Any, _gone: Any) -> Reply:
        def work() -> Reply:
            sent = {"data": data} if isinstance(data, bytes) else {"json": data}
            answer = module.app.test_client().open(path, method=method, **sent, headers=headers)
            lower = {name.lower(): value for name, value in answer.headers}
            return Reply(answer.status_code, lower, answer.json if answer.is_json else None)

        return await asyncio.to_thread(work)

    yield Ask(request)
    await asyncio.to_thread(module.background.close)


App = Callable[[], AbstractAsyncContextManager[Ask]]
APPS: list[App] = [fastapi_app, starlette_app, litestar_app, aiohttp_app, django_app, flask_app]
every_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.__name__)


@every_app
async def test_a_claim_made_twice_is_one_order(app: App, xoxo_sandbox: Sandbox) -> None:
    """The first answer of the vendor is lost, and the same claim comes twice at once and once more later."""
    xoxo_sandbox.script("commit_then_reset", first=1)
    async with app() as ask:
        replies = [*await asyncio.gather(ask("7", CORNER_SHOP), ask("7", CORNER_SHOP)), await ask("7", CORNER_SHOP)]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["codes"][0] for reply in replies}) == 1
    assert xoxo_sandbox.books().orders == 1


@every_app
async def test_refusals_are_told_apart(app: App, xoxo_sandbox: Sandbox) -> None:
    """KYC, a denomination that is not sold, a wrong argument, and a key that comes with another claim."""
    claims = [
        ("1", {"product_id": 1012, "denomination": 500}),
        ("2", {"product_id": 1001, "denomination": 333}),
        ("3", {"product_id": 1001, "denomination": -1}),
    ]
    async with app() as ask:
        replies = [await ask(key, claim) for key, claim in claims]
    assert [(reply.status, reply.json["error"]) for reply in replies] == [
        (409, "kyc_missing"),
        (422, "wrong_denomination"),
        (422, "wrong_argument"),
    ]
    assert xoxo_sandbox.books().orders == 0


RUBBISH = [b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff", b'{"product_id": {}, "denomination": 5}']


@every_app
async def test_rubbish_is_the_callers_fault(app: App, xoxo_sandbox: Sandbox) -> None:
    """A body that is no claim, and a key that is missing or blank, are answered with 4xx, and nothing is ordered."""
    user = {"X-User": "ann"}
    async with app() as ask:
        asked: list[tuple[object, dict[str, str]]] = [(body, {"Idempotency-Key": "7", **user}) for body in RUBBISH]
        asked += [(CORNER_SHOP, headers) for headers in ({}, user, {"Idempotency-Key": " ", **user})]
        if app is not litestar_app:  # to this one it answers 500 by itself
            asked.append((b"[" * 60_000, {"Idempotency-Key": "7", **user}))
        replies = [await ask._request("POST", "/claims", body, headers, None) for body, headers in asked]
    assert {reply.status for reply in replies} <= {400, 422}
    assert xoxo_sandbox.books().orders == 0


@every_app
async def test_pending_codes_are_told_with_202(app: App, xoxo_sandbox: Sandbox) -> None:
    """The order exists; its codes come later."""
    async with app() as ask:
        reply = await ask("7", {"product_id": 1010, "denomination": 500})
    assert (reply.status, reply.json, reply.headers["retry-after"]) == (202, {"status": "pending"}, "5")
    assert xoxo_sandbox.books().orders == 1


@every_app
async def test_a_rate_limit_says_when(app: App, xoxo_sandbox: Sandbox) -> None:
    """Nothing was ordered, and the same claim is made again after the vendor's penalty."""
    xoxo_sandbox.script("throttle", seconds=700)  # longer than a call: it is not waited for
    async with app() as ask:
        reply = await ask("7", CORNER_SHOP)
    assert (reply.status, reply.json["error"], reply.json["effect"]) == (503, "too_many", "none")
    assert 600 < int(reply.headers["retry-after"]) <= 700
    assert xoxo_sandbox.books().orders == 0


@pytest.mark.parametrize("app", [fastapi_app, starlette_app, litestar_app, django_app])
async def test_a_disconnect_does_not_end_an_order(
    app: App, xoxo_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is gone, and the vendor's answer is lost too: the order is looked up to its end."""
    xoxo_sandbox.script("timeout_after_commit", first=1, seconds=0.05)
    gone = asyncio.Event()
    async with app() as ask:
        asking = asyncio.ensure_future(ask("7", CORNER_SHOP, gone=gone))
        while not xoxo_sandbox.books().orders:
            await asyncio.sleep(0.005)
        gone.set()
        cancelled = await asking
        reply = await ask("7", CORNER_SHOP)
    assert cancelled.status == (0 if app is django_app else 200)  # Django alone cancels its view
    assert reply.status == 200
    assert xoxo_sandbox.books().orders == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING and "may not" in record.msg]


@pytest.mark.parametrize("app", [fastapi_app, starlette_app, litestar_app, aiohttp_app, flask_app])
async def test_a_poll_finds_the_order(app: App) -> None:
    """Before the claim there is none."""
    async with app() as ask:
        assert (await ask("7")).status == 404
        placed = await ask("7", CORNER_SHOP)
        polled = await ask("7")
    assert (polled.status, polled.json) == (200, placed.json)


async def test_a_slow_order_is_polled(xoxo_sandbox: Sandbox) -> None:
    """FastAPI answers 202 while the order is being placed; a poll says the same, and then has the codes."""
    xoxo_sandbox.script("timeout_after_commit", first=1, seconds=0.05)
    async with fastapi_app() as ask:
        sys.modules["fastapi_app"].WAIT_S = 0  # type: ignore[attr-defined]
        placed, polled = await ask("7", CORNER_SHOP), await ask("7")
        assert (placed.status, polled.status) == (202, 202)
        while (polled := await ask("7")).status == 202:
            await asyncio.sleep(0.01)
    assert polled.json["status"] == "delivered"
    assert xoxo_sandbox.books().orders == 1


async def test_a_key_is_of_one_claim_and_user(xoxo_sandbox: Sandbox) -> None:
    """The key with another product is refused; bob's key is not ann's."""
    async with fastapi_app() as ask:
        assert (await ask("7", CORNER_SHOP)).status == 200
        other = await ask("7", {"product_id": 1001, "denomination": 250})
        bobs = await ask._request("POST", "/claims", CORNER_SHOP, {"Idempotency-Key": "7", "X-User": "bob"}, None)
    assert (other.status, other.json["error"]) == (409, "key_used")
    assert bobs.status == 200
    assert xoxo_sandbox.books().orders == 2


async def test_support_sees_masked_codes(xoxo_sandbox: Sandbox) -> None:
    """`response_model=Order` masks them, and OpenAPI has the order's fields."""
    async with fastapi_app() as ask:
        code = (await ask("7", CORNER_SHOP)).json["codes"][0]
        booked = xoxo_sandbox.order(derive_po_number("claims of ann", "7"))
        assert booked is not None
        order = (await ask("7", path=f"/support/orders/{booked.order_id}")).json
    assert order["vouchers"][0]["code"] == f"****{code[-4:]}"
    assert code not in str(order)
    schema = sys.modules["fastapi_app"].app.openapi()
    assert "vouchers" in schema["components"]["schemas"]["Order"]["properties"]


async def test_out_of_stock_leaves_the_door_open(xoxo_sandbox: Sandbox) -> None:
    """The vendor's words do not prove that there is no order, so the answer says when to ask again."""
    module = load("fastapi_app")
    module.IN_TIME = Timeouts(call_s=2)  # type: ignore[attr-defined]
    async with over_asgi(module.app) as ask:
        reply = await ask("7", {"product_id": 1011, "denomination": 500})
    assert (reply.status, reply.json["error"], reply.json["effect"]) == (409, "out_of_stock", "possible")
    assert reply.headers["retry-after"] == "150"


async def test_django_has_sync_views_too(xoxo_sandbox: Sandbox) -> None:
    """They share the client with the async views: the same claim finds the same order."""
    async with django_app() as ask:
        replies = [await ask("7", CORNER_SHOP), await ask("7", CORNER_SHOP, path="/claims-sync")]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].json == replies[1].json
    assert xoxo_sandbox.books().orders == 1


async def test_the_webhook_of_the_fastapi_app(xoxo_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The shop's log names the poNumber; the event has no codes."""
    caplog.set_level(logging.INFO, "shop")
    app = load("fastapi_app").app
    async with started(app) as asgi:
        headers = {"Idempotency-Key": "7", "X-User": "ann"}
        await asgi.request("POST", "/claims", data=CORNER_SHOP, headers=headers)
        po_number = derive_po_number("claims of ann", "7")
        booked = xoxo_sandbox.order(po_number)
        assert booked is not None
        event = {"id": 1, "data": {"orderId": booked.order_id, "poNumber": po_number, "deliveryStatus": "delivered"}}
        answer = await asgi.request("POST", "/hooks/xoxo", data=event, headers={"x-api-key": "0123456789abcdef"})
    assert answer.status == 200
    assert f"order {po_number} is delivered" in caplog.text


@pytest.mark.slow
async def test_web_workers_share_an_allowance(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """Two processes, twenty claims, sixty orders a minute: each is answered, or told when to come again."""
    (tmp_path / "quick_app.py").write_text(
        "import fastapi_app\n"
        "from xoxo_async import RateLimits, Timeouts\n"
        "fastapi_app.LIMITS, fastapi_app.IN_TIME = RateLimits(place_order=60), Timeouts(call_s=2.5)\n"
        "app = fastapi_app.app\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "quick_app:app", "--workers", "2", "--port", str(port)]
    paths = os.pathsep.join([str(tmp_path), str(EXAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "XOXO_SHARED": f"file:{tmp_path}/allowance"}
    server = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with ClientSession() as http:
            url = f"http://127.0.0.1:{port}/claims"
            await until_it_answers(http, url)

            async def claim(number: int) -> tuple[int, str, float]:
                headers, began = {"Idempotency-Key": str(number), "X-User": "ann"}, time.monotonic()
                async with http.post(url, json=CORNER_SHOP, headers=headers) as response:
                    return response.status, response.headers.get("Retry-After", ""), time.monotonic() - began

            answers = await asyncio.gather(*(claim(number) for number in range(20)))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    placed = [answer for answer in answers if answer[0] == 200]
    refused = [answer for answer in answers if answer[0] == 503]
    assert len(placed) + len(refused) == 20
    assert placed
    assert refused
    assert all(int(again) >= 1 for _, again, _ in refused)
    assert xoxo_sandbox.books().orders == len(placed)
    assert max(took for _, _, took in answers) < 30  # little more than a second, on a machine that is not busy


async def until_it_answers(http: ClientSession, url: str) -> None:
    """Wait for a server that offers nothing to wait on."""
    for _ in range(600):
        try:
            async with http.get(url) as response:
                if response.status == 422:  # a claim without a key
                    return
        except ClientError:
            pass
        await asyncio.sleep(0.05)
    pytest.fail("the server never answered")
