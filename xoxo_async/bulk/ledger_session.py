"""What one transaction of a ledger's holder does: read lines, let the table decide, write lines and journal."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from xoxo_async.bulk.ledger import (
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
from xoxo_async.bulk.ledger_store import (
    Move,
    get_meta,
    insert_planned,
    last_seq,
    read_lines,
    read_state,
    set_meta,
    write_codes,
    write_moves,
)
from xoxo_async.errors import LedgerConflictError, LedgerError

__all__ = ["ClaimOrder", "LedgerSession", "RecordOrder", "refusal"]

_RECOVER_CHUNK: Final = 1000
_MAX_TEXT: Final = 500
_MAX_ORDER_ID: Final = 2**63 - 1
_SHOWN: Final = 3


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
    """

    __slots__ = ("limit", "lines")

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self.lines: list[LedgerLine] = []


class LedgerSession:
    """The present holder's work on the database, always inside a transaction that the caller begins and ends.

    Args:
        connection: The writing connection.
        box: Seals voucher codes; None drops them.
        clock: Epoch seconds.
    """

    def __init__(self, connection: sqlite3.Connection, box: CodeBox | None, clock: Callable[[], float]) -> None:
        self.connection = connection
        self.since = 0
        self._epoch = 0
        self._planned_before = 0
        self._box: Final = box
        self._clock: Final = clock

    def now(self) -> float:
        """Return the time, in milliseconds: what comes back from the database compares equal."""
        return round(self._clock(), 3)

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

    def plan(self, job: str) -> None:
        """Keep the job's name, or refuse another one."""
        known = get_meta(self.connection, "job")
        if known is None:
            set_meta(self.connection, "job", job)
        elif known != job:
            raise LedgerError(f"this ledger holds the job {known!r}, not {job!r}: one ledger, one job")
        self._planned_before = last_seq(self.connection)

    def add(self, lines: Sequence[PlannedLine]) -> int:
        """Add planned lines; return how many were new."""
        return insert_planned(self.connection, lines, self.now(), self._planned_before)

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
        return Moment(now=self.now(), epoch=self._epoch, since=self.since, rules=rules)

    def _record(self, records: Sequence[RecordOrder]) -> None:
        seqs = {change.seq for order in records for change in order.changes}
        lines = {line.seq: line for line in read_lines(self.connection, seqs)}
        moves: list[Move] = []
        codes: dict[int, str] = {}
        now = self.now()
        for order in records:
            moment = Moment(now=now, epoch=self._epoch, since=self.since, rules=order.rules)
            order.lines, order.refused = [], []
            for given in order.changes:
                self._decide(_clean(given), order, lines, moves, codes, moment)
        self._write(moves, now)
        if codes:
            write_codes(self.connection, list(codes.items()))

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
        if change.order_id is not None and not 0 < change.order_id <= _MAX_ORDER_ID:
            order.refused.append(f"line {line.seq} (key {line.key}): no order has the id {change.order_id}")
            return
        outcome = decide(line, change, moment)
        if outcome.refusal:
            order.refused.append(f"line {line.seq} (key {line.key}): {outcome.refusal}")
            if outcome.alarm:
                moves.append(Move.of(line, line, "!", change, reason=outcome.refusal))
            return
        lines[line.seq] = outcome.line
        order.lines.append(outcome.line)
        if outcome.transition is not None:
            moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        if change.codes is not None and self._box is not None and outcome.line.state is LineState.PLACED:
            with suppress(UnicodeError):  # an order is not lost over codes that are no text
                codes[line.seq] = self._box.seal(change.codes, line.seq)

    def _claim(self, claims: Sequence[ClaimOrder]) -> None:
        wanted = sum(order.limit for order in claims)
        planned = read_state(self.connection, (LineState.PLANNED,), 0, wanted)
        self._epoch += 1
        set_meta(self.connection, "epoch", str(self._epoch))
        moment = self._moment(Rules())
        taken: list[LedgerLine] = []
        moves: list[Move] = []
        for line in planned:
            change = Change(seq=line.seq, evidence=Evidence.SLOT_IN_HAND, epoch=line.epoch)
            outcome = decide(line, change, moment)
            if outcome.transition is not None:
                taken.append(outcome.line)
                moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        self._write(moves, moment.now)
        start = 0
        for order in claims:
            order.lines = taken[start : start + order.limit]
            start += order.limit

    def _write(self, moves: Sequence[Move], now: float) -> None:
        if moves and not write_moves(self.connection, moves, now):
            raise LedgerConflictError("a line changed while it was being written: something else writes to this ledger")


def refusal(order: RecordOrder) -> LedgerConflictError | None:
    """Return the error for what was refused of some changes, None when nothing was."""
    if not order.refused:
        return None
    more = len(order.refused) - _SHOWN
    shown = "; ".join(order.refused[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return LedgerConflictError(f"the ledger refused {len(order.refused)} of {len(order.changes)} changes: {shown}")


def _clean(change: Change) -> Change:
    """Return a change whose texts, the vendor's in part, can be stored."""
    texts = (change.error, change.reason, change.error_id, change.currency)
    if all(len(text) <= _MAX_TEXT and text.isascii() and "\0" not in text for text in texts):
        return change
    error, reason, error_id, currency = (
        text[:_MAX_TEXT].replace("\0", "").encode(errors="replace").decode() for text in texts
    )
    return msgspec.structs.replace(change, error=error, reason=reason, error_id=error_id, currency=currency)
