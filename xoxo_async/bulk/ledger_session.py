"""What one transaction of a ledger's holder does: read lines, let the table decide, write lines and journal."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from xoxo_async.bulk.budget import amount, commitment
from xoxo_async.bulk.clock import LedgerClock
from xoxo_async.bulk.ledger import (
    MAX_ORDER_ID,
    Change,
    Evidence,
    LedgerLine,
    LineState,
    Moment,
    PlannedLine,
    Rules,
    decide,
)
from xoxo_async.bulk.ledger_codes import CodeBox
from xoxo_async.bulk.ledger_packs import unpack
from xoxo_async.bulk.ledger_planning import Planning, note_planned
from xoxo_async.bulk.ledger_store import (
    Move,
    get_meta,
    last_seq,
    read_codes,
    read_committed,
    read_lines,
    read_owners,
    read_state,
    set_meta,
    set_metas,
    write_codes,
    write_moves,
)
from xoxo_async.bulk.packing import merged_codes
from xoxo_async.errors import LedgerConflictError, LedgerError

__all__ = ["LAST_SLOT", "ClaimOrder", "LedgerSession", "RecordOrder", "refusal"]

_RECOVER_CHUNK: Final = 1000
_MAX_TEXT: Final = 500
_SHOWN: Final = 3
_SAID_BY_PERSONS: Final = frozenset({Evidence.PERSON_PLACED, Evidence.LATE_PROOF})

LAST_SLOT: Final = "run.last_slot"
"""The fact that says when the last line was claimed, by the ledger's clock: the next run paces on from there."""


class RecordOrder:
    """Facts to record, and what came of it.

    Args:
        changes: The facts.
        rules: The settling rules.
    """

    __slots__ = ("changes", "lines", "refused", "rules")

    def __init__(self, changes: Sequence[Change], rules: Rules) -> None:
        self.changes: Final = changes
        self.rules: Final = rules
        self.lines: list[LedgerLine] = []
        self.refused: list[str] = []


class ClaimOrder:
    """Lines wanted, and those taken.

    Args:
        limit: How many at most.
        budget: What the job may cost, in ten-thousandths; None is no bound.
    """

    __slots__ = ("budget", "limit", "lines", "short")

    def __init__(self, limit: int, budget: int | None) -> None:
        self.limit: Final = limit
        self.budget: Final = budget
        self.lines: list[LedgerLine] = []
        self.short: str = ""


class LedgerSession:
    """The present holder's work on the database, always inside a transaction that the caller begins and ends.

    Args:
        connection: The writing connection.
        box: Seals voucher codes; None drops them.
        clock: The ledger's.

    Attributes:
        since: The holder's first epoch, 0 before its mark is durable.
        noted: The last journal row of the transaction at hand, 0 where it moved no line.
    """

    def __init__(self, connection: sqlite3.Connection, box: CodeBox | None, clock: LedgerClock) -> None:
        self.connection = connection
        self.since: int = 0
        self.noted: int = 0
        self._epoch = 0
        self._planning: Planning | None = None
        self._committed: int | None = None
        self._box: Final = box
        self._clock: Final = clock

    def now(self) -> float:
        """Return the ledger's time, in milliseconds: what comes back from the database compares equal."""
        return round(self._clock.now(), 3)

    def date(self) -> float:
        """Return the wall clock's time, for the journal."""
        return round(self._clock.wall(), 3)

    def take_hold(self, pid: int) -> None:
        """Begin a new epoch, and leave a mark that a clean end takes away again."""
        self._epoch = int(get_meta(self.connection, "epoch") or 0) + 1
        set_meta(self.connection, "epoch", str(self._epoch))
        set_meta(self.connection, "holder", str(pid))
        if self._box is not None and self._box.sealed and not get_meta(self.connection, "key_check"):
            set_meta(self.connection, "key_check", self._box.key_check())

    def let_go(self) -> None:
        """Take the mark away."""
        set_meta(self.connection, "wal_needed", "")
        set_meta(self.connection, "holder", "")

    def held(self) -> None:
        """From here on this holder writes; called once its mark is durable."""
        self.since = self._epoch

    def forget(self) -> None:
        """Take nothing for known that a failed transaction may have changed."""
        self._committed = None

    def plan(self, job: str) -> None:
        """Keep the job's name, or refuse another one."""
        known = get_meta(self.connection, "job")
        if known is None:
            set_meta(self.connection, "job", job)
        elif known != job:
            raise LedgerError(f"this ledger holds the job {known!r}, not {job!r}: one ledger, one job")
        self._planning = Planning(self.connection, self.date())

    def add(self, lines: Sequence[PlannedLine], *, last: bool) -> tuple[int, int]:
        """Add planned lines, after `plan`; see `Planning.add`."""
        if self._planning is None:
            raise LedgerError("no plan was begun")
        return self._planning.add(lines, last=last)

    def work(self, records: Sequence[RecordOrder], claims: Sequence[ClaimOrder]) -> None:
        """Record facts, then claim lines, for any number of callers.

        Args:
            records: Filled with the lines as they stand, and with what was refused.
            claims: Filled with the lines taken, in order of asking.
        """
        if any(order.changes for order in records):
            self._record(records)
        if claims:
            self._claim(claims)

    def recover(self) -> int:
        """Put every line of a dead holder in doubt."""
        recovered, after = 0, 0
        while lines := read_state(self.connection, (LineState.SENDING,), after, _RECOVER_CHUNK):
            after = lines[-1].seq
            moves: list[Move] = []
            moment = self._moment(Rules())
            for line in lines:
                change = Change(seq=line.seq, evidence=Evidence.SENDER_DIED, epoch=line.epoch)
                outcome = decide(line, change, moment)
                if outcome.transition is not None:
                    moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
            self._write(moves, moment.now)
            recovered += len(moves)
        return recovered

    def _moment(self, rules: Rules) -> Moment:
        return self._moment_at(self.now(), rules)

    def _moment_at(self, now: float, rules: Rules) -> Moment:
        return Moment(now=now, epoch=self._epoch, since=self.since, rules=rules, ahead=self.date() - now)

    def _record(self, records: Sequence[RecordOrder]) -> None:
        now = self.now()
        try:
            moves, codes = self._decide_all(records, now, None)
            self._write(moves, now)
        except sqlite3.IntegrityError:
            # Two lines claim one order. Who has it is only asked then: each statement costs the busy loop a turn.
            claimed = [change.order_id for order in records for change in order.changes if change.order_id]
            moves, codes = self._decide_all(records, now, read_owners(self.connection, claimed))
            self._write(moves, now)
        if codes:
            write_codes(self.connection, list(codes.items()))
        refused = [move.after.seq for move in moves if move.transition == "T4" and move.after.lines > 1]
        if refused:
            # Proven: no order of theirs exists, so each of their lines may be ordered by itself.
            last = last_seq(self.connection)
            unpack(self.connection, refused)
            note_planned(self.connection, self.date(), last)

    def _decide_all(
        self, records: Sequence[RecordOrder], now: float, owners: dict[int, int] | None
    ) -> tuple[list[Move], dict[int, str]]:
        """Let the table decide about every fact.

        Args:
            records: The facts.
            now: The ledger's time.
            owners: Whose the orders are that the facts name; None before there was reason to ask.

        Returns:
            What moved, and the codes to keep.
        """
        seqs = {change.seq for order in records for change in order.changes}
        lines = {line.seq: line for line in read_lines(self.connection, seqs)}
        moves: list[Move] = []
        codes: dict[int, str] = {}
        for order in records:
            moment = self._moment_at(now, order.rules)
            order.lines, order.refused = [], []
            for given in order.changes:
                change = _clean(given)
                line = lines.get(change.seq)
                if owners is not None and line is not None and line.order_id is None and change.order_id in owners:
                    owner = owners[change.order_id]
                    if change.evidence in _SAID_BY_PERSONS:
                        order.refused.append(f"order {change.order_id} is line {owner}'s, not line {change.seq}'s")
                        continue
                    change = _of_another(change, owner)
                self._decide(change, order, lines, moves, codes, moment)
                after = lines.get(change.seq)
                if owners is not None and after is not None and after.order_id is not None:
                    owners[after.order_id] = after.seq
        return moves, codes

    def _decide(
        self,
        change: Change,
        order: RecordOrder,
        lines: dict[int, LedgerLine],
        moves: list[Move],
        codes: dict[int, str],
        moment: Moment,
    ) -> None:
        line = lines.get(change.seq)
        if line is None:
            order.refused.append(f"there is no line {change.seq}")
            return
        if change.evidence in {Evidence.SLOT_IN_HAND, Evidence.SENDER_DIED}:
            order.refused.append(f"line {change.seq}: {change.evidence.value} is for claim and recover to say")
            return
        if change.order_id is not None and not 0 < change.order_id <= MAX_ORDER_ID:
            order.refused.append(f"line {line.seq} (key {line.key}): no order has the id {change.order_id}")
            return
        if change.codes is not None and line.lines > 1 and self._box is not None:
            change = self._dealt(change, line, codes, self._box)
        outcome = decide(line, change, moment)
        if outcome.refusal:
            order.refused.append(f"line {line.seq} (key {line.key}): {outcome.refusal}")
            if outcome.alarm:
                moves.append(Move.of(line, line, "!", change, reason=outcome.refusal))
            return
        lines[line.seq] = outcome.line
        order.lines.append(outcome.line)
        if outcome.transition is None:
            return  # told twice
        moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        if change.codes is not None and self._box is not None and outcome.line.state is LineState.PLACED:
            with suppress(UnicodeError):  # an order is not lost over codes that are no text
                codes[line.seq] = self._box.seal(change.codes, line.seq)

    def _dealt(self, change: Change, line: LedgerLine, codes: dict[int, str], box: CodeBox) -> Change:
        """Return a fact about a pack with its codes behind those dealt already: a code never changes hands."""
        stored = codes.get(line.seq) or read_codes(self.connection, [line.seq]).get(line.seq)
        if stored is None or change.codes is None:
            return change
        merged, held = merged_codes(box.open(stored, line.seq), change.codes)
        return msgspec.structs.replace(change, codes=merged, held=held)

    def _claim(self, claims: Sequence[ClaimOrder]) -> None:
        wanted = sum(order.limit for order in claims)
        planned = read_state(self.connection, (LineState.PLANNED,), 0, wanted)
        self._epoch += 1
        moment = self._moment(Rules())
        set_metas(self.connection, {"epoch": str(self._epoch), LAST_SLOT: f"{moment.now}"})
        moves: list[Move] = []
        reserved = 0
        ahead = iter(planned)
        line = next(ahead, None)
        for order in claims:
            order.lines, order.short = [], ""
            while line is not None and len(order.lines) < order.limit:
                change = Change(seq=line.seq, evidence=Evidence.SLOT_IN_HAND, epoch=line.epoch)
                outcome = decide(line, change, moment)
                if outcome.transition is not None:
                    if order.budget is not None and (short := self._short(outcome.line, order.budget, reserved)):
                        order.short = short
                        break
                    reserved += commitment(outcome.line)
                    order.lines.append(outcome.line)
                    moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
                line = next(ahead, None)
        self._write(moves, moment.now)

    def _short(self, line: LedgerLine, budget: int, reserved: int) -> str:
        """Say why a line does not fit into a budget; empty when it does."""
        if line.worth is None:
            return f"row {line.row} (key {line.key}): what it may cost is not known, so no budget can hold it"
        if self._committed is None:
            self._committed = read_committed(self.connection)
        left = budget - self._committed - reserved
        if line.worth <= left:
            return ""
        return (
            f"row {line.row} (key {line.key}) may cost {amount(line.worth):f}, and {amount(left):f} is left of the"
            f" {amount(budget):f} that may be spent"
        )

    def _write(self, moves: Sequence[Move], now: float) -> None:
        if not moves:
            return
        self.noted = write_moves(self.connection, moves, round(now + self.date() - self.now(), 3))
        if not self.noted:
            raise LedgerConflictError("a line changed while it was being written: something else writes to this ledger")
        if self._committed is not None:
            self._committed += sum(commitment(move.after) - commitment(move.before) for move in moves)


def refusal(order: RecordOrder) -> LedgerConflictError | None:
    """Return the error for what was refused of some changes, None when nothing was."""
    if not order.refused:
        return None
    more = len(order.refused) - _SHOWN
    shown = "; ".join(order.refused[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return LedgerConflictError(f"the ledger refused {len(order.refused)} of {len(order.changes)} changes: {shown}")


def _of_another(change: Change, owner: int) -> Change:
    """Return what a proof is worth that names an order another line has: an answer to somebody else's question."""
    told = f"it names order {change.order_id}, which is line {owner}'s"
    if change.evidence is Evidence.ANSWERED_PLACED:
        return Change(seq=change.seq, evidence=Evidence.OUTCOME_LOST, epoch=change.epoch, error=f"the answer: {told}")
    if change.evidence is Evidence.LOOKUP_MATCHED:
        return Change(seq=change.seq, evidence=Evidence.LOOKUP_MISMATCHED, epoch=change.epoch, error=told)
    return change


def _clean(change: Change) -> Change:
    """Return a change whose texts, the vendor's in part, can be stored."""
    texts = (change.error, change.reason, change.error_id, change.currency)
    if all(len(text) <= _MAX_TEXT and text.isascii() and "\0" not in text for text in texts):
        return change
    error, reason, error_id, currency = (
        text[:_MAX_TEXT].replace("\0", "").encode(errors="replace").decode() for text in texts
    )
    return msgspec.structs.replace(change, error=error, reason=reason, error_id=error_id, currency=currency)
