"""One authorised attempt: a request with the token that all callers share."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from xoxo_async.auth.keeper import Keeper
from xoxo_async.auth.tokens import ExchangeAnswer, TokenProvider
from xoxo_async.config import Timeouts
from xoxo_async.errors import ConfigError, TokenRejectedError
from xoxo_async.hooks import Hook
from xoxo_async.pacing import Pacing
from xoxo_async.retry import RetryPolicy
from xoxo_async.transport.http import Answer, Http
from xoxo_async.transport.sending import Body
from xoxo_async.wire.secrets import Secret

__all__ = ["Session"]


class Session:
    """Make single authorised attempts over one connection pool, with one token that all callers share.

    Args:
        provider: Where tokens come from.
        base_url: The address, checked.
        http: Sends the requests; opened and closed here.
        timeouts: How long a token request may take.
        retry: How often a failed token request is made again.
        hooks: Called when a token is renewed.
        pacer: Keeps the token endpoint's penalties, for every client of the account.
        clock: A monotonic clock; wall clock steps must not expire tokens.
        wall: The wall clock, in epoch seconds.
    """

    def __init__(
        self,
        provider: TokenProvider,
        base_url: str,
        *,
        http: Http,
        timeouts: Timeouts,
        retry: RetryPolicy | None = None,
        hooks: Sequence[Hook] = (),
        pacer: Pacing | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._token_s: Final = timeouts.token_s
        self._clock: Final = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._http: Final = http
        self._keeper: Final = Keeper(
            provider,
            base_url,
            post=self._post_for_a_token,
            timeouts=timeouts,
            retry=retry or RetryPolicy(),
            hooks=hooks,
            pacer=pacer,
            clock=clock,
            wall=wall,
        )

    def send(
        self,
        method: str,
        path: str,
        content: bytes,
        content_type: str,
        total_s: float,
        may_leave: Callable[[], bool] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Coroutine[Any, Any, Answer]:
        """Make one authorised attempt.

        Args:
            method: GET or POST.
            path: The path below the base URL.
            content: The bytes to send; empty for GET.
            content_type: Their type.
            total_s: Seconds for all of it, the wait for a token aside.
            may_leave: Asked right before it is written: whether it may still leave. None: always.
            headers: More headers; none of them is one of the SDK's.

        Returns:
            The answer, whatever its status.

        Raises:
            ConfigError: The session is closed or belongs to another event loop.
            ConnectError: Nothing was sent.
            ReplyTimeoutError: It was sent, and no answer came in time.
            ReplyLostError: It was sent, and the answer was lost or was no HTTP.
            DecodeError: The answer is larger than any real one.
            AuthError: No token could be had; nothing was sent.
        """
        # Not `async`: a coroutine's frame would keep the bytes while it waits, and thousands of orders may wait.
        try:
            ours = self._loop is asyncio.get_running_loop() and not self._closed
        except RuntimeError:
            ours = False
        if not ours:
            self._check_open()
        body = Body(content, content_type)
        if may_leave is not None:
            body.may_leave = may_leave
        if headers:
            body.added_headers = headers
        token = self._keeper.token
        if token is None or self._clock() >= self._keeper.renew_at:
            return self._send_with_fresh_token(method, path, body, total_s)
        return self._http.send(method, path, body, total_s, token.access)

    async def _send_with_fresh_token(self, method: str, path: str, body: Body, total_s: float) -> Answer:
        token = await self._keeper.within(math.inf)
        return await self._http.send(method, path, body, total_s, token.access)

    @property
    def has_token(self) -> bool:
        """Whether an attempt made now, on this event loop, would have a token without waiting for one."""
        try:
            if self._loop is not asyncio.get_running_loop():
                return False  # then `authorise` says so, before anything waits for a slot on a loop that cannot be
        except RuntimeError:
            return False
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

    def reject(self, bearer: Secret | None, *, worked: bool = False) -> TokenRejectedError | None:
        """Forget an access token that the vendor refused, if it is still the current one.

        Args:
            bearer: The one the refused attempt was sent with.
            worked: Whether the vendor accepted it before. One that it never accepted may mean that the next one will
                be refused as well, and new tokens are asked for ever more slowly.

        Returns:
            What to tell the caller where no other token is asked for now; None where one is.
        """
        return self._keeper.reject(bearer, worked=worked)

    async def aclose(self) -> None:
        """Close what this session opened; a renewal under way is first let end, since its pair must not be lost.

        A caller who is cancelled meanwhile waits for that end all the same: a pair is not had twice.
        """
        self._closed = True
        try:
            await self._keeper.close()
        finally:
            await self._http.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigError("this client is closed")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigError(
                "xoxo_async runs on asyncio, as aiohttp does: use asyncio, or anyio on asyncio, and not trio"
            ) from None
        if self._loop is None:
            self._loop = loop
            self._keeper.open()
            self._http.open()
        elif self._loop is not loop:
            raise ConfigError(
                "this client belongs to another event loop, and its connections do not move: make one client per loop. "
                "Clients with the same address, credentials and rate limits share the token and the allowance, also "
                "across loops"
            )

    def _post_for_a_token(self, path: str, content: bytes, content_type: str, /) -> Coroutine[Any, Any, ExchangeAnswer]:
        # Not `async`, as `send`: the bytes hold the client secret, and a frame may be printed with its variables.
        return self._exchange(path, Body(content, content_type))

    async def _exchange(self, path: str, body: Body) -> ExchangeAnswer:
        answer = await self._http.send("POST", path, body, self._token_s)
        if answer.connection is not None:
            answer.connection.close()  # Token requests are rare: a new connection costs less than judging the answer.
        return ExchangeAnswer(answer.status, answer.body, answer.retry_after_s)
