"""What one transaction of a ledger's holder does: read lines, let the table decide, write lines and journal."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.budget import amount, commitment
from xoxo_async.bulk.ledger.clock import LedgerClock
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, PlannedLine, Rules
from xoxo_async.bulk.ledger.protocol import Identity, PlanTerms, Pricing, Share
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.backlog import keys_of, read_backlog, reprice, want_again
from xoxo_async.bulk.ledger.sqlite.dealing import Dealing
from xoxo_async.bulk.ledger.sqlite.marks import CodeMarks
from xoxo_async.bulk.ledger.sqlite.packs import unpack
from xoxo_async.bulk.ledger.sqlite.planning import Planning, note_planned
from xoxo_async.bulk.ledger.sqlite.statements import (
    ALARM,
    Move,
    drop_codes,
    find_unpriced,
    get_meta,
    last_seq,
    note_ledger,
    read_committed,
    read_lines,
    read_owners,
    read_po_numbers,
    read_state,
    set_meta,
    set_metas,
    write_moves,
)
from xoxo_async.bulk.ledger.table import MAX_ORDER_ID, Moment, decide
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.errors import LedgerConflictError, LedgerError, PlanError

__all__ = [
    "COPIED",
    "CURRENCY",
    "LAST_SLOT",
    "OLDER",
    "ClaimOrder",
    "LedgerSession",
    "RecordOrder",
    "read_identity",
    "refusal",
]

_RECOVER_CHUNK: Final = 1000
_MAX_TEXT: Final = 1000
_SHOWN: Final = 3
_MAYBE_SENT: Final = (
    "this ledger replaces another one or is an older copy, so its rows may have been sent; nothing was withdrawn. Run"
    " it first: rows that the vendor does not have are then free again"
)
_NAMED: Final = 20
_SAID_BY_PERSONS: Final = frozenset({Evidence.PERSON_PLACED, Evidence.PERSON_CORRECTED, Evidence.LATE_PROOF})
_LOOKED_UP: Final = frozenset({Evidence.LOOKUP_MATCHED, Evidence.ORDER_OF_THIS_SEND, Evidence.ORDER_SINCE_PLAN})
_SAID_BY_LEDGER: Final = frozenset(
    {Evidence.SLOT_IN_HAND, Evidence.SENDER_DIED, Evidence.LEDGER_RESTORED, Evidence.LEDGER_COPIED, Evidence.UNWANTED}
)

CURRENCY: Final = "run.currency"
"""The fact that says which currency the account has; a budget is in it."""

COPIED: Final = "copied"
"""The fact that says that the file may be an older or another copy, and that nobody has taken care of it yet."""

OLDER: Final = "older"
"""What `COPIED` says where the file surely is an older state of this very ledger."""

PLANNED_AT: Final = "run.planned_at"
"""The fact that says when the job was planned first, in epoch seconds: an order of its is not older."""

LAST_SLOT: Final = "run.last_slot"
"""The fact that says when the last line was claimed, by the ledger's clock: the next run paces on from there."""


class RecordOrder:
    """Facts to record, and what came of it.

    Args:
        changes: The facts.
        rules: The settling rules.
        doubts: poNumber and order id of what was answered on a connection that was not in step.
    """

    __slots__ = ("changes", "doubts", "lines", "refused", "rules")

    def __init__(self, changes: Sequence[Change], rules: Rules, doubts: Sequence[tuple[str, int]] = ()) -> None:
        self.changes: Final = changes
        self.rules: Final = rules
        self.doubts: Final = doubts
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
        marks: Recognises voucher codes.
        clock: The ledger's.

    Attributes:
        since: The holder's first epoch, 0 before its mark is durable.
        noted: The last journal row of the transaction at hand, 0 where it moved no line.
    """

    def __init__(
        self, connection: sqlite3.Connection, box: CodeBox | None, marks: CodeMarks, clock: LedgerClock
    ) -> None:
        self.connection = connection
        self.since: int = 0
        self.noted: int = 0
        self._epoch = 0
        self._planning: Planning | None = None
        self._committed: int | None = None
        self._currency = ""
        self._box: Final = box
        self._marks: Final = marks
        self._clock: Final = clock

    def now(self) -> float:
        """Return the ledger's time, in milliseconds: what comes back from the database compares equal."""
        return round(self._clock.now(), 3)

    def date(self) -> float:
        """Return the wall clock's time, for the journal."""
        return round(self._clock.wall(), 3)

    def _dated(self, now: float) -> float:
        """Return what the wall clock said at a moment of the ledger's clock."""
        return round(now + self._clock.wall() - self._clock.now(), 3)

    def take_hold(self, pid: int) -> None:
        """Begin a new epoch, and leave a mark that a clean end takes away again."""
        self._epoch = int(get_meta(self.connection, "epoch") or 0) + 1
        set_meta(self.connection, "epoch", str(self._epoch))
        set_meta(self.connection, "holder", str(pid))
        if self._box is not None and self._box.sealed and not get_meta(self.connection, "key_check"):
            set_meta(self.connection, "key_check", self._box.key_check())
        self._marks.make_key(self.connection, self._box)

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

    def plan(self, job: str, terms: PlanTerms) -> None:
        """Begin a plan: keep the job's name and whose orders these are, or refuse others."""
        known = get_meta(self.connection, "job")
        if known is None:
            set_metas(self.connection, {"job": job, PLANNED_AT: f"{self.date()}"})
        elif known != job:
            raise LedgerError(f"this ledger holds the job {known!r}, not {job!r}: one ledger, one job")
        if terms.identity is not None:
            self._bind(terms.identity)
        self._planning = Planning(self.connection, self.date())

    def _bind(self, identity: Identity) -> None:
        known = read_identity(self.connection)
        if known is None:
            set_identity(self.connection, identity)
        elif known != identity:
            raise LedgerError(f"this ledger belongs to another account or address: {known.address}")

    def close_plan(self, terms: PlanTerms) -> tuple[int, int, list[Share] | None]:
        """Settle what a plan means for the lines that were there before it; its last step but the commit.

        Returns:
            How many lines were withdrawn; how many are in doubt and are not sent again; and what is to be sent now,
            None where the plan's new lines are all of it.
        """
        planning = self._planning
        if planning is None:
            raise LedgerError("no plan was begun")
        self._planning = None
        withdrawn = 0
        missing = planning.missing() if terms.missing != "keep" else []
        if missing and terms.missing == "refuse":
            raise _missing(missing)
        if missing and terms.restored:
            raise LedgerConflictError(_MAYBE_SENT)
        if missing:
            withdrawn = self.withdraw([key for key, _ in missing], "the input has it no longer")
        unwanted = self._want(planning, terms)
        shares = None
        if planning.had_planned or planning.passed_over:
            if terms.pricing is not None:
                self.reprice(terms.pricing)
            shares = read_backlog(self.connection) if terms.approve is not None else None
        if terms.restored:
            # Not after the plan: a process that dies in between would leave rows that are sent without a look-up.
            self.restored(terms.restored, copied=terms.copied)
        return withdrawn, unwanted, shares

    def _want(self, planning: Planning, terms: PlanTerms) -> int:
        """Keep in mind which lines in doubt the input has no longer; return how many these are.

        Their orders may exist, so they cannot be withdrawn. They are looked up as others are, and not sent again.
        """
        again, gone = planning.doubted()
        if again:
            want_again(self.connection, again)
        if not gone or terms.missing == "keep":
            return 0
        moment = self._moment(Rules())
        moves: list[Move] = []
        for line in gone:
            change = Change(seq=line.seq, evidence=Evidence.UNWANTED, epoch=line.epoch, reason="the input lacks it")
            outcome = decide(line, change, moment)
            if outcome.transition is not None and not line.unwanted:
                moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        self._write(moves, moment.now)
        return len(gone)

    def rebind(self, identity: Identity, reason: str) -> None:
        """Let the ledger belong to another account or address."""
        known = read_identity(self.connection)
        was = "nobody" if known is None else f"{known.address} (account {known.account or 'not told'})"
        told = f"from {was} to {identity.address} (account {identity.account or 'not told'}): {reason}"
        set_identity(self.connection, identity)
        note_ledger(self.connection, self.date(), "rebound", told[:_MAX_TEXT])

    def restored(self, reason: str, *, copied: bool = False) -> int:
        """Put every planned line in doubt, and count the absence of unknown ones anew; see `Ledger.restored`."""
        evidence = Evidence.LEDGER_COPIED if copied else Evidence.LEDGER_RESTORED
        generation = int(get_meta(self.connection, "generation") or 1) + 1
        set_metas(self.connection, {"generation": str(generation), COPIED: ""})
        note_ledger(self.connection, self.date(), "restored", f"generation {generation}: {reason}"[:_MAX_TEXT])
        self._epoch += 1
        set_meta(self.connection, "epoch", str(self._epoch))
        # Unknown lines first, or those that were planned would be among them.
        counted_anew = self._doubt_all(LineState.UNKNOWN, evidence)
        return counted_anew + self._doubt_all(LineState.PLANNED, evidence)

    def reprice(self, pricing: Pricing) -> None:
        """Set anew what orders that are not placed may cost at most."""
        reprice(self.connection, pricing)
        self._committed = None

    def withdraw(self, keys: Collection[str] | None, reason: str) -> int:
        """Cancel lines that were never sent; see `Ledger.withdraw`."""
        if get_meta(self.connection, COPIED):
            raise LedgerConflictError(_MAYBE_SENT)
        where = {} if keys is None else keys_of(self.connection, keys)
        strangers = [key for key in keys or () if key not in where]
        if strangers:
            raise LedgerConflictError(f"the ledger holds no line with the key {_first(strangers)}; nothing was changed")
        if keys is None:
            # All of an order's lines go, so an order that lines share is cancelled as it is, with its lines.
            return sum(line.lines for line in self._withdraw(self._never_sent(), reason))
        # A line that shares an order: the order is given up, and its lines are orders by themselves from then on.
        shared = {seq for seq, alone in where.values() if not alone}
        if shared:
            given_up = self._withdraw(read_lines(self.connection, shared), reason)
            self._unpack([line.seq for line in given_up], self.now())
            where = keys_of(self.connection, keys)
        return len(self._withdraw(read_lines(self.connection, {seq for seq, _ in where.values()}), reason))

    def _never_sent(self) -> Iterable[LedgerLine]:
        after = 0
        while lines := read_state(self.connection, (LineState.PLANNED,), after, _RECOVER_CHUNK):
            after = lines[-1].seq
            yield from (line for line in lines if not line.attempts and not line.suspect)

    def _withdraw(self, lines: Iterable[LedgerLine], reason: str) -> list[LedgerLine]:
        """Cancel lines, all or none; return those that were not cancelled before."""
        moment = self._moment(Rules())
        moves: list[Move] = []
        refused: list[str] = []
        for line in lines:
            change = Change(seq=line.seq, evidence=Evidence.WITHDRAWN, epoch=line.epoch, reason=reason)
            outcome = decide(line, change, moment)
            if outcome.transition is not None:
                moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
            elif line.state is not LineState.CANCELLED:
                sent = "was sent before, and may exist" if line.state is LineState.PLANNED else f"is {line.state.value}"
                refused.append(f"row {line.row} (key {line.key}) {sent}")
        if refused:
            raise LedgerConflictError(
                f"only lines that were never sent can be withdrawn; nothing was changed: {_first(refused)}"
            )
        self._write(moves, moment.now)
        return [move.after for move in moves]

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
        for order in records:
            if order.doubts:
                # In the same transaction: a process that dies must not keep the answers and forget the doubt.
                order.lines = [*order.lines, *self._doubt_answers(order.doubts)]
        if claims:
            self._claim(claims)

    def recover(self) -> int:
        """Put every line of a dead holder in doubt."""
        return self._doubt_all(LineState.SENDING, Evidence.SENDER_DIED)

    def _doubt_all(self, state: LineState, evidence: Evidence) -> int:
        """State one fact about every line in a state; return how many lines it moved."""
        moved, after = 0, 0
        while lines := read_state(self.connection, (state,), after, _RECOVER_CHUNK):
            after = lines[-1].seq
            moves: list[Move] = []
            moment = self._moment(Rules())
            for line in lines:
                change = Change(seq=line.seq, evidence=evidence, epoch=line.epoch)
                outcome = decide(line, change, moment)
                if outcome.transition is not None:
                    moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
            self._write(moves, moment.now)
            moved += len(moves)
        return moved

    def _doubt_answers(self, answers: Sequence[tuple[str, int]]) -> list[LedgerLine]:
        """Put lines in doubt whose answers came on a connection that was not in step; return them as they stand."""
        named: dict[str, set[int]] = {}
        for po_number, order_id in answers:
            named.setdefault(po_number, set()).add(order_id)
        moment = self._moment(Rules())
        moves: list[Move] = []
        for line in read_po_numbers(self.connection, named):
            if line.order_id not in named[line.po_number]:
                continue
            change = Change(
                seq=line.seq,
                evidence=Evidence.CONNECTION_DOUBTED,
                epoch=line.epoch,
                order_id=line.order_id,
                error=f"order {line.order_id} was answered on a connection whose answers were not in step",
            )
            outcome = decide(line, change, moment)
            if outcome.transition is not None:
                moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        self._write(moves, moment.now)
        drop_codes(self.connection, [move.after.seq for move in moves])
        return [move.after for move in moves]

    def _moment(self, rules: Rules) -> Moment:
        return self._moment_at(self.now(), rules)

    def _moment_at(self, now: float, rules: Rules) -> Moment:
        return Moment(now=now, epoch=self._epoch, since=self.since, rules=rules, ahead=self.date() - now)

    def _record(self, records: Sequence[RecordOrder]) -> None:
        now = self.now()
        try:
            moves, lines, dealing = self._decide_all(records, now, None)
            self._write(moves, now)
        except sqlite3.IntegrityError:
            # Two lines claim one order. Who has it is only asked then: each statement costs the busy loop a turn.
            claimed = [change.order_id for order in records for change in order.changes if change.order_id]
            moves, lines, dealing = self._decide_all(records, now, read_owners(self.connection, claimed))
            self._write(moves, now)
        lost = [move.after.seq for move in moves if _lost_its_order(move)]
        if lost:
            drop_codes(self.connection, lost)
        if alarms := dealing.settle(lines):
            self._write(alarms, now)
            after = {move.after.seq: move.after for move in alarms}
            for order in records:
                order.lines = [after.get(line.seq, line) for line in order.lines]
        # Proven: no order of theirs exists, so each of their lines may be ordered by itself.
        self._unpack([move.after.seq for move in moves if move.transition == "T4" and move.after.lines > 1], now)

    def _unpack(self, packs: Sequence[int], now: float) -> None:
        """Make the lines of orders that do not exist orders by themselves."""
        if packs:
            last = last_seq(self.connection)
            unpack(self.connection, packs)
            note_planned(self.connection, self._dated(now), last)

    def _decide_all(
        self, records: Sequence[RecordOrder], now: float, owners: dict[int, int] | None
    ) -> tuple[list[Move], dict[int, LedgerLine], Dealing]:
        """Let the table decide about every fact.

        Args:
            records: The facts.
            now: The ledger's time.
            owners: Whose the orders are that the facts name; None before there was reason to ask.

        Returns:
            What moved, the lines as they stand, and their codes.
        """
        seqs = {change.seq for order in records for change in order.changes} | set((owners or {}).values())
        lines = {line.seq: line for line in read_lines(self.connection, seqs)}
        moves: list[Move] = []
        dealing = Dealing(self.connection, self._box, self._marks)
        coded = {change.seq for order in records for change in order.changes if change.codes is not None}
        dealing.read([seq for seq in coded if seq in lines and lines[seq].state is LineState.PLACED])
        for order in records:
            moment = self._moment_at(now, order.rules)
            order.lines, order.refused = [], []
            for given in order.changes:
                change = _clean(given)
                line = lines.get(change.seq)
                owner = _owner(owners, lines, change)
                if owner is not None and line is not None and _takes_over(line, change, owner):
                    if change.evidence in _SAID_BY_PERSONS:
                        order.refused.append(f"order {change.order_id} is line {owner.seq}'s, not line {change.seq}'s")
                        continue
                    if self._doubt(owner, change.seq, lines, moves, moment):
                        dealing.lose(owner.seq)
                        if change.evidence in _LOOKED_UP:
                            order.lines.append(line)  # looked up again once its order is nobody's
                            continue
                    change = _of_another(change, owner.seq)
                self._decide(change, order, lines, moves, dealing, moment)
                after = lines.get(change.seq)
                if owners is not None and after is not None and after.order_id is not None:
                    owners[after.order_id] = after.seq
        return moves, lines, dealing

    def _doubt(
        self, owner: LedgerLine, claimant: int, lines: dict[int, LedgerLine], moves: list[Move], moment: Moment
    ) -> bool:
        """Put a line in doubt whose order another line's answer names as well; return whether it is.

        Only an answer proves the first one's order, and one of two answers belongs to another request. A look-up by
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
        lines[owner.seq] = outcome.line
        moves.append(Move.of(owner, outcome.line, outcome.transition.number, change))
        return True

    def _decide(
        self,
        change: Change,
        order: RecordOrder,
        lines: dict[int, LedgerLine],
        moves: list[Move],
        dealing: Dealing,
        moment: Moment,
    ) -> None:
        line = lines.get(change.seq)
        if line is None:
            order.refused.append(f"there is no line {change.seq}")
            return
        if change.evidence in _SAID_BY_LEDGER:
            order.refused.append(f"line {change.seq}: {change.evidence.value} is for the ledger itself to say")
            return
        if change.order_id is not None and not 0 < change.order_id <= MAX_ORDER_ID:
            order.refused.append(f"line {line.seq} (key {line.key}): no order has the id {change.order_id}")
            return
        if change.codes is not None:
            change = dealing.merge(change, line, anew=change.evidence is Evidence.PERSON_CORRECTED)
        outcome = decide(line, change, moment)
        if outcome.refusal:
            order.refused.append(f"line {line.seq} (key {line.key}): {outcome.refusal}")
            if outcome.alarm:
                moves.append(Move.of(line, line, ALARM, change, reason=outcome.refusal))
            return
        lines[line.seq] = outcome.line
        order.lines.append(outcome.line)
        if line.order_id is not None and line.order_id != outcome.line.order_id:
            dealing.lose(line.seq)
        if outcome.transition is None:
            return  # told twice
        moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
        if change.codes is not None:
            dealing.keep(outcome.line)

    def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that some placed lines may be given; what another line has is an alarm.

        Args:
            found: Codes as the vendor lists them, by line; nothing of them is kept but their marks.
        """
        lines = {line.seq: line for line in read_lines(self.connection, found)}
        dealing = Dealing(self.connection, None, self._marks)
        for seq, line in lines.items():
            dealing.merge(Change(seq=seq, evidence=Evidence.DELIVERY_SEEN, epoch=line.epoch, codes=found[seq]), line)
            dealing.keep(line)
        self._write(dealing.settle(lines), self.now())
        return dealing.dealt()

    def _claim(self, claims: Sequence[ClaimOrder]) -> None:
        self._marks.open_key(self.connection)  # nothing is sent whose codes could not be recognised
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
                    reserved += commitment(outcome.line, self._currency)
                    order.lines.append(outcome.line)
                    moves.append(Move.of(line, outcome.line, outcome.transition.number, change))
                line = next(ahead, None)
        self._write(moves, moment.now)

    def _short(self, line: LedgerLine, budget: int, reserved: int) -> str:
        """Say why a line does not fit into a budget; empty when it does."""
        if line.worth is None:
            return f"row {line.row} (key {line.key}): what it may cost is not known, so no budget can hold it"
        if self._committed is None:
            self._currency = get_meta(self.connection, CURRENCY) or ""
            if unpriced := find_unpriced(self.connection, self._currency):
                key, row = unpriced
                return f"row {row} (key {key}): what it has cost, or may cost, is not known, so no budget can hold it"
            self._committed = read_committed(self.connection, self._currency)
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
        self.noted = write_moves(self.connection, moves, self._dated(now))
        if not self.noted:
            raise LedgerConflictError("a line changed while it was being written: something else writes to this ledger")
        if self._committed is not None:
            self._committed += sum(
                commitment(move.after, self._currency) - commitment(move.before, self._currency) for move in moves
            )


def read_identity(connection: sqlite3.Connection) -> Identity | None:
    """Return whose orders a ledger holds, None before that was said."""
    address = get_meta(connection, "address")
    return None if address is None else Identity(address, get_meta(connection, "account") or "")


def set_identity(connection: sqlite3.Connection, identity: Identity) -> None:
    """Keep whose orders a ledger holds."""
    set_metas(connection, {"address": identity.address, "account": identity.account})


def _owner(owners: dict[int, int] | None, lines: dict[int, LedgerLine], change: Change) -> LedgerLine | None:
    """Return the line that has the order a fact names; None where none has, or nobody asked."""
    if owners is None or change.order_id not in owners:
        return None
    owner = lines[owners[change.order_id]]
    return owner if owner.order_id == change.order_id else None


def _takes_over(line: LedgerLine, change: Change, owner: LedgerLine) -> bool:
    """Return whether a fact would give a line an order that another one has; a stored order is never overwritten."""
    return owner.seq != line.seq and (line.order_id is None or change.evidence is Evidence.PERSON_CORRECTED)


def _missing(rows: Sequence[tuple[str, int]]) -> PlanError:
    """Return the error for planned rows that an input no longer has."""
    problems = tuple(f"row {row} (key {key})" for key, row in rows[:_NAMED])
    more = f"\n  … and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    listed = "\n  ".join(problems)
    return PlanError(
        f"the input lacks {len(rows)} planned {'row' if len(rows) == 1 else 'rows'} of this ledger; nothing"
        f" was sent. Withdraw them (--withdraw-missing), or have them sent (--keep-missing)\n  {listed}{more}",
        problems=problems,
        total=len(rows),
    )


def _first(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _lost_its_order(move: Move) -> bool:
    return move.before.order_id is not None and move.after.order_id != move.before.order_id


def refusal(order: RecordOrder) -> LedgerConflictError | None:
    """Return the error for what was refused of some changes, None when nothing was."""
    if not order.refused:
        return None
    return LedgerConflictError(
        f"the ledger refused {len(order.refused)} of {len(order.changes)} changes: {_first(order.refused)}"
    )


def _of_another(change: Change, owner: int) -> Change:
    """Return what a proof is worth that names an order another line has: an answer to somebody else's question."""
    told = f"it names order {change.order_id}, which is line {owner}'s"
    if change.evidence is Evidence.ANSWERED_PLACED:
        return Change(seq=change.seq, evidence=Evidence.OUTCOME_LOST, epoch=change.epoch, error=f"the answer: {told}")
    if change.evidence in _LOOKED_UP:
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
