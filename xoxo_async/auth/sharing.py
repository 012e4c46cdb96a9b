"""What providers need of a store that many machines share: a row for each account, and a lease instead of a lock.

A lock ends with its holder. A lease ends by the store's clock, also while its holder is stopped. So a holder may find
that another process has renewed meanwhile, and then it begins again.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, runtime_checkable

from xoxo_async.auth.tokens import Token, TokenStore
from xoxo_async.errors import TokenStoreError

__all__ = ["SharedTokenStore", "SupersededError", "bound_to", "glance", "with_retakes"]

_TAKES: Final = 3
"""How often a provider begins again after it lost a lease. Each time it was stopped for longer than a lease."""


class SupersededError(TokenStoreError):
    """The lease went to another process, which has renewed or is about to. No pair of this process was stored."""

    retryable = True


@runtime_checkable
class SharedTokenStore(TokenStore, Protocol):
    """A store for many accounts and machines."""

    def of_account(self, account: str) -> "SharedTokenStore":
        """Return the store of one account.

        Args:
            account: A hash that names the account and its address.
        """
        ...

    def unfinished(self) -> str:
        """Return who began a renewal and did not end it before the caller took the lease; empty if nobody did."""
        ...


def bound_to(account: str, store: TokenStore) -> TokenStore:
    """Return a store for one account: a shared store's part, or the store itself.

    Args:
        account: A hash that names the account and its address.
        store: The store that a provider was given.
    """
    return store.of_account(account) if isinstance(store, SharedTokenStore) else store


async def glance(store: TokenStore) -> Token | None:
    """Return what a shared store holds, without a lease; None for other stores, whose lock costs nothing.

    So processes that only fetch a fresh token do not wait for each other.

    Args:
        store: A store for one account.

    Raises:
        TokenStoreError: The store cannot be reached.
        ConfigError: The store is unusable.
    """
    return await store.load() if isinstance(store, SharedTokenStore) else None


async def with_retakes(obtain: Callable[[], Awaitable[Token]]) -> Token:
    """Obtain a token, and begin again where another process has taken over meanwhile.

    Args:
        obtain: Obtains a token.

    Raises:
        SupersededError: The lease was lost again and again.
    """
    for _ in range(_TAKES - 1):
        try:
            return await obtain()
        except SupersededError:
            continue  # the store holds the other process's pair now
    return await obtain()
