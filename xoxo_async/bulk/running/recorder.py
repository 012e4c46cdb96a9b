"""Write the results of lines to the ledger, many in one transaction, and report them to the hooks."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

import anyio

from xoxo_async.bulk.events import LineDoubted, LineSettled
from xoxo_async.bulk.ledger.budget import overcharge
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import PROOFS
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.refusals import RefusalWatch
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.consequences import known_error_id
from xoxo_async.errors import LedgerError
from xoxo_async.hooks import Hook
from xoxo_async.notifying import notify
from xoxo_async.transport.connections import OrderAnswer

__all__ = ["Recorder"]

_SETTLED: Final = frozenset({LineState.PLACED, LineState.REJECTED, LineState.MANUAL})
_DOUBTED: Final = frozenset({LineState.UNKNOWN, LineState.CONFLICT})


class Recorder:
    """Record the facts of one run, and stop the run if a charge breaks its budget.

    Senders pass a result to `add` and go on. `write_added` writes all results so far in one transaction, while the next
    ones collect: a transaction costs the same for one line as for fifty.

    Args:
        ledger: The ledger.
        stop: Set when a charge breaks the budget.
        budget: What the job may cost, in the account's currency; None for no limit.
        hooks: Receive an event for each line that is settled or comes into doubt.
        refusals: Counts the rows that are refused; None counts nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        stop: StopSignal,
        *,
        budget: Decimal | None = None,
        hooks: Sequence[Hook] = (),
        refusals: RefusalWatch | None = None,
    ) -> None:
        self.currency: str = ""
        """The account's currency; a budget is in it."""
        self.superseded: int = 0
        """Results that came too late: another worker had taken their lines over, because this one slept."""
        self._ledger: Final = ledger
        self._stop: Final = stop
        self._budget: Final = budget
        self._hooks: Final = hooks
        self._refusals: Final = refusals
        self._added: Final[deque[Change]] = deque()
        self._doubts: Final[dict[OrderAnswer, None]] = {}  # in order
        self._news = anyio.Event()
        self._closed = False

    def add(self, change: Change) -> None:
        """Take the result of a send; it is written soon.

        Args:
            change: The result.
        """
        self._added.append(change)
        if len(self._added) == 1:
            self._news.set()

    def add_doubt(self, answer: OrderAnswer) -> None:
        """Take an order that was named on a connection whose answers were not in step.

        Args:
            answer: The order. Any call on the same client may find it, since look-ups share connections with orders.
        """
        self._doubts[answer] = None

    def open(self) -> None:
        """Let `write_added` wait for results."""
        self._closed = False

    def close(self) -> None:
        """Let `write_added` return once everything is written."""
        self._closed = True
        self._news.set()

    async def write_added(self, written: Callable[[Sequence[Change]], None]) -> None:
        """Write results as they come, until `close`.

        Args:
            written: Called with the results of each transaction, once they are durable.

        Raises:
            LedgerError: When a result cannot be written.
        """
        while True:
            if not self._added:
                if self._closed:
                    return
                self._news = anyio.Event()
                await self._news.wait()
            # No waiting for more results to share a transaction: waiting 5 ms kept 0.89 of the throughput without a
            # ledger, instead of 0.95. What ends while one transaction is written shares the next.
            batch, doubts = tuple(self._added), tuple(self._doubts)
            lines = await self._ledger.record(batch, doubts=doubts)
            self._watch(batch, lines)
            self._drop(doubts)
            for _ in batch:
                self._added.popleft()
            await self._count_refusals(lines[: len(batch)])
            written(batch)

    async def record(self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES) -> list[LedgerLine]:
        """Record facts at once, such as those that look-ups bring.

        Args:
            changes: The facts.
            rules: When look-ups prove absence.

        Returns:
            For every fact, the line as it stands after it.

        Raises:
            LedgerError: When they cannot be written.
        """
        lines = await self._ledger.record(changes, rules=rules)
        self._watch(changes, lines)
        await self._count_refusals(lines[: len(changes)])
        return lines

    async def record_sent(self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES) -> list[LedgerLine]:
        """Record facts about one line's send at once, and the doubts so far in the same transaction.

        Args:
            changes: The facts, in order.
            rules: When look-ups prove absence.

        Returns:
            For every fact, the line as it stands after it.

        Raises:
            LedgerError: When they cannot be written.
        """
        doubts = tuple(self._doubts)
        lines = await self._ledger.record(changes, rules=rules, doubts=doubts)
        self._drop(doubts)
        self._watch(changes, lines)
        return lines[: len(changes)]

    async def write_doubts(self) -> int:
        """Put lines in doubt that were answered on a connection whose answers were not in step.

        Returns:
            How many lines there were.

        Raises:
            LedgerError: When that cannot be written; the next call tries again.
        """
        doubts = tuple(self._doubts)
        if not doubts:
            return 0
        doubted = await self._ledger.record((), doubts=doubts)
        self._watch((), doubted)
        self._drop(doubts)
        return len(doubted)

    async def write_the_rest(self, unsent: Iterable[Change]) -> None:
        """Write everything that a cancelled or failed run still has, shielded from its cancellation.

        Args:
            unsent: The changes that give back lines which were never sent.
        """
        changes, doubts = [*self._added, *unsent], tuple(self._doubts)
        self._added.clear()
        if not changes and not doubts:
            return
        with anyio.CancelScope(shield=True):
            try:
                lines = await self._ledger.record(changes, doubts=doubts)
            except LedgerError:
                # The ledger failed, so these lines stay `sending` in it, and the next run looks them up.
                return
            self._drop(doubts)
            self._watch(changes, lines)

    async def _count_refusals(self, lines: Sequence[LedgerLine]) -> None:
        if self._refusals is not None:
            await self._refusals.settled(lines)

    def _drop(self, written: Sequence[OrderAnswer]) -> None:
        for answer in written:
            self._doubts.pop(answer, None)

    def _watch(self, changes: Sequence[Change], lines: Sequence[LedgerLine]) -> None:
        self.superseded += sum(_is_superseded(change, line) for change, line in zip(changes, lines, strict=False))
        if self._budget is not None and not self._stop.pause:
            self._watch_charges(lines)
        if self._hooks:
            self._report(changes, lines)

    def _watch_charges(self, lines: Iterable[LedgerLine]) -> None:
        """Stop once an order was charged more than was reserved for it, or in another currency.

        Then the price has moved, so the reservations of the other lines are too small as well.
        """
        for line in lines:
            if line.amount_charged is not None and (message := overcharge(line, self.currency)):
                self._stop.stop(Pause.BUDGET, message)
                return

    def _report(self, changes: Sequence[Change], lines: Sequence[LedgerLine]) -> None:
        """Send an event for every line that moved to a settled or a doubted state."""
        for change, line in zip(changes, lines, strict=False):
            # A fact that moved nothing needs no event.
            if line.evidence == change.evidence and not _is_superseded(change, line):
                self._report_line(line)
        for line in lines[len(changes) :]:  # lines that came into doubt with their connection
            self._report_line(line)

    def _report_line(self, line: LedgerLine) -> None:
        event: LineSettled | LineDoubted
        if line.state is LineState.REJECTED and line.lines > 1:
            return  # The lines of a refused pack are planned again, each in an order of its own.
        if line.state in _SETTLED:
            event = LineSettled(
                row=line.row,
                po_number=line.po_number,
                lines=line.lines,
                state=line.state.value,
                evidence=line.evidence,
                attempts=line.attempts,
                order_id=line.order_id,
                error_id=known_error_id(line.error_id),
                charged=line.amount_charged,
                currency=line.currency,
            )
        elif line.state in _DOUBTED:
            event = LineDoubted(
                row=line.row,
                po_number=line.po_number,
                lines=line.lines,
                state=line.state.value,
                evidence=line.evidence,
                attempts=line.attempts,
                error_id=known_error_id(line.error_id),
            )
        else:
            return
        notify(self._hooks, event)


def _is_superseded(change: Change, line: LedgerLine) -> bool:
    """Return whether the ledger passed over a fact because its line has a newer epoch; see `Ledger.record`."""
    return change.epoch < line.epoch and change.evidence not in PROOFS
