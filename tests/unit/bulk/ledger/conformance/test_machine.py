"""A ledger driven at random beside a small model of it. The model is written from money.md, not from the table."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.crash.sampling import EXHAUSTIVE
from tests.unit.bulk.ledger.conformance.subjects import SUBJECTS, fresh
from tests.unit.bulk.ledger.ledgers import each
from xoxo_async.bulk.ledger.lines import (
    Armed,
    Change,
    Counts,
    Delivery,
    Evidence,
    JournalRow,
    LedgerLine,
    LineState,
    PlannedLine,
    Rules,
)
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import LedgerConflictError

T = TypeVar("T")
S, E = LineState, Evidence
RULES = Rules(settle_s=100, spacing_s=10, absences=2)
TOLD = sorted(set(Evidence) - {E.SLOT_IN_HAND, E.SENDER_DIED, E.LEDGER_RESTORED, E.LEDGER_COPIED, E.UNWANTED})
PROOFS = {E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.LATE_PROOF}
UNFENCED = PROOFS | {E.ANSWERED_DONE}  # about an earlier send too; the last one is not for orders
DOUBTS = {  # doubt, and what it may be about
    E.ANSWER_DOUBTED: {E.ANSWERED_PLACED},
    E.CONNECTION_DOUBTED: {E.ANSWERED_PLACED, E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.ORDER_SINCE_PLAN},
}
BY_PERSON = {E.PERSON_PLACED, E.PERSON_CORRECTED, E.LATE_PROOF}
MOVES = {  # what always leads from one state to another; the rest is in `Row.told`
    (S.SENDING, E.NOT_PROCESSED): S.PLANNED,
    (S.SENDING, E.REFUSED_UNCLEAR): S.CONFLICT,
    (S.SENDING, E.OUTCOME_LOST): S.UNKNOWN,
    (S.UNKNOWN, E.LOOKUP_MISMATCHED): S.MANUAL,
    (S.CONFLICT, E.LOOKUP_MISMATCHED): S.MANUAL,
    (S.UNKNOWN, E.LOOKUPS_EXHAUSTED): S.MANUAL,
    (S.CONFLICT, E.LOOKUPS_EXHAUSTED): S.MANUAL,
    (S.MANUAL, E.PERSON_RESEND): S.PLANNED,
    (S.MANUAL, E.PERSON_REJECTED): S.REJECTED,
}


IN_DOUBT = [E.LOOKUP_ABSENT, E.LOOKUP_ABSENT, E.HISTORY_ABSENT, E.LOOKUP_MATCHED, E.LOOKUP_MISMATCHED]
LIKELY = {  # what a run would say of a line in this state; now and then something else is said
    S.PLANNED: [E.WITHDRAWN],
    S.SENDING: [E.NOT_PROCESSED, E.ANSWERED_PLACED, E.REFUSED_NO_ORDER, E.REFUSED_UNCLEAR, E.OUTCOME_LOST],
    S.UNKNOWN: IN_DOUBT,
    S.CONFLICT: IN_DOUBT,
    S.MANUAL: [E.PERSON_RESEND, E.PERSON_RESEND, E.PERSON_PLACED, E.PERSON_REJECTED],
    S.PLACED: [E.DELIVERY_SEEN, E.ANSWER_DOUBTED, E.CONNECTION_DOUBTED, E.PERSON_CORRECTED, E.PERSON_RESEND],
    S.REJECTED: TOLD,
    S.CANCELLED: TOLD,
}


CORRECTIONS = {E.PERSON_CORRECTED: S.PLACED, E.PERSON_RESEND: S.PLANNED, E.PERSON_REJECTED: S.REJECTED}


class Row:
    """What the model knows of a line."""

    def __init__(self, planned: PlannedLine) -> None:
        self.planned = planned
        self.state = S.PLANNED
        self.attempts = 0
        self.suspect = False
        self.foreign = False
        self.order_id: int | None = None
        self.codes: bytes | None = None
        self.sent_at = 0.0
        self.absences: list[float] = []
        self.said = ""
        self.notes = 1

    def claimed(self, now: float) -> None:
        self.state, self.attempts, self.sent_at, self.said = S.SENDING, self.attempts + 1, now, ""
        self.absences = []
        self.notes += 1

    def told(self, change: Change, now: float, *, fresh: bool) -> bool:  # noqa: PLR0912 - a list of cases
        """Take a fact, and return whether the ledger should take it."""
        evidence, order = change.evidence, change.order_id
        before = self.state
        if not fresh and evidence not in UNFENCED:
            return False
        if before is S.PLACED and self.said in BY_PERSON and self.corrected(change):
            return True
        if before is S.PLACED and evidence in DOUBTS:
            return self.doubted(evidence, order, now)
        if order is not None and self.order_id not in {None, order}:
            self.notes += 1  # the alarm
            return False
        if evidence is E.LOOKUP_MATCHED and self.foreign and before not in {S.PLACED, S.UNKNOWN, S.CONFLICT}:
            return evidence == self.said
        if evidence is E.LOOKUP_MATCHED and self.foreign and before is not S.PLACED and order is not None:
            self.state = S.MANUAL
        elif ((evidence in PROOFS or (before is S.MANUAL and evidence is E.PERSON_PLACED)) and order is not None) or (
            before in {S.UNKNOWN, S.CONFLICT} and evidence is E.ORDER_SINCE_PLAN and order is not None
        ):
            self.state, self.order_id = S.PLACED, order
        elif before is S.PLACED and evidence is E.DELIVERY_SEEN and order in {None, self.order_id}:
            pass
        elif before is S.SENDING and evidence is E.REFUSED_NO_ORDER:
            self.state = S.CONFLICT if self.suspect else S.REJECTED
        elif before is S.PLANNED and evidence is E.WITHDRAWN and not self.attempts and not self.suspect:
            self.state = S.CANCELLED
        elif before in {S.UNKNOWN, S.CONFLICT} and evidence in {E.LOOKUP_ABSENT, E.HISTORY_ABSENT}:
            self.absent(evidence, now)
        elif (before, evidence) in MOVES:
            self.state = MOVES[before, evidence]
        else:
            return evidence == self.said
        self.foreign |= before is S.SENDING and evidence is E.REFUSED_UNCLEAR and not self.suspect
        self.suspect |= before is S.SENDING and self.state in {S.UNKNOWN, S.CONFLICT}
        if before is S.SENDING and self.state in {S.UNKNOWN, S.CONFLICT}:
            self.sent_at = now
        self.said = evidence if self.state is not before else self.said
        self.notes += 1
        if change.codes and self.state is S.PLACED:
            self.codes = self.codes or change.codes  # of one piece: a second code is another order's
        return True

    def corrected(self, change: Change) -> bool:
        """Take a person's second word about a line that a person placed; return whether it is one."""
        evidence, names_order = change.evidence, change.order_id is not None
        if evidence not in CORRECTIONS or (evidence is E.PERSON_CORRECTED and not names_order):
            return False
        again = evidence is E.PERSON_CORRECTED
        self.state, self.said, self.notes = CORRECTIONS[evidence], evidence, self.notes + 1
        self.order_id, self.codes = (change.order_id, change.codes) if again else (None, None)
        return True

    def doubted(self, evidence: Evidence, order: int | None, now: float) -> bool:
        """Take doubt about what placed the line; return whether the ledger should take it."""
        if self.said not in DOUBTS[evidence] or order != self.order_id:
            self.notes += order not in {None, self.order_id}  # the alarm
            return self.said is evidence
        self.lose_the_order()
        self.state, self.suspect, self.said = S.UNKNOWN, True, evidence
        self.sent_at, self.absences = now, []
        self.notes += 1
        return True

    def lose_the_order(self) -> None:
        self.order_id = self.codes = None

    def restored(self, now: float) -> None:
        if self.state in {S.PLANNED, S.UNKNOWN}:
            self.state, self.suspect, self.said = S.UNKNOWN, True, E.LEDGER_RESTORED
            self.sent_at, self.absences = now, []
            self.notes += 1

    def absent(self, evidence: Evidence, now: float) -> None:
        if evidence is E.HISTORY_ABSENT:
            if len(self.absences) >= RULES.absences:
                self.state = S.MANUAL
        elif now >= self.sent_at + RULES.settle_s and (not self.absences or now >= self.absences[-1] + RULES.spacing_s):
            self.absences.append(now)
            if self.state is S.UNKNOWN and len(self.absences) >= RULES.absences:
                self.state = S.PLANNED

    def died(self, now: float, *, sure: bool) -> None:
        if self.state is S.SENDING:
            self.state, self.suspect, self.said = S.UNKNOWN, True, E.SENDER_DIED
            hold_ends = self.sent_at + 60
            self.sent_at = max(self.sent_at, min(now, hold_ends)) if sure else hold_ends
            self.notes += 1


class LedgerMachine(RuleBasedStateMachine):
    """Plans, claims, arms, records (alone and many at once), closes, opens, recovers; compares after every step."""

    def __init__(self, store: str, database_of: Callable[[str, str], str]) -> None:
        super().__init__()
        self.store = store
        self.database_of = database_of

    @initialize(key=st.sampled_from(["", "A" * 43 + "="]))
    def begin(self, key: str) -> None:
        self.key = key
        self.serial = itertools.count()
        self.rows: dict[int, Row] = {}  # by the number of the row
        self.seqs: dict[int, int] = {}  # the line of each row
        self.stack = ExitStack()
        self.subject = self.stack.enter_context(fresh(self.store, self.database_of(self.store, self.key)))
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.open()

    def open(self) -> None:
        self.opening = self.subject.open(codes_key=self.key)
        self.ledger: Ledger = self.run(self.opening.__aenter__())

    def close(self) -> None:
        self.run(self.opening.__aexit__(None, None, None))

    @property
    def now(self) -> float:
        return self.subject.now

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.close()
            self.stack.close()

    @precondition(lambda self: len(self.rows) < 8)
    @rule(count=st.integers(1, 4), known=st.integers(0, 3))
    def plan(self, count: int, known: int) -> None:
        first = len(self.rows)
        old = [row.planned for row in self.rows.values()][:known]
        new = [planned_line(number) for number in range(first, first + count)]
        planned = self.run(self.ledger.plan(self.subject.job, each([*old, *new]), self.subject.terms))
        assert planned == (count, len(old), count, 0, 0)
        self.rows |= {line.row: Row(line) for line in new}
        self.seqs = {line.row: line.seq for line in self.stored()}

    @precondition(lambda self: self.rows)
    @rule(count=st.integers(0, 3), where=st.integers(0, 2))
    def plan_something_else(self, count: int, where: int) -> None:
        other = planned_line(len(self.rows) - 1, digest="other")
        lines = [planned_line(number) for number in range(len(self.rows), len(self.rows) + count)]
        lines.insert(min(where, count), other)
        with pytest.raises(LedgerConflictError, match=f"key {other.key}"):
            self.run(self.ledger.plan(self.subject.job, each(lines)))

    @rule(limits=st.lists(st.integers(0, 4), min_size=1, max_size=3))
    def claim(self, limits: list[int]) -> None:
        async def together() -> list[list[LedgerLine]]:
            return await asyncio.gather(*(self.ledger.claim(limit) for limit in limits))

        taken = [line.row for lines in self.run(together()) for line in lines]
        waiting = [number for number, row in self.rows.items() if row.state is S.PLANNED]
        if self.subject.in_order:
            assert taken == waiting[: sum(limits)]
        else:
            assert len(set(taken)) == len(taken) == min(sum(limits), len(waiting))
            assert set(taken) <= set(waiting)
        for number in taken:
            self.rows[number].claimed(self.now)

    @rule(data=st.data(), callers=st.integers(1, 3), other=st.sampled_from([False] * 4 + [True]))
    def arm(self, data: st.DataObject, callers: int, other: bool) -> None:
        """Of some callers at once one gets a line that is new or free; other contents under its key are refused."""
        number = data.draw(st.integers(0, min(len(self.rows), 7)))
        row = self.rows.get(number + 1)
        if row is not None and other:
            with pytest.raises(LedgerConflictError, match=f"k{number} is in this ledger with other contents"):
                self.run(self.arming(planned_line(number, digest="other")))
            if row.state is S.SENDING:
                self.note_deaths()
            return

        async def together() -> list[Armed]:
            return await asyncio.gather(*(self.arming(planned_line(number)) for _ in range(callers)))

        armed = self.run(together())
        is_free = row is None or row.state is S.PLANNED
        assert sum(one.mine for one in armed) == is_free
        row = self.rows.setdefault(number + 1, Row(planned_line(number)))
        if is_free:
            row.claimed(self.now)
        elif row.state is S.SENDING and armed[0].line.state is S.UNKNOWN:
            self.note_deaths()
        assert {one.line.state for one in armed} == {row.state}
        self.seqs[number + 1] = armed[0].line.seq

    def note_deaths(self) -> None:
        """Note whose sender was found dead before an arm: a store may look at all lines of a dead holder at once."""
        for line in self.stored():
            row = self.rows.get(line.row)
            if row is not None and row.state is S.SENDING and line.state is S.UNKNOWN:
                row.died(self.now, sure=self.subject.ends_at_death)

    async def arming(self, line: PlannedLine) -> Armed:
        return await self.ledger.arm(self.subject.job, line, identity=self.subject.terms.identity)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), size=st.integers(1, 8), together=st.booleans())
    def record(self, data: st.DataObject, size: int, together: bool) -> None:
        epochs = {line.row: line.epoch for line in self.stored()}
        changes: list[Change] = []
        fresh: list[bool] = []
        for _ in range(size):
            number = data.draw(st.integers(1, len(self.rows)))
            fresh.append(data.draw(st.sampled_from([True] * 7 + [False])))
            likely = data.draw(st.sampled_from([LIKELY[self.rows[number].state]] * 5 + [TOLD]))
            evidence = data.draw(st.sampled_from(likely))
            order = data.draw(st.sampled_from([number] * 5 + [None, 999])) if evidence in {*PROOFS, *PLACING} else None
            changes.append(
                Change(
                    seq=self.seqs[number],
                    evidence=evidence,
                    epoch=epochs[number] if fresh[-1] else epochs[number] - 1,
                    order_id=order,
                    delivery=Delivery.DELIVERED if order else Delivery.NONE,
                    reason="looked into it",
                    codes=b'[{"code":"%d-%d"}]' % (number, next(self.serial)) if order else None,
                )
            )
        taken = [self.told(change, fresh=ok) for change, ok in zip(changes, fresh, strict=True)]
        assert self.run(self.offer(changes, together=together)) == (taken if together else [all(taken)])

    def told(self, change: Change, *, fresh: bool) -> bool:
        """Tell a row a fact; one that names another row's order is worth less, or nothing, and may doubt that row."""
        if not fresh and change.evidence not in UNFENCED:
            return self.subject.supersedes
        row = next(self.rows[number] for number, seq in self.seqs.items() if seq == change.seq)
        owners = [number for number, other in self.rows.items() if other.order_id == change.order_id is not None]
        taker = copy.deepcopy(row)
        applies = taker.told(change, self.now, fresh=fresh)
        if owners and applies and row.order_id != change.order_id == taker.order_id:
            if change.evidence in BY_PERSON:
                return False
            doubted = self.rows[owners[0]].said is E.ANSWERED_PLACED
            if doubted:
                self.rows[owners[0]].doubted(E.ANSWER_DOUBTED, change.order_id, self.now)
                if change.evidence in {E.LOOKUP_MATCHED, E.ORDER_OF_THIS_SEND, E.ORDER_SINCE_PLAN}:
                    return True  # taken for nothing: it is looked up again
            less = {
                E.ANSWERED_PLACED: E.OUTCOME_LOST,
                E.LOOKUP_MATCHED: E.LOOKUP_MISMATCHED,
                E.ORDER_OF_THIS_SEND: E.LOOKUP_MISMATCHED,
                E.ORDER_SINCE_PLAN: E.LOOKUP_MISMATCHED,
            }.get(change.evidence)
            if less is not None:
                change = msgspec.structs.replace(change, evidence=less, order_id=None, codes=None)
                if not fresh:
                    return self.subject.supersedes
        return row.told(change, self.now, fresh=fresh)

    async def offer(self, changes: Sequence[Change], *, together: bool) -> list[bool]:
        batches = [[change] for change in changes] if together else [list(changes)]
        ends = await asyncio.gather(*(self.ledger.record(b, rules=RULES) for b in batches), return_exceptions=True)
        assert all(isinstance(end, list | LedgerConflictError) for end in ends)
        return [isinstance(end, list) for end in ends]

    @rule(seconds=st.sampled_from([1, 9, 10, 60, 100, 1000]))
    def wait(self, seconds: int) -> None:
        self.subject.now += seconds

    @rule(recover=st.booleans())
    def reopen(self, recover: bool) -> None:
        self.close()
        self.open()
        if recover:
            dead = [row for row in self.rows.values() if row.state is S.SENDING]
            assert self.run(self.ledger.recover()) == len(dead)
            for row in dead:
                row.died(self.now, sure=self.subject.ends_at_death)

    @rule()
    def restored(self) -> None:
        """The ledger turns out to be an older copy: whatever is planned or unknown may have been sent since."""
        doubted = [row for row in self.rows.values() if row.state in {S.PLANNED, S.UNKNOWN}]
        assert self.run(self.ledger.restored(reason="a backup")) == len(doubted)
        for row in doubted:
            row.restored(self.now)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), size=st.integers(1, 4))
    def withdraw(self, data: st.DataObject, size: int) -> None:
        """All of some rows, or none."""
        seqs = set(data.draw(st.lists(st.integers(1, len(self.rows)), min_size=size, max_size=size)))
        rows = [self.rows[seq] for seq in sorted(seqs)]
        free = [row for row in rows if row.state is S.PLANNED and not row.attempts and not row.suspect]
        may = all(row in free or row.state is S.CANCELLED for row in rows)
        work = self.ledger.withdraw([row.planned.key for row in rows], reason="gone")
        if not may:
            with pytest.raises(LedgerConflictError, match="never sent"):
                self.run(work)
            return
        assert self.run(work) == len(free)
        for row in free:
            row.state, row.said, row.notes = S.CANCELLED, E.WITHDRAWN, row.notes + 1

    @rule()
    def recover_again(self) -> None:
        """A holder never takes its own lines for a dead one's; those of a holder before it, it does."""
        self.run(self.ledger.recover())
        stored = {line.row: line for line in self.stored()}
        for number, row in self.rows.items():
            if row.state is S.SENDING and stored[number].state is S.UNKNOWN:
                row.died(self.now, sure=self.subject.ends_at_death)

    def stored(self) -> list[LedgerLine]:
        async def read() -> list[LedgerLine]:
            return [line async for line in self.ledger.lines(with_codes=True)]

        return self.run(read())

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "ledger"):
            return
        lines = self.stored()
        assert [line.row for line in lines] == list(self.rows)
        assert [line.seq for line in lines] == sorted(self.seqs.values())
        for line, row in zip(lines, self.rows.values(), strict=True):
            assert (line.state, line.attempts, line.suspect) == (row.state, row.attempts, row.suspect)
            assert line.foreign == row.foreign
            assert (line.order_id, line.codes) == (row.order_id, row.codes)
            assert (line.key, line.request) == (row.planned.key, row.planned.request)
        check_counts(self.run(self.ledger.counts()), list(self.rows.values()))
        check_journal(self.run(self.journal()), {self.seqs[number]: row for number, row in self.rows.items()})
        self.run(self.subject.check())

    async def journal(self) -> list[JournalRow]:
        return [row async for row in self.ledger.journal()]


PLACING = {E.PERSON_PLACED, E.PERSON_CORRECTED, E.DELIVERY_SEEN, *DOUBTS, E.ORDER_SINCE_PLAN}


def check_counts(counts: Counts, rows: list[Row]) -> None:
    """I7, and every number by itself."""
    total = counts.issued + counts.pending + counts.rejected + counts.unknown + counts.not_sent
    assert total == counts.rows == len(rows)
    assert counts.issued + counts.pending == sum(row.state is S.PLACED for row in rows)
    assert counts.rejected == sum(row.state is S.REJECTED for row in rows)
    assert counts.not_sent == sum(row.state in {S.PLANNED, S.CANCELLED} for row in rows)


def check_journal(journal: list[JournalRow], rows: dict[int, Row]) -> None:
    """Every line's entries are a chain from its planning to its present state."""
    at: dict[int, str] = dict.fromkeys(rows, "")
    notes = dict.fromkeys(rows, 0)
    for entry in journal:
        if not entry.seq:
            continue  # about the ledger as a whole
        if entry.transition == "!" and "voucher code" in entry.reason:
            continue  # these are `test_codes`'s
        assert entry.from_state == at[entry.seq]
        at[entry.seq] = entry.to_state
        notes[entry.seq] += 1
    assert at == {seq: row.state for seq, row in rows.items()}
    assert notes == {seq: row.notes for seq, row in rows.items()}


def planned_line(number: int, digest: str = "") -> PlannedLine:
    """Return the line of row number + 1."""
    return PlannedLine(
        key=f"k{number}",
        po_number=f"po-{number}",
        digest=digest or f"d{number}",
        request=f'{{"poNumber":"po-{number}","name":"Zoë \\" {number}"}}'.encode(),
        row=number + 1,
    )


@pytest.mark.slow
@pytest.mark.parametrize("store", SUBJECTS)
def test_every_history_agrees_with_the_model(store: str, database_of: Callable[[str, str], str]) -> None:
    """Whatever is planned, claimed, told, restored and reopened, in any order."""
    # A step of the shared store is some trips to a server, and its lines are counted anew after each.
    examples = 60 if store == "sqlite" or EXHAUSTIVE else 20
    rules = settings(max_examples=examples, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(lambda: LedgerMachine(store, database_of), settings=rules)
