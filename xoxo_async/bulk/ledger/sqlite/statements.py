"""The SQL of lines: functions of one connection. The number of statements is independent of the lines.

Rows are passed as one JSON text, and read as one. Every sqlite3 call releases the interpreter lock and waits for it
again, up to a switch interval (5 ms) when the event loop is busy. So with a call per row a commit of a hundred lines
would take half a second. SQLite reads and writes the JSON while the lock is released.
"""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.sqlite.passing import as_json, passed

__all__ = [
    "DIGEST",
    "FIXED",
    "IS_OPEN",
    "OrderTakenError",
    "fields",
    "last_seq",
    "read_doubted",
    "read_key",
    "read_lines",
    "read_owners",
    "read_planned",
    "read_po_numbers",
    "read_state",
    "write_lines",
]

IS_OPEN: Final = "(state <> 'placed' OR delivery <> 'delivered')"
"""Is true of a line that is not at its end in the usual way. A query that is to use the short list has these words."""

DIGEST: Final = "CASE digest WHEN '' THEN lower(hex(hash)) ELSE digest END"
"""Is the digest of a line, in whichever column it is."""

# The order of LedgerLine's fields: rows are decoded straight into it.
# They never change once planned.
FIXED: Final = ("seq", "key", "po_number", "digest", "body", "row", "lines", "worth")
_MOVING: Final = (
    "state", "attempts", "suspect", "epoch", "lookups", "delivery", "first_sent_at", "last_sent_at", "last_lookup_at",
    "order_id", "amount_charged", "currency", "error_id", "error", "evidence", "held", "foreign_sender",
    "last_sent_tick", "unwanted",
)  # fmt: skip
_AS_JSON: Final = f"json_array({', '.join(FIXED + _MOVING)}) AS line"
_PLACES: Final = {
    name: LedgerLine.__struct_fields__.index("foreign" if name == "foreign_sender" else name) for name in _MOVING
}
"""The places of the moving columns among a line's fields."""
_GATHER: Final = "SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB) FROM"


def fields(names: Iterable[str], first: int = 0) -> str:
    """Return the SQL that reads the items of a JSON array under some names."""
    return ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names, first))


_READ_SEQS: Final = f"{_GATHER} (SELECT {_AS_JSON} FROM orders WHERE seq IN (SELECT value FROM json_each(?)))"
_READ_STATE: Final = f"SELECT {_AS_JSON}, seq FROM orders WHERE state = ? AND seq > ?{{}} ORDER BY seq LIMIT ?"
_IN_SHORT_LIST: Final = f" AND {IS_OPEN}"
_READ_PLANNED: Final = (
    "SELECT CAST('[' || coalesce(group_concat(line), '') || ']' AS BLOB),"
    " CAST('[' || coalesce(group_concat(shape), '') || ']' AS BLOB) FROM"
    f" (SELECT {_AS_JSON.replace('digest', DIGEST)}, coalesce(shape, 0) AS shape FROM main.lines"
    f" WHERE state = 'planned' AND {IS_OPEN} ORDER BY seq LIMIT ?)"
)
_READ_ALL: Final = f"{_GATHER} (SELECT {_AS_JSON} FROM orders WHERE seq > ? ORDER BY seq LIMIT ?)"
_FREE_ORDERS: Final = "UPDATE lines SET order_id = NULL WHERE seq IN (SELECT value FROM json_each(?))"
_OWNERS: Final = "SELECT order_id, seq FROM lines WHERE order_id IN (SELECT value FROM json_each(?))"
_SHAPES: Final = msgspec.json.Decoder(list[int])
_LINES: Final = msgspec.json.Decoder(list[LedgerLine], strict=False)  # SQLite has no booleans: 0 and 1


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the last line, 0 without one."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM lines").fetchone()[0])


def read_lines(connection: sqlite3.Connection, seqs: Collection[int]) -> list[LedgerLine]:
    """Return lines by number, in no order; unknown numbers are left out."""
    return _LINES.decode(connection.execute(_READ_SEQS, (as_json(list(seqs)),)).fetchone()[0])


def read_po_numbers(connection: sqlite3.Connection, po_numbers: Collection[str]) -> list[LedgerLine]:
    """Return the orders of some poNumbers, in no order; unknown poNumbers are left out."""
    encoded = as_json(list(po_numbers))
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
    if len(states) == 1:
        query = f"{_GATHER} ({_read_state(states[0])})"
        return _LINES.decode(connection.execute(query, (states[0].value, after, limit)).fetchone()[0])
    # One index scan a state, merged: `state IN (...) ORDER BY seq` would sort the whole rest for every chunk.
    each = " UNION ALL ".join(f"SELECT * FROM ({_read_state(state)})" for state in states)
    query = f"{_GATHER} (SELECT line FROM ({each}) ORDER BY seq LIMIT ?)"
    values = [value for state in states for value in (state.value, after, limit)]
    return _LINES.decode(connection.execute(query, (*values, limit)).fetchone()[0])


def read_planned(connection: sqlite3.Connection, limit: int) -> tuple[list[LedgerLine], list[int]]:
    """Return the next planned lines, in order of `seq`, with what is their own as their `body`, and the shape of each.

    `Shapes.fill` makes requests of them, with a quarter of the instructions that SQLite takes for it, and each line is
    claimed.

    Args:
        connection: To read with; the ledger has the present form.
        limit: How many at most.
    """
    lines, shapes = connection.execute(_READ_PLANNED, (limit,)).fetchone()
    return _LINES.decode(lines), _SHAPES.decode(shapes)


def _read_state(state: LineState) -> str:
    return _READ_STATE.format("" if state is LineState.PLACED else _IN_SHORT_LIST)


class OrderTakenError(sqlite3.IntegrityError):
    """A line cannot get an order, because another line has it."""


def write_lines(connection: sqlite3.Connection, ends: Sequence[tuple[LedgerLine, LedgerLine]]) -> bool:
    """Write decided changes to their lines.

    Args:
        connection: In a transaction.
        ends: Each line before and after, see `tallying.ends_of`; at least one.

    Returns:
        Whether all were written. False when a line had changed since the decision: then the transaction must not be
        committed.

    Raises:
        OrderTakenError: When another line has one of the orders; nothing was written.
    """
    freed = [old.seq for old, new in ends if old.order_id is not None and old.order_id != new.order_id]
    if freed:
        # An order may move from one line to another, and the unique index holds within a statement, too: free it first.
        connection.execute("SAVEPOINT freed")
        connection.execute(_FREE_ORDERS, (as_json(freed),))
    try:
        if _update(connection, ends) != len(ends):
            return False
    except sqlite3.IntegrityError as error:
        if freed:
            # SQLite undoes only the failed statement: without this, the lines would stay placed, without their orders.
            connection.execute("ROLLBACK TO freed")
        raise OrderTakenError(*error.args) from None
    if freed:
        connection.execute("RELEASE freed")
    return True


def _update(connection: sqlite3.Connection, ends: Sequence[tuple[LedgerLine, LedgerLine]]) -> int:
    """Write the columns that change, and return how many lines were as they should be.

    It is a compare-and-set: each line must still be what the decision was made on. State and epoch suffice here, where
    `Move` asks for a revision: each line is read in the transaction that writes it, and BEGIN IMMEDIATE lets no other
    connection write meanwhile. So this finds a mistake in this package, and never a second writer's look-up.
    """
    was, now = (list(zip(*map(msgspec.structs.astuple, lines), strict=True)) for lines in zip(*ends, strict=True))
    changed = {name: now[at] for name, at in _PLACES.items() if was[at] != now[at]}
    asked = {f"was_{name}": was[_PLACES[name]] for name in ("state", "epoch")}
    seqs = now[0]
    words, values = passed({"seq": seqs, **changed, **asked}, keyed=True)
    rows = f"FROM json_each(?1) AS new WHERE lines.seq = {words['seq']}"
    if words["seq"] == "new.value" and seqs == tuple(range(seqs[0], seqs[-1] + 1)):
        # All lines of a claim get the same, and mostly follow each other.
        rows = f"WHERE lines.seq BETWEEN ?1 AND ?{len(values) + 1}"
        values = [seqs[0], *values[1:], seqs[-1]]
    sets = ", ".join(f"{name} = {words[name]}" for name in changed) or "seq = lines.seq"
    asks = f"AND lines.state = {words['was_state']} AND lines.epoch = {words['was_epoch']}"
    return connection.execute(f"UPDATE lines SET {sets} {rows} {asks}", values).rowcount


def read_owners(connection: sqlite3.Connection, order_ids: Collection[int]) -> dict[int, int]:
    """Return the lines that have some orders: `seq` by order id."""
    return dict(connection.execute(_OWNERS, (as_json(list(order_ids)),)).fetchall())
