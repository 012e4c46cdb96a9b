"""A caller's aiohttp session cannot send a request twice or change what an answer means."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from xoxo_async import ClientCredentials, PointsRecipient, RateLimits, RetryPolicy, XoxoClient, errors

pytestmark = pytest.mark.anyio

Answer = tuple[int, bytes]


class Vendor:
    """A vendor that books each order, and answers as the test wants."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[str] = []
        self.orders: dict[str, int] = {}
        self.points = 0
        self.tokens = 0
        self.gzipped = False
        self.bodies: list[bytes] = []
        self.server: asyncio.Server | None = None

    def answer(self, path: str, body: bytes) -> Answer:
        """Book the request, and answer as the test or the books say."""
        if "token" in path:
            self.requests.append("token")
            self.tokens += 1
            reply = {"access_token": f"T{self.tokens}", "expires_in": 3600}
            return self.scripted("token") or (200, json.dumps(reply).encode())
        asked = json.loads(body)
        operation = asked["query"].rsplit(".", 1)[-1]
        self.requests.append(operation)
        data = next(iter(asked["variables"].values()))
        if operation == "placeOrder":
            self.orders.setdefault(data["poNumber"], 1000 + len(self.orders))
        if operation == "sendBalance":
            self.points += 1
        order_id = self.orders.get(data.get("poNumber", ""))
        reply = {"status": 1, "data": {"value": 5, "currency": "INR"}}
        if order_id:
            reply = {"status": 1, "data": {"orderId": order_id, "quantity": 1}}
        if operation == "sendBalance":
            reply = {"error": False, "message": "points sent"}
        return self.scripted(operation) or (200, json.dumps({"data": {operation: reply}}).encode())

    def scripted(self, operation: str) -> Answer | None:
        """Return the next answer of the test."""
        return self.answers[operation].pop(0) if self.answers.get(operation) else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.bodies.append(head + body)
                status, said = self.answer(head.split(b" ")[1].decode(), body)
                encoding = b"Content-Encoding: gzip\r\n" if self.gzipped else b""
                said = gzip.compress(said) if self.gzipped else said
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(said), encoding, said))
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


@asynccontextmanager
async def client_over(
    vendor: Vendor, given: aiohttp.ClientSession | None = None, **settings: Any
) -> AsyncIterator[XoxoClient]:
    """Return a client with the given session, or with a session of these settings."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await vendor.serve(reader, writer)

    vendor.server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{vendor.server.sockets[0].getsockname()[1]}"
    try:
        async with given or aiohttp.ClientSession(**settings) as session:
            client = XoxoClient(
                ClientCredentials("id", "secret"),
                base_url=url,
                rate_limits=RateLimits.unlimited(),
                retry=RetryPolicy(base_s=0, max_s=0),
                session=session,
            )
            async with client:
                yield client
    finally:
        vendor.server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that tries up to three times, as many applications have."""
    for left in (2, 1, 0):
        try:
            response = await handler(request)
        except aiohttp.ClientError:
            if not left:
                raise
        else:
            if response.status < 500 or not left:
                return response
            response.close()
    raise AssertionError


async def again_softly(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that tries again, and returns the first answer if the second try fails."""
    first = await handler(request)
    if "token" in request.url.path:
        return first
    try:
        return await handler(request)
    except aiohttp.ClientError:
        return first


async def rewriting(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that sends its own body."""
    if "token" not in request.url.path:
        await request.update_body(await request.body.as_bytes())  # type: ignore[union-attr]
    return await handler(request)


SEND = {"sender_email": "a@example.com", "recipients": [PointsRecipient(name="B", email="b@example.com", amount=5)]}


@pytest.mark.parametrize("middleware", [again, again_softly])
async def test_a_retrying_middleware_sends_no_points_twice(middleware: Callable[..., Any]) -> None:
    """The points are sent once, and the outcome is unknown."""
    vendor = Vendor()
    vendor.answers["sendBalance"] = [(502, b"<html>")]
    async with client_over(vendor, middlewares=[middleware]) as client:
        with pytest.raises(errors.OutcomeUnknownError):
            await client.points.send(**SEND)  # type: ignore[arg-type]
    assert vendor.points == 1


@pytest.mark.parametrize("middleware", [again, again_softly])
async def test_a_retrying_middleware_places_no_order_twice(middleware: Callable[..., Any]) -> None:
    """The order is placed once, and found by its poNumber."""
    vendor = Vendor()
    vendor.answers["placeOrder"] = [(502, b"<html>")]
    async with client_over(vendor, middlewares=[middleware]) as client:
        if middleware is again_softly:  # it breaks the look-up, too
            with pytest.raises(errors.OutcomeUnknownError):
                await client.orders.place(product_id=1001, denomination=100, po_number="A")
        else:
            order = await client.orders.place(product_id=1001, denomination=100, po_number="A")
            assert order.order_id == vendor.orders["A"]
    assert vendor.requests.count("placeOrder") == 1


async def test_a_refused_second_try_proves_nothing() -> None:
    """The first try has sent the points, so a refused connection after it is no proof."""
    vendor = Vendor()

    async def elsewhere(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        if request.body and b"sendBalance" in await request.body.as_bytes():  # type: ignore[union-attr]
            response.close()
            request.url = request.url.with_port(9)
            return await handler(request)
        return response

    async with client_over(vendor, middlewares=[elsewhere]) as client:
        with pytest.raises(errors.OutcomeUnknownError):
            await client.points.send(**SEND)  # type: ignore[arg-type]
    assert vendor.points == 1


@pytest.mark.parametrize("end", [(200, b"{}"), (429, b"{}"), None])
async def test_a_middlewares_own_body_is_in_doubt(end: Answer | None) -> None:
    """The client cannot see what left or how often, so it accepts no answer and sends once."""
    vendor = Vendor()
    vendor.answers["sendBalance"] = [end] if end else []
    async with client_over(vendor, middlewares=[rewriting]) as client:
        with pytest.raises(errors.OutcomeUnknownError, match="another body"):
            await client.points.send(**SEND)  # type: ignore[arg-type]
    assert vendor.points == 1


async def test_a_cut_off_middleware_body_is_in_doubt() -> None:
    """A connection that breaks after such a body does not prove that nothing left."""
    vendor = Vendor()

    async def cutting(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await rewriting(request, handler)
        if "token" in request.url.path:
            return response
        response.close()
        raise aiohttp.ServerDisconnectedError

    async with client_over(vendor, middlewares=[cutting]) as client:
        with pytest.raises(errors.OutcomeUnknownError):
            await client.points.send(**SEND)  # type: ignore[arg-type]
    assert vendor.points == 1


async def test_raise_for_status_is_overridden() -> None:
    """With `raise_for_status=True` a refused token is renewed, and a refusal keeps its class."""
    vendor = Vendor()
    vendor.answers["placeOrder"] = [
        (401, b'{"error": "invalid_token", "error_description": "x"}'),
        (400, b'{"code": 400, "errorId": "PLE10018", "error": "x"}'),
    ]
    async with client_over(vendor, raise_for_status=True) as client:
        with pytest.raises(errors.DenominationError) as caught:
            await client.orders.place(product_id=1001, denomination=100, po_number="A")
    assert caught.value.effect == "none"
    assert vendor.tokens == 2


async def test_a_refused_token_request_keeps_its_reason() -> None:
    """The vendor's words about the credentials reach the error, with any setting of the session."""
    vendor = Vendor()
    vendor.answers["token"] = [(401, b'{"error": "invalid_client"}')]
    async with client_over(vendor, raise_for_status=True) as client:
        with pytest.raises(errors.CredentialsRejectedError):
            await client.account.get_balance()


async def test_an_answer_is_unpacked_whatever_the_session_says() -> None:
    """An answer is unpacked if the session does not do so, and only tested encodings are requested."""
    vendor = Vendor()
    vendor.gzipped = True
    async with client_over(vendor, auto_decompress=False) as client:
        assert (await client.account.get_balance()).currency == "INR"
    assert b"Accept-Encoding: gzip, deflate\r\n" in vendor.bodies[-1]


async def test_a_session_with_own_credentials_is_refused() -> None:
    """They cannot go together with the token, so the error names them and nothing is sent."""
    vendor = Vendor()
    with pytest.warns(DeprecationWarning, match="auth"):
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("u", "p"))
    async with client_over(vendor, session) as client:
        with pytest.raises(errors.ConfigError, match="credentials of its own"):
            await client.account.get_balance()
    assert vendor.requests == ["token"]


async def test_a_mocked_answer_is_accepted() -> None:
    """A test that replaces aiohttp's request has no connection to check, and its answer is accepted."""

    class Canned:
        status = 200
        headers: dict[str, str] = {}  # noqa: RUF012
        content_length = None

        class Content:
            @staticmethod
            def is_eof() -> bool:
                return True

            @staticmethod
            def read_nowait() -> bytes:
                return b'{"data": {"getBalance": {"status": 1, "data": {"value": 5, "currency": "INR"}}}}'

        content = Content()

    vendor = Vendor()
    async with client_over(vendor) as client:
        await client.account.get_balance()
        session = client._session._http._callers
        assert session is not None

        async def canned(*_given: object, **_named: object) -> Canned:
            return Canned()

        session._request = canned  # type: ignore[assignment, method-assign]
        assert (await client.account.get_balance()).value == 5
    assert vendor.requests == ["token", "getBalance"]
