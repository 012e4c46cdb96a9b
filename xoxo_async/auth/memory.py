"""A store that keeps a token or a rotating pair in memory, for all clients of the process with the same credentials."""

import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Self

import anyio

from xoxo_async.auth.tokens import LOCK_TIMEOUT_S, Token, lock_held
from xoxo_async.config import check_number
from xoxo_async.kept import Kept, lock_of
from xoxo_async.wire.secrets import Secret

__all__ = ["MemoryTokenStore"]

_ACCESS_LASTS_S: Final = 3600.0
"""How long an access token is kept for the next client where its expiry is not known."""

_REFRESH_LASTS_S: Final = 30 * 86400.0
"""How long a pair is kept for the next client where its expiry is not known: the vendor's usual lifetime."""


class _Place:
    """A token in memory, and the lock for its renewal."""

    __slots__ = ("__weakref__", "lock", "token")

    def __init__(self) -> None:
        # Not an anyio lock: clients of several event loops, in several threads, may share this.
        self.lock = lock_of(self)
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
    """Keeps a token or a pair in memory, for any number of clients, threads and event loops of this process.

    `RefreshToken` and `ClientCredentials` without a store use the one of their credentials by themselves. At exit the
    pair is lost. A forked process has a copy of it, and of a rotating pair only one of the two can be renewed.

    Args:
        lock_timeout_s: How long to wait for another client's renewal.
    """

    __slots__ = ("__weakref__", "_place", "_timeout_s")

    def __init__(self, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._timeout_s: Final = check_number("lock_timeout_s", lock_timeout_s, zero=True)
        self._place = _Place()

    @classmethod
    def shared(cls, credential: str) -> Self:
        """Return a store that shares its token with all stores of one credential in this process.

        The token is kept until it expires, also when no store is left.

        Args:
            credential: A hash of all that the token was or will be asked for with.
        """
        return _SHARED.join(credential, cls()._rest_at)  # noqa: SLF001 - of this class

    def _rest_at(self, place: _Place) -> Self:
        self._place = place
        return self

    async def load(self) -> Token | None:
        """Return the pair."""
        return self._place.token

    async def save(self, token: Token, /) -> None:
        """Keep the pair."""
        self._place.token = token

    def forget_access(self, token: Token) -> None:
        """Forget an access token that the vendor refused, if it is still the one kept here; a refresh token stays.

        Args:
            token: The refused token.
        """
        lock = self._place.lock
        if not lock.acquire(blocking=False):
            return  # a renewal under way replaces the token; writing here could lose its new pair
        try:
            there = self._place.token
            if there is not None and there.access == token.access:
                self._place.token = there._replace(access=Secret("")) if there.refresh is not None else None
        finally:
            lock.release()

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Let one client renew at a time.

        Raises:
            AuthError: Another one has been at it for too long; may be tried again.
        """
        end = time.monotonic() + self._timeout_s
        while not (lock := self._place.lock).acquire(blocking=False):
            if time.monotonic() >= end:
                raise lock_held(repr(self), "another client of this process", self._timeout_s)
            await anyio.sleep(0.005)
        try:
            yield
        finally:
            lock.release()

    def __repr__(self) -> str:
        return f"MemoryTokenStore(<{'empty' if self._place.token is None else 'one pair'}>)"

    def __copy__(self) -> Self:
        return self  # of two copies of a pair, one would be renewed and the other would be dead

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token store cannot be pickled: it holds the pair itself")


# Module state, as in `pacing.py`: a token belongs to the account, not to a client object. If two providers are made
# from one refresh token, the second would find it spent, also after the first has ended. A web application that makes a
# client for each request would ask for a token with each.
_SHARED: Final = Kept(_Place, time.time)
