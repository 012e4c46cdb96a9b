"""Rows of the database as lines, and back."""

from decimal import Decimal

import pytest

from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres.columns import (
    LINE_COLUMNS,
    MOVING,
    NOTED,
    line_of,
    look_of,
    moving_arrays,
    noted_arrays,
    stored_of,
)

LINE = LedgerLine(
    7, "k7", "po-7", "d7", '{"n":7}', 8, lines=2, worth=990_000, state=LineState.PLACED, attempts=2, suspect=True,
    epoch=5, lookups=1, delivery=Delivery.PENDING, first_sent_at=1.5, last_sent_at=2.5, last_lookup_at=3.5, order_id=9,
    amount_charged=Decimal("49.50"), currency="INR", error_id="E1", error="words", evidence="answered_placed", held=1,
    foreign=True, last_sent_tick=2.25, unwanted=True,
)  # fmt: skip


def row_of(line: LedgerLine, rev: int) -> dict[str, object]:
    """Return a line as the database has it."""
    moving = {name: column[0] for (name, _), column in zip(MOVING, moving_arrays([line]), strict=True)}
    fixed = (line.seq, line.key, line.po_number, line.digest, line.body, line.row, line.lines, line.worth)
    return dict(zip(LINE_COLUMNS, fixed, strict=False)) | moving | {"rev": rev, "job": 3}


def test_a_line_comes_back_as_it_was_written() -> None:
    """Every column, in the order of the fields; its revision stands beside it."""
    row = row_of(LINE, rev=4)
    assert list(row)[: len(LINE_COLUMNS)] == list(LINE_COLUMNS)
    assert line_of(row) == LINE
    assert stored_of(row) == (LINE, 4)


@pytest.mark.parametrize(
    ("state", "delivery", "look"),
    [
        (LineState.PLANNED, Delivery.NONE, "send"),
        (LineState.SENDING, Delivery.NONE, None),
        (LineState.UNKNOWN, Delivery.NONE, "settle"),
        (LineState.CONFLICT, Delivery.NONE, "settle"),
        (LineState.MANUAL, Delivery.NONE, "person"),
        (LineState.PLACED, Delivery.PENDING, "codes"),
        (LineState.PLACED, Delivery.DELIVERED, None),
        (LineState.REJECTED, Delivery.NONE, None),
        (LineState.CANCELLED, Delivery.NONE, None),
    ],
)
def test_what_a_written_line_waits_for(state: LineState, delivery: Delivery, look: str | None) -> None:
    """In the normal course a line waits for nothing, so that its updates touch no index."""
    assert look_of(LedgerLine(1, "", "", "", "", 1, state=state, delivery=delivery)) == look


def test_no_rows_have_all_columns() -> None:
    """An empty statement still has an array for each column."""
    assert moving_arrays([]) == [[] for _ in MOVING]
    assert noted_arrays([]) == [[] for _ in NOTED]
