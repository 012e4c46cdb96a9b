"""The provider for a shared store that may hold an imported pair: that pair, or client credentials without one."""

import time
from collections.abc import Callable
from typing import ClassVar, Final, Literal

from xoxo_async.auth.naming import client_digest, digest, pair_account
from xoxo_async.auth.providers import ClientCredentials
from xoxo_async.auth.rotating import RefreshToken
from xoxo_async.auth.sharing import bound_to
from xoxo_async.auth.tokens import Exchange, Token, TokenProvider, TokenStore
from xoxo_async.wire.secrets import Secret

__all__ = ["StoredCredentials"]


class StoredCredentials:
    """Tokens by the pair in a shared store, and by client credentials while the store holds none.

    A file can be looked for before a client is made, and a row of a database cannot. So this provider looks when it
    needs a token.

    Args:
        client_id: The client id.
        client_secret: The client secret.
        store: The shared store.
        family: `user` or `company`.

    Raises:
        ConfigError: A value is missing.
    """

    __slots__ = ("_client", "_granted", "_paired", "_store", "account", "credential")

    # The pair's renewal spends its refresh token. A client learns this before the store was asked.
    rotates: ClassVar[bool] = True

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        store: TokenStore,
        family: Literal["user", "company"] = "user",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._paired: Final = RefreshToken(client_id, client_secret, store=store, family=family, clock=clock)
        self._granted: Final = ClientCredentials(
            client_id, client_secret, store=store, no_pair_in=repr(store), clock=clock
        )
        self._client: Final = client_digest(family, client_id)
        self._store: Final = store
        self.account: Final = self._granted.account
        self.credential: Final = digest("stored", family, client_id, client_secret)

    def __repr__(self) -> str:
        return repr(self._paired).replace("RefreshToken", "StoredCredentials", 1)

    async def obtain(self, exchange: Exchange, rejected: Token | None, /) -> Token:
        """Return a token by the stored pair, or by client credentials.

        Args:
            exchange: Posts to a token endpoint.
            rejected: The token the vendor has just refused, None where none was.

        Raises:
            RefreshTokenDeadError: A person must make a new pair in the dashboard.
            CredentialsRejectedError: The client id, the secret or the account was refused.
            ConfigError: The store is unusable.
            TokenStoreError: The store cannot be reached or written, or another process holds its lease for too long.
        """
        account = pair_account(getattr(exchange, "base_url", ""), self._client)
        pair = await bound_to(account, self._store).load()
        provider: TokenProvider = self._granted if pair is None else self._paired
        return await provider.obtain(exchange, rejected)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The texts to mask in a server's answer."""
        return (*self._granted.secrets, *self._paired.secrets)
