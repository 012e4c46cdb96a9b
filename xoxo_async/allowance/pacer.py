"""The pacer of a client that shares its allowance with other processes."""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from xoxo_async.allowance.protocol import Allowance
from xoxo_async.allowance.share import Share
from xoxo_async.config import RateLimits
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import Hook
from xoxo_async.pacing import Pacer

__all__ = ["SharedPacer", "account_key"]

_SHARES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Share]]] = WeakKeyDictionary()
"""Module state, as in `pacing.py`: clients of one loop, store and account count as one member."""


def account_key(base_url: str, provider: object) -> str:
    """Return the name of an account in a store: a hash of the address and the account, and no secret.

    Args:
        base_url: The address, checked.
        provider: The token provider. It must name its account, because a store outlives every object.

    Raises:
        ConfigError: The provider has no `account`.
    """
    account = getattr(provider, "account", None)
    if not isinstance(account, str) or not account:
        raise ConfigError(
            "allowance needs a token provider with an attribute `account` (a text that names the account), so that"
            " all processes of the account find each other"
        )
    return hashlib.sha256(f"{base_url}\n{account}".encode()).hexdigest()[:32]


class SharedPacer:
    """Give slots as `Pacer` does, but take them from a store that other processes use too.

    A penalty that one process meets holds for all of them. Where the store does not answer, the process goes on with
    its part of the rate. An operation without a limit takes no slots, but asks for penalties now and then.

    Args:
        allowance: The store.
        base_url: The address, checked.
        provider: The token provider.
        limits: The calls a minute of each operation, for all processes together.
        hooks: Called when the store is away, and when it is back.
        clock: A monotonic clock, in seconds.

    Raises:
        ConfigError: The allowance is no store, or the provider does not name its account.
    """

    def __init__(
        self,
        allowance: Allowance,
        *,
        base_url: str,
        provider: object,
        limits: RateLimits,
        hooks: Sequence[Hook] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not callable(getattr(allowance, "take", None)) or not callable(getattr(allowance, "hold", None)):
            raise ConfigError('allowance must be a store, for example FileAllowance("/run/shop/xoxo-allowance")')
        self._account: Final = account_key(base_url, provider)
        self._allowance: Final = allowance
        # It keeps the penalties, for the clients of this process that do not share as well.
        self._local: Final = Pacer.shared(base_url, provider, limits)
        self._hooks: Final = hooks
        self._clock: Final = clock
        self._share: Share | None = None
        self._closed = False

    def is_free(self, operation: str) -> bool:
        """Return whether a call may certainly be sent at once: no limit, and no penalty, as the store said just now."""
        share = self._share
        if share is None or self._local.interval_s(operation):
            return False
        return share.is_told(share.lane(operation, 0.0)) and not self._local.is_blocked(operation)

    async def slot(self, operation: str, deadline: float | None = None) -> None:
        """Wait for a slot of an operation, and for the end of each penalty that comes meanwhile.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Raises:
            RateLimitedError: The slot would come after the deadline. It is raised as soon as that is known.
            ConfigError: The store cannot be used.
        """
        share, interval = self._bound(), self._local.interval_s(operation)
        lane = share.lane(operation, interval)
        if interval:
            await share.slot(lane, deadline)
        else:
            await share.learn(lane)
            await self._local.slot(operation, deadline)

    async def next_slot(self, operation: str, deadline: float | None = None) -> float:
        """Take the next slot of an operation, for a caller that does the waiting itself.

        It waits until the slot is known, a fraction of a second.

        Args:
            operation: The operation's name.
            deadline: The clock time by which the slot must come.

        Returns:
            Seconds until the slot; 0 means now.

        Raises:
            RateLimitedError: The slot would come after the deadline.
            ConfigError: The store cannot be used.
        """
        share, interval = self._bound(), self._local.interval_s(operation)
        lane = share.lane(operation, interval)
        if interval:
            return max(await share.slot(lane, deadline, early=True) - self._clock(), 0.0)
        await share.learn(lane)
        return self._local.reserve(operation, deadline)

    def knows_next(self, operation: str) -> bool:
        """Return whether `next_slot` returns at once, because a slot has been granted that no caller waits for."""
        share, interval = self._share, self._local.interval_s(operation)
        return share is not None and share.lane(operation, interval).has_spare

    async def learn(self, operation: str) -> None:
        """Ask the store whether another process has met a penalty, unless it said so just now.

        Args:
            operation: The operation's name.

        Raises:
            ConfigError: The store cannot be used.
        """
        share = self._bound()
        await share.learn(share.lane(operation, self._local.interval_s(operation)))

    def penalise(self, operation: str, seconds: float) -> None:
        """Give no slot of an operation until the vendor's penalty has ended, in no process.

        After `aclose` the penalty holds for this process alone: a call in flight may meet one, but the store is closed.

        Args:
            operation: The operation's name.
            seconds: The length of the penalty from now.
        """
        self._local.penalise(operation, seconds)
        if not self._closed:
            self._bound().hold(operation, seconds)

    def keep_distance(self, operation: str, seconds: float) -> None:
        """Do nothing: the store remembers the last slot of every run.

        Args:
            operation: The operation's name.
            seconds: The seconds.
        """

    def is_blocked(self, operation: str) -> bool:
        """Return whether an operation has a penalty now, as far as this process knows."""
        return self._local.is_blocked(operation)

    def blocked_s(self, operation: str) -> float:
        """Return the seconds that are left of an operation's penalty, 0 without one."""
        return self._local.blocked_s(operation)

    def per_minute(self, operation: str) -> float | None:
        """Return the calls a minute that all processes together may make, None without a limit."""
        return self._local.per_minute(operation)

    def interval_s(self, operation: str) -> float:
        """Return the seconds between two slots of an operation, 0 without a limit."""
        return self._local.interval_s(operation)

    async def aclose(self) -> None:
        """Leave the store. The last client of the loop tells it of the last penalties, and closes it."""
        share, self._share, self._closed = self._share, None, True
        if share is None:
            return
        for hook in self._hooks:
            if hook in share.hooks:
                share.hooks.remove(hook)
        share.users -= 1
        if not share.users:
            shares = _SHARES.get(asyncio.get_running_loop(), {})
            shares.pop((repr(self._allowance), self._account), None)
            await share.close()

    def _bound(self) -> Share:
        """Return this loop's share of the account."""
        if self._share is None:
            if self._closed:
                raise ConfigError("this client is closed")
            shares = _SHARES.setdefault(asyncio.get_running_loop(), {})
            name = repr(self._allowance), self._account
            if name not in shares:
                # Made here and not with the client: a forked process is another member.
                member = f"{os.getpid()}-{secrets.token_hex(6)}"
                shares[name] = Share(
                    self._allowance, self._account, member=member, penalties=self._local, clock=self._clock
                )
            self._share = shares[name]
            self._share.users += 1
            self._share.hooks.extend(self._hooks)
        return self._share
