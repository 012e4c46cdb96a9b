"""Settles what is unknown: looks orders up by poNumber, and never sends one."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from xoxo_async.bulk.evidence import change_from_order, described, mismatch
from xoxo_async.bulk.ledger import Change, Delivery, Evidence, Ledger, LedgerLine, LineState, Rules, next_look
from xoxo_async.bulk.progress import Progress
from xoxo_async.bulk.zone import VendorZone
from xoxo_async.client import XoxoClient
from xoxo_async.errors import AuthError, NotFoundError, XoxoError
from xoxo_async.services.orders import Order

__all__ = ["Reconciler"]

_LOOKUPS_AT_ONCE: Final = 8
_MAX_SENDS: Final = 5
"""A line sent so often and still absent has something wrong with it that another send will not mend."""

_FAILED_PASSES: Final = 3
_CHUNK: Final = 200


class Reconciler:
    """Look up unknown and conflicting lines until each is placed, free to send again, or a person's.

    Args:
        client: Looks up; within the look-up allowance, which is shared with everything else on the client.
        ledger: The truth.
        rules: When absence is believed, and what follows from it.
        progress: Where found orders are counted.
        stopped: Set when the run should end.
        wall: The ledger's clock: what absence is counted on.
        watch: Given every line that something was recorded of.
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
        wall: Callable[[], float],
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._rules: Final = rules
        self._progress: Final = progress
        self._stopped: Final = stopped
        self._watch: Final = watch
        self._wall: Final = wall
        self._zone: Final = VendorZone(client, ledger)
        self._looked_at: Final[set[tuple[int, int]]] = set()
        self.failure: XoxoError | None = None

    async def settle(self) -> None:
        """Settle every unknown and conflicting line, waiting for look-ups to fall due.

        Ends early when the run is stopped, when credentials fail, or when look-ups keep failing; what is left stays
        unknown, and `failure` says why.

        Raises:
            LedgerError: When a result cannot be written.
        """
        self._progress.phase = "settling"
        failed_passes = 0
        while not self._stopped.is_set():
            settled, failed, next_due = await self._pass(self._doubted, self._settle_line)
            if failed and not settled:
                failed_passes += 1
                if failed_passes >= _FAILED_PASSES or isinstance(self.failure, AuthError):
                    return
                await self._wait(2.0**failed_passes)
                continue
            failed_passes = 0
            if next_due is None:
                return
            await self._wait(next_due - self._wall())

    @property
    def _doubted(self) -> tuple[LineState, ...]:
        """The states to settle; with `restore` also lines whose order a person was asked about."""
        doubted = (LineState.UNKNOWN, LineState.CONFLICT)
        return (*doubted, LineState.MANUAL) if self._rules.restore else doubted

    async def refresh_pending(self) -> None:
        """Look once at every placed line whose codes are still to come; never sends an e-mail again.

        Raises:
            LedgerError: When a result cannot be written.
        """
        self._progress.phase = "checking delivery"
        await self._pass((LineState.PLACED,), self._refresh_line)

    async def _pass(
        self, states: Sequence[LineState], look: "Callable[[LedgerLine], Awaitable[Change | None]]"
    ) -> tuple[int, int, float | None]:
        """Look at every due line once; return how many were looked at, how many failed, and when the next is due."""
        looked, failed, next_due = 0, 0, None
        batch: list[LedgerLine] = []
        async for line in self._ledger.lines(states=states):
            if line.state is LineState.PLACED:
                if line.delivery is not Delivery.PENDING:
                    continue
            elif line.state is LineState.MANUAL:
                if not line.foreign or (line.seq, line.attempts) in self._looked_at:
                    continue
            else:
                due = self._due_at(line)
                if due > self._wall():
                    next_due = due if next_due is None else min(next_due, due)
                    continue
            batch.append(line)
            if len(batch) >= _CHUNK:
                done, lost = await self._look_all(batch, look)
                looked, failed, batch = looked + done, failed + lost, []
            if self._stopped.is_set():
                break
        done, lost = await self._look_all(batch, look)
        looked, failed = looked + done, failed + lost
        if looked and next_due is None:
            next_due = self._wall()  # what was looked at may be due again
        return looked, failed, next_due

    async def _look_all(
        self, lines: list[LedgerLine], look: "Callable[[LedgerLine], Awaitable[Change | None]]"
    ) -> tuple[int, int]:
        changes: list[Change] = []
        failed = 0
        places = anyio.Semaphore(_LOOKUPS_AT_ONCE)

        async def one(line: LedgerLine) -> None:
            nonlocal failed
            async with places:
                if self._stopped.is_set():
                    return
                try:
                    change = await look(line)
                except XoxoError as error:
                    self.failure = error
                    failed += 1
                else:
                    if change is not None:
                        changes.append(change)

        async with anyio.create_task_group() as group:
            for line in lines:
                group.start_soon(one, line)
        if changes:
            self._watch(await self._ledger.record(changes, rules=self._rules))
        return len(changes), failed

    def _due_at(self, line: LedgerLine) -> float:
        """Return when the next look-up of a line makes sense.

        The first after each send is at once, since it can only bring good news; absence counts later, see `Rules`.
        """
        if (line.seq, line.attempts) not in self._looked_at:
            return 0.0
        return next_look(line, self._rules) or 0.0

    async def _settle_line(self, line: LedgerLine) -> Change | None:
        self._looked_at.add((line.seq, line.attempts))
        exhausted = next_look(line, self._rules) is None
        at = self._wall()
        order = await self._client.orders.find(line.po_number)
        if order is None and exhausted:
            order = await self._in_history(line)
        if order is not None:
            return await self._found(line, order)
        if line.state is LineState.MANUAL:
            return None  # still a person's
        if exhausted:
            return Change(
                seq=line.seq,
                evidence=Evidence.HISTORY_ABSENT,
                epoch=line.epoch,
                reason="no look-up and no history has it",
            )
        if line.state is LineState.UNKNOWN and line.attempts >= _MAX_SENDS and line.lookups + 1 >= self._rules.absences:
            reason = f"absent after {line.attempts} sends; another one will not help"
            return Change(seq=line.seq, evidence=Evidence.LOOKUPS_EXHAUSTED, epoch=line.epoch, reason=reason)
        return Change(seq=line.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=line.epoch, at=at)

    async def _found(self, line: LedgerLine, order: Order) -> Change:
        restore = self._rules.restore
        difference = mismatch(line, order, dated=not restore)
        if difference:
            return Change(
                seq=line.seq,
                evidence=Evidence.LOOKUP_MISMATCHED,
                epoch=line.epoch,
                error=f"order {order.order_id} has this poNumber, but {difference}. The vendor has: {described(order)}",
            )
        evidence = Evidence.LOOKUP_MATCHED
        if line.foreign and not restore:
            if not await self._zone.is_of_this_send(line, order):
                return self._of_somebody(line, order)
            evidence = Evidence.ORDER_OF_THIS_SEND
        change = change_from_order(line, order, evidence)
        if change.evidence is evidence:
            self._progress.placed += line.lines
        return change

    def _of_somebody(self, line: LedgerLine, order: Order) -> Change:
        """Leave an order to a person: the first send of this ledger was refused because somebody else placed it."""
        error = (
            "the first send of this row was refused as known, so another run may have placed the order. The vendor"
            f" has: {described(order)}. If another job used the same keys, give this one a name of its own (--job). If"
            " this ledger replaces a lost one, run again with --restore"
        )
        return Change(
            seq=line.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=line.epoch, order_id=order.order_id, error=error
        )

    async def _in_history(self, line: LedgerLine) -> Order | None:
        """Search the days around the sends: the history is the one reply that carries the poNumber."""
        first = datetime.fromtimestamp(line.first_sent_at or self._wall(), UTC).date() - timedelta(days=1)
        last = datetime.fromtimestamp(line.last_sent_at or self._wall(), UTC).date() + timedelta(days=1)
        async for summary in self._client.orders.iterate_history(first, last):
            if summary.po_number == line.po_number:
                return await self._client.orders.get(order_id=summary.order_id)
        return None

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
        return None if change.delivery is line.delivery and change.held <= line.held else change

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(max(seconds, 0.0)):
            await self._stopped.wait()
