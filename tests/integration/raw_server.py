"""A server of raw sockets that notes when each request came, and answers as a test wants."""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import NamedTuple

import anyio

__all__ = ["Reply", "Server", "serving"]


class Reply(NamedTuple):
    status: int = 200
    body: object = None
    headers: str = ""


class Server:
    """Notes the time of each request, and answers as a test wants."""

    def __init__(self) -> None:
        self.came: dict[str, list[float]] = defaultdict(list)
        self.answer: Callable[[str, int], Reply | None] = lambda _operation, _nth: None
        self.delay_s: Callable[[str, int], float] = lambda _operation, _nth: 0.0
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                query = re.search(rb'"query":"[\w.]*?(\w+)"', body)
                operation = query[1].decode() if query else "token"
                self.came[operation].append(time.monotonic())
                nth = len(self.came[operation])
                reply = self.answer(operation, nth) or self.success(operation)
                await anyio.sleep(self.delay_s(operation, nth))
                content = json.dumps(reply.body).encode()
                lines = (
                    f"HTTP/1.1 {reply.status} X\r\nContent-Length: {len(content)}\r\nDate: {formatdate(usegmt=True)}"
                )
                writer.write(f"{lines}\r\n{reply.headers}\r\n".encode() + content)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def success(self, operation: str) -> Reply:
        if operation == "token":
            return Reply(body={"access_token": f"token{len(self.came['token'])}", "expires_in": 1_000_000})
        if operation == "getBalance":
            data: dict[str, object] = {"points": 1, "value": 1, "currency": "INR"}
        else:
            data = {"orderId": len(self.came[operation]), "deliveryStatus": "delivered", "vouchers": []}
        return Reply(body={"data": {operation: {"status": 1, "data": data}}})

    def between(self, operation: str, start: float, end: float) -> int:
        return sum(1 for at in self.came[operation] if start <= at < end)

    def fullest(self, operation: str, window_s: float, since: float = 0.0) -> int:
        """Return the most requests in any window of this length."""
        times = [at for at in self.came[operation] if at >= since]
        return max(sum(1 for at in times[n:] if at < times[n] + window_s) for n in range(len(times)))


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.talk(reader, writer)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
