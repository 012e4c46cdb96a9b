"""What goes out: a body that knows whether any of it may have left, and a request that writes it at once."""

import sys
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import BytesPayload
from multidict import CIMultiDict

if TYPE_CHECKING:
    from aiohttp.connector import Connection

__all__ = ["REQUEST_CLASS", "Body", "Connector"]

_JSON: Final = "application/json"
_JSON_HEADERS: Final = CIMultiDict({"Content-Type": _JSON})
_AT_ONCE: Final = 16 * 1024
"""Bodies up to this size go into the socket's buffer; larger ones may have to wait for it."""


class Body(BytesPayload):
    """A body that knows whether any of it may have left: before that, a failure proves that nothing happened.

    Args:
        value: The bytes.
        content_type: Their type.
    """

    started: bool = False
    _size: int

    def __init__(self, value: bytes, content_type: str) -> None:
        # Not by way of the bases, which make a mapping of headers for every body.
        self._headers = _JSON_HEADERS if content_type == _JSON else CIMultiDict({"Content-Type": content_type})
        self._value = value
        self._size = len(value)

    @property
    def is_small(self) -> bool:
        """Whether it surely goes into the socket's buffer."""
        return self._size <= _AT_ONCE

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:  # noqa: ARG002 - all of it
        """Write the bytes; from here on, nobody knows how many have left."""
        self.started = True
        await writer.write(self._value)


class Connector(aiohttp.TCPConnector):
    """A pool that gives out no connection on which something came while nobody had asked.

    A proxy's late 408, or an answer sent twice, would else be read as the answer to the next request: somebody else's
    order.
    """

    async def connect(self, req: "aiohttp.ClientRequest", traces: Any, timeout: aiohttp.ClientTimeout) -> "Connection":  # noqa: ASYNC109 - aiohttp's signature
        """Return a connection with nothing unread on it."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()


class _DirectRequest(aiohttp.ClientRequest):
    """A request that writes a small body itself, where aiohttp makes a task to write it.

    From Python 3.12 on aiohttp runs that task at once, which is about as good. Before, making, scheduling and ending it
    is an eighth of what a request costs.
    """

    async def send(self, conn: "Connection") -> aiohttp.ClientResponse:
        """Write head and body, and return the response to come; anything unusual goes aiohttp's own way."""
        body, protocol = self._body, conn.protocol
        if (
            not isinstance(body, Body)
            or not body.is_small
            or protocol is None
            or protocol.writing_paused
            or self._continue is not None
            or self.chunked
            or self.compress
            or self.proxy
            or self._traces
        ):
            return await super().send(conn)
        writer = StreamWriter(protocol, self.loop)
        await writer.write_headers(f"{self.method} {self.url.raw_path_qs} HTTP/1.1", self.headers)
        await self.write_bytes(writer, conn, None)
        response = self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=writer,
        )
        self.response = response  # type: ignore[assignment]
        return response


# It stands on what aiohttp calls its own, so only where that is known; any other version goes its own way.
_KNOWN: Final = sys.version_info < (3, 12) and aiohttp.__version__.startswith("3.14.")

REQUEST_CLASS: Final = _DirectRequest if _KNOWN else aiohttp.ClientRequest
"""What our own session makes requests of."""
