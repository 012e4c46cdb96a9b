"""`sending`: the same bytes as aiohttp's own requests, and a body that knows when it left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from xoxo_async import sending
from xoxo_async.sending import Body, _DirectRequest

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


async def sent(request_class: type[aiohttp.ClientRequest], value: bytes, content_type: str) -> tuple[bytes, Body]:
    said: list[bytes] = []
    body = Body(value, content_type)
    async with recording(said) as url, aiohttp.ClientSession(request_class=request_class) as http:
        async with http.post(url, data=body, headers={"Authorization": "Bearer t"}) as response:
            assert await response.read() == b"hi"
    (request,) = said
    head, _, content = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Host:")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content, body


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("size", [1, 1000, 16 * 1024, 16 * 1024 + 1, 300_000])
async def test_the_same_bytes_leave_either_way(size: int, content_type: str) -> None:
    """Written here or by aiohttp's task, small or large: the request is the same, byte for byte."""
    ours, our_body = await sent(_DirectRequest, b"x" * size, content_type)
    theirs, their_body = await sent(aiohttp.ClientRequest, b"x" * size, content_type)
    assert ours == theirs
    assert f"Content-Type: {content_type}".encode() in ours
    assert our_body.started
    assert their_body.started


async def test_a_body_that_never_left_says_so() -> None:
    """Without a connection nothing is written, and the body knows."""
    body = Body(b"{}", "application/json")
    async with aiohttp.ClientSession(request_class=_DirectRequest) as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.post("http://127.0.0.1:9/", data=body)
    assert not body.started


async def test_an_answer_that_breaks_off_is_an_error_either_way() -> None:
    """A server that hangs up without an answer raises what aiohttp raises."""
    for request_class in (_DirectRequest, aiohttp.ClientRequest):
        body = Body(b"{}", "application/json")
        async with recording([], answer=b"") as url, aiohttp.ClientSession(request_class=request_class) as http:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await http.post(url, data=body)
        assert body.started


def test_only_known_versions_are_short_cut() -> None:
    """The request class of ours is used where aiohttp's insides are known, and nowhere else."""
    known = sending.REQUEST_CLASS is _DirectRequest
    assert known == sending._KNOWN
    assert known or sending.REQUEST_CLASS is aiohttp.ClientRequest
