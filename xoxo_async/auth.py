"""Where access tokens come from (client credentials, a rotating refresh token, a fixed token), and where pairs rest."""

import fcntl
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import urlencode

import anyio
import anyio.to_thread
import msgspec

from xoxo_async.errors import (
    AuthError,
    ConfigError,
    CredentialsRejectedError,
    DecodeError,
    RateLimitedError,
    RefreshTokenDeadError,
    TokenRejectedError,
    XoxoError,
)
from xoxo_async.operation import EffectClass
from xoxo_async.refusal import recognise
from xoxo_async.wire import Secret

__all__ = [
    "ClientCredentials",
    "Exchange",
    "ExchangeAnswer",
    "FileTokenStore",
    "MemoryTokenStore",
    "RefreshToken",
    "StaticToken",
    "Token",
    "TokenProvider",
    "TokenStore",
]


class Token(NamedTuple):
    """An access token and what belongs to it; never shows its values.

    Attributes:
        access: The bearer token.
        expires_at: When it expires, epoch seconds; None when nobody said.
        refresh: The refresh token of the pair, None without one.
        refresh_expires_at: When that expires, epoch seconds; None when nobody said.
    """

    access: Secret
    expires_at: float | None = None
    refresh: Secret | None = None
    refresh_expires_at: float | None = None


class ExchangeAnswer(NamedTuple):
    """What a token endpoint answered."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class Exchange(Protocol):
    """One unauthorised POST to a token endpoint; given to providers by the session."""

    async def __call__(self, path: str, body: bytes, content_type: str, /) -> ExchangeAnswer:
        """Post once."""
        ...


class TokenProvider(Protocol):
    """Where a session gets its access token from."""

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
    """Where a rotating pair rests between renewals and restarts."""

    async def load(self) -> Token | None:
        """Return the stored pair, None without one."""
        ...

    async def save(self, token: Token, /) -> None:
        """Store a pair durably; when this returns, a crash no longer loses it."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Hold everyone else who shares this store back from refreshing."""
        ...


class StaticToken:
    """An access token made elsewhere, used until the vendor refuses it.

    Args:
        access_token: The bearer token.

    Raises:
        ConfigError: When it is empty, or cannot be a header value.
    """

    __slots__ = ("_token",)

    def __init__(self, access_token: str) -> None:
        self._token: Final = Token(Secret(_header_value("access_token", access_token)))

    async def obtain(self, _exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return the token, or say that it was refused."""
        if rejected is not None:
            raise TokenRejectedError("the access token was refused, and a static token cannot be renewed")
        return self._token


class ClientCredentials:
    """Tokens by the OAuth `client_credentials` grant, as the OpenAPI file has it: a form body to `/v1/oauth/token`.

    No page of the vendor's own documents this grant; where an account does not have it, use `RefreshToken`.

    Args:
        client_id: The client id.
        client_secret: The client secret.

    Raises:
        ConfigError: When either is empty.
    """

    __slots__ = ("_body", "_clock")

    def __init__(self, client_id: str, client_secret: str, *, clock: Callable[[], float] = time.time) -> None:
        fields = {
            "grant_type": "client_credentials",
            "client_id": _given("client_id", client_id),
            "client_secret": _given("client_secret", client_secret),
        }
        self._body: Final = Secret(urlencode(fields))
        self._clock: Final = clock

    async def obtain(self, exchange: Exchange, _rejected: Token | None, /) -> Token:
        """Ask for a token."""
        answer = await exchange("/v1/oauth/token", self._body.reveal().encode(), "application/x-www-form-urlencoded")
        return _read_token(answer, self._clock(), dead=CredentialsRejectedError)


class RefreshToken:
    """Tokens by a refresh token that rotates: the vendor's documented way.

    Each renewal returns a new pair and ends the old refresh token, so the new pair is stored before it is used. The
    first pair comes from the dashboard; when a refresh token is dead only a person can make another there.

    Args:
        client_id: The client id.
        client_secret: The client secret.
        refresh_token: The first refresh token. A store that already holds a pair descended from it goes on with that.
        store: Where pairs rest. Without one they are lost at exit, and with them the access to the account:
            use `FileTokenStore`.
        family: `user` for the rewards and links API, `company` for points and storefront.

    Raises:
        ConfigError: When a value is missing.
    """

    __slots__ = ("_client_id", "_client_secret", "_clock", "_first", "_path", "_store")

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        *,
        store: TokenStore | None = None,
        family: Literal["user", "company"] = "user",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if family not in {"user", "company"}:
            raise ConfigError(f"family must be 'user' or 'company', not {family!r}")
        self._client_id: Final = _given("client_id", client_id)
        self._client_secret: Final = Secret(_given("client_secret", client_secret))
        self._first: Final = Secret(_given("refresh_token", refresh_token))
        self._store: Final[TokenStore] = MemoryTokenStore() if store is None else store
        self._path: Final = f"/v1/oauth/token/{family}"
        self._clock: Final = clock

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return the stored token while it lives, else renew the pair and store it."""
        async with self._store.lock():
            stored = await self._store.load()
            if stored is not None and _still_good(stored, rejected, self._clock()):
                return stored  # another client or process has renewed the pair meanwhile
            refresh = stored.refresh if stored is not None and stored.refresh is not None else self._first
            answer = await exchange(self._path, self._request(refresh), "application/json")
            token = _read_token(answer, self._clock(), dead=RefreshTokenDeadError)
            if token.refresh is None:
                token = token._replace(refresh=refresh)
            await self._store.save(token)
            return token

    def _request(self, refresh: Secret) -> bytes:
        return msgspec.json.encode(
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh.reveal(),
                "client_id": self._client_id,
                "client_secret": self._client_secret.reveal(),
            }
        )


class MemoryTokenStore:
    """Keeps a pair in memory; share one between clients of a process that use the same credentials."""

    __slots__ = ("_lock", "_token")

    def __init__(self) -> None:
        self._lock: anyio.Lock | None = None
        self._token: Token | None = None

    async def load(self) -> Token | None:
        """Return the pair."""
        return self._token

    async def save(self, token: Token, /) -> None:
        """Keep the pair."""
        self._token = token

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one renew at a time."""
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            yield


class _StoredPair(msgspec.Struct, omit_defaults=True):
    access_token: str
    expires_at: float | None = None
    refresh_token: str | None = None
    refresh_expires_at: float | None = None


class FileTokenStore:
    """Keeps a pair in a file: 0600, written whole or not at all, and locked against other processes.

    Args:
        path: The file. Its folder must exist and allow a lock file beside it.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path: Final = Path(path)

    async def load(self) -> Token | None:
        """Return the stored pair, None when there is no file yet.

        Raises:
            ConfigError: When the file cannot be read or is no token file.
        """
        return await anyio.to_thread.run_sync(self._load)

    async def save(self, token: Token, /) -> None:
        """Replace the file durably.

        Raises:
            AuthError: When it cannot be written.
        """
        await anyio.to_thread.run_sync(self._save, token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one process and one client renew at a time."""
        descriptor = self._open_lock()
        try:
            while not _try_lock(descriptor):  # noqa: ASYNC110 - another process holds it
                # flock cannot be awaited, and a thread blocked in it could not be cancelled.
                await anyio.sleep(0.02)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        try:
            return os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"token store {self._path}: its lock file cannot be made: {error.strerror}") from None

    def _load(self) -> Token | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"token store {self._path} cannot be read: {error.strerror}") from None
        try:
            pair = msgspec.json.decode(content, type=_StoredPair)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ConfigError(f"token store {self._path} is no token file") from None
        refresh = Secret(pair.refresh_token) if pair.refresh_token else None
        return Token(Secret(pair.access_token), pair.expires_at, refresh, pair.refresh_expires_at)

    def _save(self, token: Token) -> None:
        refresh = token.refresh.reveal() if token.refresh is not None else None
        content = msgspec.json.encode(
            _StoredPair(token.access.reveal(), token.expires_at, refresh, token.refresh_expires_at)
        )
        try:
            # mkstemp makes the file 0600 whatever the umask.
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise AuthError(
                f"token store {self._path} cannot be written ({error.strerror}); the renewed pair was not used"
            ) from None


class _TokenReply(msgspec.Struct):
    """The token endpoint's success; `object` where the vendor sends numbers as strings or the other way round."""

    access_token: str = ""
    expires_in: object = None
    refresh_token: str | None = None
    access_token_expiry: object = None
    refresh_token_expiry: object = None


_TOKEN_DECODER: Final = msgspec.json.Decoder(_TokenReply)


def _read_token(answer: ExchangeAnswer, now: float, *, dead: type[AuthError]) -> Token:
    """Read a token reply, or raise what a refusal means for the credentials.

    Args:
        answer: The endpoint's answer.
        now: Epoch seconds, to turn lifetimes into times.
        dead: What to raise when the credentials themselves were refused.
    """
    if answer.status < 300:
        try:
            reply = _TOKEN_DECODER.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            reply = _TokenReply()
        if reply.access_token:
            return Token(
                Secret(_header_value("access_token", reply.access_token, error=DecodeError)),
                _expiry(reply.access_token_expiry, now) or _expiry(reply.expires_in, now),
                Secret(reply.refresh_token) if reply.refresh_token else None,
                _expiry(reply.refresh_token_expiry, now),
            )
    error = recognise(answer.body, answer.status, effect=EffectClass.READ, retry_after_s=answer.retry_after_s)
    raise _as_auth_error(error, dead, answer.status)


def _as_auth_error(error: XoxoError, dead: type[AuthError], status: int) -> XoxoError:
    if isinstance(error, RateLimitedError) or status >= 500:
        return error  # the endpoint is throttled or down; the credentials may be fine
    if isinstance(error, DecodeError):
        return DecodeError("the token endpoint answered without a token", effect="none", status=status)
    if dead is RefreshTokenDeadError:
        message = (
            f"the refresh token was refused ({error.message}); a person must generate new tokens in the dashboard "
            "(Settings, API, Generate New Tokens)"
        )
    else:
        message = f"the client id or secret was refused ({error.message})"
    return dead(message, status=status, error_id=error.error_id)


def _expiry(value: object, now: float) -> float | None:
    """Read a lifetime in any documented form: seconds, epoch seconds, epoch milliseconds, as number or string.

    The vendor calls one field both; the magnitudes never meet (10^8 s is three years, epoch seconds are past 10^9,
    milliseconds past 10^12).
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


def _still_good(token: Token, rejected: Token | None, now: float) -> bool:
    if rejected is not None and token.access == rejected.access:
        return False
    return token.expires_at is None or token.expires_at > now


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _given(name: str, value: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} is missing")
    return value


def _header_value(name: str, value: str, *, error: type[XoxoError] = ConfigError) -> str:
    """Refuse what would end the header and start another one."""
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
        raise error(f"{name} is empty or holds characters that no header may hold")
    return value
