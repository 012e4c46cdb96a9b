"""Rows of the database as lines, and back."""

from decimal import Decimal

import msgspec
import pytest

from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.postgres.columns import (
    KINDS,
    LINE_COLUMNS,
    MOVING,
    NOTED,
    kind_of,
    line_of,
    look_of,
    moving,
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
    values = {name: column[0] for (name, _), column in zip(MOVING, moving_arrays([line]), strict=True)}
    fixed = (line.seq, line.key, line.po_number, line.digest, line.body, line.row, line.lines, line.worth)
    return dict(zip(LINE_COLUMNS, fixed, strict=False)) | values | {"rev": rev, "job": 3}


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


TO_SEND = msgspec.structs.replace(
    LINE, state=LineState.SENDING, attempts=3, epoch=6, first_sent_at=4.5, last_sent_at=4.5, evidence="slot_in_hand",
    last_sent_tick=4.5,
)  # fmt: skip
ANSWERED = msgspec.structs.replace(
    LINE, state=LineState.SENDING, epoch=6, delivery=Delivery.DELIVERED, last_sent_at=5.5, order_id=10,
    amount_charged=Decimal(3), currency="EUR", evidence="other", held=2, last_sent_tick=5.5,
)  # fmt: skip


@pytest.mark.parametrize("name", LedgerLine.__struct_fields__)
@pytest.mark.parametrize("after", [LINE, TO_SEND, ANSWERED])
def test_a_write_has_every_column_that_changes(name: str, after: LedgerLine) -> None:
    """Whatever else changes in one of the lines is written for all of them."""
    if name in {"seq", "key", "po_number", "digest", "body", "row", "lines", "worth", "codes"}:
        return  # these never change
    value = getattr(after, name)
    other = msgspec.structs.replace(after, **{name: not value if isinstance(value, bool) else "other" * 2})
    for ends in ([(LINE, after), (LINE, other)], [(LINE, TO_SEND), (LINE, ANSWERED), (LINE, other)]):
        kind = kind_of(ends)
        column = "foreign_sender" if name == "foreign" else name
        assert column in KINDS[kind]
        arrays = moving_arrays([line for _, line in ends], kind)
        written = dict(zip([column for column, _ in moving(kind)], arrays, strict=True))
        assert written[column][-1] == getattr(other, name)


def test_mixed_moves_are_written_with_all_columns() -> None:
    assert kind_of([(LINE, TO_SEND)]) == "moved_to_send"
    assert kind_of([(LINE, ANSWERED)]) == "moved_by_answer"
    assert kind_of([(LINE, TO_SEND), (LINE, ANSWERED)]) == "moved"
    assert kind_of([(LINE, ANSWERED), (LINE, TO_SEND)]) == "moved"


def test_no_rows_have_all_columns() -> None:
    """An empty statement still has an array for each column."""
    assert moving_arrays([]) == [[] for _ in MOVING]
    assert noted_arrays([]) == [[] for _ in NOTED]
