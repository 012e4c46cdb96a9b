"""One authorised HTTP attempt: the aiohttp session, the one token lock, and every foreign error translated."""

import asyncio
import copy
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
from xoxo_async.config import Timeouts
from xoxo_async.deadlines import Deadlines
from xoxo_async.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    RateLimitedError,
    XoxoError,
)
from xoxo_async.hooks import Hook, TokenRenewed, notify
from xoxo_async.operation import mark_unsent
from xoxo_async.pacing import TOKEN_REQUEST, Pacer
from xoxo_async.receiving import is_small, read, retry_after_s, translate, whole
from xoxo_async.sending import Body, Connector

__all__ = ["Answer", "Session"]

_RENEW_MARGIN_S: Final = 300.0
_FAILURE_REMEMBERED_S: Final = 1.0
_LAST_WAIT_S: Final = 5.0
"""How long closing waits for a renewal under way."""
_USER_AGENT: Final = "xoxo_async"


class Answer(msgspec.Struct, frozen=True):
    """What came back from one attempt.

    Attributes:
        status: The HTTP status.
        body: The whole body, decompressed.
        token: The token it was sent with, to be named when it was refused.
        retry_after_s: What the `Retry-After` header says, in seconds; None without one.
    """

    status: int
    body: bytes
    token: Token | None
    retry_after_s: float | None

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, body=<{len(self.body)} bytes>)"


class _Headers(CIMultiDict[str]):
    """Headers that show no token where an error report prints local variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


_PLAIN_HEADERS: Final = _Headers({hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: _USER_AGENT})


class Session:
    """Make single authorised attempts over one connection pool, with one token that all callers share.

    Args:
        provider: Where tokens come from.
        base_url: The address, checked.
        timeouts: How long an attempt may take.
        max_connections: The pool's size.
        http: An aiohttp session of the caller's; used, never closed.
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
        hooks: Sequence[Hook] = (),
        pacer: Pacer | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider: Final = provider
        self._base_url: Final = base_url
        self._timeouts: Final = timeouts
        self._max_connections: Final = max_connections
        self._callers_http: Final = http
        self._hooks: Final = hooks
        self._pacer: Final = pacer
        self._clock: Final = clock
        self._wall: Final = wall
        self._urls: Final[dict[str, URL]] = {}
        self._deadlines: Final[dict[float, Deadlines]] = {}
        # aiohttp's own timer is left to the connecting: on a pooled connection it sets none.
        self._connect: Final = aiohttp.ClientTimeout(total=None, connect=timeouts.connect_s)
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # The token and what is known of it. Times are monotonic.
        self._lock: anyio.Lock | None = None
        self._token: Token | None = None
        self._headers: _Headers | None = None
        self._renew_at = 0.0
        self._dead_at = 0.0
        self._rejected: Token | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failure: XoxoError | None = None
        self._failed_until = 0.0

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
        token = self._token
        if token is None or self._clock() >= self._renew_at:
            return self._send_with_fresh_token(method, path, sent, total_s)
        return self._attempt(self._http, method, path, sent, self._headers, total_s, token)

    async def _send_with_fresh_token(self, method: str, path: str, body: Body, total_s: float) -> Answer:
        token = await self._token_within(math.inf)
        return await self._attempt(self._http, method, path, body, self._headers, total_s, token)

    @property
    def has_token(self) -> bool:
        """Whether an attempt made now would have a token without waiting for one."""
        return self._token is not None and self._clock() < self._dead_at

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
            await self._token_within(within_s)

    def reject(self, token: Token | None) -> None:
        """Forget a token the vendor refused, if it is still the current one.

        Args:
            token: The one the refused attempt was sent with.
        """
        if token is not None and self._token is token:
            self._rejected = token
            self._token = None

    async def aclose(self) -> None:
        """Close what this session opened; a renewal under way is first let end, since its pair must not be lost."""
        self._closed = True
        try:
            if self._renewal is not None and not self._renewal.done():
                with anyio.CancelScope(shield=True):  # also where the caller is cancelled: a pair is not had twice
                    await asyncio.wait([self._renewal], timeout=min(self._timeouts.token_s, _LAST_WAIT_S))
                self._renewal.cancel()
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
            self._lock = anyio.Lock()
            self._http = self._callers_http if self._callers_http is not None else self._open()
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop: make one client per loop")

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(limit=self._max_connections),
            # A cookie is state no call of ours has; an edge server's must not travel on.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._connect,
        )

    # The token.

    async def _token_within(self, within_s: float) -> Token:
        """Return a usable token, but wait for one no longer than a token request may take, nor past the call's end.

        Only this wait ends: a renewal goes on, since its pair must not be lost. Another process may hold the store.
        """
        patience = min(self._timeouts.token_s, self._timeouts.call_s, max(within_s, 0.0))
        try:
            with anyio.fail_after(patience):
                return await self._fresh_token()
        except TimeoutError:
            raise AuthError(
                f"no token within {patience:g} s: the renewal has not ended, or another process holds the token store",
                retryable=True,
            ) from None

    async def _fresh_token(self) -> Token:
        """Return a usable token; the slow side of `send`'s check."""
        token, now = self._token, self._clock()
        if token is not None and now < self._dead_at:
            # Renewal is due and the old token still lives: renew aside, and hold nobody up.
            if now >= self._failed_until:
                self._start_renewal()
            return token
        assert self._lock is not None  # noqa: S101 - made with the loop
        async with self._lock:
            if self._token is not None and self._clock() < self._dead_at:
                return self._token
            self._token = None
            if self._failure is not None and self._clock() < self._failed_until:
                # Remembered for a moment: the vendor invalidates tokens when its token endpoint is hammered.
                raise self._remembered(self._failure)
            # A task of its own, shielded: a cancelled caller must not lose a rotated pair or fail the others.
            await asyncio.shield(self._start_renewal())
        if self._token is None:
            raise AuthError("the token was refused as soon as it was renewed")
        return self._token

    def _remembered(self, failure: XoxoError) -> XoxoError:
        error = copy.copy(failure).with_traceback(None)
        if isinstance(error, RateLimitedError):
            error.retry_after_s = max(self._failed_until - self._clock(), 0.0)
        return error

    def _start_renewal(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
            self._renewal.add_done_callback(_retrieve)
        return self._renewal

    async def _renew(self) -> None:
        try:
            token = await self._provider.obtain(self._exchange, self._rejected)
        except XoxoError as error:
            wait = error.retry_after_s if isinstance(error, RateLimitedError) and error.retry_after_s else None
            self._failed_until = self._clock() + (wait or _FAILURE_REMEMBERED_S)
            if wait and self._pacer is not None:
                self._pacer.penalise(TOKEN_REQUEST, wait)
            # Without its frames: they hold the client secret.
            self._failure = _as_own(error.with_traceback(None))
            raise self._failure from None
        self._failure = None
        self._adopt(token)
        notify(self._hooks, TokenRenewed(expires_at=token.expires_at))

    def _adopt(self, token: Token) -> None:
        now = self._clock()
        if token.expires_at is None:
            self._renew_at = self._dead_at = float("inf")
        else:
            lifetime = max(token.expires_at - self._wall(), 0.0)
            self._dead_at = now + lifetime
            self._renew_at = self._dead_at - min(_RENEW_MARGIN_S, lifetime * 0.2)
        headers = _PLAIN_HEADERS.copy()
        headers[hdrs.AUTHORIZATION] = f"Bearer {token.access.reveal()}"
        if self._http is None or self._http is self._callers_http:
            self._headers = headers
        else:
            self._http.headers.update(headers)  # our own session has them ready for every request
        self._token = token

    async def _exchange(self, path: str, body: bytes, content_type: str) -> ExchangeAnswer:
        blocked_s = self._pacer.blocked_s(TOKEN_REQUEST) if self._pacer is not None else 0.0
        if blocked_s:
            # Imposed on another client of the account, or on this one before it closed.
            raise RateLimitedError("the token endpoint has imposed a penalty", retry_after_s=blocked_s)
        assert self._http is not None  # noqa: S101 - made with the loop
        sent, limit = Body(body, content_type), self._timeouts.token_s
        if self._http is self._callers_http:
            answer = await self._attempt(self._http, "POST", path, sent, _PLAIN_HEADERS, limit, None)
        else:
            # Over the same connections, but not with the old token, which our own session has for every request.
            async with aiohttp.ClientSession(
                connector=self._http.connector, connector_owner=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as http:
                answer = await self._attempt(http, "POST", path, sent, _PLAIN_HEADERS, limit, None)
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
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path)
        deadlines = self._deadlines.get(total_s) or self._deadlines_of(total_s)
        assert http is not None  # noqa: S101 - made with the loop
        # `request` wraps the coroutine of `_request`, for `async with`; awaited, that is 2 % of an order for nothing.
        # Looked up each time, for mocks replace it; of our own sessions alone, a caller's may have its own `request`.
        request = http.request if http is self._callers_http else getattr(http, "_request", http.request)
        try:
            with deadlines:
                response = await request(
                    method,
                    url,
                    data=body if method != "GET" else None,
                    headers=headers,
                    timeout=self._connect,
                    allow_redirects=False,
                )
                try:
                    content = whole(response)
                    if content is None:
                        content = await (response.read() if is_small(response) else read(response))
                    after = response.headers.get(hdrs.RETRY_AFTER)
                    after_s = retry_after_s(after, response.headers.get(hdrs.DATE), self._wall()) if after else None
                    return Answer(response.status, content, token, after_s)
                except BaseException:
                    response.close()
                    raise
        except XoxoError:
            raise
        except asyncio.CancelledError as cancelled:
            if not body.started:  # it waited for a connection
                mark_unsent(cancelled)
            raise
        except Exception as error:  # noqa: BLE001 - translated below
            failure = translate(error, sent=method == "GET" or body.started, total_s=total_s)
        # Not from the handler: aiohttp's errors and frames hold the token, and half an answer with its codes.
        raise failure

    def _deadlines_of(self, total_s: float) -> Deadlines:
        """Most attempts are given one of three lengths; what a call's deadline cuts short has a length of its own."""
        deadlines = Deadlines(total_s, asyncio.get_running_loop())
        if total_s in (self._timeouts.order_s, self._timeouts.read_s, self._timeouts.token_s):
            self._deadlines[total_s] = deadlines
        return deadlines


def _as_own(error: XoxoError) -> XoxoError:
    """Return what a failed token request means for the call that needed the token: it was never sent.

    The endpoint's own troubles become an `AuthError` that may be tried again; left as they were, a 502 of the token
    endpoint would read as the vendor's answer to an order.
    """
    if isinstance(error, AuthError | ConfigError | ConnectError | RateLimitedError):
        error.effect = "none"
        return error
    return AuthError(f"no token could be had: {error.message}", retryable=True, status=error.status)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Mark a renewal's error as seen: an early renewal has no waiter, and its failure is remembered, not lost."""
    if not task.cancelled():
        task.exception()
