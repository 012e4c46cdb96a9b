"""`recording`: facts move lines, an order has one owner, and wrong facts are refused, with no database."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import placed
from xoxo_async.bulk.ledger.dealing import Dealing
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.recording import (
    Recorded,
    RecordRequest,
    decide_records,
    given_back,
    orders_named,
    put_alarms,
    refusal_of,
    seqs_with_codes,
    storable,
    storable_text,
)
from xoxo_async.bulk.ledger.table import Moment

MOMENT = Moment(now=1000.0, epoch=9, rules=DEFAULT_RULES)


def sending(seq: int, **facts: object) -> LedgerLine:
    """Return a line that is being sent."""
    line = LedgerLine(
        seq, f"k{seq}", f"po{seq}", "d", "{}", seq, state=LineState.SENDING, epoch=3, last_sent_tick=990.0
    )
    return msgspec.structs.replace(line, **facts)


def has(seq: int, order_id: int, evidence: Evidence = Evidence.ANSWERED_PLACED) -> LedgerLine:
    """Return a line that has an order."""
    return sending(seq, state=LineState.PLACED, order_id=order_id, evidence=evidence.value)


def found(line: LedgerLine, order_id: int, evidence: Evidence = Evidence.LOOKUP_MATCHED) -> Change:
    """Return a proof without codes."""
    return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, order_id=order_id, reason="seen")


def decided(
    lines: Sequence[LedgerLine], changes: Sequence[Change], owners: dict[int, int] | None = None
) -> tuple[Recorded, RecordRequest]:
    """Return the moves of some facts, and the request with its result."""
    request = RecordRequest(changes, DEFAULT_RULES)
    read = {line.seq: line for line in lines}
    return decide_records([request], read, MOMENT, Dealing(hash), owners), request


def test_facts_meet_lines_as_earlier_facts_left_them() -> None:
    """Several may be about one line; each has its move, and the caller gets the line after each."""
    line = sending(1)
    lost = Change(seq=1, evidence=Evidence.OUTCOME_LOST, epoch=3, error="reset")
    recorded, request = decided([line], [lost, placed(line)])
    assert [move.transition for move in recorded.moves] == ["T6", "T12"]
    assert [after.state for after in request.lines] == [LineState.UNKNOWN, LineState.PLACED]
    assert recorded.lines[1] is request.lines[1]


def test_refused_facts_hold_up_no_others() -> None:
    """An unknown line, a fact that only a store may state, an impossible order id."""
    line, other = sending(1), sending(2)
    recorded, request = decided(
        [line, other],
        [
            Change(seq=99, evidence=Evidence.NOT_PROCESSED, epoch=1),
            *(
                Change(seq=2, evidence=evidence, epoch=3)
                for evidence in (Evidence.SLOT_IN_HAND, Evidence.SENDER_DIED, Evidence.UNWANTED)
            ),
            found(other, 2**63),
            placed(line),
        ],
    )
    assert [move.after.seq for move in recorded.moves] == [1]
    assert [text.split(":")[0] for text in request.refused] == [
        "there is no line 99", "line 2", "line 2", "line 2", "line 2 (key k2)",
    ]  # fmt: skip
    error = refusal_of(request)
    assert str(error).startswith("the ledger refused 5 of 6 changes: there is no line 99; line 2: ")
    assert "and 2 more" in str(error)


def test_nothing_refused_is_no_error() -> None:
    """The caller gets its lines."""
    _, request = decided([sending(1)], [placed(sending(1))])
    assert refusal_of(request) is None


def test_deciding_again_begins_anew() -> None:
    """A store whose write met a stale line reads again, and asks again."""
    request = RecordRequest([placed(sending(1)), Change(seq=9, evidence=Evidence.OUTCOME_LOST, epoch=0)], Rules())
    first = decide_records([request], {1: sending(1)}, MOMENT, Dealing(hash))
    again = decide_records([request], {1: sending(1)}, MOMENT, Dealing(hash))
    assert first == again
    assert (len(request.lines), len(request.refused)) == (1, 1)


def test_a_second_order_is_an_alarm() -> None:
    """T12: it is journalled and refused, and the stored order stays."""
    line = has(1, 7)
    recorded, request = decided([line], [found(line, 8)])
    (alarm,) = recorded.moves
    assert (alarm.transition, alarm.before, alarm.after, alarm.order_id) == ("!", line, line, 8)
    assert "order 7 is stored, and order 8 claims the same line" in request.refused[0]


def test_two_answers_with_one_order_doubt_both_lines() -> None:
    """One of the two belongs to another request, and it is not known which."""
    first, second = has(1, 7), sending(2)
    recorded, request = decided([first, second], [found(second, 7, Evidence.ANSWERED_PLACED)], {7: 1})
    assert [(move.transition, move.after.seq) for move in recorded.moves] == [("T16", 1), ("T6", 2)]
    assert recorded.lost_orders == [1]
    assert [after.state for after in request.lines] == [LineState.UNKNOWN]
    assert "which is line 1's" in request.lines[0].error


def test_both_answers_may_come_in_one_transaction() -> None:
    """The owner is then the line that this very transaction placed."""
    lines = [sending(1), sending(2)]
    recorded, request = decided(lines, [found(line, 7, Evidence.ANSWERED_PLACED) for line in lines], {})
    assert [(move.transition, move.after.seq) for move in recorded.moves] == [("T3", 1), ("T16", 1), ("T6", 2)]
    assert recorded.lines[1].order_id is None
    assert len(request.lines) == 2


def test_a_look_up_outweighs_an_answer() -> None:
    """The owner is in doubt; the line that was looked up gets the order at its next look-up."""
    owner, line = has(1, 7), sending(2, state=LineState.UNKNOWN, suspect=True)
    recorded, request = decided([owner, line], [found(line, 7)], {7: 1})
    assert [(move.transition, move.after.seq) for move in recorded.moves] == [("T16", 1)]
    assert request.lines == [line]


def test_what_a_look_up_proved_stays() -> None:
    """Another line's answer is then lost, and its look-up a mismatch that a person decides."""
    owner = has(1, 7, Evidence.LOOKUP_MATCHED)
    line, doubted = sending(2), sending(3, state=LineState.UNKNOWN, suspect=True)
    recorded, _ = decided([owner, line, doubted], [found(line, 7, Evidence.ANSWERED_PLACED), found(doubted, 7)], {7: 1})
    assert [(move.transition, move.after.seq, move.after.state) for move in recorded.moves] == [
        ("T6", 2, LineState.UNKNOWN),
        ("T8", 3, LineState.MANUAL),
    ]


@pytest.mark.parametrize("state", [LineState.MANUAL, LineState.PLACED])
def test_a_person_cannot_give_away_an_order(state: LineState) -> None:
    """The order of another line is named, and nothing is changed."""
    owner = has(1, 7)
    line = sending(2, state=state, order_id=8 if state is LineState.PLACED else None, evidence="person_placed")
    evidence = Evidence.PERSON_CORRECTED if state is LineState.PLACED else Evidence.PERSON_PLACED
    recorded, request = decided([owner, line], [found(line, 7, evidence)], {7: 1})
    assert recorded.moves == []
    assert request.refused == ["order 7 is line 1's, not line 2's"]


@pytest.mark.parametrize("evidence", [Evidence.ORDER_SINCE_PLAN, Evidence.ANSWER_DOUBTED, Evidence.DELIVERY_SEEN])
def test_a_refused_fact_takes_no_order(evidence: Evidence) -> None:
    """The owner stays placed, whether or not the store has asked who owns the order."""
    owner, line = has(1, 7), sending(2, state=LineState.PLANNED)
    for owners in (None, {7: 1}):
        recorded, request = decided([owner, line], [found(line, 7, evidence)], owners)
        assert recorded.moves == []
        assert len(request.refused) == 1


def test_certainly_refused_packs_are_broken_up() -> None:
    """T4 alone: after a doubt, an order of the pack may exist."""
    packs = [sending(1, lines=3), sending(2, lines=3, suspect=True), sending(3)]
    refused = [Change(seq=seq, evidence=Evidence.REFUSED_NO_ORDER, epoch=3, error="no") for seq in (1, 2, 3)]
    assert decided(packs, refused)[0].refused_packs == [1]


def test_only_placed_lines_have_codes_to_read() -> None:
    """A store that reads nothing for the usual answer saves a statement."""
    lines = {1: sending(1), 2: has(2, 7)}
    requests = [RecordRequest([placed(lines[1]), placed(lines[2], 7), found(lines[2], 7)], DEFAULT_RULES)]
    assert seqs_with_codes(requests, lines) == [2]
    assert orders_named(requests) == [7, 7, 7]


def test_a_claim_given_back_was_not_sent() -> None:
    """The fact is about the very claim, so it does not undo a later one."""
    (change,) = given_back([sending(3)]).changes
    assert (change.seq, change.evidence, change.epoch) == (3, Evidence.NOT_PROCESSED, 3)


def test_texts_are_cut_to_what_databases_store() -> None:
    """Long texts, NUL and lone surrogates; a change without them stays the same object."""
    plain = Change(seq=1, evidence=Evidence.OUTCOME_LOST, epoch=0, error="reset")
    assert storable(plain) is plain
    odd = storable(msgspec.structs.replace(plain, error="x" * 2000, reason="a\0b", error_id="\ud800"))
    assert (len(odd.error), odd.reason, odd.error_id) == (1000, "ab", "?")
    assert storable_text("für") == "für"
    assert odd.amount_charged is None
    assert storable(msgspec.structs.replace(odd, amount_charged=Decimal(1))).amount_charged == 1


def test_answers_have_the_lines_that_alarms_changed() -> None:
    """Each caller gets its lines as they stand at the end of the transaction."""
    line, other = sending(1), sending(2)
    requests = [decided([one], [placed(one, one.seq)])[1] for one in (line, other)]
    (after,) = requests[0].lines
    marked = msgspec.structs.replace(after, error="a code of another line")
    put_alarms(requests, [Move.of(after, marked, ALARM, found(line, 1))])
    assert requests[0].lines == [marked]
    assert [one.seq for one in requests[1].lines] == [2]


def test_a_superseded_fact_is_no_error() -> None:
    """Its worker slept, and another one took the line over; the facts beside it apply."""
    taken_over = sending(1, state=LineState.UNKNOWN, epoch=8, suspect=True)
    changes = [
        Change(seq=1, evidence=Evidence.REFUSED_NO_ORDER, epoch=3, error_id="PLE10012"),
        Change(seq=2, evidence=Evidence.NOT_PROCESSED, epoch=3),
    ]
    request = RecordRequest(changes, DEFAULT_RULES, shared=True)
    lines = {1: taken_over, 2: sending(2)}
    recorded = decide_records([request], lines, MOMENT, Dealing(hash))
    assert refusal_of(request) is None
    assert request.lines[0] == taken_over
    assert request.lines[1].state is LineState.PLANNED
    assert [move.after.seq for move in recorded.moves] == [2]


def test_an_epoch_to_come_is_refused_everywhere() -> None:
    """No worker can know it, so the fact is a fault of its caller."""
    request = RecordRequest([Change(seq=1, evidence=Evidence.OUTCOME_LOST, epoch=4)], DEFAULT_RULES, shared=True)
    decide_records([request], {1: sending(1)}, MOMENT, Dealing(hash))
    assert refusal_of(request) is not None


def test_a_late_proof_is_taken_from_a_sleeper() -> None:
    """An order that exists is a fact in any epoch."""
    taken_over = sending(1, state=LineState.UNKNOWN, epoch=8, suspect=True)
    proof = Change(seq=1, evidence=Evidence.ANSWERED_PLACED, epoch=3, order_id=77)
    request = RecordRequest([proof], DEFAULT_RULES, shared=True)
    decide_records([request], {1: taken_over}, MOMENT, Dealing(hash))
    assert (request.lines[0].state, request.lines[0].order_id) == (LineState.PLACED, 77)
