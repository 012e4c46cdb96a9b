"""`lines`: a line's repr never shows its codes, and its request never changes."""

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import CODES, placed
from xoxo_async.bulk.ledger.lines import (
    POINTS,
    Counts,
    Delivery,
    LedgerLine,
    LineState,
    PackedLine,
    Rules,
    is_taken_back,
)

LINE = LedgerLine(seq=1, key="k", po_number="PO-1", digest="d", body='{"tag":"für"}', row=1, codes=CODES)


def test_neither_line_nor_fact_shows_codes() -> None:
    """Both are in logs and tracebacks; a fact says whether it has any."""
    assert "BEARER" not in repr(LINE) + str(LINE) + repr([LINE])
    assert "BEARER" not in repr(placed(LINE))
    assert "codes=***" in repr(placed(LINE))
    assert "codes=None" in repr(msgspec.structs.replace(placed(LINE), codes=None))


def test_the_planned_text_is_sent() -> None:
    """In UTF-8, the same for every attempt."""
    assert LINE.request == '{"tag":"für"}'.encode()


def test_a_line_cannot_be_moved_by_hand() -> None:
    """Only the ledger's table moves it."""
    with pytest.raises(AttributeError):
        LINE.state = LineState.PLACED  # type: ignore[misc]


def test_packed_lines_share_vouchers_from_the_front() -> None:
    """Where one ends, the next begins."""
    first = PackedLine(pack=1, first=0, pieces=3, key="a", po_number="a", digest="", body="{}", row=1)
    assert first.end == 3
    assert PackedLine(pack=1, first=first.end, pieces=2, key="b", po_number="b", digest="", body="{}", row=2).end == 5


def test_absence_is_believed_late_and_twice() -> None:
    """The vendor may take 120 s to book an order whose answer was lost."""
    rules = Rules()
    assert rules.settle_s > 120
    assert (rules.absences, rules.resend) == (2, "settled")


def test_counts_share_nothing() -> None:
    """Each has its own sums."""
    one, other = (Counts(rows=0, issued=0, pending=0, rejected=0, unknown=0, not_sent=0) for _ in range(2))
    one.states[LineState.PLACED] = 1
    assert other.states == {}


@pytest.mark.parametrize(
    ("state", "delivery", "currency", "back"),
    [
        (LineState.PLACED, Delivery.CANCELLED, POINTS, True),
        (LineState.PLACED, Delivery.CANCELLED, "INR", False),
        (LineState.PLACED, Delivery.CANCELLING, POINTS, False),
        (LineState.CANCELLED, Delivery.CANCELLED, POINTS, False),
    ],
)
def test_only_cancelled_points_are_taken_back(state: LineState, delivery: Delivery, currency: str, back: bool) -> None:
    """The money of an order whose delivery the vendor cancelled is owed; a cancellation in doubt took nothing back."""
    assert is_taken_back(state, delivery, currency) is back
