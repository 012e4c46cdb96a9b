"""How rows without a key are sent, many in one call, and how those in doubt reach a person."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final

import anyio
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.table import MAX_HOLD_S
from xoxo_async.bulk.pauses import Pause
from xoxo_async.bulk.running.evidence import change_from_error
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.road import Run
from xoxo_async.bulk.running.sent import Sent
from xoxo_async.bulk.unkeyed.balances import after_call, before_call, holds
from xoxo_async.bulk.unkeyed.sending import Sending
from xoxo_async.consequences import is_answer
from xoxo_async.errors import RefusedError, XoxoError
from xoxo_async.transport.connections import Attempt, OrderAnswer

__all__ = ["PersonSettler", "UnkeyedRoad", "refused"]

_CHUNK: Final = 500
_BALANCES_WITHIN: Final = 0.5
"""The part of the hold of a claim in which balances are read before the call."""
_NOBODY_CAN_TELL: Final = "no call can tell what became of it: look it up in the vendor's dashboard"


class UnkeyedRoad:
    """The road of one kind of rows without a key.

    Args:
        client: Sends.
        ledger: The ledger.
        sending: The kind.
        batch: How many rows travel in one call at most.
        balances: Whether a recipient's balance is read before the call of a row and, if its answer is lost, after it: a
            call more for each row, as evidence for a person.
    """

    def __init__(self, client: BulkClient, ledger: Ledger, sending: Sending, *, batch: int, balances: bool) -> None:
        self._client: Final = client
        self._ledger: Final = ledger
        self._sending: Final = sending
        self._batch: Final = batch
        self._balances: Final = balances

    @property
    def kind(self) -> JobKind:
        """What the job is of."""
        return self._sending.kind

    @property
    def operation(self) -> str:
        """The call, by the name that the pacer knows."""
        return self._sending.operation.name

    @property
    def batch(self) -> int:
        """How many rows travel in one call at most."""
        return self._batch

    def fit(self, one: LedgerLine, other: LedgerLine) -> bool:
        """Return whether two rows may travel in one call. A row that was refused with others travels alone.

        Args:
            one: A row.
            other: Another row.
        """
        return not (one.error_id or other.error_id) and self._sending.fit(one, other)

    def caller(
        self, _doubt: Callable[[OrderAnswer], None], wall: Callable[[], float]
    ) -> Callable[[Sequence[LedgerLine]], Awaitable[Sent]]:
        """Return what sends rows, see `call`.

        Args:
            _doubt: Not called: an answer without an order id makes no other answer doubtful.
            wall: The ledger's clock.
        """
        return partial(self.call, wall)

    async def call(self, wall: Callable[[], float], lines: Sequence[LedgerLine]) -> Sent:
        """Send rows whose intent is durable, in exactly one call. Moves money.

        It leaves within the hold of their claim, or not at all, however long a token or a connection takes.

        Args:
            wall: The ledger's clock.
            lines: The rows.
        """
        request = self._sending.request(lines)  # what cannot be read must not be sent
        claimed = min(line.last_sent_tick or 0.0 for line in lines)
        before: dict[int, str] = {}
        if self._balances:
            before = await self._note_balances(lines, claimed + _BALANCES_WITHIN * MAX_HOLD_S - wall())
        latest = claimed + 0.9 * MAX_HOLD_S
        attempt = Attempt("", lambda: wall() < latest)
        try:
            reply = await self._client.dispatcher.once(self._sending.operation, request, attempt=attempt)
        except XoxoError as error:
            changes = [refused(line, error, alone=len(lines) == 1) for line in lines]
            return Sent(_with_balances(changes, before), error)
        return Sent(_with_balances(self._sending.changes(lines, reply), before), None)

    async def look(self) -> None:
        """Make a call that reads, to see whether the server answers."""
        operation, request = self._sending.look()
        await self._client.dispatcher.once(operation, request)

    def settler(self, run: Run) -> "PersonSettler":
        """Return what leaves the rows in doubt of a run to a person.

        Args:
            run: The parts of the run.
        """
        return PersonSettler(self._ledger, run, self._balance if self._balances else None)

    async def _note_balances(self, lines: Sequence[LedgerLine], within_s: float) -> dict[int, str]:
        """Keep durably what each recipient holds before the call, and return it in words by line.

        Those that cannot be read in time are left out. Otherwise a large batch would never leave within its hold, and
        the run would read balances for ever.
        """
        before: dict[int, str] = {}
        facts: list[Change] = []
        until = anyio.current_time() + within_s
        for line in lines:
            text = "the recipient's balance was not read: there was no time"
            if (left_s := until - anyio.current_time()) > 0:
                with anyio.move_on_after(left_s):
                    text = await self._balance(line)
            if text:
                text = before[line.seq] = before_call(text)
                facts.append(
                    Change(seq=line.seq, evidence=Evidence.BALANCE_SEEN, epoch=line.epoch, error=text, reason=text)
                )
        if facts:
            await self._ledger.record(facts)
        return before

    async def _balance(self, line: LedgerLine) -> str:
        """Return in words what a line's recipient holds now; empty where there is nothing to read."""
        asked = self._sending.balance_request(line)
        if asked is None:
            return ""
        dispatcher = self._client.dispatcher
        try:
            await dispatcher.pacer.slot(asked[0].name)
            reply: Any = await dispatcher.once(*asked)
        except XoxoError as error:
            return f"the recipient's balance could not be read ({type(error).__name__})"
        return holds(reply.total)


def refused(line: LedgerLine, error: XoxoError, *, alone: bool) -> Change:
    """Return what a failed call proves of one of its rows.

    A refusal that is certain rejects a row that travelled alone. Of several rows it does not say which one was wrong:
    nothing was done, so each is sent again, alone. The vendor's own "no" in the answer is certain for one row, since
    there is no better evidence; of several rows some may have been done, so all are in doubt.

    Args:
        line: The row.
        error: What the call raised.
        alone: Whether it travelled alone.
    """
    change = change_from_error(line, error)
    if change.evidence is Evidence.REFUSED_UNCLEAR and alone and isinstance(error, RefusedError) and error.in_words:
        return msgspec.structs.replace(change, evidence=Evidence.REFUSED_NO_ORDER)
    if change.evidence is Evidence.REFUSED_NO_ORDER and not alone and is_answer(error):
        why = f"refused together with other rows, so it is sent alone: {change.error}"
        named = change.error_id or type(error).__name__
        return msgspec.structs.replace(change, evidence=Evidence.NOT_PROCESSED, error=why, error_id=named)
    if change.evidence is Evidence.NOT_PROCESSED:
        return msgspec.structs.replace(change, error_id="", error="")  # it may still travel with others
    return change


def _with_balances(changes: Sequence[Change], before: Mapping[int, str]) -> list[Change]:
    """Return the facts of a call, those that leave a row in doubt with what its recipient held before."""
    return [
        msgspec.structs.replace(change, error=f"{change.error}; {before[change.seq]}")
        if change.seq in before and change.evidence in _DOUBTS
        else change
        for change in changes
    ]


_DOUBTS: Final = frozenset({Evidence.OUTCOME_LOST, Evidence.REFUSED_UNCLEAR})


class PersonSettler:
    """Leave every row in doubt to a person: no call can look it up, and nothing is sent again by itself.

    Args:
        ledger: The ledger.
        run: The parts of the run.
        balance: Returns in words what a row's recipient holds now; None reads nothing.
    """

    def __init__(self, ledger: Ledger, run: Run, balance: Callable[[LedgerLine], Any] | None) -> None:
        self.pause: Final = Pause.NONE
        self.reason: Final = ""
        self._ledger: Final = ledger
        self._run: Final = run
        self._progress: Final[Progress] = run.progress
        self._stopped: Final[anyio.Event] = run.stopped
        self._balance: Final = balance

    def begin(self) -> None:
        """Show what the run does."""
        self._progress.phase = "settling"

    async def settle(self) -> None:
        """State of every unknown row that no call can tell what became of it (T10).

        Raises:
            LedgerError: It cannot be written.
        """
        self.begin()
        batch: list[Change] = []
        async for line in self._ledger.lines(states=(LineState.UNKNOWN,)):
            batch.append(await self._fact(line))
            if len(batch) >= _CHUNK:
                await self._record(batch)
                batch = []
        await self._record(batch)

    async def settle_due(self, _seconds: float = inf) -> float | None:
        """Do the same at once; no row waits for a later look.

        Raises:
            LedgerError: It cannot be written.
        """
        await self.settle()
        return None

    async def refresh_pending(self) -> None:
        """Do nothing: what was answered is all there is."""

    async def _fact(self, line: LedgerLine) -> Change:
        words = [line.error, _NOBODY_CAN_TELL]
        if self._balance is not None and not self._stopped.is_set():
            words.append(after_call(await self._balance(line)))
        text = "; ".join(word for word in words if word)
        return Change(seq=line.seq, evidence=Evidence.NO_LOOKUP, epoch=line.epoch, error=text, reason=text)

    async def _record(self, facts: Sequence[Change]) -> None:
        if facts:
            await self._run.recorder.record(facts, rules=self._run.rules)
