"""One authorised HTTP attempt: the aiohttp session, the token for it, and every foreign error translated."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import aiohttp
import anyio
import msgspec
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from xoxo_async.auth import ExchangeAnswer, Token, TokenProvider
from xoxo_async.auth.keeper import Keeper
from xoxo_async.config import Network, Timeouts
from xoxo_async.errors import ConfigError, TokenRejectedError, XoxoError, mark_effect
from xoxo_async.hooks import Hook
from xoxo_async.pacing import Pacer
from xoxo_async.retry import RetryPolicy
from xoxo_async.transport.connections import ConnectionRecord, Records
from xoxo_async.transport.deadlines import Deadlines
from xoxo_async.transport.receiving import is_small, read, retry_after_s, translate, whole
from xoxo_async.transport.sending import (
    MAX_HEADER_BYTES,
    Body,
    Connector,
    check_answered,
    guards,
    may_have_left,
    never_connected,
)
from xoxo_async.wire import Secret

__all__ = ["Answer", "Session"]

_USER_AGENT: Final = "xoxo_async"


class Answer(msgspec.Struct, frozen=True):
    """What came back from one attempt.

    Attributes:
        status: The HTTP status.
        body: The whole body, decompressed.
        token: The token it was sent with, to be named when it was refused.
        retry_after_s: What the `Retry-After` header says, in seconds; None without one.
        connection: The connection it came on, to be told whether it was a clean success; until then it serves nobody.
            None where there is none to judge: for a GET, and where a test has replaced aiohttp's request.
    """

    status: int
    body: bytes
    token: Token | None
    retry_after_s: float | None
    connection: ConnectionRecord | None = None

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, body=<{len(self.body)} bytes>)"


class _Headers(CIMultiDict[str]):
    """Headers that show no token where an error report prints local variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


# aiohttp asks for whatever the installed packages can unpack; these two are what is tested.
_ENCODINGS: Final = "gzip, deflate"

_NOTHING_MORE: Final[dict[str, Any]] = {}


class Session:
    """Make single authorised attempts over one connection pool, with one token that all callers share.

    Args:
        provider: Where tokens come from.
        base_url: The address, checked.
        timeouts: How long an attempt may take.
        max_connections: The pool's size.
        http: An aiohttp session of the caller's; used, never closed.
        retry: How often a failed token request is made again.
        network: Proxy, TLS and user agent of our own session.
        hooks: Who wants to know of renewals.
        pacer: Keeps the token endpoint's penalties, for every client of the account.
        clock: A monotonic clock; wall clock steps must not expire tokens.
        wall: The wall clock, in epoch seconds.
    """

    def __init__(
        self,
        provider: TokenProvider,
        base_url: str,
        *,
        timeouts: Timeouts,
        max_connections: int,
        http: aiohttp.ClientSession | None = None,
        retry: RetryPolicy | None = None,
        network: Network | None = None,
        hooks: Sequence[Hook] = (),
        pacer: Pacer | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._base_url: Final = base_url
        self._timeouts: Final = timeouts
        self._max_connections: Final = max_connections
        self._callers_http: Final = http
        self._network: Final = network or Network()
        self._records: Final = Records()
        self._plain_headers: Final = _Headers(
            {
                hdrs.ACCEPT: "application/json",
                hdrs.ACCEPT_ENCODING: _ENCODINGS,
                hdrs.USER_AGENT: f"{_USER_AGENT} {self._network.app}".rstrip(),
            }
        )
        self._clock: Final = clock
        self._wall: Final = wall
        self._urls: Final[dict[str, URL]] = {}
        self._deadlines: Final[dict[float, Deadlines]] = {}
        # aiohttp's own timer is left to the connecting: on a pooled connection it sets none.
        self._connect: Final = aiohttp.ClientTimeout(total=None, connect=timeouts.connect_s)
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._headers: _Headers | None = None
        self._keeper: Final = Keeper(
            provider,
            base_url,
            post=self._post_for_a_token,
            adopt=self._adopt,
            timeouts=timeouts,
            retry=retry or RetryPolicy(),
            hooks=hooks,
            pacer=pacer,
            clock=clock,
            wall=wall,
        )

    def send(
        self, method: str, path: str, body: bytes, content_type: str, total_s: float
    ) -> Coroutine[Any, Any, Answer]:
        """Make one authorised attempt.

        Args:
            method: GET or POST.
            path: The path below the base URL.
            body: The bytes to send; empty for GET.
            content_type: Their type.
            total_s: Seconds for all of it, the token aside.

        Returns:
            The answer, whatever its status.

        Raises:
            ConfigError: When the session is closed or belongs to another event loop.
            ConnectError: When nothing was sent.
            ReplyTimeoutError: When it was sent and no answer came in time.
            ReplyLostError: When it was sent and the answer was lost or was no HTTP.
            DecodeError: When the answer is larger than any real one.
            AuthError: When no token could be had; nothing was sent.
        """
        # Not `async`: with a fresh token this is but a look at the clock, and a coroutine less to go through.
        if self._loop is not asyncio.get_running_loop() or self._closed:
            self._check_open()
        sent = Body(body, content_type)
        if self._callers_http is not None:
            sent.records = self._records  # our own pool tells each body its connection
        token = self._keeper.token
        if token is None or self._clock() >= self._keeper.renew_at:
            return self._send_with_fresh_token(method, path, sent, total_s)
        return self._attempt(self._http, method, path, sent, self._headers, total_s, token)

    async def _send_with_fresh_token(self, method: str, path: str, body: Body, total_s: float) -> Answer:
        token = await self._keeper.within(math.inf)
        return await self._attempt(self._http, method, path, body, self._headers, total_s, token)

    @property
    def has_token(self) -> bool:
        """Whether an attempt made now would have a token without waiting for one."""
        keeper = self._keeper
        return keeper.token is not None and self._clock() < keeper.dead_at

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must be masked where a server's words are repeated."""
        return self._keeper.secrets

    async def authorise(self, within_s: float = math.inf) -> None:
        """Get a token, unless a living one is there; `send` does so itself, but then within a rate slot.

        Args:
            within_s: Seconds to wait for one at most; a token request's own time is the other bound.

        Raises:
            ConfigError: As for `send`.
            AuthError: No token could be had.
            RateLimitedError: The token endpoint has imposed a penalty.
        """
        self._check_open()
        if not self.has_token:
            await self._keeper.within(within_s)

    def reject(self, token: Token | None, *, worked: bool = False) -> TokenRejectedError | None:
        """Forget a token the vendor refused, if it is still the current one.

        Args:
            token: The one the refused attempt was sent with.
            worked: Whether the vendor accepted it before. One that it never accepted may mean that the next one will
                be refused as well, and new tokens are asked for ever more slowly.

        Returns:
            What to tell the caller where no other token is asked for now; None where one is.
        """
        return self._keeper.reject(token, worked=worked)

    async def aclose(self) -> None:
        """Close what this session opened; a renewal under way is first let end, since its pair must not be lost.

        A caller who is cancelled meanwhile waits for that end all the same: a pair is not had twice.
        """
        self._closed = True
        try:
            await self._keeper.close()
        finally:
            if self._http is not None and self._http is not self._callers_http:
                with anyio.CancelScope(shield=True):
                    await self._http.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._keeper.open()
            self._http = self._callers_http if self._callers_http is not None else self._open()
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop: make one client per loop")

    def _open(self, connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
        """Open a session of our own, over a pool of its own unless one is given."""
        network = self._network
        return aiohttp.ClientSession(
            connector=connector or Connector(self._records, limit=self._max_connections, ssl=network.ssl or True),
            connector_owner=connector is None,
            # A cookie is state no call of ours has; an edge server's must not travel on.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._connect,
            proxy=network.proxy_for(self._base_url),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    # The token.

    def _adopt(self, token: Token) -> None:
        headers = self._plain_headers.copy()
        headers[hdrs.AUTHORIZATION] = f"Bearer {token.access.reveal()}"
        if self._http is None or self._http is self._callers_http:
            self._headers = headers
        else:
            self._http.headers.update(headers)  # our own session has them ready for every request

    async def _post_for_a_token(self, path: str, body: bytes, content_type: str, /) -> ExchangeAnswer:
        assert self._http is not None  # noqa: S101 - made with the loop
        sent, limit = Body(body, content_type), self._timeouts.token_s
        del body  # it holds the client secret, and this frame may be printed with its variables
        if self._http is self._callers_http:
            sent.records = self._records
            answer = await self._attempt(self._http, "POST", path, sent, self._plain_headers, limit, None)
        else:
            # Over the same connections, but not with the old token, which our own session has for every request.
            async with self._open(self._http.connector) as http:
                answer = await self._attempt(http, "POST", path, sent, self._plain_headers, limit, None)
        if answer.connection is not None:
            answer.connection.close()  # tokens are rare: a connection less is cheaper than to judge their answers here
        return ExchangeAnswer(answer.status, answer.body, answer.retry_after_s)

    # The attempt.

    async def _attempt(
        self,
        http: aiohttp.ClientSession | None,
        method: str,
        path: str,
        body: Body,
        headers: CIMultiDict[str] | None,
        total_s: float,
        token: Token | None,
    ) -> Answer:
        url = self._urls.get(path) or self._url_of(path)
        deadlines = self._deadlines.get(total_s) or self._deadlines_of(total_s)
        assert http is not None  # noqa: S101 - made with the loop
        # `request` wraps the coroutine of `_request`, for `async with`; awaited, that is 2 % of an order for nothing.
        # Looked up each time, for mocks replace it; of our own sessions alone, a caller's may have its own `request`.
        callers = http is self._callers_http
        request = http.request if callers else getattr(http, "_request", http.request)
        more = guards() if callers else _NOTHING_MORE
        try:
            with deadlines:
                response = await request(
                    method,
                    url,
                    data=body if method != "GET" else None,
                    headers=headers,
                    timeout=self._connect,
                    allow_redirects=False,
                    **more,
                )
                try:
                    if method != "GET" and (not body.started or body.repeated):
                        check_answered(body, more)
                    content = whole(response)
                    if content is None:
                        content = await (response.read() if is_small(response) else read(response))
                    after = response.headers.get(hdrs.RETRY_AFTER)
                    after_s = retry_after_s(after, response.headers.get(hdrs.DATE), self._wall()) if after else None
                    return Answer(response.status, content, token, after_s, body.record)
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
            left = may_have_left(body, error, more) if method != "GET" else not never_connected(error)
            failure = translate(body.fault or error, sent=left, total_s=total_s)
        # Not from the handler: aiohttp's errors and frames hold the token, and half an answer its codes.
        raise failure

    def _url_of(self, path: str) -> URL:
        try:
            url = self._urls[path] = URL(self._base_url + path)
        except ValueError:  # a host name that cannot be written in DNS, for example
            raise ConfigError(f"base_url is not an address that can be reached: {self._base_url}") from None
        return url

    def _deadlines_of(self, total_s: float) -> Deadlines:
        """Most attempts are given one of three lengths; what a call's deadline cuts short has a length of its own."""
        deadlines = Deadlines(total_s, asyncio.get_running_loop())
        if total_s in (self._timeouts.order_s, self._timeouts.read_s, self._timeouts.token_s):
            self._deadlines[total_s] = deadlines
        return deadlines
