"""Settles what is unknown: looks orders up by poNumber, and never sends one."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import anyio

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import next_look
from xoxo_async.bulk.report import Pause
from xoxo_async.bulk.running.evidence import change_from_order, described, mismatch
from xoxo_async.bulk.running.history import DayHistory
from xoxo_async.bulk.running.lookups import LookUps
from xoxo_async.bulk.running.progress import Progress, clock_time
from xoxo_async.bulk.running.zone import VendorZone
from xoxo_async.client import XoxoClient
from xoxo_async.errors import NotFoundError, XoxoError
from xoxo_async.services.orders import Order

__all__ = ["Reconciler"]

_MAX_SENDS: Final = 5
"""A line sent so often and still absent has something wrong with it that another send will not mend."""

_MAX_FAILURES: Final = 5
"""A line whose look-up has failed so often, by itself, long after its send, is a person's."""

_CHUNK: Final = 200
_LEAST_SPACING_S: Final = 1.0
"""However little settling time a caller wants: where the ledger does not count a look-up, no line is asked for without
a pause."""

_TOLD_FROM_S: Final = 5.0
"""A wait from this length is told."""

_WAYS_ON: Final = (
    "If another job used the same keys, begin this one anew, in a new ledger, with a name of its own (--job). If this"
    " ledger replaces a lost one, run again with --restore"
)
"""What a person may do about an order that somebody else placed under a row's poNumber."""

_DOUBTED: Final = (LineState.UNKNOWN, LineState.CONFLICT)


class Reconciler:
    """Look up unknown and conflicting lines until each is placed, free to send again, or a person's.

    Args:
        client: Looks up; within the look-up allowance, which is shared with everything else on the client.
        ledger: The truth.
        rules: When absence is believed, and what follows from it.
        progress: Where found orders are counted, and waits are told.
        stopped: Set when the run should end.
        wall: The ledger's clock: what absence is counted on.
        watch: Given every line that something was recorded of.
        write_doubts: Writes what look-ups have found out about other lines' answers.
        pause_limit_s: How long a vendor who answers no look-up, or holds look-ups back, is waited for.
    """

    def __init__(
        self,
        client: XoxoClient,
        ledger: Ledger,
        rules: Rules,
        *,
        progress: Progress,
        stopped: anyio.Event,
        watch: Callable[[Sequence[LedgerLine]], None] = lambda _lines: None,
        write_doubts: Callable[[], Awaitable[int]] | None = None,
        pause_limit_s: float = 60.0,
        wall: Callable[[], float],
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._rules: Final = rules
        self._progress: Final = progress
        self._stopped: Final = stopped
        self._watch: Final = watch
        self._write_doubts: Final = write_doubts
        self._wall: Final = wall
        self._zone: Final = VendorZone(client, ledger)
        self._looks: Final = LookUps(client, progress=progress, stopped=stopped, pause_limit_s=pause_limit_s, wall=wall)
        # Of a line and its sends so far: when it was last looked up; when that last failed, and how often.
        self._looked_at: Final[dict[tuple[int, int], float]] = {}
        self._failed_at: Final[dict[tuple[int, int], float]] = {}
        self._failures: Final[dict[tuple[int, int], int]] = {}
        self._histories: Final[dict[tuple[date, date], DayHistory]] = {}

    @property
    def failure(self) -> XoxoError | None:
        """What the last look-up that failed met."""
        return self._looks.failure

    @property
    def pause(self) -> Pause:
        """Why look-ups were given up, empty when they were not."""
        return self._looks.pause

    @property
    def reason(self) -> str:
        """The same in words."""
        return self._looks.reason

    async def settle(self) -> None:
        """Settle every unknown and conflicting line, waiting for look-ups to fall due.

        A line whose look-up keeps failing holds up no other, and ends as a person's. Ends early when the run is
        stopped, when credentials fail, or when no look-up is answered for as long as the pause limit; what is left
        stays unknown, and `pause` and `reason` say why.

        Raises:
            LedgerError: When a result cannot be written.
        """
        self._progress.phase = "settling"
        self._looks.begin()
        while not self._looks.is_over:
            next_due = await self._pass()
            if next_due is None:
                return
            await self._wait_until(next_due)

    async def refresh_pending(self) -> None:
        """Look once at every placed line whose codes are still to come; never sends an e-mail again.

        Raises:
            LedgerError: When a result cannot be written.
        """
        self._progress.phase = "checking delivery"
        self._looks.begin()
        batch: list[LedgerLine] = []
        async for line in self._ledger.lines(states=(LineState.PLACED,)):
            if line.delivery is Delivery.PENDING:
                batch.append(line)
            if len(batch) >= _CHUNK:
                await self._refresh(batch)
                batch = []
            if self._looks.is_over:
                return
        await self._refresh(batch)

    async def _refresh(self, lines: Sequence[LedgerLine]) -> None:
        await self._wait_until(self._looks.quiet_until)
        found = await self._looks.make(lines, self._refresh_line)
        if found.changes:
            self._watch(await self._ledger.record(found.changes, rules=self._rules))

    async def _pass(self) -> float | None:
        """Look at every due line once; return when the next is due, None when no line is left."""
        if self._write_doubts is not None:
            await self._write_doubts()  # those lines are looked up in this pass
        self._histories.clear()  # what was not in it a moment ago may be now
        due: list[float] = []
        batch: list[LedgerLine] = []
        async for line in self._ledger.lines(states=(*_DOUBTED, LineState.MANUAL) if self._rules.restore else _DOUBTED):
            if line.state is LineState.MANUAL:
                if line.foreign and not self._was_asked_for(line):
                    batch.append(line)  # a person was asked about its order, and has said that the ledger is a copy
                continue
            at = self._due_at(line)
            if at > self._wall():
                due.append(at)
                continue
            batch.append(line)
            if len(batch) >= _CHUNK:
                due += await self._settle_lines(batch)
                batch = []
            if self._looks.is_over:
                break
        due += await self._settle_lines(batch)
        return min(due) if due else None

    async def _settle_lines(self, lines: list[LedgerLine]) -> list[float]:
        """Look lines up and record what that says; return when each that is still in doubt is due again."""
        if not lines:
            return []
        found = await self._looks.make(lines, self._settle_line)
        changes = found.changes + list(self._given_up(found.failed))
        after = {line.seq: line for line in lines}
        if changes:
            recorded = await self._ledger.record(changes, rules=self._rules)
            self._watch(recorded)
            after.update({line.seq: line for line in recorded})
        return [self._due_at(line) for line in after.values() if line.state in _DOUBTED]

    def _given_up(self, failed: Sequence[tuple[LedgerLine, XoxoError]]) -> Iterable[Change]:
        """Count the failures that are their lines' own; yield what follows for those with too many.

        None is counted before absence would be: a look-up may well fail for as long as the order is being placed.
        """
        now = self._wall()
        for line, error in failed:
            sends = (line.seq, line.attempts)
            self._failed_at[sends] = now
            if line.state is LineState.MANUAL or now < (line.last_sent_tick or 0.0) + self._rules.settle_s:
                continue
            self._failures[sends] = self._failures.get(sends, 0) + 1
            if self._failures[sends] >= _MAX_FAILURES:
                told = f"its look-ups fail: {error.message}"
                yield Change(
                    seq=line.seq,
                    evidence=Evidence.LOOKUPS_EXHAUSTED,
                    epoch=line.epoch,
                    error_id=error.error_id,
                    error=told,
                    reason=told,
                )

    def _was_asked_for(self, line: LedgerLine) -> bool:
        sends = (line.seq, line.attempts)
        return sends in self._looked_at or sends in self._failed_at

    def _due_at(self, line: LedgerLine) -> float:
        """Return when the next look-up of a line makes sense.

        The first after each send is at once, since it can only bring good news; absence counts later, see `Rules`.
        One that failed has brought no news, and is made again.
        """
        sends, due = (line.seq, line.attempts), 0.0
        if sends in self._looked_at:
            least = self._looked_at[sends] + min(self._rules.spacing_s, _LEAST_SPACING_S)
            due = max(next_look(line, self._rules) or 0.0, least)
        if sends in self._failed_at:
            due = max(due, self._failed_at[sends] + self._rules.spacing_s)
        return due

    async def _settle_line(self, line: LedgerLine) -> Change | None:
        exhausted = next_look(line, self._rules) is None
        at = self._wall()
        order = await self._client.orders.find(line.po_number)
        self._looked_at[line.seq, line.attempts] = at
        if order is None and exhausted:
            return await self._ask_history(line)
        if order is not None:
            return await self._found(line, order)
        if line.state is LineState.MANUAL:
            return None  # still a person's
        if line.state is LineState.UNKNOWN and line.attempts >= _MAX_SENDS and line.lookups + 1 >= self._rules.absences:
            reason = f"absent after {line.attempts} sends; another one will not help"
            return Change(seq=line.seq, evidence=Evidence.LOOKUPS_EXHAUSTED, epoch=line.epoch, reason=reason)
        return Change(seq=line.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=line.epoch, at=at)

    async def _ask_history(self, line: LedgerLine) -> Change | None:
        """Search the days around the sends: the history is the one reply that carries the poNumber."""
        history = self._history_of(line)
        order_id = await history.find(line.po_number)
        if order_id is not None:
            return await self._found(line, await self._client.orders.get(order_id=order_id))
        if line.state is LineState.MANUAL:
            return None
        reason = "no look-up and no history has it"
        if history.cut_short:
            reason = f"no look-up has it, nor has the part of the history that could be read: {history.cut_short}"
        elif line.lines > 1 and line.evidence in {Evidence.LEDGER_RESTORED, Evidence.LEDGER_COPIED}:
            reason += "; its rows may have been sent in other orders, by another copy of this ledger"
        return Change(
            seq=line.seq,
            evidence=Evidence.HISTORY_ABSENT,
            epoch=line.epoch,
            error="" if line.error else reason,  # a line of a restored ledger has no error of a send to show
            reason=reason,
        )

    async def _found(self, line: LedgerLine, order: Order) -> Change:
        restore = self._rules.restore
        difference = mismatch(line, order, dated=not restore)
        if difference:
            # It may also be the answer to another look-up. Then those before it on the connection are in doubt, and
            # another connection tells which order this row has.
            self._client.dispatcher.distrust(order.order_id, line.po_number)
            order = await self._client.orders.find(line.po_number) or order
            difference = mismatch(line, order, dated=not restore)
        if difference:
            return Change(
                seq=line.seq,
                evidence=Evidence.LOOKUP_MISMATCHED,
                epoch=line.epoch,
                error=f"order {order.order_id} has this poNumber, but {difference}. The vendor has: {described(order)}"
                + (f". {_WAYS_ON}" if line.foreign and not restore else ""),
            )
        evidence = Evidence.LOOKUP_MATCHED
        if line.foreign and not restore:
            if line.evidence == Evidence.LEDGER_COPIED:
                ours, evidence = await self._zone.is_since_plan(order), Evidence.ORDER_SINCE_PLAN
            else:
                ours, evidence = await self._zone.is_of_this_send(line, order), Evidence.ORDER_OF_THIS_SEND
            if not ours:
                return self._of_somebody(line, order)
        change = change_from_order(line, order, evidence)
        if change.evidence is evidence:
            self._progress.placed += line.lines
        return change

    def _of_somebody(self, line: LedgerLine, order: Order) -> Change:
        """Leave an order to a person: the first send of this ledger was refused because somebody else placed it."""
        copied = line.evidence == Evidence.LEDGER_COPIED
        why = "this ledger's file is a copy" if copied else "the first send of this row was refused as known"
        error = f"{why}, and another run may have placed the order. The vendor has: {described(order)}. {_WAYS_ON}"
        return Change(
            seq=line.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=line.epoch, order_id=order.order_id, error=error
        )

    def _history_of(self, line: LedgerLine) -> DayHistory:
        """Return the history of the days around a line's sends, which is read once for all lines of a pass."""
        first = datetime.fromtimestamp(line.first_sent_at or self._wall(), UTC).date() - timedelta(days=1)
        last = datetime.fromtimestamp(line.last_sent_at or self._wall(), UTC).date() + timedelta(days=1)
        days = (first, last)
        if days not in self._histories:
            self._histories[days] = DayHistory(self._client, first, last, self._wall)
        return self._histories[days]

    async def _refresh_line(self, line: LedgerLine) -> Change | None:
        assert line.order_id is not None  # noqa: S101 - a placed line has one
        try:
            order = await self._client.orders.get(order_id=line.order_id)
        except NotFoundError:
            return None
        difference = mismatch(line, order, dated=False)  # the order is known; a restored one is older than its row
        if difference:
            # A person named this order; its codes must not be handed to the wrong row.
            error = f"order {order.order_id} is not this row's: {difference}"
            return Change(
                seq=line.seq, evidence=Evidence.DELIVERY_SEEN, epoch=line.epoch, delivery=line.delivery, error=error
            )
        change = change_from_order(line, order, Evidence.DELIVERY_SEEN)
        # Codes are always news: which of them the line has already, only the ledger knows.
        return None if change.delivery is line.delivery and change.codes is None else change

    async def _wait_until(self, at: float) -> None:
        """Wait until a line is due and the vendor may be asked, or until the run is stopped."""
        now = self._wall()
        at = max(at, self._looks.quiet_until)
        if at - now > _TOLD_FROM_S and not self._progress.wait:
            self._progress.wait = f"the next look-up is at {clock_time(at, now)}"
        with anyio.move_on_after(max(at - now, 0.0)):
            await self._stopped.wait()
        self._progress.wait = ""
