"""What goes out: a body that leaves once and records whether it may have left; and the pool that it leaves by."""

import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from xoxo_async.errors import ConnectError, ReplyLostError
from xoxo_async.transport.connections import ConnectionRecord, Records

__all__ = ["MAX_HEADER_BYTES", "Body", "Connector", "check_answered", "guards", "may_have_left", "never_connected"]

_now: Final = time.monotonic

MAX_HEADER_BYTES: Final = 64 * 1024
"""The longest line of an answer's head that is read. Edge servers send policies and cookies above aiohttp's 8 KB."""


class Body(aiohttp.Payload):
    """A body that is written once, and records whether any of it may have left. Until then, nothing has happened.

    Args:
        content: The bytes.
        content_type: Their type.

    Attributes:
        started: Whether any of it may have left.
        refused: Whether it has refused a connection that is not fit; nothing left on that one.
        repeated: Whether something tried to write it a second time.
        record: The connection it leaves on, once that is known.
        records: Where it looks up the connection's record, over a pool that is not ours; None over our own.
        may_leave: Asked right before it is written: whether it may still leave. None: always.
        late: Whether it might not; nothing of it has left.
        fault: A bug that was raised while it was written: neither aiohttp's error nor the system's.
        added_headers: More headers of the request.
        sent_at: When it was written, by the monotonic clock; 0 before.
    """

    started: bool = False
    refused: bool = False
    repeated: bool = False
    record: ConnectionRecord | None = None
    records: Records | None = None
    may_leave: Callable[[], bool] | None = None
    late: bool = False
    fault: Exception | None = None
    added_headers: tuple[tuple[str, str], ...] = ()
    sent_at: float = 0.0
    _shut: bool = False

    # A subclass of Payload and not of BytesPayload, which warns of bodies above 1 MB: a list of recipients may be one.

    def __init__(self, content: bytes, content_type: str) -> None:
        super().__init__(content, content_type=content_type)
        self._content: Final = content

    @property
    def size(self) -> int:
        """The number of bytes, for the request's Content-Length."""
        return len(self._content)

    @property
    def autoclose(self) -> bool:
        """True: there is nothing to close."""
        return True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the bytes as a text, for a middleware of the caller's that looks at them."""
        return self._content.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as they are
        """Return the bytes, for a middleware of the caller's that looks at them."""
        return self._content

    async def write(self, writer: Any) -> None:
        """Write the bytes, once. aiohttp before 3.12 calls this."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:  # noqa: ARG002 - all of it
        """Write the bytes, once. From here on nobody knows how many have left."""
        if self._shut:
            # A middleware that retries would place the order, or send the points, a second time.
            self.repeated = self.started
            raise aiohttp.ClientConnectionError("a request of this client is never written twice")
        try:
            if self.records is not None:
                self._take(writer.protocol, self.records)
            if self.record is not None and self.record.closed:
                self._refuse("it is closed")
            if self.may_leave is not None and not self.may_leave():
                self.late = self._shut = True
                self._refuse("it came too late")
            self.started = self._shut = True
            self.sent_at = _now()
            await writer.write(self._content)
        except (OSError, aiohttp.ClientError):
            raise
        except Exception as fault:
            self.fault = fault  # aiohttp reports every exception here as a broken connection
            raise

    def shut(self) -> None:
        """Refuse every later writing: the call has ended."""
        self._shut = True

    def _take(self, protocol: ResponseHandler, records: Records) -> None:
        """Take a connection of the caller's pool, unless it is busy or something came on it unasked."""
        record = records.of(protocol)
        if not record.ready or protocol.should_close:
            self._refuse("its last answer was no clean success, or something came unasked")
        record.ready = False
        self.record = record

    def _refuse(self, why: str) -> NoReturn:
        self.refused = True
        raise aiohttp.ClientConnectionError(f"the connection is not fit for another request: {why}")


class Connector(aiohttp.TCPConnector):
    """A pool that gives out only fit connections: the last answer was a clean success, and nothing came unasked since.

    A proxy's late 408, or an answer that is sent twice, would be read as the answer to the next request: as the order
    of another caller. aiohttp has no public hook for this, so `connect` and the protocol's `should_close` are used;
    tests/unit/transport/test_aiohttp_canaries.py fails when aiohttp changes them.

    Args:
        records: Where the connections' records are kept.
        limit: The pool's size.
        ssl: How TLS is checked; True for the system's certificates.
    """

    def __init__(self, records: Records, *, limit: int, ssl: Any = True) -> None:
        super().__init__(limit=limit, ssl=ssl)
        self._records: Final = records

    async def connect(self, req: "aiohttp.ClientRequest", traces: Any, timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Return a fit connection. It counts as busy until its answer has been judged."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            record = self._records.of(protocol)
            if record.ready and not protocol.should_close:
                record.ready = False
                body = req.body
                if isinstance(body, Body):
                    body.record = record  # without a body (GET) nothing judges the answer, and it serves only once
                return connection
            connection.close()


def guards() -> dict[str, Any]:
    """Return the options that keep a caller's session from changing what an answer means; our own needs none."""
    return {
        "raise_for_status": False,
        "auto_decompress": True,
        "max_line_size": MAX_HEADER_BYTES,
        "max_field_size": MAX_HEADER_BYTES,
        "upload_tracker": aiohttp.UploadTracker(),
    }


def may_have_left(body: Body, error: Exception, given: dict[str, Any]) -> bool:
    """Return whether any of a request may have left. In a caller's session a middleware may have sent another body.

    Args:
        body: The body given to aiohttp.
        error: How the request ended.
        given: What else was given to aiohttp; empty for our own session.
    """
    if body.started or not given:
        return body.started
    attempts: int = given["upload_tracker"].attempts
    if body.refused or body.fault is not None:
        return attempts > 1
    return attempts > 1 or (attempts == 1 and not never_connected(error))


def check_answered(body: Body, given: dict[str, Any]) -> None:
    """Refuse an answer to a request that had not left, or that something tried to send once more.

    Args:
        body: The body given to aiohttp.
        given: What else was given to aiohttp; empty for our own session.

    Raises:
        ConnectError: Nothing has left: the answer came before the request.
        ReplyLostError: It may have left.
    """
    body.shut()
    attempts: int = given["upload_tracker"].attempts if given else int(body.record is not None)
    if body.repeated:
        raise ReplyLostError("something in the aiohttp session given (a middleware?) tried to send the request twice")
    if not attempts:
        return  # no connection was taken: a test has replaced aiohttp's request
    if attempts == 1 and (body.refused or not given):
        raise ConnectError("an answer came before the request had left")
    raise ReplyLostError(
        "an answer came before the request had left, or a middleware of the aiohttp session given sent another body"
    )


def never_connected(error: Exception) -> bool:
    """Return whether an error of aiohttp's says that there was no connection to send on.

    Args:
        error: What was raised.
    """
    return isinstance(
        error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError
    )
