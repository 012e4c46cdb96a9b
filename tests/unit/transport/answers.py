"""Answers of aiohttp's, with as much of the body as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp


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
