"""`http`: one request against servers that misbehave at the socket."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from tests.unit.servers import http, read_request, replying, serving
from tests.unit.transport.answers import answered, head
from xoxo_async import Timeouts, errors
from xoxo_async.transport.http import Answer, Http, is_whole
from xoxo_async.transport.receiving import read
from xoxo_async.transport.sending import Body
from xoxo_async.wire.secrets import Secret

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def pool_on(base_url: str, *, connections: int = 4, **timeouts: float) -> AsyncIterator[Http]:
    """An open pool that is closed whatever happens."""
    pool = Http(base_url, timeouts=Timeouts(**{"connect_s": 5, **timeouts}), max_connections=connections)
    pool.open()
    try:
        yield pool
    finally:
        await pool.aclose()


async def post(pool: Http, total_s: float = 10) -> Answer:
    return await pool.send("POST", "/api", Body(b'{"order":1}', "application/json"), total_s, Secret("tok"))


async def test_an_answer_comes_back_whole_and_the_token_goes_out() -> None:
    """Status and body come back as sent; the request carries bearer token, JSON type and body, and no cookie."""
    seen: list[tuple[bytes, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 418 No\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\n\r\nhi")

    async with serving(talk) as url, pool_on(url) as pool:
        await post(pool)
        answer = await post(pool)
    assert (answer.status, answer.body, answer.retry_after_s) == (418, b"hi", 7.0)
    head, body = seen[1]
    assert b"Authorization: Bearer tok" in head
    assert b"Content-Type: application/json" in head
    assert b"cookie" not in head.lower()
    assert body == b'{"order":1}'


@pytest.mark.parametrize("callers", [False, True])
async def test_each_request_has_its_own_token(callers: bool) -> None:
    """A new token, a token request without one, and a request with more headers: also where they are sent at once."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader))[0].lower())
        writer.write(http(b"hi"))

    first, second = Secret("one"), Secret("two")
    async with serving(talk) as url, aiohttp.ClientSession() as session:
        pool = Http(url, timeouts=Timeouts(), max_connections=4, callers=session if callers else None)
        pool.open()
        async with anyio.create_task_group() as group:
            for number, bearer in enumerate((first, second, None, None, second, first, first)):
                body = Body(b"%d" % number, "application/json")
                body.added_headers = (("X-Number", f"{number}"),) if number % 2 else ()
                group.start_soon(pool.send, "POST", "/api", body, 10, bearer)
        await pool.aclose()
    tokens = [head.partition(b"authorization: bearer ")[2][:3] for head in seen]
    assert sorted(tokens) == [b"", b"", b"one", b"one", b"one", b"two", b"two"]
    assert sorted(token for token, head in zip(tokens, seen, strict=True) if b"x-number" in head) == [
        b"",
        b"one",
        b"two",
    ]
    assert all(head.count(b"authorization") <= 1 and head.count(b"user-agent") == 1 for head in seen)


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    """Nobody listens: ConnectError, effect none, host and port named."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with pool_on(f"http://127.0.0.1:{port}") as pool:
        with pytest.raises(errors.ConnectError, match=str(port)) as caught:
            await post(pool)
    assert (caught.value.effect, caught.value.retryable) == ("none", True)


async def test_an_unknown_host_proves_that_nothing_was_sent() -> None:
    """A name that resolves to nothing is a ConnectError."""
    async with pool_on("https://no-such-host.invalid") as pool:
        with pytest.raises(errors.ConnectError):
            await post(pool)


async def test_a_full_pool_proves_that_nothing_was_sent() -> None:
    """A request that ran out of time waiting for a connection was never sent."""
    taken = anyio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        taken.set()
        await asyncio.Event().wait()

    async with serving(talk) as url:
        async with pool_on(url, connections=1, connect_s=0.05) as pool, anyio.create_task_group() as group:
            group.start_soon(post, pool)
            await taken.wait()
            with pytest.raises(errors.ConnectError):
                await post(pool)
            group.cancel_scope.cancel()


LOST: dict[str, bytes] = {
    "closed without a word": b"",
    "garbage": b"\x00\x01\x02 what\r\n\r\n",
    "half a status line": b"HTTP/1.1 20",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "broken chunking": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "broken gzip": http(b"not gzip at all", b"Content-Encoding: gzip"),
    "unknown encoding of headers": b"HTTP/1.1 200 OK\r\nBad Header\x00: x\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("raw", LOST.values(), ids=list(LOST))
async def test_a_broken_answer_leaves_doubt(raw: bytes) -> None:
    """After the request was sent, whatever cannot be read as HTTP is a lost reply, possibly with an effect."""
    async with serving(replying(raw)) as url, pool_on(url) as pool:
        with pytest.raises(errors.ReplyLostError) as caught:
            await post(pool)
    assert (caught.value.effect, caught.value.retryable) == ("possible", False)
    assert "tok" not in str(caught.value)


@pytest.mark.parametrize("name", [b"Content-Security-Policy", b"Set-Cookie"])
async def test_a_long_line_in_the_head_is_read(name: bytes) -> None:
    """Policies and cookies of edge servers exceed aiohttp's 8 KB."""
    async with serving(replying(http(b"hi", name + b": " + b"a" * 60_000))) as url, pool_on(url) as pool:
        assert (await post(pool)).body == b"hi"


async def test_a_line_that_is_too_long_is_named() -> None:
    """Whoever reads the error knows what to look for."""
    async with serving(replying(http(b"hi", b"X: " + b"a" * 70_000))) as url, pool_on(url) as pool:
        with pytest.raises(errors.ReplyLostError, match="a line of its head is longer than 64 KB"):
            await post(pool)


async def test_only_what_is_tested_is_asked_for() -> None:
    """Whatever else is installed that could unpack answers."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader))[0])
        writer.write(http(b"hi"))

    async with serving(talk) as url, pool_on(url) as pool:
        await post(pool)
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in seen[0]


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
async def test_what_is_asked_for_is_unpacked(encoding: bytes) -> None:
    """Both of them; deflate with and without zlib's head."""
    packed = [gzip.compress(b"hi")] if encoding == b"gzip" else [zlib.compress(b"hi"), zlib.compress(b"hi", wbits=-15)]
    for body in packed:
        async with serving(replying(http(body, b"Content-Encoding: " + encoding))) as url, pool_on(url) as pool:
            assert (await post(pool)).body == b"hi"


async def test_a_reset_connection_leaves_doubt() -> None:
    """A reset after the request was read is a lost reply."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with serving(talk) as url, pool_on(url) as pool:
        with pytest.raises(errors.ReplyLostError):
            await post(pool)


async def test_silence_leaves_doubt() -> None:
    """No answer in time is a ReplyTimeoutError, which says how long was waited."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.Event().wait()

    async with serving(talk) as url, pool_on(url) as pool:
        with pytest.raises(errors.ReplyTimeoutError, match=r"0\.2 s") as caught:
            await post(pool, total_s=0.2)
    assert caught.value.effect == "possible"


async def test_a_redirect_is_never_followed() -> None:
    """A 307 comes back as an answer: followed, it would hand order and token to another host."""
    async with serving(replying(http(b"", b"Location: http://127.0.0.1:1/", status=b"307 Go"))) as url:
        async with pool_on(url) as pool:
            assert (await post(pool)).status == 307


@pytest.mark.parametrize("announced", [True, False])
async def test_an_oversized_answer_is_not_read(announced: bool) -> None:
    """An answer over the limit ends as a DecodeError, whether or not it announced its size."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        size = b"Content-Length: 999999999\r\n" if announced else b"Connection: close\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + size + b"\r\n")
        while True:
            writer.write(b"x" * 1_000_000)
            await writer.drain()

    async with serving(talk) as url, pool_on(url) as pool:
        with pytest.raises(errors.DecodeError, match="larger"):
            await post(pool)


async def test_a_gzip_bomb_is_stopped_early() -> None:
    """Half a gigabyte in half a megabyte ends at the limit, in bounded memory."""
    packing = zlib.compressobj(9, wbits=31)  # of gzip's form; a flush ends a block that may stand there again and again
    first, again = (packing.compress(bytes(1 << 20)) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + 511 * again
    assert len(bomb) < 1 << 20
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(replying(http(bomb, b"Content-Encoding: gzip"))) as url, pool_on(url) as pool:
        with pytest.raises((errors.DecodeError, errors.ReplyLostError)):
            await post(pool)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


async def test_a_body_with_its_head_is_whole() -> None:
    """It is taken without waiting; an empty one as well."""
    for content in (b"hello", b""):
        async with answered(head(len(content)) + content) as (response, _):
            assert is_whole(response)
            assert response.content.read_nowait() == content


async def test_a_body_that_lacks_some_is_waited_for() -> None:
    """Half of it is never taken for all."""
    async with answered(head(10) + b"hello", b"world") as (response, go_on):
        assert not is_whole(response)
        go_on.set()
        assert await read(response) == b"helloworld"


async def test_a_packed_body_is_never_whole() -> None:
    """What it unpacks to is counted while it is read."""
    packed = gzip.compress(b"hello" * 10)
    async with answered(head(len(packed), b"Content-Encoding: gzip\r\n") + packed) as (response, _):
        assert not is_whole(response)


@pytest.mark.parametrize("callers", [False, True])
async def test_a_request_that_came_too_late_is_not_sent(callers: bool) -> None:
    """The wait for its connection was too long for it: nothing leaves, and the next request does."""
    bodies: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append((await read_request(reader))[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    async with serving(talk) as url, aiohttp.ClientSession() as theirs:
        pool = Http(url, timeouts=Timeouts(), max_connections=1, callers=theirs if callers else None)
        pool.open()
        body = Body(b'{"order":1}', "application/json")
        body.may_leave = lambda: False
        with pytest.raises(errors.ConnectError, match="too late") as caught:
            await pool.send("POST", "/api", body, 10, Secret("tok"))
        assert caught.value.effect == "none"
        body = Body(b'{"order":2}', "application/json")
        body.may_leave = lambda: True
        assert (await pool.send("POST", "/api", body, 10, Secret("tok"))).status == 200
        await pool.aclose()
    assert bodies == [b'{"order":2}']
