"""A raw proxy in front of a sandbox. Its address stays, the server behind it may change, and answers may come twice."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from xoxo_async.sandbox import Sandbox

__all__ = ["Front"]


class Front:
    """The proxy.

    Args:
        sandbox: The server behind it.
        repeats: The share of answers that are sent twice, the second time while the next request of the connection is
            under way. From then on that connection is one behind: it gives each answer to the request after its own.
        seed: Decides about them.

    Attributes:
        sandbox: The server behind it; a connection keeps the one it began with.
        repeated: How many answers were sent twice.
        base_url: The address to give to a client.
    """

    def __init__(self, sandbox: Sandbox, *, repeats: float = 0.0, seed: int = 0) -> None:
        self.sandbox = sandbox
        self.repeated = 0
        self.base_url = ""
        self._repeats: Final = repeats
        self._dice: Final = random.Random(seed)
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    @contextmanager
    def run_in_thread(self) -> Iterator["Front"]:
        """Run it on an event loop in a thread of its own."""
        loop, started = asyncio.new_event_loop(), threading.Event()
        end = asyncio.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
            self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/chef"
            started.set()
            await end.wait()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        try:
            assert started.wait(10)
            yield self
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join()
            loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        behind = None
        try:
            behind = await asyncio.open_connection("127.0.0.1", urlsplit(self.sandbox.base_url).port)
            await self._relay(reader, writer, *behind)
        except OSError:
            pass  # the server or the client has closed, which is normal here
        finally:
            for end in (writer, *(behind or ())[1:]):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        again = b""
        while True:
            request, whole = await _message(reader)
            if not whole:
                return
            requests.write(request)
            if again:
                writer.write(again)
            answer, whole = await _message(answers)
            if again:
                again = answer
            else:
                writer.write(answer)
                if self._dice.random() < self._repeats:
                    again = answer
                    self.repeated += 1
            if not whole:
                await writer.drain()
                return


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read a request or an answer, and return it and whether it is whole."""
    head = b""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0]
        return head + await reader.readexactly(int(length or 0)), True
    except asyncio.IncompleteReadError as error:
        # A message that breaks off, or the end of the connection.
        return (head + error.partial, False)
