"""Cancel points by the ids that a ledger keeps: the intent of each row before the call, its own result after it.

The call has no key. A row whose answer is lost stays in doubt and is not asked for again: the recipient may have spent
the points meanwhile and been credited others, so a person looks in the dashboard first.

The results of a call share a transaction with the intents of the next one, so a call takes one commit. Both keep their
order: nothing stands between an answer and that commit, and no byte of the next call leaves before it.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from xoxo_async.bulk.client import CreditCancelled, Points
from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.lines import UNKEYED_IN_DOUBT, Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.one_run import check_keys
from xoxo_async.bulk.unkeyed.sending import Body
from xoxo_async.consequences import is_answer
from xoxo_async.errors import ConfigError, LedgerConflictError, RefusedError, XoxoError
from xoxo_async.wire.replies import Part

__all__ = ["CancelApproval", "CancelReport", "CancelResult", "Cancelling", "settle_cancels"]

CancelApproval = Callable[[int, Decimal], Awaitable[None]]
"""Is awaited once with how many rows are asked for now, and with their points, before the first call. An error that it
raises ends the cancellation, and nothing was asked for."""

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
            person has to look; `not_asked`: the call before it ended everything, or another process has asked for it
            and has no answer yet.
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
        not_asked: Rows that were not asked for, because it ended early or another process works on them: run it again.
        points: The points of the cancelled rows.
        reason: Why it ended early; empty if it did not.
        results: Each row's own result, in the order of the ledger.
        in_doubt: Other rows of the job that may have points: nobody knows, so they were not asked for. Counted only
            where every row was meant.
    """

    rows: int
    cancelled: int
    refused: int
    unknown: int
    not_asked: int
    points: Decimal
    reason: str
    results: tuple[CancelResult, ...]
    in_doubt: int = 0

    @property
    def exit_code(self) -> int:
        """The command's exit code for this report."""
        if self.unknown or self.in_doubt:
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
        self._lines: Final[dict[int, LedgerLine]] = {}
        self._taken: Final[set[int]] = set()
        self._reason = ""

    async def cancel(
        self, keys: Collection[str] | None, reason: str, approve: CancelApproval | None = None
    ) -> CancelReport:
        """Cancel the points of rows. See `BulkPoints.cancel`.

        Args:
            keys: The rows; None is every row that got points.
            reason: Why, for the journal.
            approve: Asked before the first call.
        """
        lines = await _wanted(self._ledger, keys)
        asked = [line for line in lines if self._is_to_be_asked(line)]
        if asked and approve is not None:
            await approve(len(asked), sum((_points(line) for line in asked), Decimal(0)))
        self._lines.update((line.seq, line) for line in asked)
        answered: list[Change] = []
        for few in (asked[at : at + self._batch] for at in range(0, len(asked), self._batch)):
            if self._stopped():
                self._reason = self._reason or "it was stopped"
            if self._reason:
                self._note_all(few, "not_asked", self._reason)
                continue
            mine = await self._intend(few, reason, answered)
            answered = await self._ask(mine) if mine else []
        await self._write(answered)
        for seq in self._taken:
            await self._note_as_it_is(self._lines[seq])
        for line in lines:
            if line.delivery is Delivery.CANCELLING:
                await self._note_earlier(line)
        states = {} if keys is not None else (await self._ledger.counts()).states
        return self._report(lines, in_doubt=sum(states.get(state, 0) for state in UNKEYED_IN_DOUBT))

    def _is_to_be_asked(self, line: LedgerLine) -> bool:
        """Return whether a row is to be cancelled now; note what is known of the others."""
        if line.delivery is Delivery.CANCELLED:
            self._note(line, "cancelled", "it was cancelled before")
        elif line.delivery is Delivery.CANCELLING:
            pass  # another process may be waiting for its answer: `_note_earlier` looks at the end
        elif line.order_id is None:
            self._note(line, "refused", _nameless(line, self._ledger))
        else:
            return True
        return False

    async def _intend(
        self, lines: Sequence[LedgerLine], reason: str, answered: Sequence[Change]
    ) -> Sequence[LedgerLine]:
        """Write durably that rows are to be cancelled; return those that no other process has taken meanwhile."""
        intents = [_change(line, Evidence.CANCEL_ASKED, reason=reason) for line in lines]
        await self._write([*answered, *intents])
        return [line for line in lines if line.seq not in self._taken]

    async def _write(self, changes: Sequence[Change]) -> None:
        """Record facts in one transaction. A fact does not apply where another process has changed the row meanwhile.

        An intent that does not apply is no doubt: nothing was asked for. What the row is now is read at the end, when
        the other process may have its answer. An answer that does not apply is one.
        """
        if not changes:
            return
        try:
            after = await self._ledger.record(changes)
        except LedgerConflictError as error:
            others = error.seqs
        else:
            # Where many work on a ledger, a fact about an epoch that is over is no error, and moves nothing.
            others = frozenset(
                change.seq for change, line in zip(changes, after, strict=False) if line.epoch != change.epoch
            )
        for change in changes:
            if change.seq not in others:
                continue
            if change.evidence is Evidence.CANCEL_ASKED:
                self._taken.add(change.seq)
            else:
                await self._note_beside(self._lines[change.seq], change)

    async def _note_beside(self, read: LedgerLine, answer: Change) -> None:
        """Note a row of which another process has recorded something while its answer was on its way."""
        line = await self._ledger.find(read.key) or read  # its id may be another one now
        if answer.evidence is Evidence.CANCEL_DONE and line.delivery is Delivery.CANCELLED:
            self._note(line, "cancelled", "")
            return
        told = {Evidence.CANCEL_DONE: "says that it is cancelled", Evidence.CANCEL_REFUSED: "refuses"}
        words = told.get(answer.evidence, "was lost")
        self._note(line, "unknown", f"the answer {words}, and another process has changed the row meanwhile")

    async def _note_earlier(self, read: LedgerLine) -> None:
        """Note a row that had been asked for before this call, by what its answer has made of it since."""
        line = await self._ledger.find(read.key) or read
        if line.delivery is Delivery.CANCELLING:
            self._note(line, "unknown", line.error or "the answer to an earlier cancellation was lost")
        else:
            await self._note_as_it_is(read)

    async def _note_as_it_is(self, read: LedgerLine) -> None:
        """Note a row that another process had taken first, as it is now."""
        line = await self._ledger.find(read.key) or read
        if line.delivery is Delivery.CANCELLED:
            self._note(line, "cancelled", "another process cancelled it meanwhile")
        elif line.delivery is Delivery.CANCELLING:
            self._note(line, "not_asked", "another process has asked for it, and has no answer yet: run it again")
        elif line.state is LineState.PLACED and line.order_id == read.order_id and line.error:
            self._note(line, "refused", line.error)
        else:
            self._note(line, "not_asked", "another process has changed this row meanwhile: run the command again")

    async def _ask(self, lines: Sequence[LedgerLine]) -> list[Change]:
        """Cancel some rows by one call, and return what became of each."""
        try:
            reply = await self._points.cancel([line.order_id or 0 for line in lines])
        except XoxoError as error:
            return self._failed(lines, error)
        told: dict[int | None, list[CreditCancelled]] = {}
        for one in reply.recipients:
            told.setdefault(one.unique_id, []).append(one)
        return [self._told(line, told.get(line.order_id, [])) for line in lines]

    def _told(self, line: LedgerLine, results: Sequence[CreditCancelled]) -> Change:
        """Return what an answer proves of one row."""
        if not results:
            return self._fact(line, Evidence.CANCEL_LOST, "unknown", "the answer does not name this credit")
        if len({one.success for one in results}) > 1:
            return self._fact(line, Evidence.CANCEL_LOST, "unknown", "the answer says both yes and no of this credit")
        if results[0].success:
            return self._fact(line, Evidence.CANCEL_DONE, "cancelled", "")
        return self._fact(line, Evidence.CANCEL_REFUSED, "refused", results[0].message or "the vendor gave no reason")

    def _failed(self, lines: Sequence[LedgerLine], error: XoxoError) -> list[Change]:
        """Return what a failed call proves of each row.

        The vendor's own "no" is an answer about a row that was asked for alone, as for any call without a key. Of
        several rows it does not say which one it is about, and the others may be cancelled, so all are in doubt.
        """
        its_own_no = isinstance(error, RefusedError) and error.in_words and len(lines) == 1
        if error.effect == "none" or its_own_no:
            facts = [self._fact(line, Evidence.CANCEL_REFUSED, "refused", error.message) for line in lines]
        else:
            facts = [self._fact(line, Evidence.CANCEL_LOST, "unknown", error.message) for line in lines]
        if error.effect == "none" and (error.retryable or not is_answer(error)):
            # The next call would fail in the same way: the server is not there, or refuses the token or the pace.
            self._reason = error.message
            self._note_all(lines, "not_asked", error.message)
        return facts

    def _fact(
        self, line: LedgerLine, evidence: Evidence, state: Literal["cancelled", "refused", "unknown"], message: str
    ) -> Change:
        self._note(line, state, message)
        return _change(line, evidence, error=message)

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
            points=_points(line),
            state=state,
            message=message,
        )

    def _report(self, lines: Sequence[LedgerLine], *, in_doubt: int) -> CancelReport:
        results = tuple(self._results[line.seq] for line in lines)
        counts = {state: sum(one.state == state for one in results) for state in _STATES}
        return CancelReport(
            rows=len(results),
            points=sum((one.points for one in results if one.state == "cancelled"), Decimal(0)),
            reason=self._reason,
            results=results,
            in_doubt=in_doubt,
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
    await ledger.record([_change(line, evidence, reason=reason) for line in lines])
    return len(lines)


async def _wanted(ledger: Ledger, keys: Collection[str] | None) -> list[LedgerLine]:
    """Return the rows of some keys in the order of the ledger, or refuse all of them."""
    check_keys(keys)
    placed = [line async for line in ledger.lines(states=(LineState.PLACED,))]
    if keys is None:
        return placed
    by_key = {line.key: line for line in placed}
    if wrong := [key for key in keys if key not in by_key]:
        why = [f"{key} ({await _why_not(ledger, key)})" for key in wrong[:_NAMED]]
        raise ConfigError(
            f"{ledger.name} has sent no points for {_listed([*why, *wrong[_NAMED:]])}; nothing was cancelled"
        )
    return sorted({key: by_key[key] for key in keys}.values(), key=lambda line: line.seq)


async def _why_not(ledger: Ledger, key: str) -> str:
    """Return why the points of a key cannot be cancelled."""
    line = await ledger.find(key)
    if line is None:
        return "no such row"
    if line.state in UNKEYED_IN_DOUBT:
        return f"in doubt: `{command_for(ledger, 'xoxo bulk status')}` says how to settle it first"
    return {LineState.REJECTED: "refused", LineState.CANCELLED: "withdrawn"}.get(line.state, "not sent")


_STATES: Final = ("cancelled", "refused", "unknown", "not_asked")
_BODY: Final = msgspec.json.Decoder(Body)


def _nameless(line: LedgerLine, ledger: Ledger) -> str:
    """Return why the points of a row cannot be cancelled whose answer named no id."""
    record = command_for(ledger, "xoxo bulk resolve", "--placed", "ID", keys=(line.key,))
    return f"no answer named the unique_id of these points: find ID in the dashboard, and record it by `{record}`"


def _points(line: LedgerLine) -> Decimal:
    """Return the points that a row sent."""
    return _BODY.decode(line.body).denomination


def _change(line: LedgerLine, evidence: Evidence, *, reason: str = "", error: str = "") -> Change:
    """Return a fact about the credit that was read: the ledger refuses it where the row's id was corrected since."""
    return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, order_id=line.order_id, reason=reason, error=error)


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more
