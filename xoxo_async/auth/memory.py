"""A store in memory for a token or a rotating pair. All clients of the process with the same credentials share it."""

import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Self

import anyio

from xoxo_async.auth.tokens import LOCK_TIMEOUT_S, Token, lock_timed_out
from xoxo_async.config import check_number
from xoxo_async.kept import Kept, fork_safe_lock
from xoxo_async.wire.secrets import Secret

__all__ = ["MemoryTokenStore"]

_ACCESS_LASTS_S: Final = 3600.0
"""How long an access token without a known expiry is kept for the next client."""

_REFRESH_LASTS_S: Final = 30 * 86400.0
"""How long a pair without a known expiry is kept for the next client: the vendor's usual lifetime, 30 days (wire
documentation § 3.3)."""


class _Place:
    """A token in memory, and the lock for its renewal."""

    __slots__ = ("__weakref__", "lock", "token")

    def __init__(self) -> None:
        # An anyio lock belongs to one event loop, and clients of several loops in several threads may share this.
        self.lock = fork_safe_lock(self)
        self.token: Token | None = None

    def runs_out_at(self) -> float:
        """Return when both the access token and the refresh token have expired."""
        token = self.token
        if token is None:
            return -math.inf
        issued_at = token.issued_at or 0.0
        if token.refresh is not None:
            return token.refresh_expires_at or issued_at + _REFRESH_LASTS_S
        return issued_at + _ACCESS_LASTS_S if token.expires_at is None else token.expires_at


class MemoryTokenStore:
    """Keep a token or a pair in memory, for any number of clients, threads and event loops of this process.

    `RefreshToken` and `ClientCredentials` without a store share one such store for each credential. At exit the pair is
    lost. A forked process has a copy of it; of two copies of a rotating pair, only one can be renewed.

    Args:
        lock_timeout_s: How many seconds to wait for another client's renewal.
    """

    __slots__ = ("__weakref__", "_place", "_timeout_s")

    def __init__(self, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        self._place = _Place()

    @classmethod
    def shared(cls, credential: str) -> Self:
        """Return a store that shares its token with all stores of one credential in this process.

        The token is kept until it expires, also after the last store has gone.

        Args:
            credential: A hash of all the values with which the token is requested.
        """
        return _SHARED.join(credential, cls()._use_place)  # noqa: SLF001 - of this class

    def _use_place(self, place: _Place) -> Self:
        self._place = place
        return self

    async def load(self) -> Token | None:
        """Return the stored pair, or None."""
        return self._place.token

    async def save(self, token: Token, /) -> None:
        """Keep the pair."""
        self._place.token = token

    def forget_access(self, token: Token) -> None:
        """Forget an access token that the vendor refused, if the store still holds it. A refresh token stays.

        Args:
            token: The refused token.
        """
        lock = self._place.lock
        if not lock.acquire(blocking=False):
            return  # a renewal is under way and replaces the token; a write here could lose the new pair
        try:
            stored = self._place.token
            if stored is not None and stored.access == token.access:
                self._place.token = stored._replace(access=Secret("")) if stored.refresh is not None else None
        finally:
            lock.release()

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one client renew at a time.

        Raises:
            TokenStoreError: Another client has held the lock for too long. The error is retryable.
        """
        end = time.monotonic() + self._timeout_s
        while not (lock := self._place.lock).acquire(blocking=False):
            if time.monotonic() >= end:
                raise lock_timed_out(repr(self), "another client of this process", self._timeout_s)
            # A thread that waits for the lock could not be cancelled, so the loop asks again and again.
            await anyio.sleep(0.005)
        try:
            yield
        finally:
            lock.release()

    def __repr__(self) -> str:
        return f"MemoryTokenStore(<{'empty' if self._place.token is None else 'one pair'}>)"

    def __copy__(self) -> Self:
        return self  # after the renewal of one copy of a pair, the other copy would be dead

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token store cannot be pickled: it holds the pair itself")


# Module state, as in `pacing.py`, because a token belongs to the account and not to a client object. Without it, a
# second provider of one refresh token would find it spent, also after the first has gone, and a web application that
# makes a client for each request would request a token each time.
_SHARED: Final = Kept(_Place, time.time)
