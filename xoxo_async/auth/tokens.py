"""The token, the protocols of providers and stores, and the reading of a token endpoint's answer."""

import re
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
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
    TokenStoreError,
    XoxoError,
)
from xoxo_async.wire.refusal import recognise
from xoxo_async.wire.secrets import Secret
from xoxo_async.wire.untyped import read_untyped

__all__ = ["Exchange", "ExchangeAnswer", "Reserving", "Token", "TokenProvider", "TokenStore"]

LOCK_TIMEOUT_S: Final = 60.0
"""How many seconds to wait for a store's lock."""

_MARGIN_S: Final = 330.0
_MARGIN_SHARE: Final = 0.25
"""How long before its expiry a stored token counts as due: `_MARGIN_S`, or this share of a shorter life. Both are a
little more than the keeper's, see `still_good`."""

_THROTTLED_S: Final = 60.0
"""How long no token is requested after a throttled request that names no time. It is the window of the vendor's
limits."""


class Token(NamedTuple):
    """An access token with its refresh token and their data. Its repr shows no value.

    Attributes:
        access: The bearer token.
        expires_at: When the access token expires, in epoch seconds; None where that is unknown.
        refresh: The refresh token of the pair; None without one.
        refresh_expires_at: When the refresh token expires, in epoch seconds; None where that is unknown.
        issued_at: When the token was received, in epoch seconds; None where that is unknown.
        client: A hash of the owner's family and client id; empty where the owner is unknown.
        origins: Hashes of the first refresh tokens, those that a person generated, from which this pair descends or
            which it replaced, oldest first. Empty where they are unknown.
    """

    access: Secret
    expires_at: float | None = None
    refresh: Secret | None = None
    refresh_expires_at: float | None = None
    issued_at: float | None = None
    client: str = ""
    origins: tuple[str, ...] = ()


class ExchangeAnswer(NamedTuple):
    """A token endpoint's answer. Its repr never shows the body, which holds tokens."""

    status: int
    body: bytes
    retry_after_s: float | None = None

    def __repr__(self) -> str:
        return f"ExchangeAnswer(status={self.status}, body=<{len(self.body)} bytes>)"


class Exchange(Protocol):
    """One POST without a token to a token endpoint. The client passes it to its provider.

    The client's own exchange also has an attribute `base_url`, because a token of one address is not valid at another.
    """

    def __call__(self, path: str, body: bytes, content_type: str, /) -> Awaitable[ExchangeAnswer]:
        """Post once."""
        ...


class TokenProvider(Protocol):
    """A source of access tokens for a client.

    A provider may have more attributes:

    * `account`, a string: a hash that is the same for all providers of one account and reveals no secret. Clients of
      one account share its rate limits. Without the attribute, only clients with the same provider share them.
    * `credential`, a string: a hash that is the same for all providers that send the same values and reveals no secret.
      After failures and refusals, the clients of one credential make no token request for the same time. Without the
      attribute, only clients with the same provider do so.
    * `rotates`, a bool: whether a token request ends the refresh token that it was made with. Without the attribute the
      client assumes so: it repeats a request whose answer was lost only once, and `aclose` waits for one under way.
    * `secrets`, a tuple of `Secret`: the texts that are masked where a server repeats them.
    * `forget(token)`: a method that is called when the API has refused an access token.
    """

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return a token that is not the rejected one.

        Args:
            exchange: Posts to a token endpoint.
            rejected: The token that the vendor has just refused; None where it has refused none.

        Raises:
            AuthError: No token can be obtained.
        """
        ...


class TokenStore(Protocol):
    """A place for a rotating pair between renewals and restarts.

    Your own store should keep every field of `Token`. A store that keeps the first four alone works, but cannot tell
    when a person has put a new refresh token into the configuration.
    """

    async def load(self) -> Token | None:
        """Return the stored pair, or None without one."""
        ...

    async def save(self, token: Token, /) -> None:
        """Store a pair durably. After this returns, a crash does not lose the pair."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Let no other user of this store renew within the block."""
        ...


@runtime_checkable
class Reserving(Protocol):
    """A store that can reserve room for a pair before a refresh token is spent."""

    def reserve(self) -> AbstractAsyncContextManager[None]:
        """Ensure that a pair can be saved within the block, or raise. The caller holds the lock.

        A pair that cannot be saved is lost, and with it the access to the account. So a provider requests none then.
        """
        ...


def reserve_room(store: TokenStore) -> AbstractAsyncContextManager[None]:
    """Reserve room for the next pair, where the store can do that.

    Args:
        store: The store, whose lock the caller holds.
    """
    return store.reserve() if isinstance(store, Reserving) else nullcontext()


class _TokenReply(msgspec.Struct):
    """A token endpoint's success. Fields of type `object` come as numbers or strings (wire documentation § 3.2)."""

    access_token: str = ""
    expires_in: object = None
    refresh_token: object = None
    access_token_expiry: object = None
    refresh_token_expiry: object = None


_TOKEN_DECODER: Final = msgspec.json.Decoder(_TokenReply)

# The vendor's words (wire documentation § 6.2) and those of OAuth. No page says which one a dead refresh token gives.
_DEAD_WORDS: Final = frozenset({"invalid_grant", "invalid_token", "auth.token_error", "token_expired", "expired_token"})
_CLIENT_WORDS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "access_denied", "invalid_scope"}
)
_DEAD_SENTENCE: Final = re.compile(
    r"(invalid|expired|revoked|unknown)\W+refresh[ _-]?token"
    r"|refresh[ _-]?token\W+((is|was|has|been)\W+)*(invalid|expired|revoked|unknown|not valid)"
)


def read_token(answer: ExchangeAnswer, now: float, *, dead: type[AuthError], secrets: Iterable[Secret] = ()) -> Token:
    """Return the token of a reply, or raise the error of a refusal.

    Args:
        answer: The endpoint's answer.
        now: The present time in epoch seconds, from which lifetimes count.
        dead: The error to raise where the vendor refused the grant itself.
        secrets: The secrets of the request, which no error shows where the answer repeats them.
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
    """Return the error of a refusal. Only a refusal that names the credentials blames them.

    Proxies and edge servers answer too. An edge server's page, a redirect or an operation's error id says nothing
    about a refresh token, and a person in the dashboard would find nothing wrong.
    """
    if isinstance(error, RateLimitedError):
        # Too many requests may invalidate the tokens (wire documentation § 3.4), and the vendor's refusal (shape E in
        # § 6.1) names no time.
        error.retry_after_s = error.retry_after_s or _THROTTLED_S
        return error
    if isinstance(error, DecodeError) and not _words(answer.body):
        return DecodeError("the token endpoint answered without a token", effect="none", status=answer.status)
    words, refresh = _words(answer.body), dead is RefreshTokenDeadError
    # PIPE10015 to PIPE10017 refuse the user, the company or the IP address; PIPE10013 is about the header (§ 6.2).
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
        return error  # the endpoint failed, which says nothing about the credentials
    if not refresh and answer.status in {400, 401, 403} and words and not error.error_id:
        # The request held nothing but client credentials, so the refusal means them.
        return dead(f"the client id or secret was refused ({error.message})", status=answer.status)
    message = f"the token endpoint refused, and does not say that the credentials are wrong ({error.message})"
    return AuthError(message, retryable=True, status=answer.status, error_id=error.error_id)


def _words(body: bytes) -> set[str]:
    """Return the texts in the fields of an OAuth refusal, in lower case."""
    try:
        answer = read_untyped(body)
    except DecodeError:
        return set()
    fields = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
    named = ("error", "error_message_id", "error_description", "message", "errorInfo")
    values = [fields.get(name) for name in named]
    return {value.strip().lower() for value in values if isinstance(value, str) and value.strip()}


def _refresh_token(value: object) -> Secret | None:
    """Read a refresh token of any type. An error here would lose the new pair, and the old one is spent."""
    return Secret(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) and value else None


def _expires_at(reply: _TokenReply, now: float) -> float | None:
    """Return when a new access token expires, by `access_token_expiry` or else by `expires_in`.

    A new token has not expired. Where it seems expired, our clock is wrong, and a duration counts instead. Without a
    duration the token is used until the vendor refuses it. Otherwise every call would request a new token.
    """
    stated, lasts = _expiry(reply.access_token_expiry, now), _expiry(reply.expires_in, now)
    if stated is not None and lasts is not None and _is_duration(reply.expires_in) and stated < (now + lasts) / 2:
        return lasts  # by our clock, less than half of the token's life is left, so our clock is wrong
    for at in (stated, lasts):
        if at is not None and at > now:
            return at
    return None


def read_pair(fields: Mapping[str, object], now: float) -> Token:
    """Read a pair that a person enters: the vendor's token reply, or the same fields by hand.

    Args:
        fields: `refresh_token`, and if there is an access token, `access_token` and its expiry in any form of the
            vendor's.
        now: The present time in epoch seconds, from which lifetimes count.

    Raises:
        ConfigError: There is no refresh token, or a value cannot be a token. The message repeats no value.
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
    """Read a lifetime in any documented form: seconds, epoch seconds or epoch milliseconds, as number or string.

    The vendor uses one field for all of them (wire documentation § 3.2). Their magnitudes do not overlap: 10^8 seconds
    are three years, epoch seconds are above 10^9, and milliseconds above 10^12.
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
    """Return whether a stored token may be used. It may not after a refusal, or when its renewal is due.

    The margin is a little wider than the keeper's. With a smaller one, a keeper that renews early would get the same
    token again and again until it expires, and then every caller would wait.

    Args:
        token: The stored token.
        rejected: The token that the vendor has just refused; None where it has refused none.
        now: The present time in epoch seconds.
    """
    if not token.access or (rejected is not None and token.access == rejected.access):
        return False
    if token.expires_at is None:
        return True
    lifetime = token.expires_at - token.issued_at if token.issued_at is not None else float("inf")
    return token.expires_at - now > min(_MARGIN_S, max(lifetime, 0.0) * _MARGIN_SHARE)


def required(name: str, value: str) -> str:
    """Return a value, or raise `ConfigError` where it is blank."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} is missing")
    return value


def header_value(name: str, value: str, *, error: type[XoxoError] = ConfigError) -> str:
    """Return a value that a header can hold, or raise. A line break would end the header and start another one."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
        raise error(f"{name} is empty or holds characters that no header may hold")
    return value


def lock_timed_out(store: str, holder: str, timeout_s: float) -> TokenStoreError:
    """Return the retryable error for a store whose lock another holder has kept for too long."""
    return TokenStoreError(
        f"{store}: {holder} has held its lock for {timeout_s:g} s; no token was obtained", retryable=True
    )
