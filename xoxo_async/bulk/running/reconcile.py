"""Settles what is unknown: looks orders up by poNumber, and never sends one."""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final, Protocol

import anyio

from xoxo_async.bulk.ledger.lines import Change, Delivery, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.rounds import MAX_FAILURES, LookUpRounds, given_up, next_due
from xoxo_async.errors import XoxoError

__all__ = ["Reconciler", "SingleLookUps"]

_CHUNK: Final = 200
_SHOWN_FROM_S: Final = 5.0
"""A display shows waits from this length on."""

_DOUBTED: Final = (LineState.UNKNOWN, LineState.CONFLICT)


class SingleLookUps(Protocol):
    """The part of `LineLookUp` that a reconciler uses. See there."""

    def begin_pass(self) -> None:
        """Drop what was read for an earlier pass."""
        ...

    def looked_up_at(self, line: LedgerLine) -> float | None:
        """Return when a line was last looked up since its last send."""
        ...

    async def settle(self, line: LedgerLine) -> Change | None:
        """Look up a line in doubt."""
        ...

    async def refresh(self, line: LedgerLine) -> Change | None:
        """Look up a placed line whose codes are still to come."""
        ...


class Reconciler:
    """Look up unknown and conflicting lines until each is placed, free to send again, or left to a person.

    Args:
        ledger: The ledger.
        recorder: Records the facts of look-ups, also about answers of other lines.
        single: Looks one line up.
        rounds: Makes look-ups of many lines.
        rules: When look-ups prove absence, and what happens then.
        progress: Shows what the run waits for.
        stopped: Set when the run should end.
        wall: The ledger's clock: absence is counted on it.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        single: SingleLookUps,
        rounds: LookUpRounds,
        rules: Rules,
        *,
        progress: Progress,
        stopped: anyio.Event,
        wall: Callable[[], float],
    ) -> None:
        self._ledger: Final = ledger
        self._recorder: Final = recorder
        self._single: Final = single
        self._rounds: Final = rounds
        self._rules: Final = rules
        self._progress: Final = progress
        self._stopped: Final = stopped
        self._wall: Final = wall
        # By line and attempts: when its look-up last failed, and how often.
        self._failed_at: Final[dict[tuple[int, int], float]] = {}
        self._failures: Final[dict[tuple[int, int], int]] = {}

    @property
    def failure(self) -> XoxoError | None:
        """The error of the last look-up that failed."""
        return self._rounds.failure

    @property
    def pause(self) -> Pause:
        """Why look-ups were given up, empty when they were not."""
        return self._rounds.pause

    @property
    def reason(self) -> str:
        """The same in words."""
        return self._rounds.reason

    async def settle(self) -> None:
        """Settle every unknown and conflicting line, waiting for look-ups to fall due.

        A line whose look-up keeps failing delays no other, and is left to a person in the end. Ends early when the run
        is stopped, when credentials fail, or when no look-up is answered for the pause limit. Then the other lines stay
        unknown, and `pause` and `reason` have the cause.

        Raises:
            LedgerError: When a result cannot be written.
        """
        self.begin()
        while not self._rounds.is_over:
            next_due = await self._pass()
            if next_due is None:
                return
            await self._wait_until(next_due)

    def begin(self) -> None:
        """Restart the pause limit, before the first `settle_due`: what ended earlier look-ups may have passed."""
        self._rounds.begin()
        self._progress.phase = "settling"

    async def settle_due(self, seconds: float = inf) -> float | None:
        """Look up every line once that is due now, without waiting for the others.

        Args:
            seconds: How long at most. Look-ups that have no answer by then are cut off, and are made again later.

        Returns:
            When the next look-up is due, by the ledger's clock; None when no line is in doubt, or look-ups are over.

        Raises:
            LedgerError: When a result cannot be written.
        """
        if self._rounds.is_over:
            return None
        self._progress.phase = "settling"
        self._rounds.ends_at = anyio.current_time() + seconds
        try:
            due = await self._pass()
        finally:
            self._rounds.ends_at = inf
        return None if due is None else max(due, self._rounds.quiet_until)

    async def refresh_pending(self) -> None:
        """Look once at every placed line whose codes are still to come. Never sends an e-mail again.

        Where the counts know of no such line, no line is read.

        Raises:
            LedgerError: When a result cannot be written.
        """
        if not (await self._ledger.counts()).pending:
            return
        self._progress.phase = "checking delivery"
        self._rounds.begin()
        batch: list[LedgerLine] = []
        async for line in self._ledger.lines(states=(LineState.PLACED,)):
            if line.delivery is Delivery.PENDING:
                batch.append(line)
            if len(batch) >= _CHUNK:
                await self._refresh(batch)
                batch = []
            if self._rounds.is_over:
                return
        await self._refresh(batch)

    async def _refresh(self, lines: Sequence[LedgerLine]) -> None:
        await self._wait_until(self._rounds.quiet_until)
        found = await self._rounds.make(lines, self._single.refresh)
        if found.changes:
            await self._recorder.record(found.changes, rules=self._rules)

    async def _pass(self) -> float | None:
        """Look at every due line once; return when the next is due, None when no line is left."""
        await self._recorder.write_doubts()  # this pass looks those lines up as well
        self._single.begin_pass()
        due: list[float] = []
        batch: list[LedgerLine] = []
        async for line in self._ledger.lines(states=(*_DOUBTED, LineState.MANUAL) if self._rules.restore else _DOUBTED):
            if line.state is LineState.MANUAL:
                if line.foreign and not self._was_looked_up(line):
                    batch.append(line)  # with `restore` its order may be adopted now
                continue
            at = self._due_at(line)
            if at > self._wall():
                due.append(at)
                continue
            batch.append(line)
            if len(batch) >= _CHUNK:
                due += await self._settle_lines(batch)
                batch = []
            if self._rounds.is_over:
                break
        due += await self._settle_lines(batch)
        return min(due) if due else None

    async def _settle_lines(self, lines: list[LedgerLine]) -> list[float]:
        """Look lines up and record what follows; return when each that is still in doubt is due again."""
        if not lines:
            return []
        found = await self._rounds.make(lines, self._single.settle)
        changes = found.changes + list(self._given_up(found.failed))
        after = {line.seq: line for line in lines}
        if changes:
            recorded = await self._recorder.record(changes, rules=self._rules)
            after.update({line.seq: line for line in recorded})
        return [self._due_at(line) for line in after.values() if line.state in _DOUBTED]

    def _given_up(self, failed: Sequence[tuple[LedgerLine, XoxoError]]) -> Iterable[Change]:
        """Count the failures of single lines; yield the fact for lines with too many.

        No failure counts before absence would count: look-ups may fail while the order is being placed.
        """
        now = self._wall()
        for line, error in failed:
            sends = (line.seq, line.attempts)
            self._failed_at[sends] = now
            if line.state is LineState.MANUAL or now < (line.last_sent_tick or 0.0) + self._rules.settle_s:
                continue
            self._failures[sends] = self._failures.get(sends, 0) + 1
            if self._failures[sends] >= MAX_FAILURES:
                yield given_up(line, error)

    def _was_looked_up(self, line: LedgerLine) -> bool:
        return self._single.looked_up_at(line) is not None or (line.seq, line.attempts) in self._failed_at

    def _due_at(self, line: LedgerLine) -> float:
        """Return when the next look-up of a line makes sense; one that failed is made again."""
        due = next_due(line, self._rules, self._single.looked_up_at(line))
        failed_at = self._failed_at.get((line.seq, line.attempts))
        return due if failed_at is None else max(due, failed_at + self._rules.spacing_s)

    async def _wait_until(self, at: float) -> None:
        """Wait until a line is due and the vendor may be asked, or until the run is stopped."""
        now = self._wall()
        at = max(at, self._rounds.quiet_until)
        if at - now > _SHOWN_FROM_S and not self._progress.wait:
            self._progress.wait = f"the next look-up is at {clock_time(at, now)}"
        with anyio.move_on_after(max(at - now, 0.0)):
            await self._stopped.wait()
        self._progress.wait = ""
