"""Two providers of access tokens: a fixed token, and client credentials."""

import time
from collections.abc import Callable
from typing import ClassVar, Final, TypeGuard
from urllib.parse import urlencode

from xoxo_async.auth.memory import MemoryTokenStore
from xoxo_async.auth.naming import digest, masked
from xoxo_async.auth.sharing import bound_to, glance, with_retakes
from xoxo_async.auth.tokens import (
    Exchange,
    Token,
    TokenStore,
    header_value,
    read_token,
    required,
    reserve_room,
    still_good,
)
from xoxo_async.errors import (
    ConfigError,
    CredentialsRejectedError,
    TokenRejectedError,
)
from xoxo_async.wire.secrets import Secret

__all__ = ["ClientCredentials", "StaticToken"]


class StaticToken:
    """An access token from elsewhere. It is used until the vendor refuses it.

    Args:
        access_token: The bearer token.

    Raises:
        ConfigError: The token is empty, or cannot be a header value.
    """

    __slots__ = ("_token", "account", "credential")

    rotates: ClassVar[bool] = False

    def __init__(self, access_token: str) -> None:
        self._token: Final = Token(Secret(header_value("access_token", access_token)))
        self.account: Final = digest("token", access_token)
        self.credential: Final = self.account

    def __repr__(self) -> str:
        return "StaticToken(***)"

    async def obtain(self, _exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return the token.

        Raises:
            TokenRejectedError: The vendor has refused the token.
        """
        if rejected is not None:
            raise TokenRejectedError("the access token was refused, and a static token cannot be renewed")
        return self._token


class ClientCredentials:
    """Tokens by the OAuth `client_credentials` grant of the OpenAPI file: a form body to `/v1/oauth/token`.

    No page of the vendor's documents this grant (wire documentation § 3.1). Where an account does not have it, use
    `RefreshToken`.

    The process keeps a token for the next client with the same values and address, until it expires or is refused. So a
    program may make a client for each task or web request without a token request for each.

    Args:
        client_id: The client id.
        client_secret: The client secret.
        store: Keeps the token for other processes and the next start: a `FileTokenStore`, or a `PostgresTokenStore` for
            other machines too. A file overwrites another client's token, which costs that client a token request. No
            store overwrites a rotating pair.
        no_pair_in: Where a rotating pair was looked for and not found. The error of refused credentials names it,
            because an account without this grant needs that pair.

    Raises:
        ConfigError: The client id or the secret is empty.
    """

    __slots__ = (
        "_body",
        "_bound",
        "_client_id",
        "_clock",
        "_no_pair_in",
        "_shared",
        "_store",
        "account",
        "credential",
        "secrets",
    )

    rotates: ClassVar[bool] = False

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        store: TokenStore | None = None,
        no_pair_in: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        fields = {
            "grant_type": "client_credentials",
            "client_id": required("client_id", client_id),
            "client_secret": required("client_secret", client_secret),
        }
        self._client_id: Final = client_id
        self.account: Final = digest("client", client_id)
        self.credential: Final = digest("client_credentials", client_id, client_secret)
        self.secrets: Final = (Secret(client_secret),)
        self._body: Final = Secret(urlencode(fields))
        self._clock: Final = clock
        self._no_pair_in: Final = no_pair_in
        self._store: Final = store
        self._shared: Final[dict[str, MemoryTokenStore]] = {}
        self._bound: Final[dict[str, TokenStore]] = {}

    def __repr__(self) -> str:
        return f"ClientCredentials(client_id={masked(self._client_id)!r}, client_secret=***)"

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return the stored token while it is good; otherwise request one.

        Args:
            exchange: Posts to a token endpoint.
            rejected: The token the vendor has just refused, None where none was.

        Raises:
            CredentialsRejectedError: The client id, the secret or the account was refused.
            ConfigError: The store is unusable, or holds a rotating pair.
            AuthError: The store has no room, so no token was requested; or another client held its lock for too long.
        """
        address = getattr(exchange, "base_url", "")
        if not address and self._store is None:
            # Without an address, a stored token could belong to another server.
            return await self._request_token(exchange)
        owner = digest(address, self.credential)
        store = self._shared_at(address) if self._store is None else self._bound_to(owner, self._store)
        return await with_retakes(lambda: self._obtain_by(store, owner, exchange, rejected))

    async def _obtain_by(self, store: TokenStore, owner: str, exchange: Exchange, rejected: Token | None) -> Token:
        stored = await glance(store)
        if self._may_use(stored, owner, rejected):
            return stored
        async with store.lock():
            stored = await store.load()
            if stored is not None and stored.refresh is not None:
                raise ConfigError(
                    f"{store!r} holds a rotating pair, which would be lost: give this client its own store"
                )
            if self._may_use(stored, owner, rejected):
                return stored
            async with reserve_room(store):
                token = (await self._request_token(exchange))._replace(client=owner)
                await store.save(token)
                return token

    def _may_use(self, stored: Token | None, owner: str, rejected: Token | None) -> TypeGuard[Token]:
        """Return whether a stored token is this client's and good."""
        return stored is not None and stored.client == owner and still_good(stored, rejected, self._clock())

    def forget(self, token: Token) -> None:
        """Forget an access token that the API refused, so that no later client gets it.

        Args:
            token: The refused token.
        """
        for store in (*self._shared.values(), self._store):
            if isinstance(store, MemoryTokenStore):
                store.forget_access(token)

    async def _request_token(self, exchange: Exchange) -> Token:
        answer = await exchange("/v1/oauth/token", self._body.reveal().encode(), "application/x-www-form-urlencoded")
        try:
            token = read_token(answer, self._clock(), dead=CredentialsRejectedError, secrets=self.secrets)
        except CredentialsRejectedError as error:
            raise self._explained(error) from None
        # This grant needs no refresh token. With one, the stored token would look like a rotating pair.
        return token._replace(refresh=None, refresh_expires_at=None)

    def _explained(self, error: CredentialsRejectedError) -> CredentialsRejectedError:
        if not self._no_pair_in:
            return error
        # A container that has lost the file of an imported pair comes here: it has no refresh token to be told about.
        message = (
            f"{error.message}; client credentials were used because {self._no_pair_in} holds no pair. If the account"
            " has no client credentials grant, store a pair with xoxo token import (in a container: in an"
            " XOXO_TOKEN_FILE on a volume, or in the store of XOXO_SHARED)"
        )
        return CredentialsRejectedError(message, status=error.status, error_id=error.error_id)

    def _bound_to(self, owner: str, store: TokenStore) -> TokenStore:
        bound = self._bound.get(owner)
        if bound is None:
            bound = self._bound[owner] = bound_to(owner, store)
        return bound

    def _shared_at(self, address: str) -> MemoryTokenStore:
        store = self._shared.get(address)
        if store is None:
            store = self._shared[address] = MemoryTokenStore.shared(digest(address, self.credential))
        return store
