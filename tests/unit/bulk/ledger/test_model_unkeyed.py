"""The table for calls without a key: no world that can come about sends a row twice by itself.

The invariants are those of `test_model`: a row is spent at most once (I1), what is placed is spent (I2), what is
rejected or cancelled is not (I3), no request without an intent (I4), and an end stays reachable (I5). No look-up helps
here: in this model one that is made all the same finds nothing, although the vendor may have booked the row.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.bulk.ledger.model import Search, Setting, changed, in_state, numbered
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.bulk.ledger.table import TRANSITIONS, Transition, at_rest, keyed, unkeyed
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
    return numbered(number, lambda row: row._replace(guards=tuple(g for g in row.guards if g is not guard)))


RESENT = tuple(
    row._replace(guards=tuple(g for g in row.guards if g is not keyed)) if row.evidence is E.LOOKUP_ABSENT else row
    for row in TRANSITIONS
)
EXHAUSTED = changed(E.NO_LOOKUP, lambda row: row._replace(target=S.PLANNED))
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
