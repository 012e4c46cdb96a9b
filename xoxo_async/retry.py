"""When a failed attempt is made again: pure decisions, with backoff's wait generators and jitter."""

from collections.abc import Iterator
from typing import Final

import backoff
import msgspec

from xoxo_async.config import check_count, check_number
from xoxo_async.consequences import EffectClass, may_repeat
from xoxo_async.errors import ConfigError, RateLimitedError, ReplyTimeoutError, XoxoError

__all__ = ["RetryPolicy", "RetryQuota"]


_RETRY_COST: Final = 5
_RETRY_COST_SLOW: Final = 10


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently an attempt is repeated.

    What may be repeated is not a setting (see `consequences.may_repeat`). A read is repeated after any failure that
    may pass. An operation that moves money is repeated only after proof that nothing was processed: the server was
    never reached, or it refused because of its rate limit.

    Attributes:
        attempts: HTTP attempts of one call, the first included.
        base_s: The first wait; doubled each time, with full jitter.
        max_s: The longest wait.

    Raises:
        ConfigError: When a value makes no sense.
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
        """Return the waits of one call, longer each time; a call asks for them only once it has failed."""
        waits = backoff.expo(factor=self.base_s, max_value=self.max_s)
        next(waits)  # a generator of backoff's yields None first
        return (backoff.full_jitter(wait) for wait in waits)

    def wait_after(self, error: XoxoError, effect: EffectClass, attempt: int, waits: Iterator[float]) -> float | None:
        """Decide what follows a failed attempt.

        Args:
            error: What ended it.
            effect: What the operation may change.
            attempt: Which attempt it was, from 1.
            waits: The call's waits, from `waits()`.

        Returns:
            Seconds to wait before the next attempt, or None to give up and raise the error.
        """
        if attempt >= self.attempts or not may_repeat(error, effect):
            return None
        wait = next(waits)
        if isinstance(error, RateLimitedError) and error.retry_after_s is not None:
            # The vendor's penalty is a lower bound: a call before its end starts another penalty.
            return error.retry_after_s + wait
        return wait


class RetryQuota:
    """A bucket of retries that a client's calls share, so that an outage causes less traffic and not more.

    A retry costs more than a success gives back. So retries go on as long as most calls succeed.

    Args:
        capacity: How many may be taken before anything is given back.

    Attributes:
        spent: How much of the bucket is taken; 0 as long as nothing failed.
    """

    __slots__ = ("_capacity", "spent")

    def __init__(self, capacity: int = 500) -> None:
        self._capacity: Final = capacity
        self.spent: int = 0

    def take(self, error: XoxoError) -> bool:
        """Pay for a retry; return whether there was enough left.

        Args:
            error: What ended the attempt. A rate limit is no outage, and its retry costs nothing.
        """
        if isinstance(error, RateLimitedError):
            return True
        cost = _RETRY_COST_SLOW if isinstance(error, ReplyTimeoutError) else _RETRY_COST
        if self.spent + cost > self._capacity:
            return False
        self.spent += cost
        return True

    def succeeded(self) -> None:
        """Give a little back."""
        self.spent = max(self.spent - 1, 0)
