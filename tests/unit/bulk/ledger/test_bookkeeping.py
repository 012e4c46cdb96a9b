"""`bookkeeping`: claims within a budget, doubts, a dead sender, withdrawals, with no database."""

from collections.abc import Sequence

import msgspec
import pytest

from xoxo_async.bulk.ledger.bookkeeping import (
    ClaimRequest,
    counted_anew,
    decide_claims,
    doubt_answers,
    first_few,
    maybe_sent,
    never_sent,
    state_for_all,
    withdraw,
)
from xoxo_async.bulk.ledger.budget import Funds
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.table import MAX_HOLD_S, Moment
from xoxo_async.errors import LedgerConflictError

MOMENT = Moment(now=1000.0, epoch=9, rules=DEFAULT_RULES)


def line(seq: int, **facts: object) -> LedgerLine:
    """Return a planned line that may cost 100."""
    return msgspec.structs.replace(LedgerLine(seq, f"k{seq}", f"po{seq}", "d", "{}", seq, worth=1_000_000), **facts)


def taken(moves: Sequence[Move]) -> list[int]:
    """Return which lines were claimed."""
    assert all((move.transition, move.after.epoch) == ("T1", MOMENT.epoch) for move in moves)
    return [move.after.seq for move in moves]


# Claims.


def test_lines_are_handed_out_in_order_of_asking() -> None:
    """Each caller gets as many as it asked for, while there are some."""
    claims = [ClaimRequest(2, None), ClaimRequest(0, None), ClaimRequest(5, None)]
    assert taken(decide_claims(claims, [line(1), line(2), line(3)], MOMENT, Funds())) == [1, 2, 3]
    assert [[one.seq for one in claim.lines] for claim in claims] == [[1, 2], [], [3]]
    assert all(one.state is LineState.SENDING for claim in claims for one in claim.lines)


def test_a_line_that_moved_meanwhile_is_passed_over() -> None:
    """A store may offer lines that it read a moment ago."""
    offered = [line(1, state=LineState.CANCELLED), line(2)]
    assert taken(decide_claims([ClaimRequest(1, None)], offered, MOMENT, Funds())) == [2]


def test_claims_of_one_transaction_share_a_budget() -> None:
    """What the first reserves is not there for the second; the line that does not fit is named, and stays planned."""
    budget = 3_500_000
    claims = [ClaimRequest(1, budget), ClaimRequest(5, budget)]
    funds = Funds(committed=1_000_000)
    assert taken(decide_claims(claims, [line(n) for n in (1, 2, 3, 4)], MOMENT, funds)) == [1, 2]
    assert claims[0].short == ""
    assert claims[1].short == "row 3 (key k3) may cost 100, and 50 is left of the 350 that may be spent"
    assert claims[1].refusal is None  # it got a line


def test_an_unknown_price_fits_no_budget() -> None:
    """The line's own price, or that of an order that is on its way."""
    (claim,) = claims = [ClaimRequest(1, 10_000_000)]
    assert decide_claims(claims, [line(1, worth=None)], MOMENT, Funds()) == []
    assert claim.short.startswith("row 1 (key k1): what it may cost is not known")
    assert str(claim.refusal) == claim.short
    assert decide_claims(claims, [line(1)], MOMENT, Funds(unpriced=("k8", 8))) == []
    assert claim.short.startswith("row 8 (key k8): what it has cost, or may cost, is not known")


def test_claiming_again_begins_anew() -> None:
    """A store whose write failed asks again."""
    (claim,) = claims = [ClaimRequest(2, None)]
    for _ in range(2):
        decide_claims(claims, [line(1)], MOMENT, Funds())
    assert [one.seq for one in claim.lines] == [1]


# A dead sender.


def dead_sender(at: float | None, **facts: object) -> LedgerLine:
    """Return a line whose sender is proven dead."""
    sent = line(1, state=LineState.SENDING, epoch=3, last_sent_tick=990.0, **facts)
    (move,) = state_for_all(Evidence.SENDER_DIED, [sent], MOMENT, at=at)
    assert (move.transition, move.after.state, move.after.epoch) == ("T7", LineState.UNKNOWN, MOMENT.epoch)
    assert move.after.suspect
    return move.after


def test_nothing_leaves_after_a_sender_is_known_gone() -> None:
    """A store that holds the sender's lock says since when; no byte left later than that, or than the hold."""
    assert dead_sender(at=1000.0).last_sent_tick == 1000.0
    assert dead_sender(at=980.0).last_sent_tick == 990.0
    late = msgspec.structs.replace(MOMENT, now=5000.0)
    (move,) = state_for_all(
        Evidence.SENDER_DIED, [line(1, state=LineState.SENDING, last_sent_tick=990.0)], late, at=late.now
    )
    assert move.after.last_sent_tick == 990.0 + MAX_HOLD_S


def test_an_ended_lease_leaves_time_to_send() -> None:
    """Also after now: absence is counted from there, or an order is bought twice."""
    assert dead_sender(at=None).last_sent_tick == 990.0 + MAX_HOLD_S > MOMENT.now


def test_a_fact_moves_only_lines_it_fits() -> None:
    """A line that it does not apply to has no move."""
    lines = [line(1), line(2, state=LineState.PLACED, order_id=7), line(3, state=LineState.UNKNOWN)]
    moves = state_for_all(Evidence.LEDGER_RESTORED, lines, MOMENT, reason="the disk died")
    assert [(move.transition, move.after.seq, move.reason) for move in moves] == [
        ("T15", 1, "the disk died"),
        ("T15", 3, "the disk died"),
    ]


# Doubted connections.


def test_answers_of_a_doubted_connection_are_doubted() -> None:
    """Only where the line has the very order that was answered, and no person named it."""
    placed = {"state": LineState.PLACED, "order_id": 7, "evidence": Evidence.ANSWERED_PLACED.value}
    lines = [
        line(1, **placed),
        line(2, **{**placed, "order_id": 8}),
        line(3, **{**placed, "evidence": Evidence.PERSON_PLACED.value}),
        line(4, state=LineState.UNKNOWN),
    ]
    moves = doubt_answers([(f"po{seq}", 7) for seq in (1, 2, 3, 4)], lines, MOMENT)
    assert [(move.transition, move.after.seq) for move in moves] == [("T16", 1)]
    assert moves[0].loses_order
    assert "whose answers were not in step" in moves[0].after.error
    assert doubt_answers([], lines, MOMENT) == []
    both = [line(5, **{**placed, "order_id": 9}), lines[0]]
    assert [move.after.seq for move in doubt_answers([("po1", 7), ("po5", 9)], both, MOMENT)] == [1, 5]


# Withdrawals.


def test_lines_are_withdrawn_all_or_none() -> None:
    """A line that was sent is named; one that is cancelled already has no second move."""
    cancelled = line(2, state=LineState.CANCELLED)
    moves = withdraw([line(1), cancelled], "gone", MOMENT)
    assert [(move.transition, move.after.state, move.reason) for move in moves] == [
        ("T14", LineState.CANCELLED, "gone")
    ]
    sent = [line(3, attempts=1), line(4, state=LineState.PLACED, order_id=7)]
    with pytest.raises(LedgerConflictError, match=r"k3\) was sent before, and may exist; row 4 \(key k4\) is placed"):
        withdraw([line(1), *sent], "gone", MOMENT)


def test_a_sent_or_doubted_line_may_exist() -> None:
    """An attempt that was taken back counts as a send."""
    assert never_sent(line(1))
    assert not never_sent(line(1, attempts=1))
    assert not never_sent(line(1, suspect=True))
    assert "may have been sent" in str(maybe_sent())


def test_an_error_names_three_and_counts_the_rest() -> None:
    """An error with a million keys would not help."""
    assert first_few(["a", "b", "c"]) == "a; b; c"
    assert first_few(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"


@pytest.mark.parametrize("state", LineState)
def test_a_new_clock_counts_doubt_anew(state: LineState) -> None:
    """Where an order may exist, and only look-ups can tell: a line that nothing is asked about keeps its stamp."""
    one = line(1, state=state, last_sent_tick=5.0)
    anew = state in {LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT}
    assert counted_anew(one, 70.0) == (msgspec.structs.replace(one, last_sent_tick=70.0) if anew else one)
