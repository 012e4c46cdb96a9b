"""`receiving`: a body that has come whole is taken at once, any other is waited for, and none is read without end."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from xoxo_async import errors
from xoxo_async.transport.receiving import is_small, read, translate, whole

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answered(first: bytes, rest: bytes = b"") -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Event]]:
    """Ask a server that sends `first`, and `rest` once the event is set."""
    go_on = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await writer.drain()
        if rest:
            await go_on.wait()
            writer.write(rest)
            await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            yield response, go_on
    finally:
        server.close()
        await server.wait_closed()


def head(length: int, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (length, more)


async def test_a_body_that_came_with_its_head_is_taken_at_once() -> None:
    """An empty one as well."""
    async with answered(head(5) + b"hello") as (response, _):
        assert whole(response) == b"hello"
    async with answered(head(0)) as (response, _):
        assert whole(response) == b""


async def test_a_body_of_which_some_is_missing_is_waited_for() -> None:
    """Half of it is never taken for all."""
    async with answered(head(10) + b"hello", b"world") as (response, go_on):
        assert whole(response) is None
        go_on.set()
        assert await read(response) == b"helloworld"


async def test_a_compressed_body_is_read_by_what_it_becomes() -> None:
    """What it says of its length says nothing; so it is counted while it is read."""
    packed = gzip.compress(b"hello" * 10)
    async with answered(head(len(packed), b"Content-Encoding: gzip\r\n") + packed) as (response, _):
        assert whole(response) is None
        assert not is_small(response)
        assert await read(response) == b"hello" * 10


async def test_a_body_larger_than_any_real_one_is_refused_by_its_head() -> None:
    """Or while it is read, where the head does not say."""
    async with answered(head(1 << 40)) as (response, _):
        assert whole(response) is None
        assert not is_small(response)


@pytest.mark.parametrize(
    ("error", "sent", "expected"),
    [
        (aiohttp.ServerDisconnectedError(), True, errors.ReplyLostError),
        (aiohttp.ServerDisconnectedError(), False, errors.ConnectError),
        (TimeoutError(), True, errors.ReplyTimeoutError),
        (TimeoutError(), False, errors.ConnectError),
        (aiohttp.ConnectionTimeoutError(), False, errors.ConnectError),
        (aiohttp.ConnectionTimeoutError(), True, errors.ReplyTimeoutError),
        (aiohttp.InvalidURL("x"), False, errors.ConfigError),
        (OSError("a secret"), True, errors.ReplyLostError),
        (RuntimeError("Session is closed"), False, errors.ConnectError),
    ],
)
async def test_what_a_foreign_error_means_depends_on_whether_anything_left(
    error: Exception, sent: bool, expected: type[errors.XoxoError]
) -> None:
    """Before that it proves that nothing happened; after it, it proves nothing. Its words are not repeated."""
    found = translate(error, sent=sent, total_s=30.0)
    assert type(found) is expected
    assert "a secret" not in str(found)
