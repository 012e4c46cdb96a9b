"""`integrations.litestar`: the plugin with client, desk and errors; the webhook; what OpenAPI says."""

from typing import Any

import pytest
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import JSONBody

from tests.asgi import started
from tests.unit.integrations.shop import KEY, KEYED, Deliveries, client_of, event_of
from xoxo_async import Order, XoxoClient, errors
from xoxo_async.integrations.desk import OrderDesk
from xoxo_async.integrations.http_status import STATUS_TEXTS
from xoxo_async.integrations.litestar import ERROR_RESPONSES, XoxoPlugin, error_handlers, get_client, webhook
from xoxo_async.integrations.webhook import MAX_BODY_BYTES
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@post("/orders", responses=ERROR_RESPONSES)
async def place(
    data: JSONBody[dict[str, Any]], xoxo: NamedDependency[XoxoClient], xoxo_desk: NamedDependency[OrderDesk]
) -> dict[str, Any]:
    order = await xoxo_desk.place(**data)
    return {"id": order and order.order_id, "same": xoxo_desk.client is xoxo}


def app_of(sandbox: Sandbox, deliveries: Deliveries) -> Litestar:
    plugin = XoxoPlugin(lambda: client_of(sandbox))
    return Litestar([place, webhook("/hook", KEY, deliveries)], plugins=[plugin])


async def test_handlers_share_one_client(xoxo_sandbox: Sandbox) -> None:
    """Client and desk are dependencies; errors are answered by the table."""
    async with started(app_of(xoxo_sandbox, Deliveries())) as asgi:
        order = {"product_id": 1001, "denomination": "500", "po_number": "PO-1"}
        placed = await asgi.request("POST", "/orders", data=order)
        assert (placed.status, placed.json["same"]) == (201, True)
        refused = await asgi.request("POST", "/orders", data={**order, "product_id": 1012, "po_number": "PO-2"})
    assert (refused.status, refused.json["error"]) == (409, "kyc_missing")
    assert refused.headers["content-type"] == "application/json"


async def test_the_webhook_reads_back_with_the_client(xoxo_sandbox: Sandbox) -> None:
    """A wrong key is refused; an event is given once; a large body is not read."""
    deliveries = Deliveries(fail=1)
    event = await event_of(xoxo_sandbox)
    async with started(app_of(xoxo_sandbox, deliveries)) as asgi:
        posts = [await asgi.request("POST", "/hook", data=event, headers=keys) for keys in ({}, KEYED, KEYED, KEYED)]
        posts.append(await asgi.request("POST", "/hook", data=b"x" * (MAX_BODY_BYTES + 1), headers=KEYED))
    assert [answer.status for answer in posts] == [401, 500, 200, 200, 413]
    assert [delivery.po_number for delivery in deliveries.got] == ["PO-7"]


async def test_openapi_shows_the_answers(xoxo_sandbox: Sandbox) -> None:
    """Each status of an error has its body."""
    schema = app_of(xoxo_sandbox, Deliveries()).openapi_schema.to_schema()
    assert {str(status) for status in STATUS_TEXTS} <= set(schema["paths"]["/orders"]["post"]["responses"])
    assert "/hook" in schema["paths"]
    assert any(name.endswith("ErrorBody") for name in schema["components"]["schemas"])


def test_openapi_describes_the_masks() -> None:
    """A code is an object with a mask, and personal data is that or null."""

    @get("/order")
    async def read(xoxo: NamedDependency[XoxoClient]) -> Order:
        return await xoxo.orders.get(order_id=1)

    schemas = Litestar([read], plugins=[XoxoPlugin()]).openapi_schema.to_schema()["components"]["schemas"]
    fields = {name.rpartition("_")[2]: schema.get("properties", {}) for name, schema in schemas.items()}
    text = {"type": "string", "examples": ["****"]}
    mask = {"type": "object", "properties": {"masked": text}, "required": ["masked"]}
    assert fields["VoucherCode"]["pin"].items() >= mask.items()
    assert fields["Order"]["orderMeta"] == {"oneOf": [mask, {"type": "null"}]}


def test_an_app_without_a_client_says_so() -> None:
    """The error names what is missing; the handlers are there without the plugin too."""
    with pytest.raises(errors.ConfigError, match="XoxoPlugin"):
        get_client(State())
    assert set(error_handlers) == {errors.XoxoError}
