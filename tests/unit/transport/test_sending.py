"""`sending`: the same bytes as with aiohttp's own body, and a body that knows when it left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from xoxo_async.transport.connections import ConnectionRecord, Records
from xoxo_async.transport.sending import Body

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


async def sent(body: aiohttp.Payload) -> bytes:
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


class Protocol:
    """The end of a connection inside aiohttp."""

    should_close = False

    def close(self) -> None:
        pass


class Writer:
    """A writer that keeps what it was given, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.protocol = Protocol()
        self.error = error
        self.written: list[bytes] = []

    async def write(self, chunk: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.written.append(chunk)


async def test_a_body_leaves_once_in_either_of_aiohttps_ways() -> None:
    """A second writing is refused, and noted: nobody knows any more whose answer comes."""
    body, writer = Body(b"{}", "application/json"), Writer()
    await body.write(writer)
    for write in (body.write(writer), body.write_with_length(writer, 2)):
        with pytest.raises(aiohttp.ClientConnectionError, match="never written twice"):
            await write
    assert writer.written == [b"{}"]
    assert (body.started, body.repeated) == (True, True)


async def test_a_body_that_is_shut_does_not_leave() -> None:
    """Once its call has ended, a writer that comes late is refused; that is no repetition."""
    body, writer = Body(b"{}", "application/json"), Writer()
    body.shut()
    with pytest.raises(aiohttp.ClientConnectionError):
        await body.write(writer)
    assert (body.started, body.repeated, writer.written) == (False, False, [])


async def test_a_body_refuses_a_closed_connection() -> None:
    """Closed after the pool gave it out: nothing has left, and it may leave on another one."""
    body, writer = Body(b"{}", "application/json"), Writer()
    body.record = ConnectionRecord(writer.protocol)  # type: ignore[arg-type]
    body.record.close()
    with pytest.raises(aiohttp.ClientConnectionError, match="not fit"):
        await body.write(writer)
    assert (body.started, body.refused) == (False, True)
    body.record = None
    await body.write(writer)
    assert body.started


@pytest.mark.parametrize("unfit", ["busy", "something came unasked"])
async def test_over_a_pool_that_is_not_ours_a_body_looks_at_its_connection(unfit: str) -> None:
    """One whose last answer was no clean success, or on which something came unasked, is refused."""
    records, writer = Records(), Writer()
    first, second = Body(b"1", "application/json"), Body(b"2", "application/json")
    first.records = second.records = records
    await first.write(writer)
    assert first.record is not None
    if unfit != "busy":
        first.record.served()
        writer.protocol.should_close = True
    with pytest.raises(aiohttp.ClientConnectionError, match="not fit"):
        await second.write(writer)
    assert (second.started, second.refused) == (False, True)
    first.record.served()
    writer.protocol.should_close = False
    await second.write(writer)
    assert writer.written == [b"1", b"2"]


@pytest.mark.parametrize(
    ("error", "kept"), [(KeyError("x"), True), (OSError("x"), False), (aiohttp.ClientError("x"), False)], ids=repr
)
async def test_a_bug_while_a_body_is_written_is_kept(error: Exception, kept: bool) -> None:
    """What aiohttp would call a broken connection, unless it is one."""
    body = Body(b"{}", "application/json")
    with pytest.raises(type(error)):
        await body.write(Writer(error))
    assert (body.fault is error) is kept
