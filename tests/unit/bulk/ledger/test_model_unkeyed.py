"""The table for calls without a key: no world that can come about sends a row twice by itself.

The invariants are those of `test_model`: a row is spent at most once (I1), what is placed is spent (I2), what is
rejected or cancelled is not (I3), no request without an intent (I4), and an end stays reachable (I5). No look-up helps
here: in this model one that is made all the same finds nothing, although the vendor may have booked the row.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import pytest

from tests.unit.bulk.ledger.model import BIRTH, NOW, Search, Setting, but, changed, in_state, numbered
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.table import (
    TRANSITIONS,
    Moment,
    Transition,
    at_rest,
    cancellable,
    decide,
    keyed,
    names_order,
    no_cancel_in_doubt,
    same_order,
    unkeyed,
)
from xoxo_async.effects import EffectClass

E = Evidence
S = LineState

# Requests arrive late without bound, and a person waits until none is under way.
PATIENT = Setting(refuses_repeats=False, effect=EffectClass.UNKEYED, messages=2)
LASTING = replace(PATIENT, lasting_refusals=True)
# A person decides at once, by what the dashboard shows; a request takes one settling time at most.
HASTY = replace(PATIENT, bounded_delay=True, hasty=True)
LEASES = replace(HASTY, sleeps=True)
LOCK = replace(HASTY, lock=True, says_when=True)
COPIES = replace(PATIENT, copies=True)
COPIED = replace(COPIES, copy_is=E.LEDGER_COPIED)
SHIFTS = replace(PATIENT, shifts=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(PATIENT, id="patient"),
        pytest.param(LASTING, id="lasting-refusals"),
        pytest.param(HASTY, id="hasty"),
        pytest.param(LEASES, id="leases"),
        pytest.param(LOCK, id="lock"),
        pytest.param(COPIES, id="copies"),
        pytest.param(COPIED, id="copied"),
        pytest.param(SHIFTS, id="shifts"),
    ],
)
def test_no_world_breaks_an_invariant(setting: Setting, record_property: Callable[[str, object], None]) -> None:
    """I1 to I5 hold in every world that can come about."""
    broken, worlds = Search(setting).run()
    record_property("worlds", worlds)
    assert broken == "", f"{broken} after {worlds} worlds"
    assert worlds > 500


def without(guard: object, number: str) -> tuple[Transition, ...]:
    """Return the table with the rows of one number without one of their guards."""
    return numbered(number, lambda row: but(row, guards=tuple(g for g in row.guards if g is not guard)))


RESENT = tuple(
    but(row, guards=tuple(g for g in row.guards if g is not keyed)) if row.evidence is E.LOOKUP_ABSENT else row
    for row in TRANSITIONS
)
EXHAUSTED = changed(E.NO_LOOKUP, lambda row: but(row, target=S.PLANNED))
UNCLEAR_REJECTED = changed(E.REFUSED_UNCLEAR, in_state(S.SENDING, S.REJECTED))
UNCLEAR_RESENT = changed(E.REFUSED_UNCLEAR, in_state(S.SENDING, S.PLANNED))
LOST_RESENT = changed(E.OUTCOME_LOST, in_state(S.SENDING, S.PLANNED))
DEAD_RESENT = changed(E.SENDER_DIED, in_state(S.SENDING, S.PLANNED))
AT_ONCE = without(at_rest, "T13")
NO_T15 = tuple(row for row in TRANSITIONS if row.number != "T15")
NO_T10 = tuple(row for row in TRANSITIONS if row.evidence is not E.NO_LOOKUP)
CONFLICTS = tuple(row for row in TRANSITIONS if not (row.number == "T5" and unkeyed in row.guards))


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [
        pytest.param(replace(PATIENT, table=RESENT), "I1", id="a-look-up-that-finds-nothing-sends-again"),
        pytest.param(replace(PATIENT, table=EXHAUSTED), "I1", id="no-look-up-is-no-proof"),
        pytest.param(replace(PATIENT, table=UNCLEAR_REJECTED), "I3", id="an-unclear-refusal-believed"),
        pytest.param(replace(PATIENT, table=UNCLEAR_RESENT), "I1", id="an-unclear-refusal-sent-again"),
        pytest.param(replace(PATIENT, table=LOST_RESENT), "I1", id="a-lost-answer-sent-again"),
        pytest.param(replace(PATIENT, table=DEAD_RESENT), "I1", id="a-dead-senders-row-sent-again"),
        pytest.param(replace(PATIENT, intent_first=False), "I4", id="no-intent-row"),
        pytest.param(replace(PATIENT, table=NO_T10), "I5", id="no-way-to-a-person"),
        pytest.param(replace(PATIENT, table=CONFLICTS), "I5", id="a-conflict-that-nobody-settles"),
        pytest.param(replace(HASTY, table=AT_ONCE, unchecked=("I3",)), "I1", id="a-person-resends-at-once"),
        pytest.param(replace(HASTY, table=AT_ONCE), "I3", id="a-person-rejects-at-once"),
        pytest.param(replace(COPIES, table=NO_T15, unchecked=("I3",)), "I1", id="a-copy-sends-again"),
    ],
)
def test_the_search_finds_what_is_broken(mutant: Setting, expected: str) -> None:
    """Every part of the table that keeps a call without a key from a second sending is needed."""
    broken, worlds = Search(mutant).run()
    assert broken == expected, f"{broken or 'nothing'} broken after {worlds} worlds"


# Cancellations. The row has its points, and a person has named their id: its own one, or by mistake a stranger's.
OWN, STRANGERS = 1, 2
PLACED = msgspec.structs.replace(
    BIRTH, state=S.PLACED, attempts=1, delivery=Delivery.DELIVERED, evidence=E.ANSWERED_DONE.value
)
ANSWERS = frozenset({E.CANCEL_DONE, E.CANCEL_REFUSED, E.CANCEL_LOST})


class Cancelling(NamedTuple):
    """What matters about one moment of cancellations.

    Attributes:
        line: The row, as the ledger has it.
        said: The id that a person named last; 0 before.
        callers: The step of each caller, and the id it has read; `answered` steps have the answer's name.
        gone: The credits that the vendor has cancelled.
        known: Those that the ledger has called cancelled, also under an id that was corrected later.
        strayed: Whether a call has left for a credit that the ledger did not name as one to be cancelled.
    """

    line: LedgerLine = PLACED
    said: int = 0
    callers: tuple[tuple[str, int], ...] = ()
    gone: frozenset[int] = frozenset()
    known: frozenset[int] = frozenset()
    strayed: bool = False

    def shown(self) -> "Cancelling":
        """Return the world in which people have seen what the ledger calls cancelled."""
        order = self.line.order_id
        if self.line.delivery is not Delivery.CANCELLED or order is None:
            return self
        return self._replace(known=self.known | {order})

    def with_caller(self, *callers: tuple[str, int], line: LedgerLine | None = None) -> "Cancelling":
        """Return the world with these callers, and with another row if one is given."""
        return self._replace(callers=tuple(sorted(callers)), line=line or self.line)


@dataclass(frozen=True)
class Cancels:
    """What may happen to cancellations, and what is broken on purpose.

    Attributes:
        table: The table.
        unnamed: The facts that do not say which credit they are about.
        hasty: Whether a person settles a doubt while a call may still be under way, by what the dashboard shows then.
        unchecked: The invariants that are not asked for.
    """

    table: tuple[Transition, ...] = TRANSITIONS
    unnamed: frozenset[Evidence] = frozenset()
    hasty: bool = False
    unchecked: tuple[str, ...] = ()

    def run(self) -> tuple[str, int]:
        """Return the invariant that breaks, empty when none does, and how many worlds were seen."""
        seen = {Cancelling()}
        todo = deque(seen)
        while todo:
            world = todo.popleft()
            for broken in self.broken(world):
                if broken not in self.unchecked:
                    return broken, len(seen)
            for after in (step.shown() for step in self.steps(world)):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return "", len(seen)

    def broken(self, world: Cancelling) -> Iterator[str]:
        """Yield the invariants that do not hold in a world."""
        line, calls = world.line, [step for step, _ in world.callers if step != "read"]
        if world.strayed:
            yield "C1"  # a call leaves only for the credit that the ledger names as one to be cancelled
        if line.delivery is Delivery.CANCELLED and line.order_id not in world.gone:
            yield "C2"  # what the ledger calls cancelled is cancelled
        doubted = {line.order_id} if line.delivery is Delivery.CANCELLING else set()
        if not calls and world.gone - world.known - doubted:
            yield "C3"  # the ledger has shown each credit that is gone, or doubts it
        if (line.order_id or 0) != world.said:
            yield "C4"  # only a person names the id
        if len(calls) > 1:
            yield "C5"  # a credit is not asked for twice at once

    def told(self, line: LedgerLine, evidence: Evidence, order: int) -> tuple[LedgerLine, bool]:
        """Return the row after a fact, and whether it was taken."""
        change = Change(
            seq=1,
            evidence=evidence,
            epoch=1,
            order_id=None if evidence in self.unnamed else order,
            delivery=Delivery.NONE if "cancel" in evidence else Delivery.DELIVERED,
            reason="looked into it",
        )
        moment = Moment(now=NOW, epoch=1, rules=Rules(), effect=EffectClass.UNKEYED)
        outcome = decide(line, change, moment, self.table)
        return outcome.line, outcome.transition is not None

    def steps(self, world: Cancelling) -> Iterator[Cancelling]:
        """Yield every world that may come next."""
        yield from self.people_step(world)
        line = world.line
        if len(world.callers) < 2 and line.order_id is not None and line.delivery is Delivery.DELIVERED:
            yield world.with_caller(*world.callers, ("read", line.order_id))
        for at, (step, order) in enumerate(world.callers):
            others = world.callers[:at] + world.callers[at + 1 :]
            yield world.with_caller(*others)  # dies
            if step == "read":
                after, taken = self.told(line, E.CANCEL_ASKED, order)
                yield world.with_caller(*others, *([("armed", order)] if taken else []), line=after)
            elif step == "armed":
                right = line.order_id == order and line.delivery is Delivery.CANCELLING
                called = world._replace(strayed=world.strayed or not right)
                for answer in ANSWERS:
                    yield called.with_caller(*others, (answer, order))._replace(
                        gone=world.gone | ({order} if answer is E.CANCEL_DONE else set())
                    )
                yield called.with_caller(*others, (E.CANCEL_LOST, order))._replace(gone=world.gone | {order})
            else:
                yield world.with_caller(*others, line=self.told(line, Evidence(step), order)[0])

    def people_step(self, world: Cancelling) -> Iterator[Cancelling]:
        """Yield what a person may do: name the id, correct it, and settle a doubt by what the dashboard shows."""
        line = world.line
        for order in (OWN, STRANGERS):
            for evidence in (E.LATE_PROOF, E.PERSON_CORRECTED):
                after, taken = self.told(line, evidence, order)
                if taken:
                    yield world._replace(line=after, said=order)
        if line.order_id is not None and (self.hasty or all(step == "read" for step, _ in world.callers)):
            found = E.PERSON_CANCELLED if line.order_id in world.gone else E.PERSON_KEPT
            yield world._replace(line=self.told(line, found, line.order_id)[0])


# While a call is under way, a person finds the credit still there: what then becomes of it, no table can prevent.
TOO_HASTY = Cancels(hasty=True, unchecked=("C1", "C3", "C5"))


@pytest.mark.parametrize("setting", [Cancels(), TOO_HASTY])
def test_a_cancellation_takes_the_named_credit(setting: Cancels) -> None:
    """C1 to C5 hold in every world that can come about; with a person who does not wait, C2 and C4."""
    broken, worlds = setting.run()
    assert broken == "", f"{broken} after {worlds} worlds"
    assert worlds > 100


def of_cancels(evidences: frozenset[Evidence], *guards: object) -> tuple[Transition, ...]:
    """Return the table with the rows of some facts without some of their guards."""
    return tuple(
        but(row, guards=tuple(g for g in row.guards if g not in guards)) if row.evidence in evidences else row
        for row in TRANSITIONS
    )


ASKED = frozenset({E.CANCEL_ASKED})
UNNAMED_INTENT = Cancels(of_cancels(ASKED, names_order), unnamed=ASKED)
STALE_INTENT = Cancels(of_cancels(ASKED, same_order))
UNNAMED_ANSWER = replace(TOO_HASTY, table=of_cancels(ANSWERS, names_order), unnamed=ANSWERS)
STALE_ANSWER = replace(TOO_HASTY, table=of_cancels(ANSWERS, same_order))


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [
        pytest.param(UNNAMED_INTENT, "C1", id="an-intent-that-names-no-credit"),
        pytest.param(STALE_INTENT, "C4", id="an-intent-of-a-corrected-id"),
        pytest.param(UNNAMED_ANSWER, "C2", id="an-answer-that-names-no-credit"),
        pytest.param(STALE_ANSWER, "C4", id="an-answer-about-a-corrected-id"),
        pytest.param(Cancels(of_cancels(ASKED, cancellable)), "C5", id="asked-twice"),
        pytest.param(
            Cancels(of_cancels(frozenset({E.PERSON_CORRECTED}), no_cancel_in_doubt)),
            "C1",
            id="corrected-during-the-call",
        ),
    ],
)
def test_the_search_finds_wrong_cancellations(mutant: Cancels, expected: str) -> None:
    """Every guard of a cancellation is needed."""
    broken, worlds = mutant.run()
    assert broken == expected, f"{broken or 'nothing'} broken after {worlds} worlds"
