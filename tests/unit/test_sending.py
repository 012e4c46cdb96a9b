"""`sending`: the same bytes as with aiohttp's own body, and a body that knows when it left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from xoxo_async.sending import Body

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def recording(
    said: list[bytes], *, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
) -> AsyncIterator[str]:
    """A server that keeps what it was sent, byte for byte."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        said.append(head + await reader.readexactly(length))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api?a=b%20c"


async def sent(body: aiohttp.BytesPayload) -> bytes:
    said: list[bytes] = []
    async with recording(said) as url, aiohttp.ClientSession() as http:
        async with http.post(url, data=body, headers={"Authorization": "Bearer t"}) as response:
            assert await response.read() == b"hi"
    (request,) = said
    head, _, content = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Host:")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("size", [1, 1000, 300_000])
async def test_the_same_bytes_leave_as_with_aiohttps_body(size: int, content_type: str) -> None:
    """Small or large, of any type: the request is the same, byte for byte."""
    body = Body(b"x" * size, content_type)
    assert await sent(body) == await sent(aiohttp.BytesPayload(b"x" * size, content_type=content_type))
    assert body.started


async def test_a_body_that_never_left_says_so() -> None:
    """Without a connection nothing is written, and the body knows."""
    body = Body(b"{}", "application/json")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.post("http://127.0.0.1:9/", data=body)
    assert not body.started


async def test_a_body_without_an_answer_has_left() -> None:
    """A server that hangs up may have read all of it."""
    body = Body(b"{}", "application/json")
    async with recording([], answer=b"") as url, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.post(url, data=body)
    assert body.started
