"""No world that can come about breaks an invariant of the ledger's table, and every part of the table is needed.

I1: a poNumber is spent at most once. I2: what is placed is spent. I3: what is rejected or cancelled is not spent, now
and later. I4: no request without an earlier durable intent. I5: from every state an end stays reachable.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import msgspec
import pytest

from tests.unit.bulk.ledger.model import BIRTH, NOW, Search, Setting, but, changed, in_state
from xoxo_async.bulk.ledger.lines import Change, Evidence, LineState, Rules
from xoxo_async.bulk.ledger.table import TRANSITIONS, Moment, decide

E = Evidence
S = LineState

REFUSES_REPEATS = Setting(refuses_repeats=True)
REFUSES_REPEATS_NEVER = Setting(refuses_repeats=True, resend="never")
REPEATS_IN_TRANSIT = Setting(refuses_repeats=True, lasting_refusals=True, repeats_in_transit=True)
ACCEPTS_REPEATS_NEVER = Setting(refuses_repeats=False, resend="never")
ACCEPTS_REPEATS_SETTLED = Setting(refuses_repeats=False, bounded_delay=True)
# Two stores: one whose proof of death is a lease that has ended, and one whose proof is the lock of a process.
LEASES = Setting(refuses_repeats=False, bounded_delay=True, sleeps=True, spacing_s=0.0, messages=2)
LOCK = replace(LEASES, sleeps=False, lock=True, says_when=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(REFUSES_REPEATS, id="refuses-repeats"),
        pytest.param(REFUSES_REPEATS_NEVER, id="refuses-repeats-never"),
        pytest.param(REPEATS_IN_TRANSIT, id="repeats-in-transit"),
        pytest.param(ACCEPTS_REPEATS_NEVER, id="accepts-repeats-never"),
        pytest.param(ACCEPTS_REPEATS_SETTLED, id="accepts-repeats-settled"),
        pytest.param(LEASES, id="leases"),
        pytest.param(LOCK, id="lock"),
    ],
)
def test_no_world_breaks_an_invariant(setting: Setting, record_property: Callable[[str, object], None]) -> None:
    """I1 to I5 hold in every world that can come about."""
    broken, worlds = Search(setting).run()
    record_property("worlds", worlds)
    assert broken == "", f"{broken} after {worlds} worlds"
    assert worlds > 1_000  # a search that sees nothing proves nothing


NO_T5 = changed(E.REFUSED_UNCLEAR, in_state(S.SENDING, S.REJECTED))
NO_T11 = changed(E.HISTORY_ABSENT, in_state(S.CONFLICT, S.REJECTED))
NO_T4_GUARD = changed(E.REFUSED_NO_ORDER, lambda row: but(row, guards=()))
NO_T14_GUARD = changed(E.WITHDRAWN, lambda row: but(row, guards=()))
NO_T6_DOUBT = changed(E.OUTCOME_LOST, lambda row: but(row, suspect=False))
NO_T6 = changed(E.OUTCOME_LOST, in_state(S.SENDING, S.PLANNED))
NO_T9_PROOF = changed(E.LOOKUP_ABSENT, lambda row: but(row, guards=()))
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
        # A lease that has ended is no proof that its holder sends no more.
        pytest.param(replace(LEASES, says_when=True), "I1", id="a-sleeper-taken-for-dead"),
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


def test_a_stale_fact_without_order_is_refused() -> None:
    """The model drops stale facts as lost, so the fence must refuse them for every line and fact."""
    moment = Moment(now=NOW, epoch=2, rules=Rules())
    for state, evidence, suspect, attempts in product(LineState, Evidence, (False, True), (0, 1)):
        line = msgspec.structs.replace(BIRTH, state=state, suspect=suspect, attempts=attempts, last_sent_tick=0.0)
        outcome = decide(line, Change(seq=1, evidence=evidence, epoch=0, reason="because"), moment)
        assert outcome.line == line
        assert outcome.refusal
