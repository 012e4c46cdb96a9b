"""`integrations.starlette`: the client in the lifespan, errors as answers, the webhook."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.asgi import started
from tests.unit.integrations.shop import KEY, KEYED, Deliveries, client_of, event_of
from xoxo_async import XoxoClient, errors
from xoxo_async.integrations.starlette import add_error_handlers, get_client, get_desk, lifespan, webhook
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def place(request: Request) -> Response:
    order = await get_desk(request).place(**await request.json())
    return JSONResponse({"id": order and order.order_id, "same": get_desk(request).client is get_client(request)})


def app_of(sandbox: Sandbox) -> Starlette:
    app = Starlette(routes=[Route("/", place, methods=["POST"])], lifespan=lifespan(lambda: client_of(sandbox)))
    add_error_handlers(app)
    return app


async def test_one_client_serves_each_start(xoxo_sandbox: Sandbox) -> None:
    """An app that starts again has a new client; its routes share it."""
    app = app_of(xoxo_sandbox)
    for number in (1, 2):
        async with started(app) as asgi:
            order = {"product_id": 1001, "denomination": 500, "po_number": f"PO-{number}"}
            answer = await asgi.request("POST", "/", data=order)
            assert answer.json["same"]
    assert xoxo_sandbox.books().orders == 2


async def test_errors_are_answered_by_the_table(xoxo_sandbox: Sandbox) -> None:
    """KYC, a denomination that is not sold and a wrong argument are told apart."""
    answers = []
    async with started(app_of(xoxo_sandbox)) as asgi:
        for number, (product, value) in enumerate(((1012, 500), (1001, 333), (1001, -1)), 1):
            order = {"product_id": product, "denomination": value, "po_number": f"PO-{number}"}
            answers.append(await asgi.request("POST", "/", data=order))
    assert [(answer.status, answer.json["error"]) for answer in answers] == [
        (409, "kyc_missing"),
        (422, "wrong_denomination"),
        (422, "wrong_argument"),
    ]
    assert answers[0].headers["content-type"] == "application/json"


async def test_the_environment_is_the_default(xoxo_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lifespan=lifespan` makes the client from the environment; a missing setting stops the app at its start."""
    app = Starlette(lifespan=lifespan)
    monkeypatch.delenv("XOXO_CLIENT_ID", raising=False)
    with pytest.raises(AssertionError, match="XOXO_CLIENT_ID"):
        async with started(app):
            pass
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "token")
    async with started(app):
        client = app.state.xoxo_desk.client
        assert isinstance(client, XoxoClient)
    assert not hasattr(app.state, "xoxo_desk")


async def test_an_app_without_a_client_says_so() -> None:
    """The error names what is missing."""
    request = Request({"type": "http", "app": Starlette(), "headers": []})
    with pytest.raises(errors.ConfigError, match="lifespan=lifespan"):
        get_client(request)


async def test_the_webhook_reads_back_with_the_client(xoxo_sandbox: Sandbox) -> None:
    """A wrong key is refused; an event is given once, also when the callback failed first."""
    deliveries = Deliveries(fail=1)
    app = app_of(xoxo_sandbox)
    app.routes.append(Route("/hook", webhook(KEY, deliveries), methods=["POST"]))
    event = await event_of(xoxo_sandbox)
    async with started(app) as asgi:
        posts = [await asgi.request("POST", "/hook", data=event, headers=keys) for keys in ({}, KEYED, KEYED, KEYED)]
    assert [post.status for post in posts] == [401, 500, 200, 200]
    assert [delivery.po_number for delivery in deliveries.got] == ["PO-7"]
    assert deliveries.got[0].order is not None
