"""Rows of the database as lines of the ledger, and lines as the arrays of one statement; no I/O."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.lines import Delivery, JournalRow, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.postgres.driver import Row

__all__ = [
    "JOURNAL_COLUMNS",
    "KINDS",
    "LINE_COLUMNS",
    "MOVING",
    "NOTED",
    "PACKED_COLUMNS",
    "Stored",
    "journal_of",
    "kind_of",
    "line_of",
    "look_of",
    "moving",
    "moving_arrays",
    "noted_arrays",
    "packed_of",
    "prefixed",
    "stored_of",
]

_FIXED: Final = ("id", "key", "po_number", "digest", "body", "row", "lines", "worth")
MOVING: Final[tuple[tuple[str, str], ...]] = (
    ("state", "text"),
    ("attempts", "integer"),
    ("suspect", "boolean"),
    ("epoch", "bigint"),
    ("lookups", "integer"),
    ("delivery", "text"),
    ("first_sent_at", "double precision"),
    ("last_sent_at", "double precision"),
    ("last_lookup_at", "double precision"),
    ("order_id", "bigint"),
    ("amount_charged", "numeric"),
    ("currency", "text"),
    ("error_id", "text"),
    ("error", "text"),
    ("evidence", "text"),
    ("held", "integer"),
    ("foreign_sender", "boolean"),
    ("last_sent_tick", "double precision"),
    ("unwanted", "boolean"),
)
"""What moves in a line, in the order of `LedgerLine`'s fields: names and types of the columns."""

KINDS: Final[dict[str, frozenset[str]]] = {
    "moved_to_send": frozenset(
        {"state", "attempts", "epoch", "first_sent_at", "last_sent_at", "evidence", "last_sent_tick"}
    ),
    "moved_by_answer": frozenset(
        {"state", "epoch", "delivery", "last_sent_at", "order_id", "amount_charged", "currency", "evidence", "held",
         "last_sent_tick"}
    ),
    "moved": frozenset(name for name, _ in MOVING),
}  # fmt: skip
"""How lines move: the names of what may change. Each column costs both sides time, and most lines move in two ways."""

LINE_COLUMNS: Final = (*_FIXED, *(name for name, _ in MOVING))
"""The columns of a line, in the order of `LedgerLine`'s fields."""

PACKED_COLUMNS: Final = ("pack", "first", "pieces", "key", "po_number", "digest", "body", "row", "worth")
"""The columns of a line that shares an order, in the order of `PackedLine`'s fields."""

JOURNAL_COLUMNS: Final = (
    "id", "line", "at", "from_state", "to_state", "transition", "evidence", "attempts", "epoch", "order_id", "error_id",
    "reason",
)  # fmt: skip
"""The columns of an entry of the journal, in the order of `JournalRow`'s fields."""

NOTED: Final[tuple[tuple[str, str], ...]] = (
    ("line", "bigint"),
    ("from_state", "text"),
    ("to_state", "text"),
    ("transition", "text"),
    ("evidence", "text"),
    ("attempts", "integer"),
    ("epoch", "bigint"),
    ("order_id", "bigint"),
    ("error_id", "text"),
    ("reason", "text"),
)
"""What a move writes to the journal, beside its job, its worker and the time: names and types of the columns."""

_STATES: Final = {state.value: state for state in LineState}
_DELIVERIES: Final = {delivery.value: delivery for delivery in Delivery}
_STATE: Final = LINE_COLUMNS.index("state")
_DELIVERY: Final = LINE_COLUMNS.index("delivery")
_LOOKS: Final = {
    LineState.PLANNED: "send",
    LineState.UNKNOWN: "settle",
    LineState.CONFLICT: "settle",
    LineState.MANUAL: "person",
}


class Stored(NamedTuple):
    """A line as it was read.

    Attributes:
        line: The line.
        rev: Its revision: every write raises it, and writes only where it is as it was read.
    """

    line: LedgerLine
    rev: int


def prefixed(names: Iterable[str], table: str) -> str:
    """Return columns of a table as SQL.

    Args:
        names: Their names.
        table: The table's name in the statement.
    """
    return ", ".join(f"{table}.{name}" for name in names)


def line_of(row: Row) -> LedgerLine:
    """Return a line.

    Args:
        row: Its `LINE_COLUMNS`, and then anything.
    """
    return _line(list(row.values()))


def stored_of(row: Row) -> Stored:
    """Return a line with its revision.

    Args:
        row: Its `LINE_COLUMNS`, and then its `rev`, and then anything.
    """
    values = list(row.values())
    return Stored(_line(values), values[len(LINE_COLUMNS)])


def _line(values: list[object]) -> LedgerLine:
    values[_STATE] = _STATES[values[_STATE]]  # type: ignore[index]
    values[_DELIVERY] = _DELIVERIES[values[_DELIVERY]]  # type: ignore[index]
    return LedgerLine(*values[: len(LINE_COLUMNS)])  # type: ignore[arg-type]


def packed_of(row: Row) -> PackedLine:
    """Return a line that shares an order.

    Args:
        row: Its `PACKED_COLUMNS`, and nothing else.
    """
    return PackedLine(*row.values())


def journal_of(row: Row) -> JournalRow:
    """Return an entry of the journal.

    Args:
        row: Its `JOURNAL_COLUMNS`, and nothing else.
    """
    return JournalRow(*row.values())


def look_of(line: LedgerLine) -> str | None:
    """Return what a written line waits for: `send`, `settle`, `person` or `codes`; None where nothing looks for it.

    A line that was never claimed has no such mark: the job's frontier leads to it. So a line in the normal course is in
    no index, and its updates stay cheap.

    Args:
        line: As it is written.
    """
    if line.state is LineState.PLACED:
        return "codes" if line.delivery is Delivery.PENDING else None
    return _LOOKS.get(line.state)


def moving(kind: str) -> tuple[tuple[str, str], ...]:
    """Return what may change in lines that move in one way: names and types of the columns, in the order of `MOVING`.

    Args:
        kind: One of `KINDS`.
    """
    return tuple(column for column in MOVING if column[0] in KINDS[kind])


def kind_of(ends: Sequence[tuple[LedgerLine, LedgerLine]]) -> str:
    """Return the first of `KINDS` with all that changes in some lines.

    Args:
        ends: Each line as it was read, and as it is written. A write compares revisions, so what is left out of it is
            as it was read.
    """
    for kind, same in _SAME.items():
        if all(same(before) == same(after) for before, after in ends):
            return kind
    return "moved"


def moving_arrays(lines: Sequence[LedgerLine], kind: str = "moved") -> list[list[object]]:
    """Return what moves in some lines, an array a column of `moving`.

    Args:
        lines: As they are written.
        kind: How they move.
    """
    values = _MOVING[kind]
    return _columns([values(line) for line in lines], len(KINDS[kind]))


def noted_arrays(moves: Sequence[Move]) -> list[list[object]]:
    """Return the journal rows of some moves, an array a column of `NOTED`.

    Args:
        moves: In order.
    """
    rows = [
        (
            move.after.seq, move.before.state.value, move.after.state.value, move.transition, move.evidence,
            move.after.attempts, move.after.epoch, move.order_id, move.error_id, move.reason,
        )
        for move in moves
    ]  # fmt: skip
    return _columns(rows, len(NOTED))


_FIELDS: Final = {"foreign_sender": "foreign"}  # `FOREIGN` is a word of SQL
_MOVING: Final = {kind: attrgetter(*(_FIELDS.get(name, name) for name, _ in moving(kind))) for kind in KINDS}
_SAME: Final = {
    kind: attrgetter(*(_FIELDS.get(name, name) for name, _ in MOVING if name not in names))
    for kind, names in KINDS.items()
    if kind != "moved"
}
"""Gives what does not change in a line that moves in one way."""


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
