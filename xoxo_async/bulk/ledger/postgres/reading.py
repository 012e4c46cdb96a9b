"""The SQL that reads lines and journal: in bounded chunks, in order of `seq`."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.lines import JournalRow, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger.postgres.columns import (
    JOURNAL_COLUMNS,
    LINE_COLUMNS,
    PACKED_COLUMNS,
    Stored,
    journal_of,
    line_of,
    packed_of,
    prefixed,
    stored_of,
)
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = [
    "FIRST_ORDINAL",
    "LAST_ORDINAL",
    "Place",
    "lock_lines",
    "lock_next",
    "place_after",
    "read_journal",
    "read_key",
    "read_next",
    "read_packed",
    "read_po_numbers",
]

_LINE: Final = f"{', '.join(LINE_COLUMNS)}, rev, ordinal"
# Lines of plans have ordinals from 1. Others were added on the way, and have their negative number as their ordinal.
# Both are in order of `seq`, and the index on ordinals reads both: it must not pass the lines of all other jobs.
_NEXT: Final = (
    f"SELECT * FROM ((SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND ordinal > greatest($2::bigint, 0) AND id > $3"
    " AND ($4::text[] IS NULL OR state = ANY ($4)) ORDER BY ordinal LIMIT $5) UNION ALL"
    f" (SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND ordinal < -$3::bigint"
    " AND ($4::text[] IS NULL OR state = ANY ($4)) ORDER BY ordinal DESC LIMIT $5)) AS next ORDER BY id LIMIT $5"
)
# What waits to be looked up is few among many, and has an index.
_WAITING: Final = (
    f"SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND look = ANY ($4) AND state = ANY ($5) AND id > $2"
    " AND $3::bigint IS NOT NULL ORDER BY id LIMIT $6"
)
_LOOKS: Final = {LineState.UNKNOWN: "settle", LineState.CONFLICT: "settle", LineState.MANUAL: "person"}
_LOCK_NEXT: Final = (
    f"SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND ordinal > $2 AND ordinal <= $3 AND state = ANY ($4)"
    " ORDER BY ordinal LIMIT $5 FOR NO KEY UPDATE"
)
_LOCK: Final = f"SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE"
_PO_NUMBERS: Final = f"SELECT {_LINE} FROM xoxo.line WHERE job = $1 AND po_number = ANY ($2)"
_KEY: Final = (
    f"SELECT {prefixed(LINE_COLUMNS, 'l')} FROM xoxo.line AS l WHERE l.job = $1 AND l.id = coalesce("
    "(SELECT pack FROM xoxo.packed_line WHERE key = $2 AND job = $1 AND NOT unpacked),"
    " (SELECT id FROM xoxo.line WHERE key = $2 AND job = $1))"
)
_PACKED: Final = (
    f"SELECT {', '.join(PACKED_COLUMNS)} FROM xoxo.packed_line WHERE pack = ANY ($1) AND NOT unpacked"
    " ORDER BY pack, first"
)
_JOURNAL: Final = f"SELECT {', '.join(JOURNAL_COLUMNS)} FROM xoxo.journal WHERE job = $1 AND id > $2"
_JOURNAL_ALL: Final = f"{_JOURNAL} ORDER BY id LIMIT $3"
_JOURNAL_LINE: Final = f"{_JOURNAL} AND line = $4 ORDER BY id LIMIT $3"
_ORDINAL: Final = "SELECT ordinal FROM xoxo.line WHERE id = $2 AND job = $1"

FIRST_ORDINAL: Final = -(2**63)
LAST_ORDINAL: Final = 2**63 - 1


class Place(NamedTuple):
    """Where a stream of lines goes on.

    Attributes:
        seq: After this line.
        ordinal: After this one of the lines of plans; 0 where it is not known.
    """

    seq: int
    ordinal: int


async def place_after(connection: DatabaseConnection, job: int, seq: int) -> Place:
    """Return where a stream begins that goes on after a line.

    Args:
        connection: To read with.
        job: The job's number.
        seq: The line's number; 0 is the beginning.
    """
    ordinal = await connection.fetchval(_ORDINAL, job, seq) if seq > 0 else None
    return Place(max(seq, 0), max(ordinal or 0, 0))


async def read_next(
    connection: DatabaseConnection, job: int, states: Sequence[LineState], place: Place, limit: int
) -> tuple[list[LedgerLine], Place]:
    """Return the next lines in order of `seq`, and where to go on.

    Args:
        connection: To read with.
        job: The job's number.
        states: Only lines in these; empty is all.
        place: Where to go on.
        limit: How many at most.
    """
    if states and all(state in _LOOKS for state in states):
        looks = list({_LOOKS[state] for state in states})
        rows = await connection.fetch(_WAITING, job, *place, looks, [state.value for state in states], limit)
    else:
        wanted = [state.value for state in states] or None
        rows = await connection.fetch(_NEXT, job, place.ordinal, place.seq, wanted, limit)
    if not rows:
        return [], place
    ordinal = max(place.ordinal, *(row["ordinal"] for row in rows))
    return [line_of(row) for row in rows], Place(rows[-1]["id"], ordinal)


async def lock_next(
    connection: DatabaseConnection, job: int, states: Collection[LineState], after: int, last: int, limit: int
) -> list[tuple[int, Stored]]:
    """Return the next lines in order of ordinal, each with it, and keep them as they are until the transaction ends.

    Args:
        connection: In a transaction.
        job: The job's number.
        states: Only lines in these.
        after: Only lines with a greater ordinal.
        last: Only lines up to this ordinal.
        limit: How many at most.
    """
    rows = await connection.fetch(_LOCK_NEXT, job, after, last, [state.value for state in states], limit)
    return [(row["ordinal"], stored_of(row)) for row in rows]


async def lock_lines(connection: DatabaseConnection, job: int, seqs: Collection[int]) -> list[Stored]:
    """Return lines by number, and keep them as they are until the transaction ends; unknown numbers are left out.

    Args:
        connection: In a transaction.
        job: The job's number.
        seqs: Their numbers.
    """
    return [stored_of(row) for row in await connection.fetch(_LOCK, job, list(seqs))]


async def read_po_numbers(connection: DatabaseConnection, job: int, po_numbers: Collection[str]) -> list[Stored]:
    """Return the orders of some poNumbers, in no order; unknown poNumbers are left out.

    Args:
        connection: To read with.
        job: The job's number.
        po_numbers: The poNumbers.
    """
    return [stored_of(row) for row in await connection.fetch(_PO_NUMBERS, job, list(po_numbers))]


async def read_key(connection: DatabaseConnection, job: int, key: str) -> LedgerLine | None:
    """Return the order that the line of a key is, or travels in; None when there is no such line.

    Args:
        connection: To read with.
        job: The job's number.
        key: The caller's row key.
    """
    row = await connection.fetchrow(_KEY, job, key)
    return None if row is None else line_of(row)


async def read_packed(connection: DatabaseConnection, seqs: Collection[int]) -> list[PackedLine]:
    """Return the lines that travel in some orders, in the order in which their codes are dealt.

    Args:
        connection: To read with.
        seqs: The orders.
    """
    return [packed_of(row) for row in await connection.fetch(_PACKED, list(seqs))]


async def read_journal(
    connection: DatabaseConnection, job: int, seq: int | None, after: int, limit: int
) -> list[JournalRow]:
    """Return journal rows in order.

    Args:
        connection: To read with.
        job: The job's number.
        seq: Only this line's; 0 are those about the job as a whole, None is all.
        after: Only rows with a greater id.
        limit: How many at most.
    """
    if seq is None:
        rows = await connection.fetch(_JOURNAL_ALL, job, after, limit)
    else:
        rows = await connection.fetch(_JOURNAL_LINE, job, after, limit, seq)
    return [journal_of(row) for row in rows]
