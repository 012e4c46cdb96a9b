"""Whether and when a failed attempt is made again: a pure decision, on backoff's wait generators and jitter."""

from collections.abc import Iterator

import backoff
import msgspec

from xoxo_async.errors import ConfigError, RateLimitedError, ServerError, TransportError, XoxoError
from xoxo_async.operation import EffectClass

__all__ = ["RetryPolicy"]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently an attempt is repeated.

    What may be repeated is not a setting. A read is repeated after any failure that another try may cure. An
    operation that moves money is repeated only after proof that nothing was processed: the server was never
    reached, or it refused for its rate limit.

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
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigError(f"RetryPolicy.attempts must be a whole number from 1, not {self.attempts!r}")
        if not 0 <= self.base_s <= self.max_s < float("inf"):
            raise ConfigError("RetryPolicy: 0 <= base_s <= max_s must hold")

    def waits(self) -> Iterator[float]:
        """Return the waits of one call, longer each time; made only once something failed."""
        waits = backoff.expo(factor=self.base_s, max_value=self.max_s)
        next(waits)  # backoff's generators are started by a first value that is no wait
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
        if attempt >= self.attempts or not _may_repeat(error, effect):
            return None
        wait = next(waits)
        if isinstance(error, RateLimitedError) and error.retry_after_s is not None:
            # The vendor's penalty is a floor, not a hint: a call before its end starts another penalty.
            return error.retry_after_s + wait
        return wait


def _may_repeat(error: XoxoError, effect: EffectClass) -> bool:
    if error.effect == "none" and error.retryable:
        return True
    return effect is EffectClass.READ and isinstance(error, ServerError | TransportError)
