"""A TCP way between workers and a database that a test may cut, or turn into a black hole."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["Way"]


class Way:
    """Forwards bytes from a port of its own to another one.

    Attributes:
        port: The port to connect to.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target: Final = target
        self._open = True
        self._swallows = False
        self._pairs: Final[set[asyncio.StreamWriter]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def cut(self) -> None:
        """End all connections now, each with a reset. New ones are let in."""
        self._call(self._reset)

    def black_hole(self, *, on: bool) -> None:
        """Take bytes and forward none, in both directions; nobody is told. Connections under way end afterwards."""

        def turn() -> None:
            self._swallows = on
            if not on:
                self._reset()

        self._call(turn)

    def close_door(self, *, closed: bool) -> None:
        """Refuse new connections, and end those there are; or let them in again."""

        def turn() -> None:
            self._open = not closed
            self._reset()

        self._call(turn)

    @contextmanager
    def run_in_thread(self) -> Iterator["Way"]:
        """Run until the block ends."""
        ready, done = threading.Event(), threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            async with server:
                await asyncio.to_thread(done.wait)
                self._reset()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        ready.wait(10)
        try:
            yield self
        finally:
            done.set()
            thread.join(10)

    def _call(self, what: "object") -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what)  # type: ignore[arg-type]

    def _reset(self) -> None:
        for writer in self._pairs:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        self._pairs.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError):
                answers, there = await asyncio.open_connection("127.0.0.1", self._target)
                self._pairs.add(there)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, there))
                    group.create_task(self._pump(answers, writer))
        finally:
            for one in (writer, there):
                if one is not None:
                    self._pairs.discard(one)
                    one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self._swallows:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()
