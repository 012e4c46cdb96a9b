"""The token of a client. Callers read it without a lock while it is fresh, and one renewal serves all that wait."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from xoxo_async.auth.tokens import Exchange, ExchangeAnswer, Token, TokenProvider
from xoxo_async.auth.troubles import TROUBLES, Troubles, copy_of, raised_again
from xoxo_async.calls import current_call_id
from xoxo_async.config import Timeouts
from xoxo_async.effects import EffectClass
from xoxo_async.errors import AuthError, ConfigError, ConnectError, RateLimitedError, TokenRejectedError, XoxoError
from xoxo_async.hooks import Hook, Penalised, TokenNotRenewed, TokenRenewed
from xoxo_async.kept import account_name
from xoxo_async.notifying import notify
from xoxo_async.pacing import TOKEN_REQUEST, Pacing
from xoxo_async.retry import RetryPolicy
from xoxo_async.transport.receiving import without_locals
from xoxo_async.waiting import read_error, shielded
from xoxo_async.wire.secrets import Secret

__all__ = ["Keeper"]

_RENEW_MARGIN_S: Final = 300.0
"""How long before its expiry a token is renewed, in the background, so that no call waits for the renewal."""

_FAILURE_REMEMBERED_S: Final = 1.0
"""How long an error that made no token request is raised again, for example by a store that cannot be read."""

_SAVING_S: Final = 5.0
"""How much longer than a token request `close` waits, so that the pair reaches its store."""


class Keeper:
    """Hold a client's token, and renew it before it expires and after it was refused.

    Args:
        provider: The provider of tokens.
        base_url: The address. Tokens and failures are kept for an account and an address.
        post: Makes one request to the token endpoint.
        timeouts: How long a token request and a call may take.
        retry: How often a failed token request is made again.
        hooks: Called when the token is renewed.
        pacer: Keeps the token endpoint's penalties for every client of the account.
        clock: A monotonic clock, so that a step of the wall clock expires no token.
        wall: The wall clock, in epoch seconds.

    Attributes:
        token: The token; None before the first one and after a refusal.
        renew_at: The clock time from which the token is due for renewal.
        dead_at: The clock time from which the token must not be used.
        base_url: The address. Providers keep the tokens of different addresses apart by it.
    """

    def __init__(
        self,
        provider: TokenProvider,
        base_url: str,
        *,
        post: Exchange,
        timeouts: Timeouts,
        retry: RetryPolicy,
        hooks: Sequence[Hook],
        pacer: Pacing | None,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.base_url: Final = base_url
        self._provider: Final = provider
        # A provider without the attribute may spend a refresh token with each request, so assume that it does.
        self._rotates: Final[bool] = getattr(provider, "rotates", True)
        self._post: Final = post
        self._timeouts: Final = timeouts
        self._retry: Final = retry
        self._hooks: Final = hooks
        self._pacer: Final = pacer
        self._clock: Final = clock
        self._wall: Final = wall
        name, anchor = account_name(provider, "credential")
        self._troubles: Troubles
        TROUBLES.join((base_url, name), self._share, anchor)
        self._lock: anyio.Lock | None = None
        self._closed = False
        self.token: Token | None = None
        self.renew_at: float = 0.0
        self.dead_at: float = 0.0
        self._received_at = 0.0
        self._rejected: Token | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failure: XoxoError | None = None
        self._failed_until = 0.0
        # The state of the renewal's present token request.
        self._forbidden = False
        self._requested = False
        self._spending = False
        self._next_request_at = math.nan

    def _share(self, troubles: Troubles) -> "Keeper":
        self._troubles = troubles
        return self

    def open(self) -> None:
        """Bind the lock to the running event loop."""
        self._lock = anyio.Lock()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The texts to mask in a server's answer, because a server may repeat what it was sent."""
        tokens = [token for token in (self.token, self._rejected) if token is not None]
        pairs = [secret for token in tokens for secret in (token.access, token.refresh) if secret]
        return (*pairs, *getattr(self._provider, "secrets", ()))

    def reject(self, bearer: Secret | None, *, worked: bool) -> TokenRejectedError | None:
        """Forget an access token that the vendor refused, if it is still the current one.

        Args:
            bearer: The access token of the refused attempt.
            worked: Whether the vendor accepted it before.

        Returns:
            The error for the caller while no other token may be requested; None where one may be.
        """
        now, wall = self._clock(), self._wall()
        token = self.token
        if token is not None and token.access is bearer:  # a late refusal of the token before it must not end this one
            self._rejected = token
            self.token = None
            self._troubles.refused(worked=worked, received_at=self._received_at, now=now, wall=wall)
            forget = getattr(self._provider, "forget", None)
            if callable(forget):
                forget(token)  # so that later clients of the account do not get it either
        return self._troubles.refusal(now, wall) if self.token is None else None

    async def within(self, within_s: float) -> Token:
        """Return a usable token. Wait no longer than a token request may take, and not past the call's end.

        After that time only this wait ends. The renewal goes on, because its pair must not be lost.

        Args:
            within_s: The seconds that the caller can wait.

        Raises:
            AuthError: No token came in time, or the vendor refused the credentials or the token.
            ConfigError: The provider or its store is set up wrongly.
            ConnectError: The request did not reach the token endpoint.
            RateLimitedError: The token endpoint has imposed a penalty.
        """
        patience = min(self._timeouts.token_s, self._timeouts.call_s, max(within_s, 0.0))
        try:
            with anyio.fail_after(patience):
                return await self._fresh()
        except TimeoutError:
            raise AuthError(
                f"no token within {patience:g} s: the renewal has not ended, or another process holds the token store",
                retryable=True,
            ) from None

    async def close(self) -> None:
        """Wait for a renewal whose pair would be lost, for as long as a token request may take. Cancel any other.

        Where the caller is cancelled meanwhile, the wait goes on, and the cancellation is raised after it.
        """
        self._closed = True
        renewal = self._renewal
        if renewal is None or renewal.done():
            return
        try:
            if self._rotates and self._spending:
                await _wait_for(renewal, self._timeouts.token_s + _SAVING_S)
        finally:
            renewal.cancel()
        await _wait_for(renewal, _SAVING_S)

    async def _fresh(self) -> Token:
        """Return a usable token. The session calls this when its check without a lock finds none."""
        token, now = self.token, self._clock()
        if token is not None and now < self.dead_at:
            # The renewal is due, and the token is still good: renew in the background, and use the token now.
            if now >= self._failed_until and self._troubles.refusal(now, self._wall()) is None:
                self._start()
            return token
        assert self._lock is not None  # noqa: S101 - made with the loop
        async with self._lock:
            if self.token is not None and self._clock() < self.dead_at:
                return self.token
            self.token = None
            if self._renewal is None or self._renewal.done():
                self._raise_recent_failure()
            await self._wait_for_renewal()
        if self.token is None:
            self._raise_recent_failure()
            raise AuthError("the token was refused as soon as it was renewed", retryable=True)
        return self.token

    async def _wait_for_renewal(self) -> None:
        """Wait for a renewal.

        The renewal is a shielded task of its own. When one caller is cancelled, the rotated pair must not be lost, and
        the other callers must not fail. It names asyncio, because anyio's shields do not hold against asyncio's own
        cancellation.
        """
        renewal, caller = self._start(), asyncio.current_task()
        try:
            await shielded(renewal)
        except asyncio.CancelledError:
            if renewal.cancelled() and (caller is None or not caller.cancelling()):
                raise ConfigError("this client was closed while a call waited for its token") from None
            raise
        finally:
            del renewal  # its error's traceback leads to this frame: together they would wait for a full collection

    def _raise_recent_failure(self) -> None:
        """Raise the error of the last token request while it is recent, and make no request.

        The vendor throttles frequent token requests, and may invalidate tokens (wire documentation § 3.4).
        """
        now = self._clock()
        failure: XoxoError | None = self._troubles.refusal(now, self._wall())
        if failure is None and self._failure is not None and now < self._failed_until:
            failure = raised_again(self._failure, self._failed_until - now)
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # as above

    def _start(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
            self._renewal.add_done_callback(self._end)
        return self._renewal

    def _end(self, renewal: asyncio.Task[None]) -> None:
        """Let go of a renewal that has ended: the traceback of its error leads here.

        Its error counts as retrieved, or asyncio logs it. The keeper has recorded it, and no caller may wait.
        """
        read_error(renewal)
        if self._renewal is renewal:
            self._renewal = None

    async def _renew(self) -> None:
        """Get a token, and repeat the request where another one may succeed."""
        attempt, lost, waits = 0, False, self._retry.waits()
        while True:
            attempt += 1
            self._requested = self._forbidden = False
            try:
                if self._pacer is not None:
                    await self._pacer.learn(TOKEN_REQUEST)  # the penalties of other processes hold here too
                token = await self._provider.obtain(self, self._rejected)
            except XoxoError as error:
                unsent = isinstance(error, ConnectError)
                failure = _as_unsent(error.with_traceback(None))  # the frames of the traceback hold the client secret
            except Exception as fault:
                without_locals(fault)  # the bug is raised as it is, and its frames hold the client secret
                raise
            else:
                self._accept(token)
                return
            finally:
                self._spending = False
            # The vendor may have spent the refresh token although no answer came. Its pages allow for one repeat with
            # the same token (wire documentation § 3.4), so there is no third request.
            may_repeat = not (self._rotates and lost)
            lost = lost or (self._requested and not unsent)
            wait = self._retry.wait_after(failure, EffectClass.READ, attempt, waits) if may_repeat else None
            wait = self._record_failure(failure, wait)
            if self._hooks and (self._requested or wait is None):
                self._tell(failure, wait)
            if wait is None:
                raise copy_of(failure)  # the calls to come get copies of the one that is recorded: it stays bare
            await anyio.sleep(wait)

    def _record_failure(self, failure: XoxoError, wait: float | None) -> float | None:
        """Record a failed token request, and return the seconds until the next one, or None without one."""
        now = self._clock()
        if self._closed or isinstance(failure, RateLimitedError) or not (self._requested or self._forbidden):
            wait = None
        elif self._forbidden:
            # Another client of the account has failed. Wait for its next request, and give up when it does.
            wait = None if wait is None or self._troubles.given_up else max(wait, self._troubles.next_at - now)
        if wait is not None:
            if self._requested:
                self._troubles.failed(failure, now + wait)
                self._next_request_at = now + wait
            return wait
        self._failure = failure
        if isinstance(failure, RateLimitedError) and failure.retry_after_s:
            self._failed_until = now + failure.retry_after_s
            if self._pacer is not None:
                self._pacer.penalise(TOKEN_REQUEST, failure.retry_after_s)
            if self._requested:
                wait_s, call_id = failure.retry_after_s, current_call_id()
                notify(self._hooks, Penalised(operation=TOKEN_REQUEST, call_id=call_id, wait_s=wait_s))
        elif self._requested:
            self._failed_until = now + self._troubles.given_up_on(failure, now)
        else:
            self._failed_until = now + _FAILURE_REMEMBERED_S
        return None

    def _tell(self, failure: XoxoError, wait_s: float | None) -> None:
        kind, call_id = type(failure).__name__, current_call_id()
        notify(self._hooks, TokenNotRenewed(error=kind, status=failure.status, wait_s=wait_s, call_id=call_id))

    def __call__(self, path: str, body: bytes, content_type: str, /) -> Awaitable[ExchangeAnswer]:
        """Post to the token endpoint once, for the provider, unless a penalty or a failure forbids it now."""
        # This is no `async` function, because the frame of a waiting coroutine would hold the body with the client
        # secret, and an error report may print a frame's variables.
        blocked_s = self._pacer.blocked_s(TOKEN_REQUEST) if self._pacer is not None else 0.0
        if blocked_s:
            # An earlier request of this account, perhaps another client's, met the penalty.
            raise RateLimitedError("the token endpoint has imposed a penalty", retry_after_s=blocked_s)
        if self._troubles.next_at != self._next_request_at:
            failure = self._troubles.failure(self._clock())
            if failure is not None:
                self._forbidden = True
                try:
                    raise failure
                finally:
                    del failure  # as above
        self._requested = self._spending = True
        return self._post(path, body, content_type)

    def _accept(self, token: Token) -> None:
        now = self._clock()
        if token.expires_at is None:
            self.renew_at = self.dead_at = math.inf
        else:
            lifetime = max(token.expires_at - self._wall(), 0.0)
            self.dead_at = now + lifetime
            self.renew_at = self.dead_at - min(_RENEW_MARGIN_S, lifetime * 0.2)
        self._received_at = now
        self._failure = None
        self._troubles.succeeded()
        self.token = token
        if self._hooks:
            notify(self._hooks, TokenRenewed(expires_at=token.expires_at, call_id=current_call_id()))


async def _wait_for(task: "asyncio.Task[None]", timeout_s: float) -> None:
    """Wait until a task ends, however often the caller is cancelled."""
    cancelled: asyncio.CancelledError | None = None
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    # anyio repeats its cancellation at every wait, so the shield is needed. asyncio's own cancellation goes through
    # that shield, so the loop catches it.
    with anyio.CancelScope(shield=True):
        while not task.done() and (left := end - loop.time()) > 0:
            try:
                await asyncio.wait([task], timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled


def _as_unsent(error: XoxoError) -> XoxoError:
    """Return the error for the call that needed the token. Its effect is `none`, because the call was never sent.

    A failure of the token endpoint becomes a retryable `AuthError`. Otherwise a 502 of that endpoint would look like
    the vendor's answer to an order.
    """
    if isinstance(error, AuthError | ConfigError | ConnectError | RateLimitedError):
        error.effect = "none"
        return error
    return AuthError(f"no token was obtained: {error.message}", retryable=True, status=error.status)
