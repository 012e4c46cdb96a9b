"""The record of an account's refused tokens and failed token requests, for all its clients in the process."""

import copy
import math
import threading
import time
from datetime import UTC, datetime
from typing import Final

from xoxo_async.errors import RateLimitedError, TokenRejectedError, XoxoError
from xoxo_async.kept import Kept, fork_safe_lock

__all__ = ["TROUBLES", "Troubles", "copy_of", "raised_again"]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 300.0
"""The bounds of the wait after refused tokens, which doubles with each refusal."""

_FAILURE_REMEMBERED_S: Final = 30.0
"""The longest time without a token request after failed ones."""

_REMEMBERED_S: Final = 600.0
"""How long after the last wait a refusal still belongs to the row. It is more than the longest wait."""


class Troubles:
    """The refused tokens and failed token requests of one account, for all its clients in this process.

    The vendor may invalidate the tokens of an account with too many token requests (wire documentation § 3.4). So all
    clients wait for the same time, and longer after each failure. Times are monotonic unless said otherwise.
    """

    __slots__ = (
        "__weakref__",
        "_failure",
        "_failures",
        "_first_refused_at",
        "_refusals",
        "_refused_at",
        "_wait_until",
        "given_up",
        "lock",
        "next_at",
    )

    def __init__(self) -> None:
        self.lock: threading.Lock = fork_safe_lock(self)
        self._refusals = 0
        self._first_refused_at = 0.0  # epoch seconds
        self._refused_at = -math.inf
        self._wait_until = -math.inf
        self._failure: XoxoError | None = None
        self._failures = 0
        self.next_at: float = -math.inf
        self.given_up: bool = False

    def runs_out_at(self) -> float:
        """Return the time from which a new client may start without this record."""
        refusals = self._wait_until + _REMEMBERED_S if self._refusals else -math.inf
        return max(refusals, self.next_at + _REMEMBERED_S if self._failures else self.next_at)

    # Tokens that are refused as soon as they are issued.

    def refused(self, *, worked: bool, received_at: float, now: float, wall: float) -> None:
        """Record that the vendor refused a token.

        The first refusal of a row causes no wait, because the token may be an old one from a store.

        Args:
            worked: Whether the vendor accepted the token before. Then a person revoked it, and new tokens work.
            received_at: When the client got the token. Where several clients share one, only the first refusal counts.
            now: The present time.
            wall: The present time in epoch seconds, for the error's text.
        """
        with self.lock:
            if worked:
                self._refusals = 0
                return
            if received_at < self._refused_at:
                return
            if self._refusals == 0 or now > self._wait_until + _REMEMBERED_S:
                self._refusals, self._first_refused_at, self._wait_until = 0, wall, now
            self._refusals += 1
            self._refused_at = now
            if self._refusals > 1:
                self._wait_until = now + min(_FIRST_WAIT_S * 2.0 ** (self._refusals - 2), _LONGEST_WAIT_S)

    def refusal(self, now: float, wall: float) -> TokenRejectedError | None:
        """Return the error for a call that needs a new token while none may be requested, otherwise None.

        Args:
            now: The present time.
            wall: The present time in epoch seconds.
        """
        left = self._wait_until - now
        if left <= 0 or self._refusals < 2:
            return None
        return TokenRejectedError(
            f"the vendor refuses its own new tokens: {self._refusals} in a row since {_utc(self._first_refused_at)}; "
            f"the next one is requested at {_utc(wall + left)}, in {left:.0f} s",
            retryable=True,
        )

    # Token requests that fail.

    def failed(self, error: XoxoError, until: float) -> None:
        """Record that a token request failed and that the client makes another one.

        Args:
            error: The error for the calls that need the token.
            until: The time before which no client makes a request.
        """
        with self.lock:
            self._failure, self.next_at, self.given_up = error, until, False

    def given_up_on(self, error: XoxoError, now: float) -> float:
        """Record that a client gave up, and return the seconds in which no client makes a token request.

        Args:
            error: The error for the calls that need the token.
            now: The present time.
        """
        with self.lock:
            self._failures += 1
            wait = min(_FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 10), _FAILURE_REMEMBERED_S)
            self._failure, self.next_at, self.given_up = error, now + wait, True
            return wait

    def succeeded(self) -> None:
        """Record that a token was obtained."""
        with self.lock:
            self._failure, self._failures, self.next_at, self.given_up = None, 0, -math.inf, False

    def failure(self, now: float) -> XoxoError | None:
        """Return the error of the last token request while no client may make another one, otherwise None.

        Args:
            now: The present time.
        """
        with self.lock:
            failure, left = self._failure, self.next_at - now
        return raised_again(failure, left) if failure is not None and left > 0 else None


def copy_of(failure: XoxoError) -> XoxoError:
    """Return a copy of an error, with its cause and without its traceback.

    Args:
        failure: The error.
    """
    error = copy.copy(failure).with_traceback(None)
    error.__cause__ = failure.__cause__  # a plain copy has none
    return error


def raised_again(failure: XoxoError, left_s: float = 0.0) -> XoxoError:
    """Return a copy of an error, which is raised once more: with a traceback of its own, and without its first call.

    Args:
        failure: The error. The call that met it first has put its operation and its poNumber on it.
        left_s: Seconds until another token request may be made.
    """
    error = copy_of(failure)
    error.operation, error.attempts, error.po_number, error.call_id = "", 0, None, ""
    if isinstance(error, RateLimitedError):
        error.retry_after_s = max(left_s, 0.0)
    return error


def _utc(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # the clock is outside the years that a calendar has
        return "an unknown time"


# Module state, as in `pacing.py`, because the vendor counts by account and not by client object.
TROUBLES: Final = Kept(Troubles, time.monotonic)
