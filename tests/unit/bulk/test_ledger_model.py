"""The table in `ledger.py`, searched exhaustively: one line, two workers, a network that loses, delays and repeats.

What is searched is `decide` itself, in every world that can come about. A world is the line, two workers (each may die
at any point, or sleep through its lease and wake up), up to three messages in flight, and the vendor's books. Only what
a decision can see is told apart: attempts are none or some, epochs are current or stale, times are before or after the
settling time. So attempts and restarts are not bounded, and still there are few worlds.

Three vendors, since the documents leave open which is the real one:

* `refuses_repeats`: a repeated poNumber is refused, in whatever words, even those of a certain refusal; refusals may
  change from one moment to the next; look-ups lag without bound; requests arrive late without bound, at most once.
* `repeats_in_transit`: requests may also be repeated on the way; refusals are lasting, a duplicate is called one.
* `accepts_repeats`: every request that arrives buys a voucher. Safe with resend="never" however late requests arrive,
  and with resend="settled" when no request or look-up takes longer than the settling time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import msgspec
import pytest

from xoxo_async.bulk.ledger import (
    TRANSITIONS,
    Change,
    Evidence,
    LedgerLine,
    LineState,
    Moment,
    Rules,
    Transition,
    decide,
)

NOW = 1_000.0
SETTLE = 100.0
FINAL = {LineState.PLACED, LineState.REJECTED, LineState.CANCELLED}
BIRTH = LedgerLine(seq=1, key="k", po_number="po", digest="d", body="{}", row=1, epoch=1)

E = Evidence
S = LineState


@dataclass(frozen=True)
class Setting:
    """A vendor, the caller's rules, and what is broken on purpose."""

    refuses_repeats: bool
    lasting_refusals: bool = False
    repeats_in_transit: bool = False
    bounded_delay: bool = False
    resend: str = "settled"
    settle_s: float = SETTLE
    table: tuple[Transition, ...] = TRANSITIONS
    intent_first: bool = True
    fenced: bool = True
    unchecked: tuple[str, ...] = ()


class World(NamedTuple):
    """Everything that matters about one moment."""

    line: int
    workers: tuple[str, ...] = ()
    net: tuple[tuple[str, str, int], ...] = ()  # kind, epoch, and the order it names or the age of what it saw
    spent: int = 0
    visible: int = 0
    refuses: bool = False
    naked_send: bool = False


@dataclass
class Search:
    """Explores every world of a setting, and stops at the first that breaks an invariant."""

    setting: Setting
    lines: list[LedgerLine] = field(default_factory=list)
    numbers: dict[LedgerLine, int] = field(default_factory=dict)
    decided: dict[tuple[int, Evidence, bool, int], tuple[int, bool]] = field(default_factory=dict)

    def run(self) -> tuple[str, int]:
        """Return the invariant that breaks, empty when none does, and how many worlds were seen."""
        starts = [World(self.number(BIRTH), refuses=refuses) for refuses in {False, self.setting.lasting_refusals}]
        before: dict[World, list[World]] = {start: [] for start in starts}
        todo = deque(starts)
        while todo:
            world = todo.popleft()
            broken = self.broken(world)
            if broken and broken not in self.setting.unchecked:
                return broken, len(before)
            for after in self.steps(world):
                if after not in before:
                    before[after] = []
                    todo.append(after)
                before[after].append(world)
        stuck = len(before) - len(self.can_end(before))
        return ("I5" if stuck else ""), len(before)

    def can_end(self, before: dict[World, list[World]]) -> set[World]:
        """Return the worlds from which a final state can still be reached."""
        reached = {world for world in before if self.lines[world.line].state in FINAL}
        todo = list(reached)
        while todo:
            for earlier in before[todo.pop()]:
                if earlier not in reached:
                    reached.add(earlier)
                    todo.append(earlier)
        return reached

    def broken(self, world: World) -> str:
        state = self.lines[world.line].state
        if world.spent > 1:
            return "I1"
        if state is S.PLACED and not world.spent:
            return "I2"
        if state in {S.REJECTED, S.CANCELLED} and world.spent:
            return "I3"
        return "I4" if world.naked_send else ""

    # The ledger.

    def number(self, line: LedgerLine) -> int:
        """Return the number of a line, with everything rounded off that no decision can see."""
        line = msgspec.structs.replace(
            line,
            epoch=1,
            attempts=min(line.attempts, 1),
            lookups=min(line.lookups, 2),
            first_sent_at=None if line.first_sent_at is None else 0.0,
            last_sent_at=None if line.last_sent_at is None else 0.0,
        )
        if line not in self.numbers:
            self.numbers[line] = len(self.lines)
            self.lines.append(line)
        return self.numbers[line]

    def record(self, world: World, evidence: Evidence, *, stale: bool = False, order: int = 0) -> World:
        """Return the world after a fact was offered to the ledger, whether or not it was taken."""
        asked = (world.line, evidence, stale, order)
        if asked not in self.decided:
            line = self.lines[world.line]
            absent = evidence is E.LOOKUP_ABSENT
            change = Change(
                seq=1,
                evidence=evidence,
                epoch=0 if stale and self.setting.fenced else 1,
                at=NOW - order * SETTLE if absent else None,
                order_id=order if order and not absent else None,
                reason="looked into it",
            )
            rules = Rules(resend=self.setting.resend, settle_s=self.setting.settle_s, spacing_s=self.setting.settle_s)
            outcome = decide(line, change, Moment(now=NOW, epoch=2, since=2, rules=rules), self.setting.table)
            self.decided[asked] = self.number(outcome.line), outcome.line.epoch != line.epoch
        number, new_epoch = self.decided[asked]
        world = world._replace(line=number)
        return self.fade(world) if new_epoch else world

    def fade(self, world: World) -> World:
        """A new epoch has begun: make stale what belongs to the last one."""
        workers = tuple(sorted("armed-stale" if w.startswith("armed") else "" for w in world.workers if "armed" in w))
        net = [(kind, "stale", order) for kind, _, order in world.net]
        if self.setting.fenced:  # a stale fact that proves no order is refused for ever: as good as lost
            net = [m for m in net if m[0] in {"request", E.ANSWERED_PLACED}]
        return world._replace(workers=workers, net=tuple(sorted(net)))

    # What may happen next.

    def steps(self, world: World) -> Iterator[World]:
        yield from self.workers_step(world)
        yield from self.network_steps(world)
        yield from self.settling_steps(world)
        yield from self.people_step(world)
        yield from self.time_passes(world)

    def workers_step(self, world: World) -> Iterator[World]:
        state = self.lines[world.line].state
        if state is S.PLANNED and len(world.workers) < 2:
            if self.setting.intent_first:
                claimed = self.record(world, E.SLOT_IN_HAND)
                yield claimed._replace(workers=tuple(sorted((*claimed.workers, "armed"))))
            else:
                yield world._replace(workers=tuple(sorted((*world.workers, "armed-naked"))))
        if state is S.SENDING:
            yield self.record(world, E.SENDER_DIED)  # dead, or asleep: its claim is gone, its request may still leave
        for i, worker in enumerate(world.workers):
            others = world.workers[:i] + world.workers[i + 1 :]
            yield world._replace(workers=others)  # dies
            epoch = "stale" if worker.endswith("stale") else ""
            if worker.startswith("armed"):
                if len(world.net) < 3:
                    sent = world._replace(
                        workers=others if epoch else tuple(sorted((*others, "waiting"))),
                        net=tuple(sorted((*world.net, ("request", epoch, 0)))),
                    )
                    yield sent._replace(naked_send=world.naked_send or worker == "armed-naked")
                # Nothing was sent, and it says so.
                yield self.record(world._replace(workers=others), E.NOT_PROCESSED, stale=bool(epoch))
            else:
                yield self.record(world._replace(workers=others), E.OUTCOME_LOST)

    def network_steps(self, world: World) -> Iterator[World]:
        for message in set(world.net):
            kind, epoch, order = message
            rest = list(world.net)
            rest.remove(message)
            lost = world._replace(net=tuple(rest))
            yield lost
            if kind == "request":
                for spent, answer, placed in self.answers(world):
                    reply = (answer, "" if answer == E.ANSWERED_PLACED else epoch, placed)
                    for net in [rest, world.net] if self.setting.repeats_in_transit and len(world.net) < 3 else [rest]:
                        replied = net if epoch and not placed and self.setting.fenced else sorted((*net, reply))
                        yield world._replace(spent=spent, net=tuple(replied))
            else:
                for net in (lost, world):  # delivered once, or delivered and delivered again
                    yield self.record(net, Evidence(kind), stale=bool(epoch), order=order)

    def answers(self, world: World) -> Iterator[tuple[int, Evidence, int]]:
        """Yield the vendor's books after a request, its answer, and the order the answer names."""
        yield world.spent, E.NOT_PROCESSED, 0  # throttled, or the token was refused
        yield world.spent, E.OUTCOME_LOST, 0  # 5xx before anything was done
        repeat = world.spent > 0 and self.setting.refuses_repeats
        if repeat:
            yield world.spent, E.REFUSED_UNCLEAR, 0
            yield world.spent, E.ANSWERED_PLACED, 1
        elif not world.refuses:
            for answer in (E.ANSWERED_PLACED, E.REFUSED_UNCLEAR, E.OUTCOME_LOST):
                yield world.spent + 1, answer, world.spent + 1 if answer is E.ANSWERED_PLACED else 0
        if self.setting.lasting_refusals:
            if world.refuses:
                yield world.spent, E.REFUSED_NO_ORDER, 0
        else:
            yield world.spent, E.REFUSED_NO_ORDER, 0
            yield world.spent, E.REFUSED_UNCLEAR, 0

    def settling_steps(self, world: World) -> Iterator[World]:
        if world.visible < world.spent:
            yield world._replace(visible=world.spent)  # look-ups catch up
        state = self.lines[world.line].state
        if state in {S.UNKNOWN, S.CONFLICT, S.MANUAL} and world.visible:
            yield self.record(world, E.LOOKUP_MATCHED, order=1)
        elif state in {S.UNKNOWN, S.CONFLICT}:
            for evidence in (E.LOOKUP_ABSENT, E.HISTORY_ABSENT, E.LOOKUPS_EXHAUSTED):
                yield self.record(world, evidence)
            if len(world.net) < 3:  # an answer that will be told later, when it may no longer be true
                yield world._replace(net=tuple(sorted((*world.net, (E.LOOKUP_ABSENT, "", 0)))))

    def people_step(self, world: World) -> Iterator[World]:
        state = self.lines[world.line].state
        if state is S.PLANNED:
            yield self.record(world, E.WITHDRAWN)
        if state is S.MANUAL and not world.net and not world.workers:  # a person waits, asks the vendor, and is told
            if world.spent:
                yield self.record(world, E.PERSON_PLACED, order=1)
            else:
                yield self.record(world, E.PERSON_RESEND)
                yield self.record(world, E.PERSON_REJECTED)

    def time_passes(self, world: World) -> Iterator[World]:
        late = any(kind == "request" for kind, _, _ in world.net) or world.visible < world.spent
        if self.setting.bounded_delay and (late or any("armed" in worker for worker in world.workers)):
            return
        line = self.lines[world.line]
        older = msgspec.structs.replace(
            line, last_sent_tick=one_older(line.last_sent_tick), last_lookup_at=one_older(line.last_lookup_at)
        )
        # A look-up told later than one settling time after it was made is as good as lost.
        young = [m for m in world.net if m[0] != E.LOOKUP_ABSENT or m[2] == 0]
        net = [(kind, epoch, 1) if kind == E.LOOKUP_ABSENT else (kind, epoch, n) for kind, epoch, n in young]
        yield world._replace(line=self.number(older), net=tuple(sorted(net)))


def one_older(at: float | None) -> float | None:
    """Return a moment one settling time further away; more than two are like two."""
    return None if at is None else max(at - SETTLE, NOW - 2 * SETTLE)


REFUSES_REPEATS = Setting(refuses_repeats=True)
REFUSES_REPEATS_NEVER = Setting(refuses_repeats=True, resend="never")
REPEATS_IN_TRANSIT = Setting(refuses_repeats=True, lasting_refusals=True, repeats_in_transit=True)
ACCEPTS_REPEATS_NEVER = Setting(refuses_repeats=False, resend="never")
ACCEPTS_REPEATS_SETTLED = Setting(refuses_repeats=False, bounded_delay=True)


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(REFUSES_REPEATS, id="refuses-repeats"),
        pytest.param(REFUSES_REPEATS_NEVER, id="refuses-repeats-never"),
        pytest.param(REPEATS_IN_TRANSIT, id="repeats-in-transit"),
        pytest.param(ACCEPTS_REPEATS_NEVER, id="accepts-repeats-never"),
        pytest.param(ACCEPTS_REPEATS_SETTLED, id="accepts-repeats-settled"),
    ],
)
def test_no_world_breaks_an_invariant(setting: Setting, record_property: Callable[[str, object], None]) -> None:
    """I1 to I5 hold in every world that can come about."""
    broken, worlds = Search(setting).run()
    record_property("worlds", worlds)
    assert broken == "", f"{broken} after {worlds} worlds"
    assert worlds > 1_000  # a search that sees nothing proves nothing


def changed(evidence: Evidence, change: Callable[[Transition], Transition]) -> tuple[Transition, ...]:
    """Return the table with the rows of one evidence that move a line changed."""
    return tuple(change(row) if row.evidence is evidence and row.target else row for row in TRANSITIONS)


def in_state(state: LineState, target: LineState) -> Callable[[Transition], Transition]:
    """Return what leads one state elsewhere, free of doubt."""
    return lambda row: row._replace(target=target, suspect=False) if state in row.sources else row


NO_T5 = changed(E.REFUSED_UNCLEAR, in_state(S.SENDING, S.REJECTED))
NO_T11 = changed(E.HISTORY_ABSENT, in_state(S.CONFLICT, S.REJECTED))
NO_T4_GUARD = changed(E.REFUSED_NO_ORDER, lambda row: row._replace(guards=()))
NO_T14_GUARD = changed(E.WITHDRAWN, lambda row: row._replace(guards=()))
NO_T6_DOUBT = changed(E.OUTCOME_LOST, lambda row: row._replace(suspect=False))
NO_T6 = changed(E.OUTCOME_LOST, in_state(S.SENDING, S.PLANNED))
NO_T9_PROOF = changed(E.LOOKUP_ABSENT, lambda row: row._replace(guards=()))
NO_T7 = changed(E.SENDER_DIED, in_state(S.SENDING, S.PLANNED))
NO_T10 = tuple(row for row in TRANSITIONS if row.number not in {"T10", "T11"})


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [
        # The six that money.md names.
        pytest.param(replace(REFUSES_REPEATS, table=NO_T5), "I3", id="a-422-read-as-rejected"),
        pytest.param(replace(REFUSES_REPEATS, table=NO_T11), "I3", id="conflict-and-absent-is-rejected"),
        pytest.param(replace(REFUSES_REPEATS, intent_first=False), "I4", id="no-intent-row"),
        pytest.param(replace(REFUSES_REPEATS, table=NO_T4_GUARD), "I3", id="a-refusal-believed-while-suspect"),
        pytest.param(replace(REFUSES_REPEATS, table=NO_T14_GUARD), "I3", id="any-planned-row-cancelled"),
        pytest.param(replace(ACCEPTS_REPEATS_SETTLED, settle_s=0.0), "I1", id="resent-without-settling"),
        # And what else carries weight: every one of these parts of the table is needed.
        pytest.param(
            replace(ACCEPTS_REPEATS_NEVER, intent_first=False, unchecked=("I3", "I4")), "I1", id="no-intent-harms"
        ),
        pytest.param(replace(ACCEPTS_REPEATS_NEVER, resend="settled"), "I1", id="resent-though-repeats-are-accepted"),
        pytest.param(replace(REFUSES_REPEATS, table=NO_T6_DOUBT), "I3", id="a-lost-outcome-leaves-no-doubt"),
        pytest.param(replace(ACCEPTS_REPEATS_NEVER, table=NO_T6), "I1", id="a-lost-outcome-sent-again"),
        pytest.param(replace(ACCEPTS_REPEATS_NEVER, table=NO_T7), "I1", id="a-dead-sender-s-line-sent-again"),
        pytest.param(replace(ACCEPTS_REPEATS_SETTLED, table=NO_T9_PROOF), "I1", id="one-look-up-is-proof"),
        pytest.param(replace(REFUSES_REPEATS, table=NO_T10), "I5", id="no-way-to-a-person"),
        pytest.param(replace(REFUSES_REPEATS, fenced=False), "I3", id="no-fence"),
        pytest.param(replace(ACCEPTS_REPEATS_NEVER, fenced=False), "I1", id="no-fence-accepts-repeats"),
    ],
)
def test_the_search_finds_what_is_broken(
    mutant: Setting, expected: str, record_property: Callable[[str, object], None]
) -> None:
    """Every part taken out of the table, or out of the rules around it, breaks an invariant that the search names."""
    broken, worlds = Search(mutant).run()
    record_property("broken", broken)
    assert broken == expected, f"{broken or 'nothing'} broken after {worlds} worlds"


def test_a_stale_fact_that_proves_no_order_is_never_taken() -> None:
    """The model drops stale facts as lost, so the fence must refuse them for every line and fact."""
    moment = Moment(now=NOW, epoch=2, since=2, rules=Rules())
    for state, evidence, suspect, attempts in product(LineState, Evidence, (False, True), (0, 1)):
        line = msgspec.structs.replace(BIRTH, state=state, suspect=suspect, attempts=attempts, last_sent_tick=0.0)
        outcome = decide(line, Change(seq=1, evidence=evidence, epoch=0, reason="because"), moment)
        assert outcome.line == line
        assert outcome.refusal
