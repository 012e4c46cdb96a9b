"""Read and write one transaction of a ledger's holder; the shared modules of `ledger/` decide.

Planning has its own module, `planning`.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from xoxo_async.bulk.ledger.arming import ArmRequest, Owner, decide_arms
from xoxo_async.bulk.ledger.bookkeeping import (
    ClaimRequest,
    decide_claims,
    doubt_answers,
    first_few,
    maybe_sent,
    never_sent,
    state_for_all,
    withdraw,
)
from xoxo_async.bulk.ledger.budget import Funds
from xoxo_async.bulk.ledger.clock import LedgerClock
from xoxo_async.bulk.ledger.dealing import Dealing
from xoxo_async.bulk.ledger.facts import CURRENCY, KEPT_NAMES, LAST_SLOT, PAUSED, PLANNED_AT
from xoxo_async.bulk.ledger.kept import KeptNames, names_of
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Evidence, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.owners import Identity
from xoxo_async.bulk.ledger.recording import (
    Recorded,
    RecordRequest,
    decide_records,
    orders_named,
    put_alarms,
    seqs_with_codes,
    storable_text,
)
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.adding import NewOrder, add_orders
from xoxo_async.bulk.ledger.sqlite.arming import find_stored
from xoxo_async.bulk.ledger.sqlite.backlog import reprice
from xoxo_async.bulk.ledger.sqlite.codes import (
    MARKS_KEY,
    drop_codes,
    owners_of_marks,
    packed,
    read_codes,
    take_marks,
    unpacked,
    write_codes,
)
from xoxo_async.bulk.ledger.sqlite.journal import Journal
from xoxo_async.bulk.ledger.sqlite.kept import insert_kept
from xoxo_async.bulk.ledger.sqlite.meta import (
    COPIED,
    fact,
    get_meta,
    read_identity,
    read_kind,
    set_identity,
    set_meta,
    set_metas,
)
from xoxo_async.bulk.ledger.sqlite.packs import keys_of, unpack
from xoxo_async.bulk.ledger.sqlite.schema import upgrade
from xoxo_async.bulk.ledger.sqlite.shapes import Shapes
from xoxo_async.bulk.ledger.sqlite.statements import (
    OrderTakenError,
    last_seq,
    read_lines,
    read_owners,
    read_planned,
    read_po_numbers,
    read_state,
    write_lines,
)
from xoxo_async.bulk.ledger.sqlite.sums import read_funds
from xoxo_async.bulk.ledger.sqlite.tally import Tally
from xoxo_async.bulk.ledger.table import Moment
from xoxo_async.bulk.ledger.tallying import ends_of, planned_rows, tally_of
from xoxo_async.bulk.ledger.terms import Pricing
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.errors import LedgerConflictError

__all__ = ["LedgerSession"]

_CHUNK: Final = 1000
_SENDING: Final = LineState.SENDING  # Python 3.11 finds a member of an enum ten times slower than a name of the module


class LedgerSession:
    """The present holder's work on the database, always inside a transaction that the caller begins and ends.

    Args:
        connection: The writing connection.
        box: Seals voucher codes; None drops them.
        marks: Recognises voucher codes.
        clock: The ledger's.

    Attributes:
        since: The holder's first epoch, 0 before its mark is durable. A dead holder wrote the lines of earlier epochs:
            only one process at a time has the file's lock.
        noted: The last journal row of the present transaction, 0 if it moved no line.
    """

    def __init__(
        self, connection: sqlite3.Connection, box: CodeBox | None, marks: CodeMarks, clock: LedgerClock
    ) -> None:
        self.connection = connection
        self.since: int = 0
        self.noted: int = 0
        self._epoch = 0
        self._funds: Funds | None = None
        self._kind: JobKind | None = None
        self._paused: str | None = None  # why the job is paused, once it was read
        self._facts: Final[dict[str, str]] = {}  # of this transaction, written at its end
        self._sending: Final[dict[int, LedgerLine]] = {}  # as this holder has written them: it alone writes
        self._box: Final = box
        self._marks: Final = marks
        self._clock: Final = clock
        self._shapes: Final = Shapes()
        self._journal: Final = Journal()
        self._tally: Final = Tally()

    # Time.

    def now(self) -> float:
        """Return the ledger's time, in milliseconds, so that a stored time compares equal."""
        return self._clock.now()

    def date(self) -> float:
        """Return the wall clock's time, for the journal."""
        return round(self._clock.wall(), 3)

    def moment(self) -> Moment:
        """Return who writes, and when."""
        now = self.now()
        ahead = self.date() - now
        return Moment(now=now, epoch=self._epoch, rules=DEFAULT_RULES, ahead=ahead, effect=self.kind().effect)

    def _dated(self, now: float) -> float:
        """Return the wall clock's time at a moment of the ledger's clock."""
        return round(now + self._clock.wall() - self._clock.now(), 3)

    # The holder.

    def take_hold(self, pid: int) -> None:
        """Begin a new epoch, and leave a mark that a clean end removes again; bring an older ledger to this form."""
        if upgrade(self.connection):
            self._tally.begin(self.connection)
        self._epoch = int(get_meta(self.connection, "epoch") or 0) + 1
        set_metas(self.connection, {"epoch": str(self._epoch), "holder": str(pid)})
        if self._box is not None and self._box.sealed and not get_meta(self.connection, "key_check"):
            set_meta(self.connection, "key_check", self._box.key_check())
        key = self._marks.key_to_store(get_meta(self.connection, MARKS_KEY), self._box)
        if key is not None:
            set_meta(self.connection, MARKS_KEY, key)

    def held(self) -> None:
        """Note that this holder's mark is durable: from here on it writes."""
        self.since = self._epoch

    def let_go(self) -> None:
        """Remove the mark."""
        set_metas(self.connection, {"wal_needed": "", "holder": ""})

    def finish(self) -> None:
        """Write the counts and the facts of claims; the last work of a transaction before its commit.

        All of them are one statement: each one waits for the interpreter lock.
        """
        facts = self._facts | self._tally.take()
        if facts:
            set_metas(self.connection, facts)
        self._facts.clear()

    def forget(self) -> None:
        """Forget what was read: a transaction was undone that may have changed it."""
        self._funds = None
        self._kind = None
        self._facts.clear()
        self.forget_steps()
        for part in (self._shapes, self._journal, self._tally):
            part.forget()

    def forget_steps(self) -> None:
        """Forget what a step may have changed by itself: lines that are being sent, and whether the job is paused."""
        self._sending.clear()
        self._paused = None

    def kind(self) -> JobKind:
        """Return what the ledger's job is of; one without a line yet counts as orders."""
        if self._kind is None:
            kind = read_kind(self.connection)
            if kind is None:
                return JobKind.ORDERS
            self._kind = kind
        return self._kind

    # The hot path.

    def work(
        self,
        records: Sequence[RecordRequest],
        claims: Sequence[ClaimRequest],
        arms: Sequence[ArmRequest] = (),
    ) -> None:
        """Record facts, then arm lines, then claim lines, for any number of callers.

        Args:
            records: Filled with the lines as they stand, and with the refusals.
            claims: Filled with the lines taken, in order of asking.
            arms: Filled with the lines as they stand, or with an error.
        """
        if any(request.changes for request in records):
            self._record(records)
        for request in records:
            if request.doubts:
                # In the same transaction: a process that dies must not keep the answers without the doubt.
                request.lines = [*request.lines, *self._doubt(request.doubts)]
        if arms:
            self._arm(arms)
        if claims:
            self._claim(claims)

    def _record(self, records: Sequence[RecordRequest]) -> None:
        moment = self.moment()
        dealing = Dealing(self._marks.mark)
        try:
            recorded = self._decide(records, moment, dealing, None)
            self.write(recorded.moves, moment.now)
        except OrderTakenError:
            # Two lines claim one order, and nothing was written. Its owner is read only then: each statement waits for
            # the interpreter lock.
            dealing = Dealing(self._marks.mark)
            owners = read_owners(self.connection, orders_named(records))
            recorded = self._decide(records, moment, dealing, owners)
            self.write(recorded.moves, moment.now)
        if lost := recorded.lost_orders:
            drop_codes(self.connection, lost)
        if alarms := self._settle_codes(dealing, recorded.lines):
            self.write(alarms, moment.now)
            put_alarms(records, alarms)
        self._unpack(recorded.refused_packs, moment.now)

    def _decide(
        self, records: Sequence[RecordRequest], moment: Moment, dealing: Dealing, owners: Mapping[int, int] | None
    ) -> Recorded:
        seqs = {change.seq for request in records for change in request.changes} | set((owners or {}).values())
        lines = self._lines_of(seqs)
        coded = seqs_with_codes(records, lines)
        if coded and self._box is not None:
            stored = read_codes(self.connection, coded)
            dealing.give({seq: unpacked(self._box.open(codes, seq)) for seq, codes in stored.items()})
        return decide_records(records, lines, moment, dealing, owners)

    def _lines_of(self, seqs: Collection[int]) -> dict[int, LedgerLine]:
        """Return lines by number. Those that are being sent are known already, and reading them takes the longest."""
        sending = self._sending
        lines = {seq: sending[seq] for seq in seqs if seq in sending}
        if len(lines) < len(seqs):
            rest = [seq for seq in seqs if seq not in lines]
            lines.update((line.seq, line) for line in read_lines(self.connection, rest))
        return lines

    def _settle_codes(self, dealing: Dealing, lines: Mapping[int, LedgerLine], *, keep: bool = True) -> list[Move]:
        """Mark and keep the codes of this transaction, once its moves are written; return the alarms to write."""
        if dealing.is_empty:
            return []
        self._open_marks()
        while refused := self._take_marks(dealing):
            dealing.refuse(refused)
        changed = dealing.codes_to_keep()
        if keep and changed and self._box is not None:
            write_codes(self.connection, [(seq, self._box.seal(packed(codes), seq)) for seq, codes in changed])
        owners = {line.seq: line for line in read_lines(self.connection, dealing.owners())} if dealing.owners() else {}
        return dealing.alarms(lines, owners)

    def _take_marks(self, dealing: Dealing) -> dict[tuple[int, int], int]:
        claims = dealing.claims()
        refused = take_marks(self.connection, claims.dealt) if claims.dealt else {}
        return refused | (owners_of_marks(self.connection, claims.listed) if claims.listed else {})

    def _open_marks(self) -> None:
        if not self._marks.has_key:
            self._marks.open_key(get_meta(self.connection, MARKS_KEY))

    def _doubt(self, answers: Sequence[tuple[str, int]]) -> list[LedgerLine]:
        """Put lines in doubt whose answers came on a connection that was not in step; return them as they stand."""
        moment = self.moment()
        orders = read_po_numbers(self.connection, {po_number for po_number, _ in answers})
        moves = doubt_answers(answers, orders, moment)
        self.write(moves, moment.now)
        if moves:
            drop_codes(self.connection, [move.after.seq for move in moves])
        return [move.after for move in moves]

    def _claim(self, claims: Sequence[ClaimRequest]) -> None:
        if self._why_paused():
            for request in claims:
                request.lines, request.short = [], ""
            return
        self._open_marks()  # send nothing whose codes could not be recognised later
        wanted = sum(request.limit for request in claims)
        planned, shapes = read_planned(self.connection, wanted)
        self._shapes.fill(self.connection, planned, shapes)
        budgeted = planned and any(request.budget is not None for request in claims)
        funds = self._read_funds() if budgeted else Funds()
        moment = self._begin_epoch()
        self.write(decide_claims(claims, planned, moment, funds), moment.now)

    def _arm(self, arms: Sequence[ArmRequest]) -> None:
        self._open_marks()
        stored = find_stored(self.connection, [(request.line.key, request.line.po_number) for request in arms])
        lines = {line.seq: line for line in read_lines(self.connection, {match.seq for match in stored})}
        are_new = len({match.place for match in stored}) < len(arms)
        begins = are_new or any(line.state is LineState.PLANNED or self._is_dead(line) for line in lines.values())
        moment = self._begin_epoch() if begins else self.moment()
        budgeted = begins and any(request.budget is not None for request in arms)
        meta = get_meta(self.connection, "job"), read_identity(self.connection), bool(get_meta(self.connection, COPIED))
        owner = Owner(*meta, self._why_paused(), self.kind())
        last = last_seq(self.connection)
        funds = self._read_funds() if budgeted else Funds()
        decided = decide_arms(
            arms, stored, lines, owner, moment, funds, after=last, dead=self._is_dead, died_at=moment.now
        )
        if owner.job is None and decided.owner.job is not None:
            set_metas(self.connection, {"job": decided.owner.job, fact(PLANNED_AT): f"{self.date()}"})
        if owner.identity is None and decided.owner.identity is not None:
            set_identity(self.connection, decided.owner.identity)
        if decided.new:
            self.add(
                [
                    NewOrder(one.seq, one.key, one.po_number, one.digest, one.body, one.row, one.lines, one.worth)
                    for one in decided.new
                ],
                self.date(),
            )
            self.keep(decided.kept)
        self.write(decided.moves, moment.now)

    def add(self, orders: Sequence[NewOrder], at: float, *, only_new: bool = False) -> int:
        """Add planned orders, each with its journal entry; return how many were added.

        Args:
            orders: The orders.
            at: When they were planned, by the wall clock.
            only_new: Whether to leave out those whose key or poNumber is there; these are orders of one line.
        """
        self._tally.begin(self.connection)
        last = last_seq(self.connection)
        added = add_orders(self.connection, self._shapes, orders, only_new=only_new)
        shared = 0 if only_new else sum(order.lines > 1 for order in orders)
        self._note_added(added - shared, shared, at, last)
        return added

    def _note_added(self, single: int, shared: int, at: float, last: int) -> None:
        self._journal.note_planned(self.connection, at, last, last + single + shared)
        self._tally.add(planned_rows(single, shared))

    def keep(self, lines: Iterable[PlannedLine]) -> None:
        """Keep the columns that ride along with some lines, and their names."""
        if kept := insert_kept(self.connection, lines):
            names = KeptNames(names_of(get_meta(self.connection, fact(KEPT_NAMES))))
            if names.add(kept):
                set_meta(self.connection, fact(KEPT_NAMES), names.fact())

    def _is_dead(self, line: LedgerLine) -> bool:
        """Return whether the sender of a line is gone: this holder has the file's lock, so earlier ones are."""
        return line.epoch < self.since

    def _begin_epoch(self) -> Moment:
        """Begin a new epoch for lines that are to be sent, and keep the time of their slots; return the moment."""
        self._epoch += 1
        moment = self.moment()
        self._facts.update({"epoch": str(self._epoch), fact(LAST_SLOT): f"{moment.now}"})
        return moment

    def _why_paused(self) -> str:
        """Return why the job is paused; empty if it is not. It is read once: only this holder changes it."""
        if self._paused is None:
            self._paused = get_meta(self.connection, fact(PAUSED)) or ""
        return self._paused

    def _read_funds(self) -> Funds:
        """Return what the job has committed; it is read once, and later moves add to it."""
        if self._funds is None or self._funds.unpriced is not None:
            self._funds = read_funds(self.connection, get_meta(self.connection, fact(CURRENCY)) or "")
        return self._funds

    def write(self, moves: Sequence[Move], now: float) -> None:
        """Write decided changes.

        Args:
            moves: In order.
            now: The ledger's time.

        Raises:
            LedgerConflictError: When a line has changed since it was read.
        """
        if not moves:
            return
        self._tally.begin(self.connection)
        ends = ends_of(moves)
        if not write_lines(self.connection, ends):
            raise LedgerConflictError("a line changed while it was being written: something else writes to this ledger")
        self.noted = self._journal.note_moves(self.connection, moves, self._dated(now))
        for _, after in ends:
            if after.state is _SENDING:
                self._sending[after.seq] = after
            else:
                self._sending.pop(after.seq, None)
        self._tally.add(tally_of(ends))
        if self._funds is not None:
            self._funds = self._funds.after([(move.before, move.after) for move in moves])

    # Rare work.

    def recover(self) -> int:
        """Put every line that a dead holder was sending in doubt.

        This holder has the file's lock, so the holders of earlier epochs are gone and send nothing from now on.
        """
        return self._state_for_all(LineState.SENDING, Evidence.SENDER_DIED, before=self.since)

    def _state_for_all(self, state: LineState, evidence: Evidence, *, before: int | None = None) -> int:
        """State one fact about every line in a state, or only those of earlier epochs; return how many lines moved."""
        moved, after = 0, 0
        while lines := read_state(self.connection, (state,), after, _CHUNK):
            after = lines[-1].seq
            moment = self.moment()
            concerned = [line for line in lines if before is None or line.epoch < before]
            moves = state_for_all(evidence, concerned, moment, at=moment.now)
            self.write(moves, moment.now)
            moved += len(moves)
        return moved

    def restored(self, reason: str, *, copied: bool = False) -> int:
        """Put every planned line in doubt, and restart the count of absences of unknown ones; see `Ledger.restored`."""
        evidence = Evidence.LEDGER_COPIED if copied else Evidence.LEDGER_RESTORED
        generation = int(get_meta(self.connection, "generation") or 1) + 1
        self._epoch += 1
        set_metas(self.connection, {"generation": str(generation), COPIED: "", "epoch": str(self._epoch)})
        entry = storable_text(f"generation {generation}: {reason}")
        self._journal.note_ledger(self.connection, self.date(), "restored", entry)
        # Unknown lines first: afterwards the planned lines are unknown, too.
        counted_anew = self._state_for_all(LineState.UNKNOWN, evidence)
        return counted_anew + self._state_for_all(LineState.PLANNED, evidence)

    def pause(self, reason: str) -> None:
        """Pause the job; journalled when it changes something."""
        self._set_paused(storable_text(reason) or "no reason was given")

    def unpause(self) -> None:
        """End the pause of the job; journalled when it changes something."""
        self._set_paused("")

    def _set_paused(self, reason: str) -> None:
        if self._why_paused() != reason:
            set_meta(self.connection, fact(PAUSED), reason)
            self._paused = reason
            self._journal.note_ledger(self.connection, self.date(), "paused" if reason else "unpaused", reason)

    def rebind(self, identity: Identity, reason: str) -> None:
        """Bind the ledger to another account or address."""
        known = read_identity(self.connection)
        was = "none" if known is None else f"{known.address} (account {known.account or 'unknown'})"
        entry = f"from {was} to {identity.address} (account {identity.account or 'unknown'}): {reason}"
        set_identity(self.connection, identity)
        self._journal.note_ledger(self.connection, self.date(), "rebound", storable_text(entry))

    def reprice(self, pricing: Pricing) -> None:
        """Update what orders that are not placed may cost at most."""
        reprice(self.connection, pricing)
        self._funds = None

    def vet(self, found: Mapping[int, bytes]) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that some placed lines may get; a code of another line is an alarm.

        Args:
            found: Codes as the vendor lists them, by line; only their marks are kept.
        """
        lines = {line.seq: line for line in read_lines(self.connection, found)}
        dealing = Dealing(self._marks.mark)
        dealing.vet(found, lines)
        self.write(self._settle_codes(dealing, lines, keep=False), self.now())
        return dealing.dealt()

    def withdraw(self, keys: Collection[str] | None, reason: str) -> int:
        """Cancel lines that were never sent; see `Ledger.withdraw`."""
        if get_meta(self.connection, COPIED):
            raise maybe_sent()
        if keys is None:
            # All lines of an order are cancelled, so a shared order is cancelled with its lines.
            return sum(line.lines for line in self._withdraw(self._never_sent(), reason))
        where = keys_of(self.connection, keys)
        if missing := [key for key in keys if key not in where]:
            raise LedgerConflictError(
                f"the ledger holds no line with the key {first_few(missing)}; nothing was changed"
            )
        # For a line that shares an order, cancel the order, and make each of its lines an order by itself.
        shared = {seq for seq, alone in where.values() if not alone}
        if shared:
            given_up = self._withdraw(read_lines(self.connection, shared), reason)
            self._unpack([line.seq for line in given_up], self.now())
            where = keys_of(self.connection, keys)
        return len(self._withdraw(read_lines(self.connection, {seq for seq, _ in where.values()}), reason))

    def _never_sent(self) -> Iterator[LedgerLine]:
        after = 0
        while lines := read_state(self.connection, (LineState.PLANNED,), after, _CHUNK):
            after = lines[-1].seq
            yield from filter(never_sent, lines)

    def _withdraw(self, lines: Iterable[LedgerLine], reason: str) -> list[LedgerLine]:
        moment = self.moment()
        moves = withdraw(lines, reason, moment)
        self.write(moves, moment.now)
        return [move.after for move in moves]

    def _unpack(self, packs: Sequence[int], now: float) -> None:
        """Make each line of orders that do not exist an order by itself."""
        if packs:
            self._tally.begin(self.connection)
            last = last_seq(self.connection)
            self._note_added(unpack(self.connection, packs), 0, self._dated(now), last)
