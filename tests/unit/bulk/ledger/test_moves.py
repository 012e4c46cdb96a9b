"""`moves`: what the journal says of a decided change."""

import msgspec

from tests.unit.bulk.ledger.ledgers import placed
from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move

LINE = LedgerLine(1, "k", "po", "d", "{}", 1, state=LineState.SENDING)


def test_the_journal_has_a_reason_or_the_error() -> None:
    """A given reason comes before the fact's own, and that before its error."""
    change = Change(seq=1, evidence=Evidence.OUTCOME_LOST, epoch=0, error="reset", error_id="E1")
    assert Move.of(LINE, LINE, "T6", change).reason == "reset"
    assert Move.of(LINE, LINE, "T6", msgspec.structs.replace(change, reason="a person")).reason == "a person"
    told = Move.of(LINE, LINE, "!", change, reason="two orders")
    assert told == Move(LINE, LINE, "!", "outcome_lost", None, "E1", "two orders")


def test_a_line_loses_an_order_it_had() -> None:
    """Where it gets one, or keeps its own, it loses none."""
    has = msgspec.structs.replace(LINE, order_id=7)
    other = msgspec.structs.replace(LINE, order_id=8)
    moves = [Move.of(*lines, "T", placed(LINE)).loses_order for lines in ((LINE, has), (has, has), (has, other))]
    assert moves == [False, False, True]
    assert Move.of(has, LINE, "T16", placed(LINE)).loses_order
