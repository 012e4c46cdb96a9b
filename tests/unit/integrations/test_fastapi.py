"""`integrations.fastapi`: the dependency, the answers and the webhook, and what OpenAPI says of them."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket

from tests.asgi import started
from tests.unit.integrations.shop import KEY, KEYED, Deliveries, client_of, event_of
from tests.unit.wire.orders import CODE, order
from xoxo_async import Page, XoxoClient
from xoxo_async.integrations.fastapi import (
    ERROR_RESPONSES,
    OrderDesk,
    Webhook,
    add_error_handlers,
    get_client,
    get_desk,
    lifespan,
)
from xoxo_async.integrations.http_status import STATUS_TEXTS
from xoxo_async.integrations.webhook import MAX_BODY_BYTES, Delivery
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


def app_of(sandbox: Sandbox, deliveries: Deliveries) -> FastAPI:
    app = FastAPI(lifespan=lifespan(lambda: client_of(sandbox)))
    add_error_handlers(app)
    hook = Webhook(KEY)

    @app.post("/orders", responses=ERROR_RESPONSES)
    async def place(order: dict[str, Any], desk: Annotated[OrderDesk, Depends(get_desk)]) -> int | None:
        placed = await desk.place(**order)
        return placed and placed.order_id

    @app.get("/balance")
    async def balance(xoxo: Annotated[XoxoClient, Depends(get_client)]) -> str:
        return str((await xoxo.account.get_balance()).currency)

    @app.post("/hook", openapi_extra=hook.openapi_extra)
    async def delivered(delivery: Annotated[Delivery, Depends(hook)]) -> None:
        await deliveries(delivery)

    @app.websocket("/live")
    async def live(socket: WebSocket, desk: Annotated[OrderDesk, Depends(get_desk)]) -> None:
        """The dependency is also one of websockets."""

    return app


async def test_a_route_without_an_annotation_may_reply() -> None:
    """Also with a page, and with replies among other values; codes are masks as elsewhere."""
    app, page = FastAPI(), Page(items=(order(),), number=1, limit=1)

    @app.get("/order")
    async def one():  # type: ignore[no-untyped-def]
        return order()

    @app.get("/orders")
    async def many():  # type: ignore[no-untyped-def]
        return {"page": page, "all": [order()]}

    @app.get("/any")
    async def anything() -> dict[str, object]:
        return {"page": page, "all": [order()]}

    shown = order().to_dict()
    async with started(app) as asgi:
        assert (await asgi.request("GET", "/order")).json == shown
        for path in ("/orders", "/any"):
            told = await asgi.request("GET", path)
            assert (told.status, told.json) == (200, {"page": page.to_dict(), "all": [shown]})
            assert CODE.encode() not in told.body


async def test_routes_share_one_client(xoxo_sandbox: Sandbox) -> None:
    """The client is a dependency; the desk uses it."""
    async with started(app_of(xoxo_sandbox, Deliveries())) as asgi:
        order = {"product_id": 1001, "denomination": "500", "po_number": "PO-1"}
        placed = await asgi.request("POST", "/orders", data=order)
        assert (placed.status, (await asgi.request("GET", "/balance")).json) == (200, "INR")
        refused = await asgi.request("POST", "/orders", data={**order, "product_id": 1012, "po_number": "PO-2"})
    assert (refused.status, refused.json["error"]) == (409, "kyc_missing")


async def test_an_event_reaches_the_route_once(xoxo_sandbox: Sandbox) -> None:
    """Not with a wrong key; again after the route failed; a known one and an unknown kind are answered with 200."""
    deliveries = Deliveries(fail=1)
    event = await event_of(xoxo_sandbox)
    app = app_of(xoxo_sandbox, deliveries)
    async with started(app) as asgi:
        assert (await asgi.request("POST", "/hook", data=event)).status == 401
        with pytest.raises(OSError, match="database"):  # the server makes 500 of it
            await asgi.request("POST", "/hook", data=event, headers=KEYED)
        bodies = (event, event, b"no JSON", b"x" * (MAX_BODY_BYTES + 1))
        answers = [await asgi.request("POST", "/hook", data=body, headers=KEYED) for body in bodies]
    assert [answer.status for answer in answers] == [200, 200, 200, 413]
    assert [delivery.po_number for delivery in deliveries.got] == ["PO-7"]


async def test_openapi_shows_the_webhook_and_errors(xoxo_sandbox: Sandbox) -> None:
    """The key, the body of an event, and each status of an error."""
    schema = app_of(xoxo_sandbox, Deliveries()).openapi()
    hook, orders = schema["paths"]["/hook"]["post"], schema["paths"]["/orders"]["post"]
    assert hook["security"] == [{"XoxoWebhookKey": []}]
    assert schema["components"]["securitySchemes"]["XoxoWebhookKey"]["name"] == "x-api-key"
    event = hook["requestBody"]["content"]["application/json"]["schema"]
    assert set(event["properties"]["data"]["required"]) == {"orderId", "deliveryStatus"}
    assert {str(status) for status in STATUS_TEXTS} <= set(orders["responses"])
    ours, theirs = orders["responses"]["422"]["content"]["application/json"]["schema"]["anyOf"]
    assert (ours["title"], theirs["properties"]["detail"]["type"]) == ("ErrorBody", "array")
    body = orders["responses"]["503"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"error", "detail", "effect", "retry_after_s", "po_number"}


def test_without_fastapi_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import error names the package."""
    import importlib
    import sys

    import xoxo_async.integrations.fastapi as module

    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ImportError, match="pip install fastapi"):
        importlib.reload(module)
    monkeypatch.undo()
    importlib.reload(module)
