"""`integrations.webhook`: who may post, what is handled once, what is read back, and both kinds of server."""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from xoxo_async import ClientCredentials, Order, RateLimits, XoxoClient, errors
from xoxo_async.integrations.webhook import MAX_BODY_BYTES, Delivery, WebhookReceiver
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox
from xoxo_async.services.orders import OrderService
from xoxo_async.wire import DeliveryStatus

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef"


def event(order_id: int = 7, status: str = "delivered", *, number: int = 1, po_number: str | None = "PO-7") -> bytes:
    data = {"orderId": order_id, "poNumber": po_number, "orderDate": "", "deliveryStatus": status}
    return json.dumps({"id": number, "data": data, "createdAt": "2026-03-01 10:12:13"}).encode()


class Callback:
    """Keeps its events. It raises or waits if the test says so."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.fail: Exception | None = None
        self.gate: anyio.Event | None = None

    async def __call__(self, delivery: Delivery) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fail is not None:
            raise self.fail
        self.got.append(delivery)


class Road:
    """A dispatch that answers every look-up with one order or one error."""

    def __init__(self, answer: Order | Exception) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    async def __call__(self, _operation: Any, request: Any, /) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def order(order_id: int = 7, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> Order:
    return Order(order_id=order_id, delivery_status=status)


def reading(answer: Order | Exception, callback: Callback) -> tuple[WebhookReceiver, Road]:
    road = Road(answer)
    return WebhookReceiver(KEY, callback, orders=OrderService(road)), road


@pytest.fixture
def callback() -> Callback:
    return Callback()


@pytest.fixture
def receiver(callback: Callback) -> WebhookReceiver:
    """A receiver that has a key and no read-back."""
    return WebhookReceiver(KEY, callback)


# Who may post.


@pytest.mark.parametrize(
    ("method", "key", "status"),
    [
        ("POST", KEY.encode(), None),
        ("GET", KEY.encode(), 405),
        ("post", KEY.encode(), 405),
        ("POST", None, 401),
        ("POST", b"", 401),
        ("POST", KEY.encode() + b"0", 401),
        ("POST", KEY[:-1].encode(), 401),
        ("POST", KEY.upper().encode(), 401),
        ("POST", "schlüssel".encode(), 401),
        ("POST", b"\xff\x00", 401),
    ],
)
def test_only_posts_with_the_key_pass(
    receiver: WebhookReceiver, method: str, key: bytes | None, status: int | None
) -> None:
    """The key must be equal byte for byte, and any bytes may come in the header."""
    answer = receiver.refuse(method, key)
    assert (answer.status if answer else None) == status


def test_the_key_is_compared_in_constant_time(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison uses hmac.compare_digest on bytes, also for a missing key."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("xoxo_async.integrations.webhook.hmac.compare_digest", compare)
    for key in (None, b"x", KEY.encode()):
        assert receiver.refuse("POST", key) is not None
    assert compared == [(KEY.encode(), b""), (KEY.encode(), b"x"), (KEY.encode(), KEY.encode())]


def test_a_receiver_needs_key_or_read_back(callback: Callback) -> None:
    """A receiver with neither would act on what anyone posts."""
    with pytest.raises(errors.ConfigError, match="at least one"):
        WebhookReceiver(None, callback)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nb", "schlüssel"])
def test_a_key_unfit_for_a_header_is_refused(callback: Callback, key: str) -> None:
    """An empty key or one with a line end fails at the start, not at the vendor's first post."""
    with pytest.raises(errors.ConfigError, match="api_key"):
        WebhookReceiver(key, callback)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "20", True, None])
def test_an_invalid_timeout_is_refused(callback: Callback, seconds: Any) -> None:
    """The timeout must be a positive finite number, since a read-back must end."""
    with pytest.raises(errors.ConfigError, match="read_back_timeout_s"):
        WebhookReceiver(KEY, callback, read_back_timeout_s=seconds)


def test_the_key_is_never_shown(receiver: WebhookReceiver) -> None:
    """The repr of a receiver masks the key."""
    assert KEY not in repr(receiver)
    assert "***" in repr(receiver)


# One event, one call.


async def test_an_event_is_handled_once(receiver: WebhookReceiver, callback: Callback) -> None:
    """Posted again, with a new id or another spelling of the status, it is answered 200 without a second call."""
    assert [(await receiver.take(body)).status for body in (event(), event(), event(number=2))] == [200] * 3
    assert (await receiver.take(event(status="DELIVERED", number=3))).status == 200
    assert len(callback.got) == 1


async def test_another_status_or_order_is_another_event(receiver: WebhookReceiver, callback: Callback) -> None:
    """A delivered order that is cancelled later is two events, and a reused id hides no other order."""
    await receiver.take(event())
    await receiver.take(event(status="canceled", number=2))
    await receiver.take(event(order_id=8, number=1))
    assert [(d.order_id, d.claimed_status) for d in callback.got] == [
        (7, "delivered"),
        (7, "cancelled"),
        (8, "delivered"),
    ]


async def test_a_callback_that_raises_gets_the_event_again(
    receiver: WebhookReceiver, callback: Callback, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 500, so that the vendor posts again, and the event is not marked as handled."""
    callback.fail = RuntimeError("the database is down")
    assert (await receiver.take(event())).status == 500
    assert "order 7" in caplog.text
    callback.fail = None
    assert (await receiver.take(event())).status == 200
    assert len(callback.got) == 1


async def test_two_posts_at_once_are_one_event(receiver: WebhookReceiver, callback: Callback) -> None:
    """A repeated post waits for the first one and is then known; the event of another order does not wait."""
    callback.gate = anyio.Event()
    statuses: list[int] = []

    async def post(body: bytes) -> None:
        statuses.append((await receiver.take(body)).status)

    async with anyio.create_task_group() as group:
        for body in (event(), event(), event(number=2), event(order_id=8, number=9)):
            group.start_soon(post, body)
        await anyio.wait_all_tasks_blocked()
        callback.gate.set()
    assert statuses == [200] * 4
    assert sorted(d.order_id for d in callback.got) == [7, 8]


async def test_an_event_waits_a_limited_time(callback: Callback) -> None:
    """The answer is 503; the next post is handled after the first callback has ended."""
    receiver = WebhookReceiver(KEY, callback, read_back_timeout_s=0.05)
    callback.gate = anyio.Event()
    answers: list[int] = []

    async def post(number: int) -> None:
        answers.append((await receiver.take(event(number=number, status=f"s{number}"))).status)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(post, 1)
            await anyio.sleep(0)
            await post(2)
            assert answers == [503]
            callback.gate.set()
    await post(2)
    assert answers == [503, 200, 200]
    assert [delivery.claimed_status for delivery in callback.got] == ["s1", "s2"]


async def test_a_cancelled_post_leaves_the_event_open(receiver: WebhookReceiver, callback: Callback) -> None:
    """If the sender disconnects in the middle, the next post is handled and does not wait forever."""
    callback.gate = anyio.Event()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(receiver.take, event())
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    callback.gate.set()
    assert (await receiver.take(event())).status == 200
    assert len(callback.got) == 1


async def test_a_custom_store_is_used(callback: Callback) -> None:
    """Any object with `contains` and `add` works; if it fails, the vendor is asked to post again."""

    class Broken:
        async def contains(self, _keys: Sequence[str], /) -> bool:
            return False

        async def add(self, _keys: Sequence[str], /) -> None:
            raise ConnectionError("gone")

    receiver = WebhookReceiver(KEY, callback, seen=Broken())
    assert (await receiver.take(event())).status == 500


# The read-back.


async def test_the_callback_gets_the_order_read_back(callback: Callback) -> None:
    """If the body says delivered and the API pending, pending is handed out, and a later event is new."""
    receiver, road = reading(order(status=DeliveryStatus.PENDING), callback)
    assert (await receiver.take(event())).status == 200
    road.answer = order()
    assert (await receiver.take(event(number=2))).status == 200
    assert [d.delivery_status for d in callback.got] == ["pending", "delivered"]
    assert [d.order is not None and d.order.po_number for d in callback.got] == ["PO-7", "PO-7"]
    assert [request.po_number for request in road.asked] == ["PO-7", "PO-7"]


async def test_an_unverified_status_is_never_handed_out(receiver: WebhookReceiver, callback: Callback) -> None:
    """`delivery_status` is None without a read-back or without a status in it; the claim stands apart."""
    await receiver.take(event(status="canceled"))
    reading_back, road = reading(order(status=DeliveryStatus.NONE), callback)
    await reading_back.take(event(status="canceled"))
    assert [(d.delivery_status, d.claimed_status) for d in callback.got] == [(None, "cancelled"), (None, "cancelled")]
    road.answer = order(status=DeliveryStatus.CANCELLED)
    await reading_back.take(event(status="canceled", number=2))
    assert [d.delivery_status for d in callback.got] == [None, None, "cancelled"]


def keyless(answer: Order | Exception, callback: Callback) -> tuple[WebhookReceiver, Road]:
    road = Road(answer)
    return WebhookReceiver(None, callback, orders=OrderService(road)), road


async def test_without_key_strangers_hide_no_event(callback: Callback) -> None:
    """A stranger's post without a poNumber does not hide the vendor's event of the same order."""
    receiver, _ = keyless(order(), callback)
    for po_number in (None, "nö", "PO-7", "PO-7", None):
        assert (await receiver.take(event(po_number=po_number))).status == 200
    assert [delivery.po_number for delivery in callback.got] == ["", "PO-7"]


async def test_without_key_every_event_is_read_back(callback: Callback) -> None:
    """A stranger who uses an id, or claims a status too early, hides no later event."""
    receiver, road = keyless(order(status=DeliveryStatus.PENDING), callback)
    await receiver.take(event(number=1))
    road.answer = order()
    for number in (1, 2):
        await receiver.take(event(number=number))
    assert [delivery.delivery_status for delivery in callback.got] == ["pending", "delivered"]
    assert len(road.asked) == 3


@pytest.mark.parametrize("number", [1, 2], ids=["posted again", "made again"])
async def test_an_early_event_is_read_back_again(callback: Callback, number: int) -> None:
    """No post counts as known until the API says what it claims, and no state is handed out twice."""
    receiver, road = reading(order(status=DeliveryStatus.PENDING), callback)
    await receiver.take(event())
    assert (await receiver.take(event(number=number))).text == "known already"
    road.answer = order()
    assert (await receiver.take(event(number=number))).text == "ok"
    assert (await receiver.take(event(number=number))).text == "known already"
    assert [delivery.delivery_status for delivery in callback.got] == ["pending", "delivered"]
    assert len(road.asked) == 3


@pytest.mark.parametrize("po_number", [None, "", "nö"])
async def test_without_usable_po_number_the_id_serves(callback: Callback, po_number: str | None) -> None:
    """An order of another system is read by its id, and its unproven poNumber is not handed out."""
    receiver, road = reading(order(), callback)
    assert (await receiver.take(event(po_number=po_number))).status == 200
    assert road.asked[0].order_id == 7
    assert callback.got[0].po_number == ""


async def test_an_event_that_pairs_two_orders_is_ignored(callback: Callback, caplog: pytest.LogCaptureFixture) -> None:
    """An event whose poNumber belongs to another order is answered 200 with a warning, without a call."""
    receiver, _ = reading(order(order_id=8), callback)
    assert (await receiver.take(event())).status == 200
    assert callback.got == []
    assert "another" in caplog.text or "order 8" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError("down"),
        errors.RateLimitedError("slow"),
        errors.NotFoundError("no order of ann@x.example", error_id="PLE10016"),
        errors.ConfigError("this client is closed"),
        errors.RefreshTokenDeadError("dead"),
    ],
)
async def test_a_failed_read_back_asks_for_another_post(
    callback: Callback, error: errors.XoxoError, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 503, no unverified event is handed out, nothing counts as known; the vendor's words are no log."""
    receiver, road = reading(error, callback)
    assert (await receiver.take(event())).status == 503
    assert callback.got == []
    assert type(error).__name__ in caplog.text
    assert "ann@" not in caplog.text
    road.answer = order()
    assert (await receiver.take(event())).status == 200
    assert len(callback.got) == 1


async def test_a_read_back_has_a_time_limit(callback: Callback) -> None:
    """The vendor is answered in time, also if the API is slow."""

    class Silent:
        async def __call__(self, _operation: Any, _request: Any, /) -> Any:
            await anyio.sleep_forever()

    receiver = WebhookReceiver(KEY, callback, orders=OrderService(Silent()), read_back_timeout_s=0.01)
    assert (await receiver.take(event())).status == 503


async def test_an_event_not_understood_keeps_the_hook_alive(
    receiver: WebhookReceiver, callback: Callback, caplog: pytest.LogCaptureFixture
) -> None:
    """With the right key it is answered 200, since the vendor switches the hook off after three refusals."""
    with caplog.at_level(logging.WARNING):
        assert (await receiver.take(b'{"event":"something new"}')).status == 200
    assert "not understood" in caplog.text
    keyless = WebhookReceiver(None, callback, orders=OrderService(Road(order())))
    assert (await keyless.take(b'{"event":"something new"}')).status == 400
    assert callback.got == []


async def test_too_large_a_body_is_refused(receiver: WebhookReceiver) -> None:
    """A body over 64 KB is answered 413 and not parsed."""
    assert (await receiver.take(event() + b" " * MAX_BODY_BYTES)).status == 413


# ASGI and aiohttp.web.


async def call_asgi(
    receiver: WebhookReceiver,
    *chunks: bytes,
    method: str = "POST",
    key: bytes | None = KEY.encode(),
    hang_up: bool = False,
) -> tuple[list[Any], int]:
    """Make one ASGI call. Return what was sent, and how many messages were not read."""
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": chunk, "more_body": hang_up or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    messages += [{"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"text/plain")] + ([(b"X-Api-Key", key)] if key is not None else [])
    await receiver.asgi({"type": "http", "method": method, "headers": headers, "path": "/"}, receive, send)
    return sent, len(messages)


async def test_asgi_takes_a_body_in_pieces(receiver: WebhookReceiver, callback: Callback) -> None:
    """Chunks are joined, with any content type and any case of the header's name."""
    body = event()
    sent, _ = await call_asgi(receiver, body[:10], b"", body[10:])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"ok")
    assert len(callback.got) == 1


@pytest.mark.parametrize(
    ("method", "key", "status"), [("GET", KEY.encode(), 405), ("POST", None, 401), ("POST", b"x", 401)]
)
async def test_asgi_refuses_without_reading(
    receiver: WebhookReceiver, method: str, key: bytes | None, status: int
) -> None:
    """The body of a request without the key is not read."""
    sent, unread = await call_asgi(receiver, b"x", method=method, key=key)
    assert (sent[0]["status"], unread) == (status, 2)
    assert ((b"allow", b"POST") in sent[0]["headers"]) == (status == 405)


async def test_asgi_stops_reading_at_the_limit(receiver: WebhookReceiver) -> None:
    """A body without end is answered 413 as soon as it is too large."""
    sent, unread = await call_asgi(receiver, *[b"x" * 40_000] * 5)
    assert (sent[0]["status"], unread) == (413, 4)


async def test_asgi_ignores_a_sender_that_disconnected(receiver: WebhookReceiver, callback: Callback) -> None:
    """Half a body is not handled, and nothing is sent."""
    sent, _ = await call_asgi(receiver, event(), hang_up=True)
    assert (sent, callback.got) == ([], [])


async def test_asgi_can_be_the_whole_application(receiver: WebhookReceiver) -> None:
    """The receiver answers the start and stop of a server, and refuses a websocket."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await receiver.asgi({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError, match="websocket"):
        await receiver.asgi({"type": "websocket"}, receive, send)


async def test_it_is_a_route_of_fastapi(receiver: WebhookReceiver, callback: Callback) -> None:
    """`add_route(path, receiver.asgi)` serves exactly that path, without a redirect."""
    from fastapi import FastAPI

    app = FastAPI()
    app.add_route("/hooks/xoxo", receiver.asgi, methods=["POST"])  # type: ignore[arg-type]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": event(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/hooks/xoxo",
        "raw_path": b"/hooks/xoxo",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"x-api-key", KEY.encode())],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert len(callback.got) == 1


def aiohttp_app(receiver: WebhookReceiver) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/hooks/xoxo", receiver.aiohttp_handler)
    return app


async def test_aiohttp_answers_the_same(receiver: WebhookReceiver, callback: Callback) -> None:
    """aiohttp.web gives the same answers as ASGI to posts, repeats, wrong keys, methods and sizes."""
    async with TestClient(TestServer(aiohttp_app(receiver))) as http:
        key = {"x-api-key": KEY}
        statuses = [
            (await http.post("/hooks/xoxo", data=event(), headers=key)).status,
            (await http.post("/hooks/xoxo", data=event(), headers=key)).status,
            (await http.post("/hooks/xoxo", data=event())).status,
            (await http.post("/hooks/xoxo", data=event(), headers={"x-api-key": "x"})).status,
            (await http.get("/hooks/xoxo", headers=key)).status,
            (await http.post("/hooks/xoxo", data=b"x" * (MAX_BODY_BYTES + 1), headers=key)).status,
        ]
    assert statuses == [200, 200, 401, 401, 405, 413]
    assert len(callback.got) == 1


async def test_a_sandbox_order_is_read_back(callback: Callback) -> None:
    """The callback gets the order of an event with its codes, which the repr masks."""
    async with (
        Sandbox() as sandbox,
        XoxoClient(
            ClientCredentials(CLIENT_ID, CLIENT_SECRET), base_url=sandbox.base_url, rate_limits=RateLimits.unlimited()
        ) as xoxo,
    ):
        placed = await xoxo.orders.place(product_id=1001, denomination="500", po_number="PO-1")
        receiver = WebhookReceiver(None, callback, orders=xoxo.orders)
        assert (await receiver.take(event(placed.order_id, po_number="PO-1"))).status == 200
        assert (await receiver.take(event(placed.order_id + 1, po_number="PO-1", number=2))).status == 200
        assert (await receiver.take(event(placed.order_id, po_number=None, number=3))).text == "known already"
    (delivery,) = callback.got
    assert delivery.order is not None
    assert delivery.order.vouchers[0].code == placed.vouchers[0].code
    assert placed.vouchers[0].code.reveal() not in repr(delivery)


async def test_aiohttp_stops_reading_at_the_limit(receiver: WebhookReceiver) -> None:
    """A body without end costs no more memory than the limit and one chunk."""

    class Endless:
        method = "POST"
        headers: ClassVar = {"x-api-key": KEY}
        read = 0

        @property
        def content(self) -> "Endless":
            return self

        async def iter_any(self) -> AsyncIterator[bytes]:
            while True:
                self.read += 40_000
                assert self.read < 400_000
                yield b"x" * 40_000

    request = Endless()
    assert (await receiver.aiohttp_handler(request)).status == 413  # type: ignore[arg-type]
    assert request.read == 80_000
