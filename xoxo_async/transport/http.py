"""One HTTP request and its answer: connection pool, headers, time limit, and the end of every aiohttp error."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import anyio
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from xoxo_async.config import Timeouts
from xoxo_async.errors import ConfigError, ConnectError, XoxoError, mark_effect
from xoxo_async.network import Network
from xoxo_async.transport.connections import ConnectionRecord, Records
from xoxo_async.transport.deadlines import Deadlines
from xoxo_async.transport.receiving import read, retry_after_s, translate
from xoxo_async.transport.sending import (
    MAX_HEADER_BYTES,
    Body,
    Connector,
    check_answered,
    guards,
    may_have_left,
    never_connected,
)
from xoxo_async.wire.raw import Facts
from xoxo_async.wire.secrets import Secret

__all__ = ["Answer", "Http", "is_whole"]

_ENCODINGS: Final = "gzip, deflate"
"""aiohttp asks for every encoding that the installed packages can unpack; the tests cover these two."""

_NOTHING_MORE: Final[dict[str, Any]] = {}

_now: Final = time.monotonic


class Answer(Facts, gc=False):
    """The answer to one request.

    Attributes:
        connection: The connection it came on. It serves no other request until somebody calls its `served`. None where
            there is none to judge: for a GET, and where a test has replaced aiohttp's request; and once it was judged,
            because a reply keeps its answer and no connection.
    """

    connection: ConnectionRecord | None = None


class _Headers(CIMultiDict[str]):
    """Headers that show no token where an error report prints local variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


class Http:
    """Send single requests over one connection pool.

    Args:
        base_url: The address, checked.
        timeouts: How long a connection may take, and the usual lengths of a request.
        max_connections: The pool's size.
        callers: An aiohttp session of the caller's: used instead of one of our own, and never closed.
        network: Proxy, TLS and user agent of our own session.
        wall: The wall clock, in epoch seconds; a `Retry-After` header may be a date.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts,
        max_connections: int,
        callers: aiohttp.ClientSession | None = None,
        network: Network | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._base_url: Final = base_url
        self._max_connections: Final = max_connections
        # Not `isinstance`: a session of the caller's may be wrapped, for example to sign each request.
        if callers is not None and not (callable(getattr(callers, "request", None)) and hasattr(callers, "closed")):
            raise ConfigError(f"session must be an aiohttp.ClientSession, not {type(callers).__name__}")
        self._callers: Final = callers
        self._network: Final = network or Network()
        self._wall: Final = wall
        self._records: Final = Records()
        self._urls: Final[dict[str, URL]] = {}
        self._usual_lengths: Final = (timeouts.order_s, timeouts.read_s, timeouts.token_s)
        self._deadlines: Final[dict[float, Deadlines]] = {}
        # aiohttp's own timer covers connecting alone: on a pooled connection it then sets none. `Deadlines` does the
        # rest with one timer for all requests (measured: 26 k of the 444 k instructions of an order).
        self._connect: Final = aiohttp.ClientTimeout(total=None, connect=timeouts.connect_s)
        self._plain_headers: Final = _Headers(
            {
                hdrs.ACCEPT: "application/json",
                hdrs.ACCEPT_ENCODING: _ENCODINGS,
                hdrs.USER_AGENT: self._network.agent,
            }
        )
        # Over a caller's session each request has its headers with it.
        self._bearer: Secret | None = None
        self._bearer_headers: CIMultiDict[str] = self._plain_headers
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Open the pool on the running event loop."""
        self._session = self._callers if self._callers is not None else self._own_session()

    async def aclose(self) -> None:
        """Close the pool; never the caller's session. A caller who is cancelled meanwhile waits for the end."""
        if self._session is not None and self._callers is None:
            with anyio.CancelScope(shield=True):
                await self._session.close()

    async def send(self, method: str, path: str, body: Body, total_s: float, bearer: Secret | None = None) -> Answer:
        """Send one request once, and read its answer.

        Args:
            method: GET or POST.
            path: The path below the base URL.
            body: What to send; with a GET it stays here. Of bytes, this frame would show the client secret where an
                error report prints local variables; a `Body` shows nothing.
            total_s: Seconds for all of it.
            bearer: The access token; None for a token request.

        Returns:
            The answer, whatever its status.

        Raises:
            ConfigError: The address cannot be used; nothing was sent.
            ConnectError: Nothing was sent.
            ReplyTimeoutError: It was sent, and no answer came in time.
            ReplyLostError: It was sent, and the answer was lost or was no HTTP.
            DecodeError: The answer is larger than any real one.
        """
        url = self._urls.get(path)
        if url is None:
            url = self._url_of(path)
        deadlines = self._deadlines.get(total_s) or self._deadlines_of(total_s)
        session, payload = self._session, None if method == "GET" else body
        assert session is not None  # noqa: S101 - opened with the loop
        if bearer is not self._bearer:
            self._take_bearer(bearer, session)
        headers = self._headers_for(body) if body.added_headers or self._callers is not None else None
        if payload is None:
            body.sent_at = _now()  # there is nothing to write after the head
        more = _NOTHING_MORE if self._callers is None else self._guarded(body)
        try:
            with deadlines:
                # aiohttp copies the session's headers before it waits for anything, so they are those of this request.
                # A redirect is never followed: with a 307, another host would get the order and the token.
                response = await session.request(
                    method, url, data=payload, headers=headers, timeout=self._connect, allow_redirects=False, **more
                )
                try:
                    if payload is not None and (not body.started or body.repeated):
                        check_answered(body, more)
                    # Nearly every answer has come whole with its head: there is nothing to wait for then (measured:
                    # 15 k of the 444 k instructions of an order).
                    first_at = done_at = _now()
                    if is_whole(response):
                        content = response.content.read_nowait()
                    else:
                        content = await read(response)
                        done_at = _now()
                    return self._answer(response, content, bearer, body, first_at, done_at)
                except BaseException:
                    response.close()
                    raise
        except XoxoError:
            raise
        except asyncio.CancelledError as cancelled:
            if not body.started:  # it waited for a connection
                mark_effect(cancelled, "none")
            raise
        except Exception as error:  # noqa: BLE001 - told below what it means
            failure = _failure(body, error, more, total_s, writes=payload is not None)
        # Not from the handler: aiohttp's errors and frames hold the token, and half an answer its codes.
        try:
            raise failure
        finally:
            del failure  # its traceback leads to this frame: together they would wait for a full collection

    def _answer(
        self,
        response: aiohttp.ClientResponse,
        content: bytes,
        bearer: Secret | None,
        body: Body,
        first_at: float,
        done_at: float,
    ) -> Answer:
        headers = response.headers
        after = headers.get(hdrs.RETRY_AFTER)
        after_s = retry_after_s(after, headers.get(hdrs.DATE), self._wall()) if after else None
        sent_at, connection = body.sent_at, body.record
        return Answer(
            response.status, content, bearer, after_s, headers, sent_at, first_at, done_at, connection=connection
        )

    def _guarded(self, body: Body) -> dict[str, Any]:
        body.records = self._records  # our own pool tells each body its connection, the caller's does not
        return guards()

    def _own_session(self) -> aiohttp.ClientSession:
        """Open a session of our own, over a pool of its own."""
        network = self._network
        return aiohttp.ClientSession(
            connector=Connector(self._records, limit=self._max_connections, ssl=network.ssl or True),
            headers=self._plain_headers,
            # No call of ours has a cookie. One that an edge server sets must not travel with later calls.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._connect,
            proxy=network.proxy_for(self._base_url),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    def _take_bearer(self, bearer: Secret | None, session: aiohttp.ClientSession) -> None:
        """Change the token that requests have from now on: nearly every request has that of the one before.

        It is among the headers of our own session. aiohttp copies these at once, and merges those of a request one by
        one (measured: 5 k instructions an order).
        """
        if self._callers is None:
            headers = session.headers
        else:
            headers = self._bearer_headers = self._plain_headers.copy()
        headers.pop(hdrs.AUTHORIZATION, None)
        if bearer is not None:
            headers[hdrs.AUTHORIZATION] = f"Bearer {bearer.reveal()}"
        self._bearer = bearer

    def _headers_for(self, body: Body) -> CIMultiDict[str]:
        """Return what a request has beside the headers of our own session; all of them over a caller's session."""
        headers = _Headers() if self._callers is None else self._bearer_headers
        if body.added_headers:
            headers = headers.copy()  # a view's; the SDK refuses any that would replace one of these
            headers.extend(body.added_headers)
        return headers

    def _url_of(self, path: str) -> URL:
        try:
            url = self._urls[path] = URL(self._base_url + path)
        except ValueError:  # a host name that cannot be written in DNS, for example
            raise ConfigError(f"base_url is not an address that can be reached: {self._base_url}") from None
        return url

    def _deadlines_of(self, total_s: float) -> Deadlines:
        """Return a new timer; the usual lengths keep theirs, one that a call's deadline cuts short is used once."""
        deadlines = Deadlines(total_s, asyncio.get_running_loop())
        if total_s in self._usual_lengths:
            self._deadlines[total_s] = deadlines
        return deadlines


def _failure(body: Body, error: Exception, more: dict[str, Any], total_s: float, *, writes: bool) -> Exception:
    """Return what a foreign error means for a request; `writes` says whether the body was to leave, too."""
    left = may_have_left(body, error, more) if writes else not never_connected(error)
    failure = translate(body.fault or error, sent=left, total_s=total_s)
    if body.late and not left:
        return ConnectError("the request was not sent: a token or a connection came too late for it")
    return failure


def is_whole(response: aiohttp.ClientResponse) -> bool:
    """Return whether all of the body has come, unpacked: what is packed may unpack to more than memory holds.

    Args:
        response: The answer, its head read.
    """
    return response.content.is_eof() and hdrs.CONTENT_ENCODING not in response.headers
