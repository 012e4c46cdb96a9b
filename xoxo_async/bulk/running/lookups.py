"""Look-ups of many lines: a few at a time, each line's failures by themselves, and an end when nothing comes of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import anyio

from xoxo_async.bulk.ledger.lines import Change, LedgerLine
from xoxo_async.bulk.report import Pause
from xoxo_async.bulk.running.circuit import LATE
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.sender import PROBE
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ApiError, AuthError, NotFoundError, RateLimitedError, XoxoError
from xoxo_async.services.orders import GET_ORDER, GET_ORDER_HISTORY

__all__ = ["LookUps", "Round"]

_AT_ONCE: Final = 8
_FIRST_WAIT_S: Final = 2.0
_LONGEST_WAIT_S: Final = 15.0
_WATCH_EVERY_S: Final = 0.25
_A_DAY_S: Final = 24 * 3600.0
"""What still fails after this is no outage: then a line's failures are its own, whether or not others fail as well."""


class Round(NamedTuple):
    """What a round of look-ups brought.

    Attributes:
        changes: The facts to record.
        failed: The lines whose look-up failed for a reason of their own, and the error of each.
    """

    changes: list[Change]
    failed: list[tuple[LedgerLine, XoxoError]]


class LookUps:
    """Make look-ups, and tell a line that cannot be looked up from a vendor who answers nobody.

    A look-up that fails is the line's own matter when the vendor answers others, or a probe: then only this line has
    to wait. When nobody is answered (an outage, an account that was switched off), or a penalty holds all look-ups
    back, all wait, and after the pause limit they are given up: `pause` and `reason` say why.

    Args:
        client: Looks up; within the look-up allowance, which is shared with everything else on the client.
        progress: Where waits are told.
        stopped: Set when the run should end.
        pause_limit_s: How long a vendor who answers nobody, or holds look-ups back, is waited for.
        wall: The wall clock, in epoch seconds.
    """

    def __init__(
        self,
        client: XoxoClient,
        *,
        progress: Progress,
        stopped: anyio.Event,
        pause_limit_s: float,
        wall: Callable[[], float],
    ) -> None:
        self.failure: XoxoError | None = None
        self.pause: Pause = Pause.NONE
        self.reason: str = ""
        self.quiet_until: float = 0.0
        """Nobody is looked up before this, in epoch seconds."""
        self._client: Final = client
        self._progress: Final = progress
        self._stopped: Final = stopped
        self._pause_limit_s: Final = pause_limit_s
        self._wall: Final = wall
        self._silent_since: float | None = None
        self._silent_rounds = 0
        self._held_since: float | None = None
        self._unanswered = 0  # look-ups without an answer since the last one
        self._anybody = False  # whether this round has had an answer

    @property
    def is_over(self) -> bool:
        """Whether no further look-up should be made."""
        return bool(self.pause) or self._stopped.is_set()

    def begin(self) -> None:
        """Have patience again: what gave up an earlier stretch may have passed."""
        self.pause, self.reason, self.quiet_until = Pause.NONE, "", 0.0
        self._silent_since = self._held_since = None
        self._silent_rounds = self._unanswered = 0

    async def make(self, lines: Sequence[LedgerLine], look: Callable[[LedgerLine], Awaitable[Change | None]]) -> Round:
        """Look every line up once, as far as that goes.

        Args:
            lines: The lines.
            look: Looks one up; returns the fact to record, None for no news.
        """
        changes: list[Change] = []
        failed: list[tuple[LedgerLine, XoxoError]] = []
        places = anyio.Semaphore(_AT_ONCE)
        began = self._wall()

        async def one(line: LedgerLine) -> None:
            async with places:
                if self.is_over or self._unanswered >= _AT_ONCE or self._wall() < self.quiet_until:
                    return
                try:
                    change = await look(line)
                except XoxoError as error:
                    self.failure = error
                    if not self._concerns_all(error):
                        self._unanswered += 1
                        failed.append((line, error))
                else:
                    self._answered()
                    if change is not None:
                        changes.append(change)

        self._anybody = False
        own: list[tuple[LedgerLine, XoxoError]] = []
        async with anyio.create_task_group() as around:
            around.start_soon(self._watch, around.cancel_scope)
            async with anyio.create_task_group() as group:
                for line in lines:
                    group.start_soon(one, line)
            if failed and not self.is_over:
                own = await self._sort(failed, began)
            around.cancel_scope.cancel()
        return Round(changes, own)

    async def _sort(
        self, failed: list[tuple[LedgerLine, XoxoError]], began: float
    ) -> list[tuple[LedgerLine, XoxoError]]:
        """Return the failures that are their lines' own."""
        if self._anybody or await self._answers_a_probe():
            self._answered()
            return failed
        self._fall_silent(began)
        return [(line, error) for line, error in failed if self._is_old(line) and isinstance(error, ApiError)]

    def _is_old(self, line: LedgerLine) -> bool:
        return line.last_sent_tick is not None and self._wall() - line.last_sent_tick > _A_DAY_S

    async def _answers_a_probe(self) -> bool:
        """Return whether the vendor answers a look-up of an order that does not exist."""
        try:
            await self._client.orders.find(PROBE)
        except NotFoundError:
            return True
        except XoxoError:
            return False
        return True

    def _answered(self) -> None:
        self._anybody = True
        self._silent_since = self._held_since = None
        self._silent_rounds = self._unanswered = 0
        self._progress.wait = ""

    def _fall_silent(self, began: float) -> None:
        """Let everybody wait, longer each time; give up once the vendor has been silent for too long."""
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
        """Draw what a failure means for every look-up; return whether that is all that it means."""
        if isinstance(error, AuthError) and not error.retryable:
            self.pause, self.reason = Pause.CREDENTIALS, f"look-ups fail: {error.message}"
            return True
        if isinstance(error, RateLimitedError) and error.operation != GET_ORDER_HISTORY.name:
            self._hold(error.retry_after_s or 1.0)
            return True
        return False

    # Penalties.

    async def _watch(self, looks: anyio.CancelScope) -> None:
        """End look-ups that nothing will come of: a call may wait for a penalty's end for minutes, and says nothing."""
        while not self.is_over:
            held_s = await self._held_s()
            if held_s > 0:
                self._hold(held_s)
            await anyio.sleep(_WATCH_EVERY_S)
        looks.cancel()

    async def _held_s(self) -> float:
        """Return for how many seconds look-ups are held back, or the token that they need."""
        dispatcher = self._client.dispatcher
        try:
            await dispatcher.authorise()
        except RateLimitedError as error:
            return error.retry_after_s or 1.0
        except XoxoError:
            pass  # the look-ups meet it themselves, and say what it means
        return dispatcher.pacer.blocked_s(GET_ORDER.name)

    def _hold(self, held_s: float) -> None:
        """Let everybody wait for the end of a penalty; give up where that comes too late."""
        now = self._wall()
        self._held_since = now if self._held_since is None else self._held_since
        until = clock_time(now + held_s, now)
        if now + held_s - self._held_since > self._pause_limit_s * LATE:
            limit = f"the {self._pause_limit_s:g} s that this run waits"
            self.pause = Pause.RATE
            self.reason = f"look-ups are held back by the vendor until {until}, for longer than {limit}"
            return
        self.quiet_until = max(self.quiet_until, now + held_s)
        self._progress.wait = f"held back by the vendor until {until}"


def _words(error: XoxoError | None) -> str:
    return error.message if error is not None else ""
