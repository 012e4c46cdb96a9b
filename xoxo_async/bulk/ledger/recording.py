"""Decide about the facts that callers state, in one transaction of a ledger. Uses no database; no I/O.

The steps of a store, all in one transaction:

1. Read the lines that the facts are about. Read what it keeps of the codes of `seqs_with_codes`, open it, and give it
   to a new `Dealing`.
2. Call `decide_records`, and write the moves with their journal rows, each move by compare-and-set (see `Move`). If a
   line has changed meanwhile, write nothing, and start again at 1.
3. If the unique index on order ids refuses a move, undo 2. Read which lines own `orders_named`, and start again at 1
   with these lines and with `owners`.
4. Drop the codes and the marks of `lost_orders`.
   Where jobs share a database, write the moves of `disputes` as well.
5. Unless the `Dealing` is empty: open the key of the marks. Take the marks of `claims`, and `refuse` those that other
   lines have, until none is refused. Write `codes_to_keep`, sealed. Read the lines of `Dealing.owners`, write the moves
   of `alarms`, and call `put_alarms`.
6. Plan the lines of `refused_packs`, each as an order by itself at the price it has now, with a journal row (T0).
7. For the `doubts` of each request: read the orders of their poNumbers, call `bookkeeping.doubt_answers`, write the
   moves, drop the codes and marks of these lines, and append the lines to `lines` of the request. This is in the same
   transaction: a process that dies must not keep the answers and forget the doubt.
8. Commit. Only then answer the callers: with `refusal_of` where it is an error, else with `lines`.

An order belongs to one line. The lines as read show the owners of their orders. Two lines that claim one order are
rare. So a store reads further owners only after its unique index has refused a write, and then calls again with them.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.bookkeeping import first_few
from xoxo_async.bulk.ledger.dealing import Dealing
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.table import MAX_ORDER_ID, Moment, decide
from xoxo_async.errors import LedgerConflictError

__all__ = [
    "RecordRequest",
    "Recorded",
    "decide_records",
    "disputes",
    "given_back",
    "orders_named",
    "put_alarms",
    "refusal_of",
    "seqs_with_codes",
    "storable",
    "storable_text",
]

_MAX_TEXT: Final = 1000
# Python 3.11 finds a member of an enum ten times slower than a name of the module, and these are read for each line.
_PLACED: Final = LineState.PLACED
_CORRECTED: Final = Evidence.PERSON_CORRECTED
_BY_PERSONS: Final = frozenset({Evidence.PERSON_PLACED, Evidence.PERSON_CORRECTED, Evidence.LATE_PROOF})
_LOOKED_UP: Final = frozenset({Evidence.LOOKUP_MATCHED, Evidence.ORDER_OF_THIS_SEND, Evidence.ORDER_SINCE_PLAN})
_ENDS: Final = frozenset({Evidence.OUTCOME_LOST, Evidence.REFUSED_NO_ORDER, Evidence.REFUSED_UNCLEAR})
# These need proof that only a store has: a slot, a lock, a lease, its own file.
_STATED_BY_STORES: Final = frozenset(
    {Evidence.SLOT_IN_HAND, Evidence.SENDER_DIED, Evidence.LEDGER_RESTORED, Evidence.LEDGER_COPIED, Evidence.UNWANTED}
)


class RecordRequest:
    """Facts to record, and the result.

    Args:
        changes: The facts.
        rules: The settling rules.
        doubts: poNumber and order id of each answer on a connection that was not in step.
        shared: Whether many workers write to the ledger. Then a fact of an epoch that is over is no error: its worker
            slept, and another one took the line over.

    Attributes:
        lines: For every fact that applied, the line after it; for one that is superseded, the line as it stands.
        refused: Why the others did not apply.
        unapplied: The lines with a fact that was refused or is superseded.
    """

    __slots__ = ("changes", "doubts", "lines", "refused", "rules", "shared", "unapplied")

    def __init__(
        self,
        changes: Sequence[Change],
        rules: Rules,
        doubts: Sequence[tuple[str, int]] = (),
        *,
        shared: bool = False,
    ) -> None:
        self.changes: Sequence[Change] = changes
        self.rules: Final = rules
        self.doubts: Final = doubts
        self.shared: Final = shared
        self.lines: list[LedgerLine] = []
        self.refused: list[str] = []
        self.unapplied: set[int] = set()

    def refuse(self, seq: int, why: str) -> None:
        """Note that a fact about a line does not apply, and why."""
        self.refused.append(why)
        self.unapplied.add(seq)

    def count_from(self, since: float) -> None:
        """Forget when sends ended before the ledger's clock went forward: by the new clock it may be too early.

        Args:
            since: When it went forward.
        """
        self.changes = [
            msgspec.structs.replace(change, at=None)
            if change.evidence in _ENDS and change.at is not None and change.at < since
            else change
            for change in self.changes
        ]


class Recorded(NamedTuple):
    """What a store has to write for recorded facts.

    Attributes:
        moves: The decided changes, in order; a line may occur more than once.
        lines: The lines as they stand after them.
    """

    moves: list[Move]
    lines: dict[int, LedgerLine]

    @property
    def lost_orders(self) -> list[int]:
        """The lines that have lost their order: the store drops the codes it keeps for them."""
        return [move.after.seq for move in self.moves if move.loses_order]

    @property
    def refused_packs(self) -> list[int]:
        """The packs that certainly have no order: the store makes each of their lines an order by itself."""
        return [move.after.seq for move in self.moves if move.transition == "T4" and move.after.lines > 1]


def seqs_with_codes(requests: Sequence[RecordRequest], lines: Mapping[int, LedgerLine]) -> list[int]:
    """Return the placed lines whose facts have codes: the store passes their stored codes to `Dealing`.

    Args:
        requests: The facts.
        lines: The lines as read.
    """
    coded = {change.seq for request in requests for change in request.changes if change.codes is not None}
    return [seq for seq in coded if seq in lines and lines[seq].state is _PLACED]


def orders_named(requests: Sequence[RecordRequest]) -> list[int]:
    """Return the ids of all orders that facts name.

    Args:
        requests: The facts.
    """
    return [change.order_id for request in requests for change in request.changes if change.order_id]


def decide_records(
    requests: Sequence[RecordRequest],
    lines: Mapping[int, LedgerLine],
    moment: Moment,
    dealing: Dealing,
    owners: Mapping[int, int] | None = None,
) -> Recorded:
    """Decide about facts, for any number of callers.

    Args:
        requests: Filled with the lines as they stand, and with the refusals.
        lines: The lines that the facts are about, as read, by `seq`; with `owners`, those that own orders as well.
        moment: Who writes, and when; each request has its own rules.
        dealing: Has the stored codes of the lines of `seqs_with_codes`.
        owners: The line of each of `orders_named`, beyond the lines as read. None if the store has not read them: it
            does so only after its unique index refuses a write, since that is rare.

    Returns:
        What is to be written.
    """
    # A line may lose its order to another line of this transaction. A unique index sees only the end, and refuses
    # nothing then; but what follows from two facts must not depend on whether they share a transaction.
    here = {line.order_id: line.seq for line in lines.values() if line.order_id is not None}
    records = _Records(dict(lines), dealing, here | dict(owners or {}))
    for request in requests:
        request.lines, request.refused, request.unapplied = [], [], set()
        under_rules = msgspec.structs.replace(moment, rules=request.rules)
        for change in request.changes:
            records.take(storable(change), request, under_rules)
    return Recorded(records.moves, records.lines)


class _Records:
    """Facts of one transaction, one after another: each applies to the lines as the one before left them."""

    def __init__(self, lines: dict[int, LedgerLine], dealing: Dealing, owners: MutableMapping[int, int]) -> None:
        self.lines: Final = lines
        self.moves: Final[list[Move]] = []
        self._dealing: Final = dealing
        self._owners: Final = owners

    def take(self, change: Change, request: RecordRequest, moment: Moment) -> None:
        line = self.lines.get(change.seq)
        if line is None:
            request.refuse(change.seq, f"there is no line {change.seq}")
            return
        owner = None if change.order_id is None else self._owner(change.order_id)
        if owner is not None and _takes_over(line, change, owner, moment):
            settled = self._settle_owner(change, line, owner, request, moment)
            if settled is None:
                return
            change = settled
        self._apply(change, line, request, moment)

    def _owner(self, order_id: int) -> LedgerLine | None:
        """Return the line that has an order; None if no line has it."""
        seq = self._owners.get(order_id)
        owner = None if seq is None else self.lines[seq]
        return owner if owner is not None and owner.order_id == order_id else None

    def _settle_owner(
        self, change: Change, line: LedgerLine, owner: LedgerLine, request: RecordRequest, moment: Moment
    ) -> Change | None:
        """Return the fact to apply instead of one that names another line's order; None if none applies."""
        if change.evidence in _BY_PERSONS:
            request.refuse(change.seq, f"order {change.order_id} is line {owner.seq}'s, not line {change.seq}'s")
            return None
        if self._doubt(owner, change.seq, moment):
            self._dealing.lose(owner.seq)
            if change.evidence in _LOOKED_UP:
                request.lines.append(line)  # the next look-up finds the order, which then is no other line's
                return None
        return _of_another(change, owner.seq)

    def _doubt(self, owner: LedgerLine, claimant: int, moment: Moment) -> bool:
        """Put a line in doubt whose order another line's answer names as well; return whether it is in doubt.

        Where only an answer proves the owner's order, one of the two answers belongs to another request. A look-up by
        poNumber is better proof, and is kept.
        """
        change = Change(
            seq=owner.seq,
            evidence=Evidence.ANSWER_DOUBTED,
            epoch=owner.epoch,
            order_id=owner.order_id,
            error=f"order {owner.order_id} was named for line {claimant} as well",
        )
        outcome = decide(owner, change, moment)
        if outcome.transition is None:
            return False
        self.lines[owner.seq] = outcome.line
        self.moves.append(Move.of(owner, outcome.line, outcome.transition.number, change))
        return True

    def _apply(self, change: Change, line: LedgerLine, request: RecordRequest, moment: Moment) -> None:
        if refusal := _unacceptable(change, line):
            request.refuse(change.seq, refusal)
            return
        if change.codes is not None:
            change = self._dealing.merge(change, line, anew=change.evidence is _CORRECTED)
        outcome = decide(line, change, moment)
        if outcome.superseded and request.shared:
            request.lines.append(line)
            request.unapplied.add(line.seq)
            return
        if outcome.refusal:
            request.refuse(line.seq, f"line {line.seq} (key {line.key}): {outcome.refusal}")
            if outcome.alarm:
                self.moves.append(Move.of(line, line, ALARM, change, reason=outcome.refusal))
            return
        after, transition = outcome.line, outcome.transition
        self.lines[line.seq] = after
        request.lines.append(after)
        if line.order_id != after.order_id:
            if line.order_id is not None:
                self._dealing.lose(line.seq)
            if after.order_id is not None:
                self._owners[after.order_id] = after.seq
        if transition is None:
            return  # the fact was recorded before
        self.moves.append(Move.of(line, after, transition.number, change))
        if change.codes is not None:
            self._dealing.keep(after)


def _unacceptable(change: Change, line: LedgerLine) -> str:
    """Return why callers may not state a fact; empty if they may."""
    if change.evidence in _STATED_BY_STORES:
        return f"line {change.seq}: {change.evidence.value} is stated by the ledger itself only"
    if change.order_id is not None and not 0 < change.order_id <= MAX_ORDER_ID:
        return f"line {line.seq} (key {line.key}): no order has the id {change.order_id}"
    return ""


def _takes_over(line: LedgerLine, change: Change, owner: LedgerLine, moment: Moment) -> bool:
    """Return whether a fact would give a line the order of another line.

    A fact that the table refuses takes no order. A store's index does not refuse it either, so the result is the same
    whether or not the store has read the owners.
    """
    if owner.seq == line.seq or line.order_id == change.order_id or _unacceptable(change, line):
        return False
    return decide(line, change, moment).line.order_id == change.order_id


def _of_another(change: Change, owner: int) -> Change:
    """Return the fact for a proof that names another line's order: it is the answer to another request."""
    text = f"it names order {change.order_id}, which is line {owner}'s"
    if change.evidence is Evidence.ANSWERED_PLACED:
        return Change(seq=change.seq, evidence=Evidence.OUTCOME_LOST, epoch=change.epoch, error=f"the answer: {text}")
    if change.evidence in _LOOKED_UP:
        return Change(seq=change.seq, evidence=Evidence.LOOKUP_MISMATCHED, epoch=change.epoch, error=text)
    return change


def disputes(
    requests: Sequence[RecordRequest],
    lines: Mapping[int, LedgerLine],
    owners: Mapping[int, int],
    jobs: Mapping[int, str],
) -> list[Move]:
    """Return alarms about orders that lines of two jobs claim, one on each line: neither job sees the other one.

    Args:
        requests: The facts.
        lines: The lines after `decide_records`.
        owners: The line that had each order before.
        jobs: The name of each line's job.
    """
    alarms: list[Move] = []
    for change in (change for request in requests for change in request.changes):
        owner = owners.get(change.order_id or 0)
        if owner is None or change.seq not in lines or change.evidence in _BY_PERSONS:
            continue
        if jobs[owner] != jobs[change.seq]:
            for seq, other in ((owner, change.seq), (change.seq, owner)):
                line, there = lines[seq], lines[other]
                text = (
                    f"order {change.order_id} was named for key {line.key} (row {line.row}), and also for key"
                    f" {there.key} (row {there.row}) of the job {jobs[other]}: one of them has another order"
                )
                alarms.append(Move.of(line, line, ALARM, change, reason=text))
    return alarms


def refusal_of(request: RecordRequest) -> LedgerConflictError | None:
    """Return the error for the facts that were refused, None if none was.

    Args:
        request: After `decide_records`.
    """
    if not request.refused:
        return None
    why = first_few(request.refused)
    error = LedgerConflictError(f"the ledger refused {len(request.refused)} of {len(request.changes)} changes: {why}")
    error.seqs = frozenset(request.unapplied)
    return error


def put_alarms(requests: Sequence[RecordRequest], alarms: Sequence[Move]) -> None:
    """Put the lines that alarms have changed into the answers: a code of another line may leave an order pending.

    Args:
        requests: After `decide_records`.
        alarms: The moves of `Dealing.alarms`.
    """
    after = {move.after.seq: move.after for move in alarms}
    for request in requests:
        request.lines = [after.get(line.seq, line) for line in request.lines]


def given_back(lines: Sequence[LedgerLine]) -> RecordRequest:
    """Return the facts that give claimed lines back: nothing was sent for them.

    Args:
        lines: As they were claimed.
    """
    return RecordRequest(
        [
            Change(seq=line.seq, evidence=Evidence.NOT_PROCESSED, epoch=line.epoch, reason="the claim was given up")
            for line in lines
        ],
        DEFAULT_RULES,
    )


def storable(change: Change) -> Change:
    """Return a change whose texts, some of them the vendor's, any database can store.

    Args:
        change: As a caller states it.
    """
    together = change.error + change.reason + change.error_id + change.currency
    if len(together) <= _MAX_TEXT and together.isascii() and "\0" not in together:
        return change
    return msgspec.structs.replace(
        change,
        error=storable_text(change.error),
        reason=storable_text(change.reason),
        error_id=storable_text(change.error_id),
        currency=storable_text(change.currency),
    )


def storable_text(text: str) -> str:
    """Return a text as any database can store it: short, without NUL, in UTF-8.

    Args:
        text: A person's or the vendor's.
    """
    return text[:_MAX_TEXT].replace("\0", "").encode(errors="replace").decode()
