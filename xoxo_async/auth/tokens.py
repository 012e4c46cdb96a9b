"""The token itself, the seams around it, and how a token endpoint's answer is read."""

import re
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol, cast, runtime_checkable

import msgspec

from xoxo_async.errors import (
    AuthError,
    ConfigError,
    CredentialsRejectedError,
    DecodeError,
    RateLimitedError,
    RefreshTokenDeadError,
    ServerError,
    XoxoError,
)
from xoxo_async.wire.refusal import recognise
from xoxo_async.wire.secrets import Secret
from xoxo_async.wire.untyped import read_untyped

__all__ = ["Exchange", "ExchangeAnswer", "Reserving", "Token", "TokenProvider", "TokenStore"]

LOCK_TIMEOUT_S: Final = 60.0
"""How long to wait for a store's lock."""

_MARGIN_S: Final = 330.0
_MARGIN_SHARE: Final = 0.25
_THROTTLED_S: Final = 60.0
"""How long no token is requested after a throttled request that names no time: the window of the vendor's limits."""


class Token(NamedTuple):
    """An access token and what belongs to it; never shows its values.

    Attributes:
        access: The bearer token.
        expires_at: When it expires, epoch seconds; None where that is not known.
        refresh: The refresh token of the pair, None without one.
        refresh_expires_at: When that expires, epoch seconds; None where that is not known.
        issued_at: When it was received, epoch seconds; None where that is not known.
        client: Whose pair it is: a hash of family and client id. Empty where that is not known.
        origins: Hashes of the first refresh tokens (those a person made) that this pair goes back to or took the
            place of, oldest first. Empty where that is not known.
    """

    access: Secret
    expires_at: float | None = None
    refresh: Secret | None = None
    refresh_expires_at: float | None = None
    issued_at: float | None = None
    client: str = ""
    origins: tuple[str, ...] = ()


class ExchangeAnswer(NamedTuple):
    """A token endpoint's answer; its repr never shows the body."""

    status: int
    body: bytes
    retry_after_s: float | None = None

    def __repr__(self) -> str:
        return f"ExchangeAnswer(status={self.status}, body=<{len(self.body)} bytes>)"


class Exchange(Protocol):
    """One unauthorised POST to a token endpoint; given to providers by the client.

    The client's own exchange has one more attribute, `base_url`: a token of one address is not valid at another.
    """

    def __call__(self, path: str, body: bytes, content_type: str, /) -> Awaitable[ExchangeAnswer]:
        """Post once."""
        ...


class TokenProvider(Protocol):
    """Where a session gets its access token from.

    May have more attributes:

    * `account`, a string: the same for all providers of one account, a hash, never a secret. Clients of one account
      share its rate limits; without it only those with the same provider do.
    * `credential`, a string: the same for all providers that ask with the same values, a hash, never a secret. Their
      clients leave the token endpoint alone together after failures and refusals; without it only those with the same
      provider do.
    * `rotates`, a bool: whether a token request ends what it was made with. Without it that is assumed: a request
      whose answer was lost is made once more and not again, and closing a client waits for one under way.
    * `secrets`, a tuple of `Secret`: what is masked where a server repeats it.
    * `forget(token)`: called when the API has refused an access token.
    """

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return a token that is not the rejected one.

        Args:
            exchange: Posts to a token endpoint.
            rejected: The token the vendor has just refused, None where none was.

        Raises:
            AuthError: When no token can be had.
        """
        ...


class TokenStore(Protocol):
    """Where a rotating pair rests between renewals and restarts.

    A store of your own keeps every field of `Token`; one that keeps only the first four works, but cannot tell when
    a person has put a new refresh token into the configuration.
    """

    async def load(self) -> Token | None:
        """Return the stored pair, None without one."""
        ...

    async def save(self, token: Token, /) -> None:
        """Store a pair durably; when this returns, a crash no longer loses it."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Keep every other user of this store from refreshing."""
        ...


@runtime_checkable
class Reserving(Protocol):
    """A store that can reserve its room before a refresh token is spent."""

    def reserve(self) -> AbstractAsyncContextManager[None]:
        """Make sure that a pair can be saved within the block, or raise; called with the lock held.

        A pair that cannot be saved is lost, and with it the access to the account. So none is requested then.
        """
        ...


class _TokenReply(msgspec.Struct):
    """The token endpoint's success; `object` where the vendor sends numbers as strings or the other way round."""

    access_token: str = ""
    expires_in: object = None
    refresh_token: object = None
    access_token_expiry: object = None
    refresh_token_expiry: object = None


_TOKEN_DECODER: Final = msgspec.json.Decoder(_TokenReply)

_DEAD_WORDS: Final = frozenset({"invalid_grant", "invalid_token", "auth.token_error", "token_expired", "expired_token"})
_CLIENT_WORDS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "access_denied", "invalid_scope"}
)
_DEAD_SENTENCE: Final = re.compile(
    r"(invalid|expired|revoked|unknown)\W+refresh[ _-]?token"
    r"|refresh[ _-]?token\W+((is|was|has|been)\W+)*(invalid|expired|revoked|unknown|not valid)"
)


def read_token(answer: ExchangeAnswer, now: float, *, dead: type[AuthError], secrets: Iterable[Secret] = ()) -> Token:
    """Read a token reply; raise what a refusal means for the credentials.

    Args:
        answer: The endpoint's answer.
        now: Epoch seconds, to turn lifetimes into times.
        dead: What to raise when the grant itself was refused.
        secrets: What was sent, and is not shown where the answer repeats it.
    """
    if answer.status < 300:
        try:
            reply = _TOKEN_DECODER.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            reply = _TokenReply()
        if reply.access_token:
            return Token(
                Secret(header_value("access_token", reply.access_token, error=DecodeError)),
                _expires_at(reply, now),
                _refresh_token(reply.refresh_token),
                _expiry(reply.refresh_token_expiry, now),
                now,
            )
    error = recognise(
        answer.body, answer.status, changes_nothing=True, retry_after_s=answer.retry_after_s, secrets=secrets
    )
    raise _as_auth_error(error, dead, answer)


def _as_auth_error(error: XoxoError, dead: type[AuthError], answer: ExchangeAnswer) -> XoxoError:
    """Return what a refusal means for the credentials: nothing, unless it names them.

    Proxies and edge servers answer as well. An edge server's page, a redirect or an operation's error id says nothing
    about a refresh token, and a person who is sent to the dashboard would find nothing wrong there.
    """
    if isinstance(error, RateLimitedError):
        # The vendor invalidates tokens when this endpoint is hammered, and its refusal (shape E) names no time.
        error.retry_after_s = error.retry_after_s or _THROTTLED_S
        return error
    if isinstance(error, DecodeError) and not _words(answer.body):
        return DecodeError("the token endpoint answered without a token", effect="none", status=answer.status)
    words, refresh = _words(answer.body), dead is RefreshTokenDeadError
    if words & _CLIENT_WORDS or (error.error_id.startswith("PIPE1001") and error.error_id != "PIPE10013"):
        message = f"the client id or secret was refused ({error.message})"
        return CredentialsRejectedError(message, status=answer.status, error_id=error.error_id)
    if refresh and (words & _DEAD_WORDS or any(_DEAD_SENTENCE.search(word) for word in words)):
        message = (
            f"the refresh token was refused ({error.message}); a person must generate new tokens in the dashboard "
            "(Settings, API, Generate New Tokens)"
        )
        return dead(message, status=answer.status, error_id=error.error_id)
    if answer.status >= 500 or isinstance(error, ServerError):
        return error  # the endpoint is down; the credentials may be fine
    if not refresh and answer.status in {400, 401, 403} and words and not error.error_id:
        # Only client credentials were sent, so every word is about them.
        return dead(f"the client id or secret was refused ({error.message})", status=answer.status)
    message = f"the token endpoint refused, and does not say that the credentials are wrong ({error.message})"
    return AuthError(message, retryable=True, status=answer.status, error_id=error.error_id)


def _words(body: bytes) -> set[str]:
    """Return what the fields of an OAuth refusal say, in lower case."""
    try:
        answer = read_untyped(body)
    except DecodeError:
        return set()
    fields = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
    named = ("error", "error_message_id", "error_description", "message", "errorInfo")
    values = [fields.get(name) for name in named]
    return {value.strip().lower() for value in values if isinstance(value, str) and value.strip()}


def _refresh_token(value: object) -> Secret | None:
    """Take any type that can hold a token: an error here would lose the pair, whose old token is spent."""
    return Secret(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) and value else None


def _expires_at(reply: _TokenReply, now: float) -> float | None:
    """Return when a new access token expires: by `access_token_expiry`, else by `expires_in`.

    A token that has just been issued has not expired. Where it seems expired, our clock is wrong: then only a duration
    helps, and without one the token is used until it is refused. Otherwise every call would request a new token.
    """
    stated, lasts = _expiry(reply.access_token_expiry, now), _expiry(reply.expires_in, now)
    if stated is not None and lasts is not None and _is_duration(reply.expires_in) and stated < (now + lasts) / 2:
        return lasts  # by our clock, less than half of its life would be left
    for at in (stated, lasts):
        if at is not None and at > now:
            return at
    return None


def pair_of(fields: Mapping[str, object], now: float) -> Token:
    """Read a pair that a person enters: the vendor's token reply, or the same fields.

    Args:
        fields: `refresh_token`; `access_token` and when it expires, in any form the vendor has, if there is one.
        now: Epoch seconds, to turn lifetimes into times.

    Raises:
        ConfigError: There is no refresh token, or a token is none; the message repeats no value.
    """
    refresh, access = _refresh_token(fields.get("refresh_token")), fields.get("access_token") or ""
    if refresh is None:
        raise ConfigError("there is no refresh token in it")
    header_value("the refresh token", refresh.reveal())
    token = Token(Secret(header_value("the access token", cast("str", access)) if access else ""), refresh=refresh)
    # Unlike a token that was just issued, this one may have expired.
    ends = [_expiry(fields.get(name), now) for name in ("access_token_expiry", "expires_at", "expires_in")]
    expires_at = next((at for at in ends if at is not None), None) if access else None
    return token._replace(
        expires_at=expires_at, refresh_expires_at=_expiry(fields.get("refresh_token_expiry"), now), issued_at=now
    )


def _is_duration(value: object) -> bool:
    return _expiry(value, 0.0) != _expiry(value, 1.0)


def _expiry(value: object, now: float) -> float | None:
    """Read a lifetime in any documented form: seconds, epoch seconds, epoch milliseconds, as number or string.

    The vendor uses one field for all of them. Their magnitudes never meet: 10^8 s is three years, epoch seconds are
    above 10^9, milliseconds above 10^12.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 < number < 1e15:
        return None
    if number < 1e8:
        return now + number
    return number if number < 1e11 else number / 1000


def still_good(token: Token, rejected: Token | None, now: float) -> bool:
    """Return whether a stored token may be used: not refused, and not so near its end that its renewal is due.

    The margin is a little wider than the keeper's. Without it, a keeper that renews early would get the same token
    again and again until it expires, and then every caller would wait.

    Args:
        token: The stored token.
        rejected: The token the vendor has just refused, None where none was.
        now: Epoch seconds.
    """
    if not token.access or (rejected is not None and token.access == rejected.access):
        return False
    if token.expires_at is None:
        return True
    lifetime = token.expires_at - token.issued_at if token.issued_at is not None else float("inf")
    return token.expires_at - now > min(_MARGIN_S, max(lifetime, 0.0) * _MARGIN_SHARE)


def given(name: str, value: str) -> str:
    """Return a value; raise where it is missing."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} is missing")
    return value


def header_value(name: str, value: str, *, error: type[XoxoError] = ConfigError) -> str:
    """Return a value; raise where it would end the header and start another one."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
        raise error(f"{name} is empty or holds characters that no header may hold")
    return value


def lock_held(store: str, holder: str, timeout_s: float) -> AuthError:
    """Return the error for a store whose lock somebody else has held for too long; may be tried again."""
    return AuthError(f"{store}: {holder} has held its lock for {timeout_s:g} s; no token could be had", retryable=True)
