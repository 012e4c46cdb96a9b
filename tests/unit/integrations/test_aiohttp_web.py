"""`integrations.aiohttp_web`: the client in a cleanup context, errors as answers, the webhook, sub-apps."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from tests.unit.integrations.shop import KEY, KEYED, Deliveries, client_of, event_of
from xoxo_async import errors
from xoxo_async.integrations.aiohttp_web import (
    DESK,
    add_error_handlers,
    get_client,
    get_desk,
    lifespan,
    webhook,
)
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def place(request: web.Request) -> web.Response:
    order = await get_desk(request).place(**await request.json())
    return web.json_response({"id": order and order.order_id, "same": get_desk(request).client is get_client(request)})


def app_of(sandbox: Sandbox, deliveries: Deliveries) -> web.Application:
    app, inner = web.Application(), web.Application()
    app.cleanup_ctx.append(lifespan(lambda: client_of(sandbox)))
    add_error_handlers(app)
    inner.router.add_post("/orders", place)
    app.add_subapp("/shop", inner)
    app.router.add_post("/hook", webhook(KEY, deliveries))
    return app


async def test_a_sub_app_uses_the_client_of_its_parent(xoxo_sandbox: Sandbox) -> None:
    """So do the error answers."""
    async with TestClient(TestServer(app_of(xoxo_sandbox, Deliveries()))) as http:
        order = {"product_id": 1001, "denomination": "500", "po_number": "PO-1"}
        placed = await http.post("/shop/orders", json=order)
        assert (placed.status, (await placed.json())["same"]) == (200, True)
        refused = await http.post("/shop/orders", json={**order, "product_id": 1012, "po_number": "PO-2"})
        assert (refused.status, (await refused.json())["error"]) == (409, "kyc_missing")
        assert refused.content_type == "application/json"


async def test_the_webhook_reads_back_with_the_client(xoxo_sandbox: Sandbox) -> None:
    """A wrong key is refused; an event is given once."""
    deliveries = Deliveries(fail=1)
    event = await event_of(xoxo_sandbox)
    async with TestClient(TestServer(app_of(xoxo_sandbox, deliveries))) as http:
        posts = [await http.post("/hook", json=event, headers=keys) for keys in ({}, KEYED, KEYED, KEYED)]
    assert [post.status for post in posts] == [401, 500, 200, 200]
    assert [delivery.po_number for delivery in deliveries.got] == ["PO-7"]


async def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`app.cleanup_ctx.append(lifespan)` makes the client from the environment."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "token")
    app = web.Application()
    app.cleanup_ctx.append(lifespan)
    async with TestServer(app):
        assert len(app[DESK]) == 0


async def test_an_app_without_a_client_says_so() -> None:
    """The error names what is missing."""
    with pytest.raises(errors.ConfigError, match="cleanup_ctx"):
        get_client(make_mocked_request("GET", "/", app=web.Application()))
