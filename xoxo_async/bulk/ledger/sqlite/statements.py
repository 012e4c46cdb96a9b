"""The SQL of lines and journal: functions of one connection. The number of statements is independent of the lines.

Rows are passed as one JSON text, and read as one. Every sqlite3 call releases the interpreter lock and waits for it
again, up to a switch interval (5 ms) when the event loop is busy. So with a call per row a commit of a hundred lines
would take half a second. SQLite reads and writes the JSON while the lock is released.
"""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import JournalRow, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move

__all__ = [
    "FIXED",
    "fields",
    "last_row",
    "last_seq",
    "note_ledger",
    "note_planned",
    "read_doubted",
    "read_journal",
    "read_key",
    "read_lines",
    "read_owners",
    "read_po_numbers",
    "read_state",
    "write_moves",
]

# The order of LedgerLine's fields: rows are decoded straight into it.
# They never change once planned.
FIXED: Final = ("seq", "key", "po_number", "digest", "body", "row", "lines", "worth")
_MOVING: Final = (
    "state", "attempts", "suspect", "epoch", "lookups", "delivery", "first_sent_at", "last_sent_at", "last_lookup_at",
    "order_id", "amount_charged", "currency", "error_id", "error", "evidence", "held", "foreign_sender",
    "last_sent_tick", "unwanted",
)  # fmt: skip
_JOURNAL: Final = (
    "seq", "at", "from_state", "to_state", "transition", "evidence", "attempts", "epoch", "order_id", "error_id",
    "reason",
)  # fmt: skip
_AS_JSON: Final = f"json_array({', '.join(FIXED + _MOVING)}) AS line"
_GATHER: Final = "SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB) FROM"


def fields(names: Iterable[str], first: int = 0) -> str:
    """Return the SQL that reads the items of a JSON array under some names."""
    return ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names, first))


_READ_SEQS: Final = f"{_GATHER} (SELECT {_AS_JSON} FROM lines WHERE seq IN (SELECT value FROM json_each(?)))"
_READ_STATE: Final = f"SELECT {_AS_JSON}, seq FROM lines WHERE state = ? AND seq > ? ORDER BY seq LIMIT ?"
_READ_ALL: Final = f"{_GATHER} (SELECT {_AS_JSON} FROM lines WHERE seq > ? ORDER BY seq LIMIT ?)"
# A compare-and-set: the line must still be what the decision was made on. State and epoch suffice here, where `Move`
# asks for a revision: each line is read in the transaction that writes it, and BEGIN IMMEDIATE lets no other connection
# write meanwhile. So this finds a mistake in this package, and never a second writer's look-up.
_MOVE: Final = (
    f"UPDATE lines SET {', '.join(f'{name} = new.{name}' for name in _MOVING)} FROM"
    f" (SELECT {fields(('seq', 'was_state', 'was_epoch', *_MOVING))} FROM json_each(?)) AS new"
    " WHERE lines.seq = new.seq AND lines.state = new.was_state AND lines.epoch = new.was_epoch"
)
_FREE_ORDERS: Final = "UPDATE lines SET order_id = NULL WHERE seq IN (SELECT value FROM json_each(?))"
_NOTE: Final = f"INSERT INTO journal ({', '.join(_JOURNAL)}) SELECT {fields(_JOURNAL)} FROM json_each(?)"
_NOTE_PLANNED: Final = (
    "INSERT INTO journal (seq, at, from_state, to_state, transition, evidence, attempts, epoch)"
    " SELECT seq, ?, '', 'planned', 'T0', 'planned', 0, 0 FROM lines WHERE seq > ? ORDER BY seq"
)
_OWNERS: Final = "SELECT order_id, seq FROM lines WHERE order_id IN (SELECT value FROM json_each(?))"
_LINES: Final = msgspec.json.Decoder(list[LedgerLine], strict=False)  # SQLite has no booleans: 0 and 1
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the last line, 0 without one."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM lines").fetchone()[0])


def last_row(connection: sqlite3.Connection) -> int:
    """Return the number of the last journal row, 0 without one."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])


def read_lines(connection: sqlite3.Connection, seqs: Collection[int]) -> list[LedgerLine]:
    """Return lines by number, in no order; unknown numbers are left out."""
    return _LINES.decode(connection.execute(_READ_SEQS, (_encode(list(seqs)),)).fetchone()[0])


def read_po_numbers(connection: sqlite3.Connection, po_numbers: Collection[str]) -> list[LedgerLine]:
    """Return the orders of some poNumbers, in no order; unknown poNumbers are left out."""
    encoded = _encode(list(po_numbers))
    seqs = connection.execute("SELECT seq FROM lines WHERE po_number IN (SELECT value FROM json_each(?))", (encoded,))
    return read_lines(connection, [seq for (seq,) in seqs])


def read_doubted(connection: sqlite3.Connection, last: int) -> Iterator[LedgerLine]:
    """Yield the lines in doubt that are orders by themselves, up to one `seq`."""
    after = 0
    while lines := read_state(connection, (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT), after, 1000):
        after = lines[-1].seq
        yield from (line for line in lines if line.lines == 1 and line.seq <= last)


def read_key(connection: sqlite3.Connection, key: str, pack: int | None) -> LedgerLine | None:
    """Return the order of a key, or the pack of its line; None when there is neither."""
    row: tuple[int] | None = connection.execute("SELECT seq FROM lines WHERE key = ?", (key,)).fetchone()
    seq = pack if pack is not None else row[0] if row else None
    return read_lines(connection, [seq])[0] if seq is not None else None


def read_state(connection: sqlite3.Connection, states: Sequence[LineState], after: int, limit: int) -> list[LedgerLine]:
    """Return the next lines in some states, in order of `seq`.

    Args:
        connection: To read with.
        states: Which; empty is all.
        after: Only lines with a greater `seq`.
        limit: How many at most.
    """
    if not states:
        return _LINES.decode(connection.execute(_READ_ALL, (after, limit)).fetchone()[0])
    # One index scan a state, merged: `state IN (...) ORDER BY seq` would sort the whole rest for every chunk.
    each = " UNION ALL ".join([f"SELECT * FROM ({_READ_STATE})"] * len(states))
    query = f"{_GATHER} (SELECT line FROM ({each}) ORDER BY seq LIMIT ?)"
    values = [value for state in states for value in (state.value, after, limit)]
    return _LINES.decode(connection.execute(query, (*values, limit)).fetchone()[0])


def write_moves(connection: sqlite3.Connection, moves: Sequence[Move], now: float) -> int:
    """Write decided changes, and their journal rows.

    Args:
        connection: In a transaction.
        moves: In order; a line may occur more than once.
        now: For the journal.

    Returns:
        The last journal row's number; 0 when a line had changed since the decision. Then the transaction must not be
        committed.
    """
    first: dict[int, LedgerLine] = {}
    last: dict[int, LedgerLine] = {}
    for move in moves:
        first.setdefault(move.before.seq, move.before)
        last[move.before.seq] = move.after
    rows = [(seq, first[seq].state, first[seq].epoch, *_moving(line)) for seq, line in last.items()]
    freed = [seq for seq, line in last.items() if first[seq].order_id not in {None, line.order_id}]
    if freed:
        # An order may move from one line to another, and the unique index holds within a statement, too: free it first.
        connection.execute("SAVEPOINT freed")
        connection.execute(_FREE_ORDERS, (_encode(freed),))
    try:
        if connection.execute(_MOVE, (_encode(rows),)).rowcount != len(rows):
            return 0
    except sqlite3.IntegrityError:
        if freed:
            # SQLite undoes only the failed statement: without this, the lines would stay placed, without their orders.
            connection.execute("ROLLBACK TO freed")
        raise
    if freed:
        connection.execute("RELEASE freed")
    notes = [
        (
            move.after.seq, now, move.before.state, move.after.state, move.transition, move.evidence,
            move.after.attempts, move.after.epoch, move.order_id, move.error_id, move.reason,
        )
        for move in moves
    ]  # fmt: skip
    return connection.execute(_NOTE, (_encode(notes),)).lastrowid or 0


def _moving(line: LedgerLine) -> tuple[object, ...]:
    return (
        line.state, line.attempts, line.suspect, line.epoch, line.lookups, line.delivery, line.first_sent_at,
        line.last_sent_at, line.last_lookup_at, line.order_id, line.amount_charged, line.currency, line.error_id,
        line.error, line.evidence, line.held, line.foreign, line.last_sent_tick, line.unwanted,
    )  # fmt: skip


def read_owners(connection: sqlite3.Connection, order_ids: Collection[int]) -> dict[int, int]:
    """Return the lines that have some orders: `seq` by order id."""
    return dict(connection.execute(_OWNERS, (_encode(list(order_ids)),)).fetchall())


def note_ledger(connection: sqlite3.Connection, now: float, evidence: str, reason: str) -> None:
    """Write a journal row about the ledger as a whole; its `seq` is 0.

    Args:
        connection: In a transaction.
        now: For the journal.
        evidence: What happened.
        reason: Why.
    """
    row = (0, now, "", "", "-", evidence, 0, 0, None, "", reason)
    connection.execute(_NOTE, (_encode([row]),))


def note_planned(connection: sqlite3.Connection, now: float, after: int) -> None:
    """Write the journal rows (T0) of every line with a greater `seq`."""
    connection.execute(_NOTE_PLANNED, (now, after))


def read_journal(connection: sqlite3.Connection, seq: int | None, after: int, limit: int) -> list[JournalRow]:
    """Return journal rows in order.

    Args:
        connection: To read with.
        seq: Only this line's; None is all.
        after: Only rows with a greater id.
        limit: How many at most.
    """
    columns = f"SELECT id, {', '.join(_JOURNAL)} FROM journal WHERE id > ?"
    if seq is None:
        rows = connection.execute(f"{columns} ORDER BY id LIMIT ?", (after, limit))
    else:
        rows = connection.execute(f"{columns} AND seq = ? ORDER BY id LIMIT ?", (after, seq, limit))
    return [JournalRow(*row) for row in rows]
