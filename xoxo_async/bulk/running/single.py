"""Bring one line to its outcome: send it once, look it up while it is in doubt, record each fact."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.rounds import MAX_FAILURES, given_up, next_due
from xoxo_async.bulk.running.sender import send_line
from xoxo_async.consequences import NextOrders, is_answer, next_orders
from xoxo_async.errors import AuthError, LedgerConflictError, LedgerError, LineBusyError, RateLimitedError, XoxoError
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.waiting import outlast

__all__ = ["SingleLine"]

_ORDER: Final = PLACE_ORDER.name
_IN_FLIGHT_S: Final = 30.0
"""Seconds until a line is asked for again that another call is sending: most answers have come by then."""
_LEAST_WAIT_S: Final = 1.0
_DOUBTED: Final = frozenset({LineState.UNKNOWN, LineState.CONFLICT})


class SingleLine:
    """Work on single lines for a caller that waits for each; it holds no state of a line but when it was looked up.

    Args:
        client: Sends and looks up.
        ledger: The ledger.
        recorder: Records the facts.
        look_up: Looks one line up.
        rules: When look-ups prove absence, and what happens then.
        wall: The ledger's clock.
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        recorder: Recorder,
        look_up: LineLookUp,
        rules: Rules,
        wall: Callable[[], float],
    ) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._recorder: Final = recorder
        self._look_up: Final = look_up
        self._rules: Final = rules
        self._wall: Final = wall
        self._failures: Final[dict[tuple[int, int], int]] = {}  # of look-ups, by line and attempts
        self._failed_at: Final[dict[tuple[int, int], float]] = {}

    @property
    def is_free(self) -> bool:
        """Whether orders may certainly be sent at once: they have no limit and never had a penalty."""
        return self._client.dispatcher.pacer.is_free(_ORDER)

    async def slot(self, deadline: float) -> None:
        """Wait for a token and then for a rate slot, as every call does: before a line is taken.

        Args:
            deadline: By when the slot must come, by a monotonic clock.

        Raises:
            RateLimitedError: It comes later; nothing was taken.
            AuthError: No token could be had.
        """
        await self._client.dispatcher.authorise()
        await self._client.dispatcher.pacer.slot(_ORDER, deadline)

    async def send(self, line: LedgerLine, *, look_first: bool = False) -> LedgerLine:
        """Send an armed line, and record what its answer proves. Moves money.

        Args:
            line: The line; it is the caller's.
            look_first: Whether the order may exist already, so that a look-up comes first.

        Returns:
            The line as it stands: placed, rejected, or in doubt; with its codes if its answer had all of them.

        Raises:
            XoxoError: Nothing was processed; the line was given back. Or every further order needs a person.
            LedgerError: The fact cannot be written.
        """
        if look_first and (found := await self._found_before(line)) is not None:
            return found
        blocked_s = self._client.dispatcher.pacer.blocked_s(_ORDER)
        if blocked_s or self._wall() - (line.last_sent_tick or 0.0) > MAX_HOLD_S / 2:
            # A penalty came meanwhile, or this process was suspended: recovery counts on lines that are sent at once.
            await self._record(line, _unsent(line))
            raise RateLimitedError("orders are held back now; nothing was sent", retry_after_s=blocked_s or 1.0)
        try:
            sent = await send_line(self._client.dispatcher, self._recorder.add_doubt, self._wall, (line,))
        except BaseException:
            with suppress(
                LedgerError
            ):  # then it stays in flight in the ledger, and is in doubt once this holder is gone
                await self._record(line, _lost(line, "cancelled in flight"))
            raise
        (change,) = sent.changes
        after = await self._record(line, change)
        if sent.error is not None and after.state is LineState.PLANNED:
            raise sent.error
        if sent.error is not None and next_orders(sent.error) is NextOrders.NO_FUNDS and after.state in _DOUBTED:
            raise sent.error  # the next delivery looks the order up
        return _with_codes(after, change)

    async def give_back(self, line: LedgerLine) -> None:
        """Give an armed line back unsent.

        Args:
            line: The line.
        """
        await self._record(line, _unsent(line))

    async def settle(self, line: LedgerLine) -> LedgerLine:
        """Look up a line in doubt, once, if that may settle it now.

        Args:
            line: The line.

        Returns:
            The line as it stands: placed, free to be sent again, or left to a person.

        Raises:
            LineBusyError: Nobody knows yet.
            AuthError: The credentials were refused.
            LedgerError: The fact cannot be written.
        """
        sends, now = (line.seq, line.attempts), self._wall()
        due = next_due(line, self._rules, self._look_up.looked_up_at(line))
        if sends in self._failed_at:
            due = max(due, self._failed_at[sends] + min(self._rules.spacing_s, _IN_FLIGHT_S))
        if due > now:
            raise self._busy(line, due - now)
        self._look_up.begin_pass()
        try:
            change = await self._look_up.settle(line)
        except XoxoError as error:
            change = self._failed(line, error)
        else:
            self._forget(sends)
        after = line if change is None else await self._record(line, change)
        if after.state in _DOUBTED:
            due = next_due(after, self._rules, self._look_up.looked_up_at(after))
            raise self._busy(after, due - self._wall())
        self._forget(sends)
        return after

    async def refresh(self, line: LedgerLine) -> LedgerLine:
        """Look once at a placed line whose codes are still to come.

        Args:
            line: The line.

        Returns:
            The line as it stands, also if the look-up failed: its order is certain.

        Raises:
            LedgerError: The fact cannot be written.
        """
        try:
            change = await self._look_up.refresh(line)
        except XoxoError:
            return line
        return line if change is None else await self._record(line, change)

    def in_flight(self, line: LedgerLine) -> LineBusyError:
        """Return the error for a line that another call is sending.

        Args:
            line: The line.
        """
        return LineBusyError(
            f"the order of {line.key} is being sent by another worker",
            retry_after_s=_IN_FLIGHT_S,
            po_number=line.po_number,
        )

    # Private.

    async def _found_before(self, line: LedgerLine) -> LedgerLine | None:
        """Look an armed line up before it is sent; return it as it stands, or None if it is to be sent."""
        try:
            change = await self._look_up.settle(line)
        except BaseException:
            with suppress(LedgerError):
                await self._record(line, _unsent(line))
            raise
        if change is None or change.evidence is Evidence.LOOKUP_ABSENT:
            return None
        # The table compares an order that was found with lines in doubt alone.
        return await self._record(line, _lost(line, "an order may exist"), change)

    def _failed(self, line: LedgerLine, error: XoxoError) -> Change:
        """Count a look-up that failed; return the fact for a line with too many, otherwise raise."""
        if isinstance(error, AuthError) and not error.retryable:
            raise error
        sends = (line.seq, line.attempts)
        if isinstance(error, RateLimitedError):
            raise self._busy(line, error.retry_after_s or _IN_FLIGHT_S) from error
        self._failed_at[sends] = self._wall()
        settled = self._wall() >= (line.last_sent_tick or 0.0) + self._rules.settle_s
        if settled and is_answer(error):
            self._failures[sends] = self._failures.get(sends, 0) + 1
        if self._failures.get(sends, 0) < MAX_FAILURES:
            raise self._busy(line, min(self._rules.spacing_s, _IN_FLIGHT_S)) from error
        return given_up(line, error)

    def _forget(self, sends: tuple[int, int]) -> None:
        self._failures.pop(sends, None)
        self._failed_at.pop(sends, None)

    def _busy(self, line: LedgerLine, wait_s: float) -> LineBusyError:
        why = f" ({line.error})" if line.error else ""
        return LineBusyError(
            f"nobody knows yet whether the order of {line.key} exists{why}",
            retry_after_s=max(wait_s, _LEAST_WAIT_S),
            po_number=line.po_number,
        )

    async def _record(self, line: LedgerLine, *changes: Change) -> LedgerLine:
        """Record facts about a line, also if the caller is cancelled; return the line as it stands."""
        try:
            recording = asyncio.ensure_future(self._recorder.record_sent(changes, rules=self._rules))
            return (await outlast(recording))[-1]
        except LedgerConflictError as error:
            # Another worker took the line over: a lease had ended, or a person decided.
            stands = await self._ledger.find(line.key)
            if stands is None or stands.state in {LineState.SENDING, LineState.PLANNED}:
                raise self.in_flight(line) from error
            return stands


def _with_codes(line: LedgerLine, change: Change) -> LedgerLine:
    """Return a line with the codes of its first answer, if the ledger has dealt it all of them.

    It has dealt as many as the order has pieces, and the answer lists no more: so these are the ones.
    """
    delivered = line.state is LineState.PLACED and line.delivery is Delivery.DELIVERED
    whole = change.codes is not None and len(codes_of(change.codes)) == line.held == change.held
    return msgspec.structs.replace(line, codes=change.codes) if delivered and whole else line


def _unsent(line: LedgerLine) -> Change:
    return Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch)


def _lost(line: LedgerLine, error: str) -> Change:
    return Change(seq=line.seq, evidence=Evidence.OUTCOME_LOST, epoch=line.epoch, error=error)
