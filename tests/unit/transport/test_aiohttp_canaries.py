"""What the transport relies on in aiohttp to guard money. When one of these fails, aiohttp has changed.

Run them alone against another release: `pytest tests/unit/transport/test_aiohttp_canaries.py` takes a second. Each
failure says which guard no longer holds, and what to do. Until then, do not admit that release in pyproject.toml.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import LineTooLong

from tests.unit.servers import Talk, http, read_request, replying, serving
from xoxo_async.transport.sending import Body, guards

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Watching(aiohttp.TCPConnector):
    """A pool that notes how aiohttp asks it for connections."""

    def __init__(self) -> None:
        super().__init__(limit=1)
        self.bodies: list[object] = []
        self.protocols: list[Any] = []

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - aiohttp's signature
        connection = await super().connect(req, traces, timeout)
        self.bodies.append(req.body)
        self.protocols.append(connection.protocol)
        return connection


class Noting(Body):
    """A body that notes how aiohttp writes it."""

    def __init__(self) -> None:
        super().__init__(b"{}", "application/json")
        self.writers: list[Any] = []

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        self.writers.append(writer)
        await super().write_with_length(writer, content_length)


def body() -> Body:
    return Body(b"{}", "application/json")


async def keeping_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request on the connection."""
    while True:
        await read_request(reader)
        writer.write(ANSWER)


@asynccontextmanager
async def asking(talk: Talk, connector: aiohttp.BaseConnector | None = None) -> AsyncIterator[Any]:
    """A function that posts a body to a server and reads the answer."""
    async with serving(talk) as url, aiohttp.ClientSession(connector=connector) as session:

        async def post(sent: Body, **options: Any) -> bytes:
            async with session.request("POST", url, data=sent, **options) as response:
                return await response.read()

        yield post


async def test_each_request_asks_the_pool() -> None:
    """`connect` is called once a request, and sees the body that leaves on the connection it returns."""
    pool, sent = Watching(), [body(), body()]
    async with asking(keeping_alive, pool) as post:
        for one in sent:
            await post(one)
    assert pool.bodies == sent, (
        "aiohttp no longer calls TCPConnector.connect for every request with the body in `req.body`. Without that no "
        "connection is judged before an order leaves on it: find the new place that gives out connections, and move "
        "`Connector.connect` in transport/sending.py there."
    )
    assert all(isinstance(one, ResponseHandler) for one in pool.protocols), (
        "`Connection.protocol` is no longer aiohttp's ResponseHandler: find what holds the socket now, and have "
        "`ConnectionRecord` and `Records` in transport/connections.py hold that."
    )
    assert pool.protocols[0] is pool.protocols[1], "a pooled connection has another protocol object for each request"


async def test_a_body_is_written_once_by_one_way() -> None:
    """All bytes of a body leave by `write_with_length`, called once with a writer that names its connection."""
    sent, pool = Noting(), Watching()
    async with asking(keeping_alive, pool) as post:
        await post(sent)
    assert len(sent.writers) == 1, (
        "aiohttp writes a body in another way than Payload.write_with_length, or twice. Then `Body.started` in "
        "transport/sending.py no longer says whether an order may have left: override the new way as well."
    )
    assert sent.writers[0].protocol is pool.protocols[0], (
        "the writer's `protocol` is not the connection's: over a caller's session `Body` cannot judge its connection. "
        "Find the connection from the writer in another way."
    )


async def test_what_comes_unasked_marks_the_connection() -> None:
    """Bytes on an idle connection are seen before it serves again."""
    late = anyio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER)
        await late.wait()
        writer.write(ANSWER)
        await reader.read()

    pool = Watching()
    async with asking(talk, pool) as post:
        await post(body())
        (protocol,) = pool.protocols
        assert not protocol.should_close, "every connection counts as unfit after its answer: none is used twice"
        late.set()
        with anyio.move_on_after(2):
            while not protocol.should_close and protocol.is_connected():
                await anyio.sleep(0.01)
    assert protocol.should_close or not protocol.is_connected(), (
        "`ResponseHandler.should_close` no longer tells that something came on an idle connection. The next order "
        "would get that as its answer. Find what tells it now, and ask that in `Connector.connect` and `Body._take`."
    )


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_closed_connection_serves_nobody(how: str) -> None:
    """`close` and `abort` of a connection's protocol keep the pool from giving it out again."""
    pool = Watching()
    async with asking(keeping_alive, pool) as post:
        await post(body())
        getattr(pool.protocols[0], how)()
        await post(body())
    assert pool.protocols[0] is not pool.protocols[1], (
        f"`ResponseHandler.{how}` no longer ends a pooled connection. `ConnectionRecord.close` and `taint` in "
        "transport/connections.py rely on it: find the new way to end one."
    )


async def test_aborting_ends_the_request_under_way() -> None:
    """A request on an aborted connection ends, so a tainted connection answers nobody."""
    asked = anyio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await asyncio.Event().wait()

    pool = Watching()
    async with asking(talk, pool) as post:
        waiting = asyncio.ensure_future(post(body()))
        await asked.wait()
        pool.protocols[0].abort()
        await asyncio.wait([waiting], timeout=2)
        assert waiting.done(), (
            "`ResponseHandler.abort` no longer ends the request under way: after a stray answer another caller would "
            "wait for its whole time. Find the new way, and use it in `ConnectionRecord.taint`."
        )
        assert isinstance(waiting.exception(), aiohttp.ClientError)


async def test_a_post_is_never_repeated_by_aiohttp() -> None:
    """A broken connection ends a POST, also one that was pooled: it is not sent again on another."""
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        requests.append(b"first")
        writer.write(ANSWER)
        await read_request(reader)
        requests.append(b"second")

    second = body()
    async with asking(talk) as post:
        await post(body())
        with pytest.raises(aiohttp.ClientError):
            await post(second)
    assert (len(requests), second.repeated) == (2, False), (
        "aiohttp now repeats a POST whose connection broke. `Body` refuses the second writing, so no order is placed "
        "twice; but switch the repetition off, and read `_connect_and_send_request` in aiohttp's client.py."
    )


async def test_the_tracker_counts_every_sending() -> None:
    """`UploadTracker.attempts` counts a middleware's sendings too; with it, another body's leaving is noticed."""

    async def twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        (await handler(request)).close()
        await request.update_body(b"another")
        return await handler(request)

    tracker = aiohttp.UploadTracker()
    async with asking(replying(http(b"hi"))) as post:
        await post(body(), upload_tracker=tracker, middlewares=[twice])
    assert tracker.attempts == 2, (
        "`UploadTracker.attempts` no longer counts what a middleware sends. Over a caller's session `may_have_left` "
        "and `check_answered` in transport/sending.py then take a sent order for an unsent one: count in another way."
    )


async def test_an_unreached_server_is_named_by_class() -> None:
    """What ended before a connection was there is told by the error's class."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.request("POST", "http://127.0.0.1:9/", data=body())
    assert isinstance(caught.value, aiohttp.ClientConnectorError), (
        "a refused connection is no ClientConnectorError any more: `never_connected` in transport/sending.py must know "
        "the new class, or an unsent order counts as doubt."
    )
    assert caught.value.os_error is not None
    late = (aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError, TimeoutError)
    assert all(issubclass(aiohttp.ConnectionTimeoutError, one) for one in late), (
        "ConnectionTimeoutError has other bases: look at `never_connected` and `translate`."
    )


async def test_a_closed_session_is_told_by_its_words() -> None:
    """A closed session raises a RuntimeError with the word that `translate` looks for."""
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(RuntimeError) as caught:
        await session.request("POST", "http://127.0.0.1:9/", data=body())
    assert "closed" in str(caught.value).lower(), (
        "a closed aiohttp session says so in other words: add them to `_SYSTEMS_WORDS` in transport/receiving.py, or "
        "the error comes through as a bug."
    )


async def test_credentials_beside_the_token_are_refused() -> None:
    """A session with credentials of its own refuses our Authorization header, in the words `translate` looks for."""
    with pytest.warns(DeprecationWarning, match="auth"):
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("u", "p"))
    async with session:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - its words are the point
            await session.request("POST", "http://127.0.0.1:9/", headers={"Authorization": "Bearer t"})
    assert "Cannot combine AUTHORIZATION" in str(caught.value), (
        "aiohttp refuses credentials beside an Authorization header in other words, or not at all: look at `translate` "
        "in transport/receiving.py. If it sends them instead of ours, refuse such a session in `Http`."
    )


async def test_a_long_head_is_told_by_its_class() -> None:
    """A line of the head that is too long has LineTooLong among its causes."""
    raw = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"
    async with asking(replying(raw)) as post:
        with pytest.raises(aiohttp.ClientError) as caught:
            await post(body())
    link: BaseException | None = caught.value
    while link is not None and not isinstance(link, LineTooLong):
        link = link.__cause__
    assert link is not None, "LineTooLong is gone or is no cause any more: look at `_cause` in transport/receiving.py."


async def test_a_whole_body_is_taken_without_waiting() -> None:
    """At its end a body's reader gives all of it at once, and the connection is back in the pool."""
    pool = Watching()
    async with serving(keeping_alive) as url, aiohttp.ClientSession(connector=pool) as session:
        for _ in range(2):
            response = await session.request("POST", url, data=body())
            with anyio.fail_after(30):
                while not response.content.is_eof():
                    await anyio.sleep(0.01)
            assert response.content.read_nowait() == b"hi", (
                "`StreamReader.read_nowait` no longer returns the whole body at its end: in `Http.send`, await "
                "`receiving.read` for every answer."
            )
    assert pool.protocols[0] is pool.protocols[1], (
        "a body taken with `read_nowait` no longer frees its connection: in `Http.send`, call `response.release()`."
    )


async def test_a_request_takes_what_guards_an_answer() -> None:
    """Every option that keeps a caller's session from changing an answer is known to aiohttp, and works."""
    raw = http(b"hi", b"X: " + b"a" * 60_000, status=b"500 X")
    async with asking(replying(raw)) as post:
        assert await post(body(), allow_redirects=False, **guards()) == b"hi", (
            "aiohttp no longer takes one of the options in `guards` in transport/sending.py, or it does another thing: "
            "find what took its place."
        )
