"""Decide what a ledger does by itself: claims, doubts, withdrawals. Uses no database; no I/O.

A store reads lines, calls a function of this module, and writes the moves that it returns, each move with its journal
row and by compare-and-set (see `Move`). Facts that callers state are decided in `recording`. The steps of a store, each
list in one transaction:

Claim:

1. Open the key of the marks, or fail: nothing is sent whose codes could not be told from those of other lines.
2. Read as many planned lines as all requests want, in the order in which they are to be sent.
3. If a request has a budget, read `Funds` in the currency that is kept as `CURRENCY`; see `Funds.after`.
4. Begin a new epoch, and keep `LAST_SLOT`: the moment of this claim by the ledger's clock.
5. Call `decide_claims`, write, commit. Only then answer: with `ClaimRequest.refusal` where it is an error, else with
   `lines`. If the caller is gone, record `recording.given_back`.

Recover: `state_for_all` with `SENDER_DIED`, for the lines that are `sending` in an epoch whose holder is proven dead.
`at` is a moment after which it surely sent nothing; None where no such moment is known.

Restore: raise the generation, begin a new epoch, forget that the ledger is `copied`, and write a journal row about the
ledger (`seq` 0). Then `state_for_all` with `LEDGER_RESTORED`, or with `LEDGER_COPIED`, and with `at` now: first for the
`unknown` lines, then for the `planned` ones. In the other order those that were planned would be counted twice.

Withdraw:

1. Fail with `maybe_sent` while the ledger is `copied`.
2. Without keys, call `withdraw` for the planned lines that were `never_sent`, shared orders as a whole, and count the
   lines that travel in them.
3. With keys, fail if one of them is not there. Call `withdraw` for the shared orders that some of them travel in, and
   plan the lines of these orders each by itself. Find the keys again, and call `withdraw` for their lines.

A holder whose clock is new (see `LedgerClock.is_new`) writes `counted_anew` for all lines, with its mark.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.budget import Funds, commitment, shortage
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.table import Moment, decide
from xoxo_async.errors import BudgetError, LedgerConflictError

__all__ = [
    "MAY_EXIST",
    "ClaimRequest",
    "StoredLine",
    "counted_anew",
    "decide_claims",
    "doubt_answers",
    "first_few",
    "maybe_sent",
    "never_sent",
    "state_for_all",
    "withdraw",
]

MAY_EXIST: Final = (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT)
"""The states in which look-ups go on: an order may exist, and its absence is still counted."""

_SHOWN: Final = 3


class ClaimRequest:
    """Lines wanted, and those taken.

    Args:
        limit: How many at most.
        budget: What the job may cost, in ten-thousandths; None is no bound.

    Attributes:
        lines: The lines taken.
        short: Why the next line does not fit into the budget; empty if it fits, or if no line is left.
    """

    __slots__ = ("budget", "limit", "lines", "short")

    def __init__(self, limit: int, budget: int | None) -> None:
        self.limit: Final = limit
        self.budget: Final = budget
        self.lines: list[LedgerLine] = []
        self.short: str = ""

    @property
    def refusal(self) -> BudgetError | None:
        """The error of a request that the budget left without a line; None where it got one, or none is left."""
        return BudgetError(self.short) if self.short and not self.lines else None


class StoredLine(NamedTuple):
    """The stored line that has the key or poNumber of a line that is planned or armed.

    Attributes:
        place: The planned line's place in its chunk; the number of the request that arms it, from 0.
        key: The key of the stored line.
        po_number: Its poNumber.
        digest: Its digest.
        row: Its row.
        seq: Its order's number.
        first: Its first voucher's place there; None where it is an order by itself.
    """

    place: int
    key: str
    po_number: str
    digest: str
    row: int
    seq: int
    first: int | None


def decide_claims(
    requests: Sequence[ClaimRequest], planned: Iterable[LedgerLine], moment: Moment, funds: Funds
) -> list[Move]:
    """Hand out planned lines (T1), for any number of callers; lines that are not handed out stay planned.

    Args:
        requests: Filled with the lines taken, in order of asking.
        planned: The next planned lines, as many as the requests want or as there are, in the order of sending.
        moment: Who writes, and when.
        funds: What the job has committed; read only for requests with a budget.

    Returns:
        What is to be written.
    """
    moves: list[Move] = []
    reserved, slot = 0, Evidence.SLOT_IN_HAND
    budgeted = any(request.budget is not None for request in requests)
    ahead = iter(planned)
    line = next(ahead, None)
    for request in requests:
        request.lines, request.short = [], ""
        while line is not None and len(request.lines) < request.limit:
            change = Change(seq=line.seq, evidence=slot, epoch=line.epoch)
            outcome = decide(line, change, moment)
            if outcome.transition is not None:
                if request.budget is not None:
                    request.short = shortage(outcome.line, request.budget, funds, reserved)
                    if request.short:
                        break
                if budgeted:
                    reserved += commitment(outcome.line, funds.currency)
                request.lines.append(outcome.line)
                moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
            line = next(ahead, None)
    return moves


def doubt_answers(answers: Iterable[tuple[str, int]], lines: Iterable[LedgerLine], moment: Moment) -> list[Move]:
    """Put lines in doubt (T16) whose answers came on a connection that was not in step.

    Args:
        answers: poNumber and order id of each answer on that connection.
        lines: The orders of those poNumbers, as read, in any order.
        moment: Who writes, and when.

    Returns:
        What is to be written, in order of `seq`; the codes of these lines and their marks are to be dropped.
    """
    named: dict[str, set[int]] = {}
    for po_number, order_id in answers:
        named.setdefault(po_number, set()).add(order_id)
    moves: list[Move] = []
    for line in sorted(lines, key=attrgetter("seq")):
        if line.order_id not in named.get(line.po_number, ()):
            continue
        change = Change(
            seq=line.seq,
            evidence=Evidence.CONNECTION_DOUBTED,
            epoch=line.epoch,
            order_id=line.order_id,
            error=f"order {line.order_id} was answered on a connection whose answers were not in step",
        )
        moves += _moved(line, change, moment)
    return moves


def state_for_all(
    evidence: Evidence, lines: Iterable[LedgerLine], moment: Moment, *, reason: str = "", at: float | None = None
) -> list[Move]:
    """State one fact about many lines, with the store's proof; a line that it does not apply to stays as it is.

    Args:
        evidence: The fact: `SENDER_DIED` (T7) for lines whose sender is proven to send no more, `LEDGER_RESTORED` or
            `LEDGER_COPIED` (T15), `UNWANTED`.
        lines: The lines, as read.
        moment: Who writes, and when.
        reason: For the journal.
        at: See `Change.at`.

    Returns:
        What is to be written.
    """
    moves: list[Move] = []
    for line in lines:
        moves += _moved(line, Change(seq=line.seq, evidence=evidence, epoch=line.epoch, reason=reason, at=at), moment)
    return moves


def counted_anew(line: LedgerLine, now: float) -> LedgerLine:
    """Return a line as a ledger keeps it whose clock is new: nobody knows how long the ledger was not used.

    The absence of an order that may exist counts from now on. An older stamp would make it look settled, and it would
    be bought again.

    Args:
        line: The line as read.
        now: Where the new clock begins.
    """
    return msgspec.structs.replace(line, last_sent_tick=now) if line.state in MAY_EXIST else line


def never_sent(line: LedgerLine) -> bool:
    """Return whether a planned line may be withdrawn: no request of it can exist.

    Args:
        line: The line as read.
    """
    return not line.attempts and not line.suspect


def withdraw(lines: Iterable[LedgerLine], reason: str, moment: Moment) -> list[Move]:
    """Cancel lines (T14), all or none; lines that are cancelled already are skipped.

    Args:
        lines: The lines, as read.
        reason: Why; journalled.
        moment: Who writes, and when.

    Returns:
        What is to be written.

    Raises:
        LedgerConflictError: When a line was sent; names it.
    """
    moves: list[Move] = []
    refused: list[str] = []
    for line in lines:
        moved = _moved(line, Change(seq=line.seq, evidence=Evidence.WITHDRAWN, epoch=line.epoch, reason=reason), moment)
        moves += moved
        if not moved and line.state is not LineState.CANCELLED:
            sent = "was sent before, and may exist" if line.state is LineState.PLANNED else f"is {line.state.value}"
            refused.append(f"row {line.row} (key {line.key}) {sent}")
    if refused:
        raise LedgerConflictError(
            f"only lines that were never sent can be withdrawn; nothing was changed: {first_few(refused)}"
        )
    return moves


def maybe_sent() -> LedgerConflictError:
    """Return the error for lines that cannot be withdrawn, since another copy of the ledger may have sent them."""
    return LedgerConflictError(
        "this ledger replaces another one or is an older copy, so its rows may have been sent; nothing was withdrawn."
        " Run it first: rows that the vendor does not have are then free again"
    )


def _moved(line: LedgerLine, change: Change, moment: Moment) -> list[Move]:
    """Return the move that a fact makes; none if it does not apply."""
    outcome = decide(line, change, moment)
    if outcome.transition is None:
        return []
    return [Move.of(line, outcome.line, outcome.transition.number, change)]


def first_few(texts: Sequence[str]) -> str:
    """Return the first of some texts, and how many more there are: an error must not name a million rows.

    Args:
        texts: The texts to name.
    """
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
