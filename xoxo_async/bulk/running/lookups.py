"""Look-ups of many lines: a few at a time, with an end when the vendor answers none of them."""

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final

import anyio

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.lines import Change, LedgerLine
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.circuit import PENALTY_TOLERANCE, PROBE_PO_NUMBER
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.rounds import Round
from xoxo_async.consequences import is_answer
from xoxo_async.errors import AuthError, NotFoundError, RateLimitedError, XoxoError
from xoxo_async.services.orders.operations import GET_ORDER, GET_ORDER_HISTORY

__all__ = ["LookUps"]

_AT_ONCE: Final = 8
"""Look-ups at once, and failures in a row after which a round ends: each of them uses the allowance of 200 a minute
(wire documentation § 5)."""
_FIRST_WAIT_S: Final = 2.0
_LONGEST_WAIT_S: Final = 15.0
_WATCH_EVERY_S: Final = 0.25
_A_DAY_S: Final = 24 * 3600.0
"""An outage does not last a day. A look-up that still fails then is its line's own failure, even if others fail too."""


class LookUps:
    """Make look-ups, and separate failures of single lines from a vendor who answers no look-up.

    A failed look-up is the line's own failure if the vendor answers other look-ups, or a probe: then only this line
    waits. If no look-up is answered (an outage, an account that was switched off), or a penalty stops all of them, all
    lines wait. After the pause limit look-ups are given up: `pause` and `reason` have the cause.

    Args:
        client: Looks up, within the look-up allowance, which is shared with everything else on the client.
        progress: Shows what the run waits for.
        stopped: Set when the run should end.
        pause_limit_s: Seconds to wait for a vendor who answers no look-up, or for the end of a penalty.
        penalised: Called with the name of the calls and the seconds of the penalty, once for each penalty.
        wall: The ledger's clock, in seconds.
    """

    def __init__(
        self,
        client: BulkClient,
        *,
        progress: Progress,
        stopped: anyio.Event,
        pause_limit_s: float,
        penalised: Callable[[str, float], None] = lambda _what, _wait_s: None,
        wall: Callable[[], float],
    ) -> None:
        self.failure: XoxoError | None = None
        self.pause: Pause = Pause.NONE
        self.reason: str = ""
        self.quiet_until: float = 0.0
        """No line is looked up before this time."""
        self.ends_at: float = inf
        """When look-ups are cut off, by the event loop's clock."""
        self._client: Final = client
        self._progress: Final = progress
        self._stopped: Final = stopped
        self._pause_limit_s: Final = pause_limit_s
        self._penalised: Final = penalised
        self._wall: Final = wall
        self._silent_since: float | None = None
        self._silent_rounds = 0
        self._held_since: float | None = None
        self._unanswered = 0  # look-ups since the last answer
        self._answered_once = False  # whether this round has had an answer

    @property
    def is_over(self) -> bool:
        """Whether no further look-up should be made."""
        return bool(self.pause) or self._stopped.is_set() or anyio.current_time() >= self.ends_at

    def begin(self) -> None:
        """Restart the pause limit: the trouble that ended earlier look-ups may have passed."""
        self.pause, self.reason, self.quiet_until = Pause.NONE, "", 0.0
        self._silent_since = self._held_since = None
        self._silent_rounds = self._unanswered = 0

    async def make(self, lines: Sequence[LedgerLine], look: Callable[[LedgerLine], Awaitable[Change | None]]) -> Round:
        """Look up every line once, until look-ups are given up or held back.

        Args:
            lines: The lines.
            look: Looks up one line; returns the fact to record, None if there is none.

        Returns:
            The facts, and the lines with a failure of their own.
        """
        found = Round([], [])
        places = anyio.Semaphore(_AT_ONCE)
        began = self._wall()
        self._answered_once = False
        own: list[tuple[LedgerLine, XoxoError]] = []
        async with anyio.create_task_group() as around:
            around.cancel_scope.deadline = self.ends_at
            around.start_soon(self._watch_penalties, around.cancel_scope)
            async with anyio.create_task_group() as group:
                for line in lines:
                    group.start_soon(self._look_up, line, look, places, found)
            if found.failed and not self.is_over:
                own = await self._own_failures(found.failed, began)
            around.cancel_scope.cancel()
        return Round(found.changes, own)

    async def _look_up(
        self,
        line: LedgerLine,
        look: Callable[[LedgerLine], Awaitable[Change | None]],
        places: anyio.Semaphore,
        found: Round,
    ) -> None:
        """Look up one line as soon as a place is free, unless look-ups are over or held back by then."""
        async with places:
            if self.is_over or self._unanswered >= _AT_ONCE or self._wall() < self.quiet_until:
                return
            try:
                change = await look(line)
            except XoxoError as error:
                self.failure = error
                if not self._concerns_all(error):
                    self._unanswered += 1
                    found.failed.append((line, error))
            else:
                self._answered()
                if change is not None:
                    found.changes.append(change)

    async def _own_failures(
        self, failed: list[tuple[LedgerLine, XoxoError]], began: float
    ) -> list[tuple[LedgerLine, XoxoError]]:
        """Return the failures that concern single lines only."""
        if self._answered_once or await self._answers_a_probe():
            self._answered()
            return failed
        self._fall_silent(began)
        return [(line, error) for line, error in failed if self._is_old(line) and is_answer(error)]

    def _is_old(self, line: LedgerLine) -> bool:
        return line.last_sent_tick is not None and self._wall() - line.last_sent_tick > _A_DAY_S

    async def _answers_a_probe(self) -> bool:
        """Return whether the vendor answers a look-up of an order that does not exist."""
        try:
            await self._client.orders.find(PROBE_PO_NUMBER)
        except NotFoundError:
            return True
        except XoxoError:
            return False
        return True

    def _answered(self) -> None:
        self._answered_once = True
        self._silent_since = self._held_since = None
        self._silent_rounds = self._unanswered = 0
        self._progress.wait = ""

    def _fall_silent(self, began: float) -> None:
        """Let all lines wait, longer each time; give up once the vendor has been silent for too long."""
        now = self._wall()
        self._silent_since = began if self._silent_since is None else self._silent_since
        left = self._silent_since + self._pause_limit_s - now
        if left <= 0:
            self.pause, self.reason = Pause.UNREACHABLE, f"look-ups fail: {_words(self.failure)}"
            return
        wait_s = min(_FIRST_WAIT_S * 2**self._silent_rounds, _LONGEST_WAIT_S, left)
        self._silent_rounds += 1
        self._unanswered = 0
        self.quiet_until = now + wait_s
        ends = clock_time(now + left, now)
        self._progress.wait = f"waiting for look-ups to be answered, until {ends} at most ({_words(self.failure)})"

    def _concerns_all(self, error: XoxoError) -> bool:
        """Act on a failure that every look-up would meet; return whether it is one."""
        # Not `needs_a_person`: a ConfigError may be about one line's poNumber.
        if isinstance(error, AuthError) and not error.retryable:
            self.pause, self.reason = Pause.CREDENTIALS, f"look-ups fail: {error.message}"
            return True
        # Each operation has its own limit (wire documentation § 5), so a penalty on the history concerns its own line
        # only.
        if isinstance(error, RateLimitedError) and error.operation != GET_ORDER_HISTORY.name:
            self._hold(error.retry_after_s or 1.0)
            return True
        return False

    # Penalties.

    async def _watch_penalties(self, scope: anyio.CancelScope) -> None:
        """Cancel the look-ups once they are given up.

        A call that waits for the end of a penalty does not return for minutes, so penalties are read from the pacer.
        """
        while not self.is_over:
            held_s = await self._held_s()
            if held_s > 0:
                self._hold(held_s)
            await anyio.sleep(_WATCH_EVERY_S)
        scope.cancel()

    async def _held_s(self) -> float:
        """Return for how many seconds look-ups are held back, or the token that they need."""
        dispatcher = self._client.dispatcher
        try:
            await dispatcher.authorise()
        except RateLimitedError as error:
            return error.retry_after_s or 1.0
        except XoxoError:
            pass  # The look-ups meet the same error, and `_concerns_all` acts on it.
        return dispatcher.pacer.blocked_s(GET_ORDER.name)

    def _hold(self, held_s: float) -> None:
        """Let all lines wait for the end of a penalty; give up if it ends too late."""
        now = self._wall()
        self._held_since = now if self._held_since is None else self._held_since
        until = clock_time(now + held_s, now)
        if now + held_s - self._held_since > self._pause_limit_s * PENALTY_TOLERANCE:
            limit = f"the {self._pause_limit_s:g} s that this run waits"
            self.pause = Pause.RATE
            self.reason = f"look-ups are held back by the vendor until {until}, for longer than {limit}"
            return
        if now >= self.quiet_until:  # otherwise this penalty was reported before
            self._penalised("look-ups", held_s)
        self.quiet_until = max(self.quiet_until, now + held_s)
        self._progress.wait = f"held back by the vendor until {until}"


def _words(error: XoxoError | None) -> str:
    return error.message if error is not None else ""
