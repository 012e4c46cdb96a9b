"""Refused tokens and failed token requests of an account, shared by all its clients in the process."""

import copy
import math
import threading
import time
from datetime import UTC, datetime
from typing import Final

from xoxo_async.errors import RateLimitedError, TokenRejectedError, XoxoError
from xoxo_async.kept import Kept, lock_of

__all__ = ["TROUBLES", "Troubles"]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 300.0
_FAILURE_REMEMBERED_S: Final = 30.0
"""The longest time for which failed token requests keep every client from asking again."""

_REMEMBERED_S: Final = 600.0
"""How long after the last wait a refusal still counts as one in a row. It is more than the longest wait."""


class Troubles:
    """Refused tokens and failed token requests of one account, for all its clients in this process.

    The vendor invalidates the tokens of an account that asks the token endpoint too often. So all clients wait
    together, and longer each time. Times are monotonic unless said otherwise.
    """

    __slots__ = (
        "__weakref__",
        "_failure",
        "_failures",
        "_refusals",
        "_refused_at",
        "_since",
        "_until",
        "given_up",
        "lock",
        "next_at",
    )

    def __init__(self) -> None:
        self.lock: threading.Lock = lock_of(self)
        self._refusals = 0
        self._since = 0.0  # epoch seconds
        self._refused_at = -math.inf
        self._until = -math.inf
        self._failure: XoxoError | None = None
        self._failures = 0
        self.next_at: float = -math.inf
        self.given_up: bool = False

    def runs_out_at(self) -> float:
        """Return from when on a new client may start without this record."""
        refusals = self._until + _REMEMBERED_S if self._refusals else -math.inf
        return max(refusals, self.next_at + _REMEMBERED_S if self._failures else self.next_at)

    # Tokens that are refused as soon as they are issued.

    def refused(self, *, worked: bool, had_since: float, now: float, wall: float) -> None:
        """Note that the vendor refused a token.

        The first refusal in a row causes no wait: the token may be an old one from a store, or somebody revoked it.

        Args:
            worked: Whether the vendor accepted it before. Then somebody revoked it, and new tokens are fine.
            had_since: When the client got it. Where several clients share a token, only the first refusal counts.
            now: The time.
            wall: The time in epoch seconds, for the error's text.
        """
        with self.lock:
            if worked:
                self._refusals = 0
                return
            if had_since < self._refused_at:
                return
            if self._refusals == 0 or now > self._until + _REMEMBERED_S:
                self._refusals, self._since, self._until = 0, wall, now
            self._refusals += 1
            self._refused_at = now
            if self._refusals > 1:
                self._until = now + min(_FIRST_WAIT_S * 2.0 ** (self._refusals - 2), _LONGEST_WAIT_S)

    def refusal(self, now: float, wall: float) -> TokenRejectedError | None:
        """Return the error for a call that needs a new token while none may be requested; None where one may.

        Args:
            now: The time.
            wall: The time in epoch seconds.
        """
        left = self._until - now
        if left <= 0 or self._refusals < 2:
            return None
        return TokenRejectedError(
            f"the vendor refuses its own new tokens: {self._refusals} in a row since {_clock(self._since)}; the next "
            f"one is asked for at {_clock(wall + left)}, in {left:.0f} s",
            retryable=True,
        )

    # Token requests that fail.

    def failed(self, error: XoxoError, until: float) -> None:
        """Note that a token request failed, and that the client will ask again.

        Args:
            error: What the calls that needed the token raise.
            until: No client asks before this time.
        """
        with self.lock:
            self._failure, self.next_at, self.given_up = error, until, False

    def given_up_on(self, error: XoxoError, now: float) -> float:
        """Note that a client gave up after failed token requests; return for how many seconds no client asks.

        Args:
            error: What the calls that needed the token raise.
            now: The time.
        """
        with self.lock:
            self._failures += 1
            wait = min(_FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 10), _FAILURE_REMEMBERED_S)
            self._failure, self.next_at, self.given_up = error, now + wait, True
            return wait

    def succeeded(self) -> None:
        """Note that a token was obtained."""
        with self.lock:
            self._failure, self._failures, self.next_at, self.given_up = None, 0, -math.inf, False

    def failure(self, now: float) -> XoxoError | None:
        """Return the error of the last token request while no client may ask again, None otherwise.

        Args:
            now: The time.
        """
        with self.lock:
            failure, left = self._failure, self.next_at - now
        return remembered(failure, left) if failure is not None and left > 0 else None


def remembered(failure: XoxoError, left_s: float) -> XoxoError:
    """Return an error to be raised once more, with a traceback of its own.

    Args:
        failure: The error.
        left_s: Seconds until another token request may be made.
    """
    error = copy.copy(failure).with_traceback(None)
    if isinstance(error, RateLimitedError):
        error.retry_after_s = max(left_s, 0.0)
    return error


def _clock(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a clock that is wrong beyond all bounds
        return "an unknown time"


# Module state: the vendor counts by account, not by client object (as in `pacing.py`).
TROUBLES: Final = Kept(Troubles, time.monotonic)
