"""Look one line up, and return the fact about it that follows from the vendor's answer."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import next_look
from xoxo_async.bulk.running.evidence import change_from_order, described, mismatch, ordered
from xoxo_async.bulk.running.history import LONGEST_S, DayHistory
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.zone import VendorZone
from xoxo_async.errors import NotFoundError
from xoxo_async.services.orders.replies import Order
from xoxo_async.services.orders.requests import PlaceOrder

__all__ = ["LineLookUp"]

_MAX_SENDS: Final = 5
"""A line that is absent after this many sends is left to a person: another send is not likely to place it."""

_WAYS_ON: Final = (
    "If another job used the same keys, start this one again in a new ledger, with its own name (--job). If this"
    " ledger replaces a lost one, run again with --restore"
)
"""What a person may do about an order that another sender placed under a row's poNumber."""


class LineLookUp:
    """Ask the vendor about one line at a time.

    Args:
        client: Looks orders up.
        ledger: Names orders that show the zone of the vendor's dates.
        rules: When look-ups prove absence, and what happens then.
        progress: Where found orders are counted.
        wall: The ledger's clock: absence is counted on it.
        history_s: Seconds that reading the order history may take in a pass.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        rules: Rules,
        progress: Progress,
        wall: Callable[[], float],
        *,
        history_s: float = LONGEST_S,
    ) -> None:
        self._client: Final = client
        self._rules: Final = rules
        self._progress: Final = progress
        self._wall: Final = wall
        self._history_s: Final = history_s
        self._zone: Final = VendorZone(client.orders.get, ledger)
        self._looked_up_at: Final[dict[tuple[int, int], float]] = {}
        self._histories: Final[dict[tuple[date, date], DayHistory]] = {}

    def begin_pass(self) -> None:
        """Drop the order history that was read: an order that was missing from it may be in it now."""
        self._histories.clear()

    def looked_up_at(self, line: LedgerLine) -> float | None:
        """Return when a line was last looked up since its last send, by the ledger's clock; None when it was not.

        Args:
            line: The line.
        """
        return self._looked_up_at.get((line.seq, line.attempts))

    async def settle(self, line: LedgerLine) -> Change | None:
        """Look up a line in doubt by its poNumber.

        Args:
            line: The line; or one that waits for a person, in a ledger that replaces a lost one.

        Returns:
            The fact that follows; None if there is none.

        Raises:
            XoxoError: The look-up failed.
        """
        exhausted = next_look(line, self._rules) is None
        at = self._wall()
        # Absence counts from before the look-up: an order that is placed during it may be missing from the answer.
        order = await self._client.orders.find(line.po_number)
        self._looked_up_at[line.seq, line.attempts] = at
        if order is not None:
            return await self._found(line, order)
        if exhausted:
            return await self._search_history(line)
        if line.state is LineState.MANUAL:
            return None  # a person decides about it
        if line.state is LineState.UNKNOWN and line.attempts >= _MAX_SENDS and line.lookups + 1 >= self._rules.absences:
            reason = f"absent after {line.attempts} sends; another send is not likely to place it"
            return Change(seq=line.seq, evidence=Evidence.LOOKUPS_EXHAUSTED, epoch=line.epoch, reason=reason)
        return Change(seq=line.seq, evidence=Evidence.LOOKUP_ABSENT, epoch=line.epoch, at=at)

    async def refresh(self, line: LedgerLine) -> Change | None:
        """Look up a placed line by its order id, for the codes that are still to come. Never sends an e-mail again.

        Args:
            line: The line.

        Returns:
            The new fact; None if there is none.

        Raises:
            XoxoError: The look-up failed.
        """
        assert line.order_id is not None  # noqa: S101 - a placed line has one
        try:
            order = await self._client.orders.get(order_id=line.order_id)
        except NotFoundError:
            return None  # the order was proven, so a look-up that lags is no proof against it
        wanted = ordered(line.body)
        # The date is not compared: the order is known, and an order of a restored ledger is older than its row.
        difference = mismatch(line, order, wanted, dated=False)
        if difference:
            # A person named a wrong order: this row must not get its codes.
            error = f"order {order.order_id} is not this row's: {difference}"
            return Change(
                seq=line.seq, evidence=Evidence.DELIVERY_SEEN, epoch=line.epoch, delivery=line.delivery, error=error
            )
        change = change_from_order(line, wanted, order, Evidence.DELIVERY_SEEN)
        # Codes are always recorded: only the ledger has the codes of the line to compare them with.
        return None if change.delivery is line.delivery and change.codes is None else change

    async def _search_history(self, line: LedgerLine) -> Change | None:
        """Search the days around the sends. The history is the one reply that carries the poNumber."""
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

    def _history_of(self, line: LedgerLine) -> DayHistory:
        """Return the history of the days around a line's sends. It is read once for all lines of a pass."""
        first = datetime.fromtimestamp(line.first_sent_at or self._wall(), UTC).date() - timedelta(days=1)
        last = datetime.fromtimestamp(line.last_sent_at or self._wall(), UTC).date() + timedelta(days=1)
        days = (first, last)
        if days not in self._histories:
            summaries = self._client.orders.iterate_history(first, last)
            self._histories[days] = DayHistory(summaries, self._wall, self._history_s)
        return self._histories[days]

    async def _found(self, line: LedgerLine, order: Order) -> Change:
        """Return what follows from an order that was found under a line's poNumber."""
        restore, wanted = self._rules.restore, ordered(line.body)
        order, difference = await self._compared(line, wanted, order)
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
                return _left_to_a_person(line, order)
        change = change_from_order(line, wanted, order, evidence)
        if change.evidence is evidence:
            self._progress.placed += line.lines
        return change

    async def _compared(self, line: LedgerLine, wanted: PlaceOrder, order: Order) -> tuple[Order, str]:
        """Return the order of a line's poNumber and how it differs from the line; empty when it matches.

        An order that differs may also be the answer to another look-up. Then the earlier answers on its connection are
        in doubt, and a look-up on another connection shows which order the line has.
        """
        dated = not self._rules.restore
        difference = mismatch(line, order, wanted, dated=dated)
        if difference:
            self._client.dispatcher.distrust(order.order_id, line.po_number)
            order = await self._client.orders.find(line.po_number) or order
            difference = mismatch(line, order, wanted, dated=dated)
        return order, difference


def _left_to_a_person(line: LedgerLine, order: Order) -> Change:
    """Leave an order to a person: the first send was refused as known, so another sender may own the order."""
    copied = line.evidence == Evidence.LEDGER_COPIED
    why = "this ledger's file is a copy" if copied else "the first send of this row was refused as known"
    error = f"{why}, and another run may have placed the order. The vendor has: {described(order)}. {_WAYS_ON}"
    return Change(
        seq=line.seq, evidence=Evidence.LOOKUP_MATCHED, epoch=line.epoch, order_id=order.order_id, error=error
    )
