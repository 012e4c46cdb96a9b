"""The ledger's SQL: plain functions of one connection; how many lines they move never changes how many statements.

Rows travel as one JSON text in and one out. That is on purpose: every sqlite3 call gives up the interpreter lock and
waits for it again, up to a switch interval when the event loop is busy, so a call per row would stall a commit of a
hundred lines for half a second. SQLite reads and writes the JSON with the lock released.
"""

# ruff: noqa: S608 - the only names put into SQL are this module's own column names

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.budget import commitment
from xoxo_async.bulk.ledger.lines import Alarm, Change, Counts, Delivery, JournalRow, LedgerLine, LineState
from xoxo_async.bulk.ledger.sqlite.packs import count_packed, count_packs
from xoxo_async.bulk.ledger.table import REPORTED_AS

__all__ = [
    "ALARM",
    "FIXED",
    "Move",
    "count",
    "drop_codes",
    "fields",
    "get_meta",
    "last_row",
    "last_seq",
    "note_ledger",
    "read_codes",
    "read_committed",
    "read_doubted",
    "read_journal",
    "read_key",
    "read_lines",
    "read_owners",
    "read_po_numbers",
    "read_state",
    "set_meta",
    "set_metas",
    "write_codes",
    "write_moves",
]

ALARM: Final = "!"
"""What the journal has for a transition where something must reach a person."""

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
# A compare-and-set: the line must still be what the decision was made on.
_MOVE: Final = (
    f"UPDATE lines SET {', '.join(f'{name} = new.{name}' for name in _MOVING)} FROM"
    f" (SELECT {fields(('seq', 'was_state', 'was_epoch', *_MOVING))} FROM json_each(?)) AS new"
    " WHERE lines.seq = new.seq AND lines.state = new.was_state AND lines.epoch = new.was_epoch"
)
_FREE_ORDERS: Final = "UPDATE lines SET order_id = NULL WHERE seq IN (SELECT value FROM json_each(?))"
_NOTE: Final = f"INSERT INTO journal ({', '.join(_JOURNAL)}) SELECT {fields(_JOURNAL)} FROM json_each(?)"
_KEEP_CODES: Final = (
    f"INSERT INTO codes (seq, body) SELECT {fields(('seq', 'body'))} FROM json_each(?) WHERE true"
    " ON CONFLICT (seq) DO UPDATE SET body = excluded.body"
)
_READ_CODES: Final = (
    "SELECT CAST('[' || coalesce(group_concat(json_array(seq, body)), '') || ']' AS BLOB) FROM codes"
    " WHERE seq IN (SELECT value FROM json_each(?))"
)
_SET_METAS: Final = (
    f"INSERT INTO meta SELECT {fields(('name', 'value'))} FROM json_each(?) WHERE true"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_OWNERS: Final = "SELECT order_id, seq FROM lines WHERE order_id IN (SELECT value FROM json_each(?))"
_COMMITTED: Final = (
    "SELECT state, worth, amount_charged, currency, count(*) FROM lines"
    " WHERE state NOT IN ('planned', 'rejected', 'cancelled') GROUP BY state, worth, amount_charged, currency"
)
_UNPRICED: Final = (
    "SELECT key, row FROM lines WHERE worth IS NULL AND state NOT IN ('planned', 'rejected', 'cancelled')"
    " AND NOT (state = 'placed' AND currency = ? AND CAST(amount_charged AS REAL) > 0) LIMIT 1"
)
# A person who names a wrong order is told so at once: that is no alarm.
_ALARMS: Final = (
    "SELECT key, row, lines.order_id, min(at), reason FROM journal JOIN lines USING (seq)"
    " WHERE transition = '!' AND journal.evidence NOT IN ('person_placed', 'late_proof')"
    " GROUP BY seq, reason ORDER BY min(id)"
)
_SHOWN: Final = 100
# A pack of lines is none of them: its lines are counted by themselves, see `ledger_packs`.
_COUNT: Final = (
    "SELECT state, delivery, currency, amount_charged, lines = 1, count(*) FROM lines"
    " GROUP BY state, delivery, currency, amount_charged, lines = 1"
)


class Move(NamedTuple):
    """One decided change: the line before and after, and what the journal says of it."""

    before: LedgerLine
    after: LedgerLine
    transition: str
    evidence: str
    order_id: int | None
    error_id: str
    reason: str

    @classmethod
    def of(cls, before: LedgerLine, after: LedgerLine, transition: str, change: Change, reason: str = "") -> "Move":
        """Return the move that a fact made.

        Args:
            before: The line as it was.
            after: The line as it is.
            transition: Which row of the table.
            change: The fact.
            reason: Kept in the journal; by default the fact's own.
        """
        why = reason or change.reason or change.error
        return cls(before, after, transition, change.evidence.value, change.order_id, change.error_id, why)


_LINES: Final = msgspec.json.Decoder(list[LedgerLine], strict=False)  # SQLite has no booleans: 0 and 1
_CODES: Final = msgspec.json.Decoder(list[tuple[int, str]])
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


def get_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a fact about the ledger."""
    row: tuple[str] | None = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a fact about the ledger."""
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def set_metas(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Keep several facts about the ledger, in one statement."""
    connection.execute(_SET_METAS, (_encode(list(facts.items())),))


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
    asked = _encode(list(po_numbers))
    seqs = connection.execute("SELECT seq FROM lines WHERE po_number IN (SELECT value FROM json_each(?))", (asked,))
    return read_lines(connection, [seq for (seq,) in seqs])


def read_doubted(connection: sqlite3.Connection, last: int) -> Iterator[LedgerLine]:
    """Yield the lines in doubt that are orders by themselves, up to one `seq`."""
    after = 0
    while lines := read_state(connection, (LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT), after, 1000):
        after = lines[-1].seq
        yield from (line for line in lines if line.lines == 1 and line.seq <= last)


def read_key(connection: sqlite3.Connection, key: str, pack: int | None) -> LedgerLine | None:
    """Return the order of a key, or the pack its line travels in; None when there is neither."""
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
    # One index walk a state, merged: `state IN (...) ORDER BY seq` would sort the whole rest for every chunk.
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
        The last journal row's number; 0 when a line no longer was what was decided on. Then nothing of this may be
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
        # An order may go from one line to another, and no two lines may have it even for the length of a statement.
        connection.execute("SAVEPOINT freed")
        connection.execute(_FREE_ORDERS, (_encode(freed),))
    try:
        if connection.execute(_MOVE, (_encode(rows),)).rowcount != len(rows):
            return 0
    except sqlite3.IntegrityError:
        if freed:
            # Only the statement that failed is undone by itself: the lines would stay placed, without their orders.
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


def write_codes(connection: sqlite3.Connection, sealed: Sequence[tuple[int, str]]) -> None:
    """Keep voucher codes, each line's in place of what it had."""
    connection.execute(_KEEP_CODES, (_encode(sealed),))


def drop_codes(connection: sqlite3.Connection, seqs: Collection[int]) -> None:
    """Forget the voucher codes, and their marks, of lines whose order turned out to be another's."""
    asked = _encode(list(seqs))
    for table in ("codes", "code_marks"):
        connection.execute(f"DELETE FROM {table} WHERE seq IN (SELECT value FROM json_each(?))", (asked,))


def read_codes(connection: sqlite3.Connection, seqs: Collection[int]) -> dict[int, str]:
    """Return what is stored for some lines' codes."""
    return dict(_CODES.decode(connection.execute(_READ_CODES, (_encode(list(seqs)),)).fetchone()[0]))


def read_owners(connection: sqlite3.Connection, order_ids: Collection[int]) -> dict[int, int]:
    """Return whose some orders are: the line's `seq` by order id."""
    return dict(connection.execute(_OWNERS, (_encode(list(order_ids)),)).fetchall())


def read_committed(connection: sqlite3.Connection, currency: str) -> int:
    """Return what the job has cost and may yet cost by what is on its way, in ten-thousandths.

    Args:
        connection: To read with.
        currency: The account's.
    """
    total = 0
    for state, worth, charged, charged_in, lines in connection.execute(_COMMITTED):
        line = LedgerLine(
            0, "", "", "", "", 0, state=LineState(state), worth=worth, currency=charged_in,
            amount_charged=None if charged is None else Decimal(charged),
        )  # fmt: skip
        total += commitment(line, currency) * lines
    return total


def find_unpriced(connection: sqlite3.Connection, currency: str) -> tuple[str, int] | None:
    """Return key and row of a line that may have cost nobody knows what; None where every line's cost is bounded.

    Args:
        connection: To read with.
        currency: The account's.
    """
    row: tuple[str, int] | None = connection.execute(_UNPRICED, (currency,)).fetchone()
    return row


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


def count(connection: sqlite3.Connection) -> Counts:
    """Return the ledger in numbers, from one snapshot."""
    reported: dict[str, int] = {"issued": 0, "pending": 0, "rejected": 0, "unknown": 0, "not_sent": 0}
    states: dict[LineState, int] = {}
    charged: dict[str, Decimal] = {}
    orders = cancelled = packs = 0

    def tally(state: LineState, delivery: str, lines: int, *, dealt: bool = False) -> None:
        nonlocal cancelled
        states[state] = states.get(state, 0) + lines
        delivered = dealt or delivery == Delivery.DELIVERED
        reported[REPORTED_AS.get(state) or ("issued" if delivered else "pending")] += lines
        if state is LineState.PLACED and delivery == Delivery.CANCELLED and not dealt:
            cancelled += lines

    connection.execute("BEGIN")
    try:
        for state_text, delivery, currency, amount, single, lines in connection.execute(_COUNT).fetchall():
            state = LineState(state_text)
            if single:
                orders += lines
                tally(state, delivery, lines)
            else:
                packs += lines
            if state is LineState.PLACED and amount is not None:
                charged[currency] = charged.get(currency, Decimal(0)) + Decimal(amount) * lines
        for state_text, delivery, dealt, lines in count_packed(connection) if packs else ():
            tally(LineState(state_text), delivery, lines, dealt=bool(dealt))
        orders += count_packs(connection) if packs else 0
        alarms, alarms_total = _read_alarms(connection)
    finally:
        connection.execute("ROLLBACK")
    return Counts(
        rows=sum(states.values()),
        delivery_cancelled=cancelled,
        states=states,
        charged=charged,
        orders=orders,
        alarms=alarms,
        alarms_total=alarms_total,
        **reported,
    )


def _read_alarms(connection: sqlite3.Connection) -> tuple[tuple[Alarm, ...], int]:
    """Return the first alarms, each told once however often it was noticed, and how many there are."""
    rows = connection.execute(f"{_ALARMS} LIMIT {_SHOWN + 1}").fetchall()
    alarms = [Alarm(key=key, row=row, order_id=order_id, at=at, text=text) for key, row, order_id, at, text in rows]
    total = len(rows)
    if total > _SHOWN:
        total = connection.execute(f"SELECT count(*) FROM ({_ALARMS})").fetchone()[0]
    return tuple(alarms[:_SHOWN]), total
