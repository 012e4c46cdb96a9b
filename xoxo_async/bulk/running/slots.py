"""Wait until calls may be sent: for a token, for rate slots, and for the end of a penalty."""

from collections.abc import Callable
from typing import Final

from xoxo_async.bulk.client import SingleAttempts
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.circuit import PENALTY_TOLERANCE
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.errors import RateLimitedError, XoxoError

__all__ = ["CallSlots"]


class CallSlots:
    """Take the rate slots of the calls of a run, and pause the run if a penalty lasts too long.

    Args:
        dispatcher: Its pacer gives the slots, and it renews the token.
        operation: The call, by the name that the pacer knows.
        what: The same in words, such as `orders`.
        stop: Set when a penalty lasts too long. All waits end when it is set.
        progress: Shows what the run waits for.
        pause_limit_s: Seconds to wait for the end of a penalty.
        penalised: Called with the name of the calls and the seconds of the penalty, once for each wait.
        clock: A monotonic clock.
        wall: The clock for times that people see.
    """

    def __init__(
        self,
        dispatcher: SingleAttempts,
        operation: str,
        what: str,
        stop: StopSignal,
        progress: Progress,
        *,
        pause_limit_s: float,
        penalised: Callable[[str, float], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._dispatcher: Final = dispatcher
        self._operation: Final = operation
        self._what: Final = what
        self._stop: Final = stop
        self._progress: Final = progress
        self._pause_limit_s: Final = pause_limit_s
        self._penalised: Final = penalised
        self._clock: Final = clock
        self._wall: Final = wall
        self._slot_due: float | None = None  # the slot that is reserved and not taken
        self._no_token_since: float | None = None

    @property
    def held_back(self) -> bool:
        """Whether a penalty on the calls lasts now."""
        return self._dispatcher.pacer.is_blocked(self._operation)

    async def authorise(self) -> None:
        """Get a token before slots are taken.

        Slots that fall due while the token is renewed would all be used at once, as a burst. While the token endpoint
        imposes penalties, the run takes no line at all. Penalties in a row count together: many short ones delay a run
        as much as one long one.
        """
        while not self._stop.pause:
            try:
                await self._dispatcher.authorise()
            except RateLimitedError as error:
                now = self._clock()
                self._no_token_since = now if self._no_token_since is None else self._no_token_since
                wait_s = error.retry_after_s or 1.0
                who = f"the token endpoint: {error.message}"
                if self._bears(wait_s, now - self._no_token_since, who):
                    await self._serve("tokens", wait_s)
            except XoxoError:
                return  # The attempt of the next line meets the same error, and the sender acts on it.
            else:
                self._no_token_since = None
                return

    async def take(self, wanted: int) -> int:
        """Take up to `wanted` slots that are due, waiting for the first.

        Args:
            wanted: How many.

        Returns:
            How many were taken; none once the run is stopped.
        """
        pacer, operation, slots = self._dispatcher.pacer, self._operation, 0
        while slots < wanted and not self._stop.pause:
            if pacer.is_free(operation):
                return wanted
            now = self._clock()
            if self._slot_due is None or pacer.is_blocked(operation):
                if slots and not pacer.knows_next(operation):
                    break  # the slots in hand are due: they do not wait for a store's answer
                # A slot that was reserved before a penalty lies within it, and cannot be used.
                wait_s = await self._stop.unless_set(pacer.next_slot(operation))
                if wait_s is None:
                    break
                now = self._clock()
                self._slot_due = now + wait_s
            if self._slot_due > now:
                if slots:
                    break
                await self._wait_for_slot(self._slot_due - now)
                continue
            self._slot_due = None
            slots += 1
        return 0 if self._stop.pause else slots

    async def _wait_for_slot(self, wait_s: float) -> None:
        """Wait until the slot is due; pause the run if a penalty delays it for too long."""
        pacer, operation = self._dispatcher.pacer, self._operation
        held_s = pacer.blocked_s(operation)
        # A run waits one interval after the last order of an earlier run. That is no penalty, so a wait of at most one
        # interval never pauses the run.
        if held_s <= pacer.interval_s(operation):
            await self._stop.sleep(wait_s)
        elif self._bears(held_s, 0.0, f"it takes no {self._what}"):
            await self._serve(self._what, held_s)

    def _bears(self, wait_s: float, waited_s: float, who: str) -> bool:
        """Return whether a penalty ends within the limit; otherwise pause the run at once, since its end is known."""
        if waited_s + wait_s <= self._pause_limit_s * PENALTY_TOLERANCE:
            return True
        now = self._wall()
        until, limit = clock_time(now + wait_s, now), f"the {self._pause_limit_s:g} s that this run waits"
        self._stop.stop(Pause.RATE, f"held back by the vendor until {until}, for longer than {limit} ({who})")
        return False

    async def _serve(self, what: str, wait_s: float) -> None:
        """Wait for the end of a penalty, and show it."""
        now = self._wall()
        self._progress.wait = f"held back by the vendor until {clock_time(now + wait_s, now)}"
        self._penalised(what, wait_s)
        await self._stop.sleep(wait_s)
        self._progress.wait = ""
