"""One authorised HTTP attempt: the aiohttp session, the one token lock, and every foreign error translated."""

import asyncio
import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
import anyio
from aiohttp.payload import BytesPayload
from yarl import URL

from xoxo_async.auth import ExchangeAnswer, Token, TokenProvider
from xoxo_async.config import Timeouts
from xoxo_async.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    DecodeError,
    RateLimitedError,
    ReplyLostError,
    ReplyTimeoutError,
    XoxoError,
)
from xoxo_async.hooks import Hook, TokenRenewed, notify

__all__ = ["Answer", "Session"]

_MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
"""The largest answer read, after decompression. A page of 10,000 products is about 20 MB."""

_RENEW_MARGIN_S: Final = 300.0
_FAILURE_REMEMBERED_S: Final = 1.0
_USER_AGENT: Final = "xoxo_async"


class Answer(NamedTuple):
    """What came back from one attempt.

    Attributes:
        status: The HTTP status.
        body: The whole body, decompressed.
        token: The token it was sent with, to be named when it was refused.
        retry_after: The `Retry-After` header as it came.
    """

    status: int
    body: bytes
    token: Token | None
    retry_after: str | None

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, body=<{len(self.body)} bytes>)"


class _Headers(dict[str, str]):
    """Headers that show no token where an error report prints local variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"


class Session:
    """Make single authorised attempts over one connection pool, with one token that all callers share.

    Args:
        provider: Where tokens come from.
        base_url: The address, checked.
        timeouts: How long an attempt may take.
        max_connections: The pool's size.
        http: An aiohttp session of the caller's; used, never closed.
        hooks: Who wants to know of renewals.
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
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider: Final = provider
        self._base_url: Final = base_url
        self._timeouts: Final = timeouts
        self._max_connections: Final = max_connections
        self._callers_http: Final = http
        self._hooks: Final = hooks
        self._clock: Final = clock
        self._wall: Final = wall
        self._urls: Final[dict[str, URL]] = {}
        self._limits: Final[dict[float, aiohttp.ClientTimeout]] = {}
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        # The token and what is known of it. Times are monotonic.
        self._lock: anyio.Lock | None = None
        self._token: Token | None = None
        self._headers = _Headers()
        self._renew_at = 0.0
        self._dead_at = 0.0
        self._rejected: Token | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failure: XoxoError | None = None
        self._failed_until = 0.0

    async def send(self, method: str, path: str, body: bytes, content_type: str, total_s: float) -> Answer:
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
        self._check_open()
        token = self._token
        if token is None or self._clock() >= self._renew_at:
            token = await self._token_within(total_s)
        headers = (
            self._headers if content_type == "application/json" else {**self._headers, "Content-Type": content_type}
        )
        return await self._attempt(method, path, body, headers, total_s, token)

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
        if self._renewal is not None and not self._renewal.done():
            await asyncio.wait([self._renewal], timeout=self._timeouts.token_s)
            self._renewal.cancel()
        if self._http is not None and self._http is not self._callers_http:
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
            connector=aiohttp.TCPConnector(limit=self._max_connections),
            # A cookie is state no call of ours has; an edge server's must not travel on.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeouts.read_s, connect=self._timeouts.connect_s),
        )

    # The token.

    async def _token_within(self, total_s: float) -> Token:
        """Return a usable token, but wait for one no longer than a token request may take, nor past the call's end.

        Only this wait ends: a renewal goes on, since its pair must not be lost. Another process may hold the store.
        """
        limits = self._timeouts
        patience = min(limits.token_s, limits.call_s)
        if total_s < min(limits.read_s, limits.order_s):
            patience = min(patience, total_s)  # the call's deadline is nearer than an attempt is long
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
                raise copy.copy(self._failure).with_traceback(None)
            # A task of its own, shielded: a cancelled caller must not lose a rotated pair or fail the others.
            await asyncio.shield(self._start_renewal())
        if self._token is None:
            raise AuthError("the token was refused as soon as it was renewed")
        return self._token

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
            self._failure = _as_own(error)
            raise self._failure from error
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
        self._headers = _Headers(
            {
                "Authorization": f"Bearer {token.access.reveal()}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": _USER_AGENT,
            }
        )
        self._token = token

    async def _exchange(self, path: str, body: bytes, content_type: str) -> ExchangeAnswer:
        headers = {"Content-Type": content_type, "Accept": "application/json", "User-Agent": _USER_AGENT}
        answer = await self._attempt("POST", path, body, headers, self._timeouts.token_s, None)
        return ExchangeAnswer(answer.status, answer.body, retry_after_s(answer.retry_after, self._wall()))

    # The attempt.

    async def _attempt(
        self, method: str, path: str, body: bytes, headers: dict[str, str], total_s: float, token: Token | None
    ) -> Answer:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path)
        limit = self._limits.get(total_s)
        if limit is None:
            limit = aiohttp.ClientTimeout(total=total_s, connect=min(self._timeouts.connect_s, total_s))
            if len(self._limits) < 16:
                self._limits[total_s] = limit
        payload = _Body(body) if method != "GET" else None
        assert self._http is not None  # noqa: S101 - made with the loop
        try:
            response = await self._http.request(
                method, url, data=payload, headers=headers, timeout=limit, allow_redirects=False
            )
            try:
                return Answer(response.status, await _read(response), token, response.headers.get("Retry-After"))
            except BaseException:
                response.close()
                raise
        except XoxoError:
            raise
        except Exception as error:
            raise _translate(error, sent=payload is None or payload.started, total_s=total_s) from error


class _Body(BytesPayload):
    """A body that knows whether any of it may have left: before that, a failure proves that nothing happened."""

    started = False

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        self.started = True
        await super().write_with_length(writer, content_length)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, but never more than any real answer holds: a small gzip may hide gigabytes."""
    length = response.content_length
    if length is not None and length <= _MAX_REPLY_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MAX_REPLY_BYTES:
            response.close()
            raise DecodeError(f"the answer is larger than {_MAX_REPLY_BYTES} bytes", status=response.status)
        chunks.append(chunk)
    return b"".join(chunks)


def _translate(error: Exception, *, sent: bool, total_s: float) -> XoxoError:
    """Say what a foreign error means for the request: the one place where aiohttp's errors end."""
    kind = type(error).__name__
    if isinstance(error, aiohttp.InvalidURL):
        return ConfigError("the address is invalid")
    if not sent or isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return ConnectError(f"the server was not reached: {_reason(error)}")
    if isinstance(error, TimeoutError):
        return ReplyTimeoutError(f"no answer within {total_s:g} s")
    return ReplyLostError(f"the answer was lost: {kind}")


def _reason(error: Exception) -> str:
    """Name host, port and cause; never headers, which carry the token."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port} ({error.strerror or type(error).__name__})"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return "the aiohttp session is closed"
    return type(error).__name__


def retry_after_s(header: str | None, now: float) -> float | None:
    """Read a `Retry-After` header, in seconds or as a date; None for none or rubbish.

    Args:
        header: The header's value.
        now: Epoch seconds.
    """
    if header is None:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a rare road, and a slow import

    try:
        seconds = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), 3600.0)


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
