"""What goes out: a body that knows whether any of it may have left; and over which connections."""

from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import hdrs
from aiohttp.payload import BytesPayload
from multidict import CIMultiDict

if TYPE_CHECKING:
    from aiohttp.connector import Connection

__all__ = ["Body", "Connector"]

_JSON: Final = "application/json"
_JSON_HEADERS: Final = CIMultiDict({hdrs.CONTENT_TYPE: _JSON})

_connect: Final = aiohttp.TCPConnector.connect


class Body(BytesPayload):
    """A body that knows whether any of it may have left: before that, a failure proves that nothing happened.

    Args:
        value: The bytes.
        content_type: Their type.
    """

    started: bool = False

    def __init__(self, value: bytes, content_type: str) -> None:
        # Not by way of the bases, which make a mapping of headers for every body.
        self._headers = _JSON_HEADERS if content_type == _JSON else CIMultiDict({hdrs.CONTENT_TYPE: content_type})
        self._value = value
        self._size = len(value)

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
            connection = await _connect(self, req, traces, timeout)  # half the price of `super()`
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()
