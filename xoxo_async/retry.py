"""Decide when a failed attempt is made again. The decisions are pure; backoff computes the waits and their jitter."""

from collections.abc import Iterator
from typing import Final

import msgspec

from xoxo_async.config import check_count, check_number
from xoxo_async.consequences import may_repeat
from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConfigError, RateLimitedError, ReplyTimeoutError, XoxoError

__all__ = ["RetryPolicy", "RetryQuota"]


_RETRY_COST: Final = 5
"""What a retry takes from the quota. A success gives 1 back, so in the long run one call in five can be retried."""

_RETRY_COST_SLOW: Final = 10
"""What a retry after a timeout takes: it held a connection for the whole timeout before it failed."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The number of attempts, and the waits between them.

    `consequences.may_repeat` decides which calls are repeated; no setting changes that. A read is repeated after any
    failure that may pass. An operation that moves money is repeated only after proof that nothing was processed: the
    request did not reach the server, or the server refused because of its rate limit.

    Attributes:
        attempts: HTTP attempts of one call, the first included.
        base_s: The upper bound of the first wait, in seconds. It doubles each time; the wait is random below it.
        max_s: The upper bound of every wait, in seconds.

    Raises:
        ConfigError: A value is wrong.
    """

    attempts: int = 3
    base_s: float = 0.5
    max_s: float = 20.0

    def __post_init__(self) -> None:
        check_count("RetryPolicy.attempts", self.attempts)
        check_number("RetryPolicy.base_s", self.base_s, zero=True)
        check_number("RetryPolicy.max_s", self.max_s, zero=True)
        if self.base_s > self.max_s:
            raise ConfigError("RetryPolicy: 0 <= base_s <= max_s must hold")

    def waits(self) -> Iterator[float]:
        """Return the waits of one call, with bounds that double. A call makes them only after it has failed."""
        import backoff  # noqa: PLC0415 - most calls do not fail

        waits = backoff.expo(factor=self.base_s, max_value=self.max_s)
        next(waits)  # a generator of backoff's yields None first
        # Full jitter spreads the retries of many clients after an outage, so that they do not come all at once.
        return (backoff.full_jitter(wait) for wait in waits)

    def wait_after(self, error: XoxoError, effect: EffectClass, attempt: int, waits: Iterator[float]) -> float | None:
        """Decide what follows a failed attempt.

        Args:
            error: The error that ended it.
            effect: What the operation may change.
            attempt: The number of the attempt, from 1.
            waits: The call's waits, from `waits()`.

        Returns:
            Seconds to wait before the next attempt, or None to give up and raise the error.
        """
        if attempt >= self.attempts or not may_repeat(error, effect):
            return None
        wait = next(waits)
        if isinstance(error, RateLimitedError) and error.retry_after_s is not None:
            # The vendor's penalty is a lower bound, because a call before its end starts another penalty.
            return error.retry_after_s + wait
        return wait


class RetryQuota:
    """A quota of retries that a client's calls share, so that an outage causes less traffic and not more.

    A retry costs more than a success gives back. So retries go on as long as most calls succeed.

    Args:
        capacity: The cost of all retries that may be made before a call succeeds.

    Attributes:
        spent: The part of the quota that is used up; 0 while nothing has failed.
    """

    __slots__ = ("_capacity", "spent")

    def __init__(self, capacity: int = 500) -> None:
        self._capacity: Final = capacity
        self.spent: int = 0

    def take(self, error: XoxoError) -> bool:
        """Take the cost of a retry, and return whether the quota allows the retry.

        Args:
            error: The error that ended the attempt. A retry after a rate limit costs nothing, because the vendor works.
        """
        if isinstance(error, RateLimitedError):
            return True
        cost = _RETRY_COST_SLOW if isinstance(error, ReplyTimeoutError) else _RETRY_COST
        if self.spent + cost > self._capacity:
            return False
        self.spent += cost
        return True

    def succeeded(self) -> None:
        """Give 1 back to the quota."""
        self.spent = max(self.spent - 1, 0)
