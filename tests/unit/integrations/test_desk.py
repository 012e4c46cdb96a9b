"""`integrations.desk`: an order goes on without its caller, is placed once for all who ask, and ends with the app."""

import asyncio
import logging
from typing import Any

import pytest

from xoxo_async import Order, StaticToken, XoxoClient, errors
from xoxo_async.integrations.desk import OrderDesk, opened

pytestmark = pytest.mark.anyio  # the tests that are no coroutines ignore it

FIELDS: dict[str, Any] = {"product_id": 1001, "denomination": 500, "po_number": "PO-1"}


class Orders:
    """Places an order when the gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.placed: list[dict[str, Any]] = []
        self.fail: Exception | None = None

    async def place(self, **order: Any) -> Order:
        self.begun.set()
        await self.gate.wait()
        if self.fail is not None:
            raise self.fail
        self.placed.append(order)
        return Order(order_id=len(self.placed), po_number=order["po_number"])


class Client:
    def __init__(self) -> None:
        self.orders = Orders()


@pytest.fixture
async def client() -> Client:
    return Client()


def desk_of(client: Client, **settings: Any) -> OrderDesk:
    return OrderDesk(client, **settings)  # type: ignore[arg-type]


async def test_an_order_survives_its_cancelled_caller(client: Client) -> None:
    """Who asks again for the poNumber gets that order."""
    desk = desk_of(client)
    asking = asyncio.ensure_future(desk.place(**FIELDS))
    await client.orders.begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert desk.is_placing("PO-1")
    again = asyncio.ensure_future(desk.place(**FIELDS))
    client.orders.gate.set()
    order = await again
    assert order is not None
    assert order.order_id == 1
    assert len(client.orders.placed) == 1
    assert not desk.is_placing("PO-1")


async def test_a_double_click_is_one_order(client: Client) -> None:
    """500 and Decimal(500) are the same order; all callers get it."""
    desk = desk_of(client)
    asking = [asyncio.ensure_future(desk.place(**{**FIELDS, "denomination": value})) for value in (500, "500", 500)]
    await client.orders.begun.wait()
    client.orders.gate.set()
    assert {order.order_id for order in await asyncio.gather(*asking) if order} == {1}
    assert len(client.orders.placed) == 1


async def test_other_fields_under_way_are_refused(client: Client) -> None:
    """Nothing is sent for the second order of a poNumber."""
    desk = desk_of(client)
    asking = asyncio.ensure_future(desk.place(**FIELDS))
    await client.orders.begun.wait()
    with pytest.raises(errors.DuplicatePoNumberError, match="other fields") as caught:
        await desk.place(**{**FIELDS, "denomination": 250})
    assert caught.value.effect == "none"
    client.orders.gate.set()
    await asking


async def test_a_slow_order_goes_on(client: Client) -> None:
    """After `wait_s` the caller gets None, and the order its end."""
    desk = desk_of(client)
    assert await desk.place(**FIELDS, wait_s=0) is None
    client.orders.gate.set()
    await desk.aclose()
    assert len(client.orders.placed) == 1


async def test_an_error_without_callers_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A caller that went away does not take the error with it."""
    desk = desk_of(client)
    client.orders.fail = errors.OutcomeUnknownError("lost", po_number="PO-1")
    assert await desk.place(**FIELDS, wait_s=0) is None
    client.orders.gate.set()
    await desk.aclose()
    assert [(record.levelno, record.__dict__["po_number"]) for record in caplog.records] == [(logging.WARNING, "PO-1")]


async def test_an_error_reaches_its_caller(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """It is raised, and logged by whoever answers it."""
    desk = desk_of(client)
    client.orders.fail = errors.DenominationError("no")
    client.orders.gate.set()
    with pytest.raises(errors.DenominationError):
        await desk.place(**FIELDS)
    assert not caplog.records


async def test_closing_ends_orders_in_time(client: Client) -> None:
    """An order that takes longer than `finish_s` is cancelled; who waits hears that it may exist."""
    desk = desk_of(client, finish_s=0.01)
    asking = asyncio.ensure_future(desk.place(**FIELDS))
    await client.orders.begun.wait()
    await desk.aclose()
    with pytest.raises(errors.OutcomeUnknownError, match="stopped") as caught:
        await asking
    assert caught.value.po_number == "PO-1"
    with pytest.raises(errors.ConfigError, match="closed"):
        await desk.place(**FIELDS)


async def test_wrong_fields_are_refused_at_once(client: Client) -> None:
    """No task begins for them."""
    desk = desk_of(client)
    with pytest.raises(errors.ArgumentError, match="denomination"):
        await desk.place(**{**FIELDS, "denomination": -1})
    with pytest.raises(errors.ConfigError, match="wait_s"):
        await desk.place(**FIELDS, wait_s=-1)
    assert not client.orders.begun.is_set()


async def test_a_source_must_make_a_client() -> None:
    """A function that forgets its return is named."""
    with pytest.raises(errors.ConfigError, match="returned NoneType"):
        async with opened(lambda: None):  # type: ignore[arg-type,return-value]
            pass


def test_a_server_on_trio_is_refused() -> None:
    """At the start of the app, and in a sentence."""
    trio = pytest.importorskip("trio")

    async def serve() -> None:
        async with opened(lambda: XoxoClient(StaticToken("t"))):
            pass

    with pytest.raises(errors.ConfigError, match="does not run on asyncio"):
        trio.run(serve)


async def test_opened_closes_the_client() -> None:
    """The client is closed with its desk."""
    client = XoxoClient(StaticToken("t"), base_url="http://127.0.0.1:1")
    async with opened(client) as desk:
        assert desk.client is client
    with pytest.raises(errors.ConfigError, match="closed"):
        await client.account.get_balance()
