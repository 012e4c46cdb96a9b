"""Cancel points by the ids that a ledger keeps: the intent of each row before the call, its own result after it.

The call has no key. A row whose answer is lost stays in doubt and is not asked for again: the recipient may have spent
the points meanwhile and been credited others, so a person looks in the dashboard first.
"""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.client import Points
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.one_run import check_keys
from xoxo_async.bulk.unkeyed.sending import Body
from xoxo_async.consequences import is_answer
from xoxo_async.errors import ConfigError, LedgerConflictError, RefusedError, XoxoError
from xoxo_async.wire.replies import Part

__all__ = ["CancelReport", "CancelResult", "Cancelling", "settle_cancels"]

_NAMED: Final = 20
"""How many wrong keys an error names."""


class CancelResult(Part, frozen=True, kw_only=True):
    """What became of the cancellation of one row.

    Attributes:
        key: The row's key.
        row: Its number in the input.
        unique_id: The id of the credit; None if no answer named it.
        points: The points that it sent.
        state: `cancelled`, also by an earlier call; `refused`; `unknown`: the answer was lost, now or earlier, and a
            person has to look; `not_asked`: the call before it ended everything.
        message: The vendor's words, or why it was not asked.
    """

    key: str
    row: int
    unique_id: int | None
    points: Decimal
    state: Literal["cancelled", "refused", "unknown", "not_asked"]
    message: str = ""


class CancelReport(Part, frozen=True, kw_only=True):
    """The result of `BulkPoints.cancel`; `cancelled + refused + unknown + not_asked == rows`.

    Attributes:
        rows: Rows that were to be cancelled.
        cancelled: Rows whose points are cancelled, also by an earlier call.
        refused: Rows whose cancellation the vendor refused, and rows without an id.
        unknown: Rows whose cancellation is in doubt.
        not_asked: Rows that were not asked for, because it ended early.
        points: The points of the cancelled rows.
        reason: Why it ended early; empty if it did not.
        results: Each row's own result, in the order of the ledger.
    """

    rows: int
    cancelled: int
    refused: int
    unknown: int
    not_asked: int
    points: Decimal
    reason: str
    results: tuple[CancelResult, ...]

    @property
    def exit_code(self) -> int:
        """The command's exit code for this report."""
        if self.unknown:
            return 4
        if self.not_asked:
            return 5
        return 3 if self.refused else 0


class Cancelling:
    """Cancel the points of rows, each exactly accounted for.

    Args:
        points: Makes the calls.
        ledger: The job's ledger.
        batch: How many rows travel in one call.
        stopped: Whether no further call is to be made.
    """

    def __init__(
        self, points: Points, ledger: Ledger, *, batch: int = 1, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._points: Final = points
        self._ledger: Final = ledger
        self._batch: Final = batch
        self._stopped: Final = stopped
        self._results: Final[dict[int, CancelResult]] = {}
        self._reason = ""

    async def cancel(self, keys: Collection[str] | None, reason: str) -> CancelReport:
        """Cancel the points of rows. See `BulkPoints.cancel`.

        Args:
            keys: The rows; None is every row that got points.
            reason: Why, for the journal.
        """
        lines = await _wanted(self._ledger, keys)
        asked = [line for line in lines if self._is_to_be_asked(line)]
        for few in (asked[at : at + self._batch] for at in range(0, len(asked), self._batch)):
            if self._stopped():
                self._reason = self._reason or "it was stopped"
            if self._reason:
                self._note_all(few, "not_asked", self._reason)
            else:
                await self._ask(few, reason)
        return self._report(lines)

    def _is_to_be_asked(self, line: LedgerLine) -> bool:
        """Return whether a row is to be cancelled now; note what is known of the others."""
        if line.delivery is Delivery.CANCELLED:
            self._note(line, "cancelled", "it was cancelled before")
        elif line.delivery is Delivery.CANCELLING:
            self._note(line, "unknown", line.error or "the answer to an earlier cancellation was lost")
        elif line.order_id is None:
            self._note(line, "refused", _NAMELESS)
        else:
            return True
        return False

    async def _ask(self, lines: Sequence[LedgerLine], reason: str) -> None:
        """Cancel some rows by one call."""
        mine = [line for line in lines if await self._intend(line, reason)]
        if not mine:
            return
        try:
            reply = await self._points.cancel([line.order_id or 0 for line in mine])
        except XoxoError as error:
            await self._failed(mine, error)
            return
        told = {one.unique_id: one for one in reply.recipients}
        for line in mine:
            one = told.get(line.order_id)
            if one is None:
                await self._record(line, Evidence.CANCEL_LOST, "unknown", "the answer does not name this credit")
            elif one.success:
                await self._record(line, Evidence.CANCEL_DONE, "cancelled", "")
            else:
                await self._record(line, Evidence.CANCEL_REFUSED, "refused", one.message or "the vendor gave no reason")

    async def _intend(self, line: LedgerLine, reason: str) -> bool:
        """Write durably that a row is to be cancelled; return False if another process has taken it meanwhile."""
        try:
            await self._ledger.record([_change(line, Evidence.CANCEL_ASKED, reason=reason)])
        except LedgerConflictError as error:
            self._note(line, "unknown", error.message)
            return False
        return True

    async def _failed(self, lines: Sequence[LedgerLine], error: XoxoError) -> None:
        """Record what a failed call proves.

        The vendor's own "no" is an answer about a row that was asked for alone, as for any call without a key. Of
        several rows it does not say which one it is about, and the others may be cancelled, so all are in doubt.
        """
        its_own_no = isinstance(error, RefusedError) and error.in_words and len(lines) == 1
        refused = error.effect == "none" or its_own_no
        for line in lines:
            if refused:
                await self._record(line, Evidence.CANCEL_REFUSED, "refused", error.message)
            else:
                await self._record(line, Evidence.CANCEL_LOST, "unknown", error.message)
        if error.effect == "none" and (error.retryable or not is_answer(error)):
            # The next call would fail in the same way: the server is not there, or refuses the token or the pace.
            self._reason = error.message
            self._note_all(lines, "not_asked", error.message)

    async def _record(
        self, line: LedgerLine, evidence: Evidence, state: Literal["cancelled", "refused", "unknown"], message: str
    ) -> None:
        await self._ledger.record([_change(line, evidence, error=message)])
        self._note(line, state, message)

    def _note_all(self, lines: Sequence[LedgerLine], state: Literal["not_asked"], message: str) -> None:
        for line in lines:
            self._note(line, state, message)

    def _note(
        self, line: LedgerLine, state: Literal["cancelled", "refused", "unknown", "not_asked"], message: str
    ) -> None:
        self._results[line.seq] = CancelResult(
            key=line.key,
            row=line.row,
            unique_id=line.order_id,
            points=_BODY.decode(line.body).denomination,
            state=state,
            message=message,
        )

    def _report(self, lines: Sequence[LedgerLine]) -> CancelReport:
        results = tuple(self._results[line.seq] for line in lines)
        counts = {state: sum(one.state == state for one in results) for state in _STATES}
        return CancelReport(
            rows=len(results),
            points=sum((one.points for one in results if one.state == "cancelled"), Decimal(0)),
            reason=self._reason,
            results=results,
            **counts,
        )


async def settle_cancels(ledger: Ledger, keys: Collection[str], *, cancelled: bool, reason: str) -> int:
    """Record what a person found out about cancellations in doubt. Makes no call.

    Args:
        ledger: The job's ledger.
        keys: The rows.
        cancelled: Whether the points are gone; otherwise they are still there, and may be cancelled again.
        reason: Why, for the journal.

    Returns:
        How many rows were settled.

    Raises:
        ConfigError: A row is not there, or its cancellation is not in doubt; each is named, and none was recorded.
    """
    evidence = Evidence.PERSON_CANCELLED if cancelled else Evidence.PERSON_KEPT
    lines = await _wanted(ledger, keys)
    if sure := [line.key for line in lines if line.delivery is not Delivery.CANCELLING]:
        raise ConfigError(f"no cancellation of {_listed(sure)} is in doubt; nothing was recorded")
    for line in lines:
        await ledger.record([_change(line, evidence, reason=reason)])
    return len(lines)


async def _wanted(ledger: Ledger, keys: Collection[str] | None) -> list[LedgerLine]:
    """Return the rows of some keys in the order of the ledger, or refuse all of them."""
    check_keys(keys)
    placed = [line async for line in ledger.lines(states=(LineState.PLACED,))]
    if keys is None:
        return placed
    by_key = {line.key: line for line in placed}
    if wrong := [key for key in keys if key not in by_key]:
        raise ConfigError(f"{ledger.name} has sent no points for {_listed(wrong)}; nothing was cancelled")
    return sorted({key: by_key[key] for key in keys}.values(), key=lambda line: line.seq)


_NAMELESS: Final = (
    "no answer named the unique_id of these points: find it in the dashboard, and record it by"
    " `xoxo bulk resolve --placed ID`"
)
_STATES: Final = ("cancelled", "refused", "unknown", "not_asked")
_BODY: Final = msgspec.json.Decoder(Body)


def _change(line: LedgerLine, evidence: Evidence, *, reason: str = "", error: str = "") -> Change:
    return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, reason=reason, error=error)


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more
