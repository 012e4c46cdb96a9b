"""The provider of a refresh token that rotates: each renewal gives a new pair and ends the old one."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Final, Literal, NamedTuple, TypeGuard

import anyio
import msgspec

from xoxo_async.auth.memory import MemoryTokenStore
from xoxo_async.auth.naming import client_digest, digest, masked, pair_account
from xoxo_async.auth.sharing import SharedTokenStore, SupersededError, bound_to, glance, with_retakes
from xoxo_async.auth.tokens import Exchange, Token, TokenStore, read_token, required, reserve_room, still_good
from xoxo_async.auth.troubles import raised_again
from xoxo_async.errors import (
    ConfigError,
    ConnectError,
    CredentialsRejectedError,
    RateLimitedError,
    RefreshTokenDeadError,
)
from xoxo_async.wire.secrets import Secret

__all__ = ["RefreshToken"]

_DEAD_REMEMBERED_S: Final = 60.0
"""How long no request is made with a refresh token that the vendor called dead."""

_MAX_ORIGINS: Final = 16
"""The number of first refresh tokens that a pair remembers, so that its file does not grow for ever."""


class _Refused(NamedTuple):
    """The vendor's refusal of a refresh token, which is remembered for a minute."""

    error: RefreshTokenDeadError
    until: float


class _Unsaved(NamedTuple):
    """A pair that could not be stored, and the refresh token that it cost."""

    spent: Secret
    token: Token


class RefreshToken:
    """Tokens by a refresh token that rotates, as the vendor documents it.

    Each renewal returns a new pair and ends the old refresh token, so the new pair is stored before it is used. The
    first pair comes from the vendor's dashboard. Only a person can generate another pair there after a refresh token
    has died.

    Args:
        client_id: The client id.
        client_secret: The client secret.
        refresh_token: The first refresh token. Where the store holds a pair that descends from it, that pair is used.
            Where the store holds a pair of other tokens, this one is used, because a person has generated it since.
            None uses the store alone, in which `xoxo token import` has put a pair.
        store: Keeps the pairs. Without one they are kept in memory, and all providers of this process with the same
            values share them. At exit they are lost, and with them the access to the account, so use `FileTokenStore`,
            or `PostgresTokenStore` for several machines.
        family: `user` for the rewards and links API, `company` for points and the storefront.

    Raises:
        ConfigError: A value is missing.
    """

    __slots__ = (
        "_client",
        "_client_id",
        "_client_secret",
        "_clock",
        "_configured",
        "_origin",
        "_path",
        "_refused",
        "_store",
        "_stores",
        "_unanswered",
        "_unsaved",
        "account",
        "credential",
    )

    rotates: ClassVar[bool] = True

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        refresh_token: str | None = None,
        *,
        store: TokenStore | None = None,
        family: Literal["user", "company"] = "user",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if family not in {"user", "company"}:
            raise ConfigError(f"family must be 'user' or 'company', not {family!r}")
        self._client_id: Final = required("client_id", client_id)
        self._client_secret: Final = Secret(required("client_secret", client_secret))
        configured = None if refresh_token is None else Secret(required("refresh_token", refresh_token))
        self._configured: Final = configured
        self.account: Final = digest("client", client_id)
        self.credential: Final = digest(family, client_id, client_secret, refresh_token or "")
        self._client: Final = client_digest(family, client_id)
        self._origin: Final = digest(family, client_id, refresh_token) if refresh_token is not None else ""
        if store is None and refresh_token is None:
            raise ConfigError("refresh_token is missing, and there is no store that could hold one")
        self._store: Final[TokenStore] = MemoryTokenStore.shared(self._origin) if store is None else store
        self._stores: Final[dict[str, TokenStore]] = {}
        # `user` is for rewards and links, `company` for points and the storefront (wire documentation § 2).
        self._path: Final = f"/v1/oauth/token/{family}"
        self._clock: Final = clock
        self._refused: Final[dict[Secret, _Refused]] = {}
        self._unanswered: Secret | None = None
        self._unsaved: _Unsaved | None = None

    def __repr__(self) -> str:
        family = self._path.rpartition("/")[2]
        client_id = masked(self._client_id)
        return f"RefreshToken(client_id={client_id!r}, client_secret=***, family={family!r}, store={self._store!r})"

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return the stored token while it is good; otherwise renew the pair and store it.

        Args:
            exchange: Posts to a token endpoint.
            rejected: The token the vendor has just refused, None where none was.

        Raises:
            RefreshTokenDeadError: A person must make a new pair in the dashboard.
            CredentialsRejectedError: The client id, the secret or the account was refused.
            ConfigError: The store is unusable, or holds another client's pair.
            TokenStoreError: The store has no room, so no pair was requested; or the new pair could not be stored and
                was not used (the next call stores it); or another client held the store's lock for too long.
        """
        store = self._store_at(getattr(exchange, "base_url", ""))
        return await with_retakes(lambda: self._obtain_by(store, exchange, rejected))

    async def _obtain_by(self, store: TokenStore, exchange: Exchange, rejected: Token | None) -> Token:
        stored = await glance(store)
        if self._may_use(stored, rejected):
            return stored
        async with store.lock():
            stored = await store.load()
            if self._may_use(stored, rejected):
                return stored  # another client or process has renewed the pair meanwhile
            refresh = stored.refresh if stored is not None and self._uses_stored(stored) else None
            refresh = refresh or self._configured
            if refresh is None:
                raise ConfigError(
                    f"{store!r} holds no refresh token and none is configured: store one with xoxo token import"
                )
            async with reserve_room(store):
                if self._unsaved is not None and self._unsaved.spent == refresh:
                    # An earlier save failed. The vendor would refuse the old token, so store that pair now.
                    token = self._unsaved.token
                else:
                    token = await self._next_pair(store, exchange, refresh, stored)
                self._unsaved = _Unsaved(refresh, token)
                # The old refresh token is spent, so a cancellation must not lose the new one.
                with anyio.CancelScope(shield=True):
                    await store.save(token)
                self._unsaved = None
                return token

    async def _next_pair(self, store: TokenStore, exchange: Exchange, refresh: Secret, stored: Token | None) -> Token:
        """Renew, and return the new pair with its descent."""
        try:
            token = await self._renew_with_fallback(exchange, refresh, empty=store if stored is None else None)
        except RefreshTokenDeadError as error:
            raise await _after_a_look(store, stored, error) from None
        before = stored.origins if stored is not None else ()
        known = not self._origin or self._origin in before
        origins = before if known else (*before, self._origin)
        return token._replace(client=self._client, origins=origins[-_MAX_ORIGINS:])

    def _store_at(self, address: str) -> TokenStore:
        """Return the store of this account at an address: one row of a table, or all of a file."""
        store = self._stores.get(address)
        if store is None:
            store = self._stores[address] = bound_to(pair_account(address, self._client), self._store)
        return store

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The texts to mask in a server's answer. The pair's own secrets are in its `Token`."""
        spent = (secret for secret in (self._configured, self._unanswered) if secret is not None)
        return (self._client_secret, *spent)

    def forget(self, token: Token) -> None:
        """Forget an access token that the API refused, so that no later client gets it.

        Args:
            token: The refused token.
        """
        if isinstance(self._store, MemoryTokenStore):
            self._store.forget_access(token)

    async def _renew_with_fallback(self, exchange: Exchange, refresh: Secret, *, empty: TokenStore | None) -> Token:
        """Renew with the stored token. Where it is dead, try the others once before a person has to act.

        The configured token may be newer than a pair without origins. After a restart of the sandbox, the sandbox knows
        the configured token alone. A pair that this process got and could not store, because another process had taken
        over, may be the one that the vendor issued last.
        """
        unsaved = self._unsaved.token.refresh if self._unsaved is not None else None
        try:
            return await self._renew(exchange, refresh, empty=empty)
        except RefreshTokenDeadError as error:
            for other in (unsaved, self._configured):
                if other is not None and other != refresh:
                    with suppress(RefreshTokenDeadError):
                        return await self._renew(exchange, other, empty=empty)
            raise error from None

    def _may_use(self, stored: Token | None, rejected: Token | None) -> TypeGuard[Token]:
        """Return whether a stored pair is this client's, descends from the configured token, and is good."""
        return stored is not None and self._uses_stored(stored) and still_good(stored, rejected, self._clock())

    def _uses_stored(self, stored: Token) -> bool:
        """Return whether the stored pair is used, and not the configured refresh token.

        A pair that descends from other first tokens alone is not used: a person has generated a new pair in the
        dashboard since, and the stored one is dead or will be soon. A process with an older configured token finds that
        token among the pair's origins, and uses the newer pair.
        """
        if stored.client and stored.client != self._client:
            raise ConfigError(
                f"{self._store!r} holds the pair of another client id or family, which would be lost: give each its "
                "own store"
            )
        return not stored.origins or not self._origin or self._origin in stored.origins

    async def _renew(self, exchange: Exchange, refresh: Secret, *, empty: TokenStore | None) -> Token:
        """Exchange a refresh token for the next pair, which spends it. `empty`: the store, where it held no pair."""
        refused = self._refused.get(refresh)
        if refused is not None and time.monotonic() < refused.until:
            # A dead token stays dead, and the vendor throttles frequent token requests (wire documentation § 3.4).
            raise raised_again(refused.error)
        doubted = self._unanswered == refresh
        self._unanswered = refresh  # until an answer says whether the vendor spent it
        try:
            answer = await exchange(self._path, self._request(refresh), "application/json")
            sent = (self._client_secret, refresh)
            token = read_token(answer, self._clock(), dead=RefreshTokenDeadError, secrets=sent)
        except (ConnectError, RateLimitedError, CredentialsRejectedError):
            self._unanswered = refresh if doubted else None  # the request was not processed, so the token is unspent
            raise
        except RefreshTokenDeadError as error:
            if doubted:
                error = _after_a_lost_answer(error)
            elif empty is not None:
                error = _without_a_pair(error, empty)
            self._unanswered = None
            self._refused[refresh] = _Refused(error, time.monotonic() + _DEAD_REMEMBERED_S)
            raise error from None
        self._unanswered = None
        self._refused.clear()
        # An answer without a refresh token leaves the old one in use, as OAuth has it.
        return token if token.refresh is not None else token._replace(refresh=refresh)

    def _request(self, refresh: Secret) -> bytes:
        return msgspec.json.encode(
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh.reveal(),
                "client_id": self._client_id,
                "client_secret": self._client_secret.reveal(),
            }
        )


async def _after_a_look(
    store: TokenStore, stored: Token | None, error: RefreshTokenDeadError
) -> RefreshTokenDeadError | SupersededError:
    """Return the error of a dead refresh token, after another look at a store that other processes write.

    A process that was stopped during its renewal may have stored the pair meanwhile, although its lease has ended.
    """
    if not isinstance(store, SharedTokenStore):
        return error
    if await store.load() != stored:
        return SupersededError(f"{store!r}: another process has stored a pair meanwhile")
    holder = store.unfinished()
    if not holder:
        return error
    message = (
        f"{error.message}; unless the process {holder} goes on: it began a renewal and did not end it, and if it was "
        "only stopped, it stores its pair"
    )
    return RefreshTokenDeadError(message, status=error.status, error_id=error.error_id)


def _without_a_pair(error: RefreshTokenDeadError, store: TokenStore) -> RefreshTokenDeadError:
    """Add the likely cause to the error of a configured token that is dead, while the store held no pair.

    A container without a volume loses the file at its end. Its next start has the configured token alone, which the
    first start has spent.
    """
    match store:
        case MemoryTokenStore():
            cause = (
                "if an earlier process renewed it, the new pair ended with that process, because no store kept it: "
                "give RefreshToken a FileTokenStore on a volume, or a shared store (PostgresTokenStore)"
            )
        case SharedTokenStore() if store.unfinished():
            return error
        case SharedTokenStore():
            cause = (
                f"{store!r} held no pair of this client: if a file or another store holds it, move it with xoxo token "
                "import"
            )
        case _:
            cause = (
                f"{store!r} held no pair: if an earlier start renewed the token, its pair was not kept, so put "
                "XOXO_TOKEN_FILE on a volume that outlives the container, or use a shared store (XOXO_SHARED or "
                "PostgresTokenStore)"
            )
    return RefreshTokenDeadError(f"{error.message}; {cause}", status=error.status, error_id=error.error_id)


def _after_a_lost_answer(error: RefreshTokenDeadError) -> RefreshTokenDeadError:
    """Add the likely cause to the error.

    One page of the vendor's lets the old refresh token work for six more hours, and others say that it ends at once
    (wire documentation § 3.4). So the repeat may be refused although it is the only way to the new pair.
    """
    return RefreshTokenDeadError(
        f"{error.message}; the answer to an earlier renewal was lost, and the new pair with it",
        status=error.status,
        error_id=error.error_id,
    )
