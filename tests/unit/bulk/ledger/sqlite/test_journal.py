"""`sqlite.journal`: entries are written in few bytes, and read one by one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.lines import JournalRow, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.sqlite.journal import Journal, last_row, read_journal
from xoxo_async.bulk.ledger.sqlite.schema import make_tables

LINE = LedgerLine(1, "k", "po", "d", "{}", 1)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def move(seq: int, transition: str = "T1", **facts: object) -> Move:
    before = msgspec.structs.replace(LINE, seq=seq)
    after = msgspec.structs.replace(before, state=LineState.SENDING, attempts=1, epoch=2)
    return msgspec.structs.replace(Move(before, after, transition, "slot_in_hand", None, "", ""), **facts)


def all_of(connection: sqlite3.Connection) -> list[JournalRow]:
    return read_journal(connection, None, 0, 10_000)


def rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])


def test_a_plan_is_one_row_of_entries(connection: sqlite3.Connection) -> None:
    """Each entry has an id of its own, and later ones follow."""
    journal = Journal()
    journal.note_planned(connection, 5.0, 0, 3)
    journal.note_planned(connection, 6.0, 3, 3)
    assert rows(connection) == 1
    assert journal.note_moves(connection, [move(2)], 7.0) == last_row(connection) == 4
    planned = [JournalRow(at, at, 5.0, "", "planned", "T0", "planned", 0, 0, None, "", "") for at in (1, 2, 3)]
    moved = JournalRow(4, 2, 7.0, "planned", "sending", "T1", "slot_in_hand", 1, 2, None, "", "")
    assert all_of(connection) == [*planned, moved]
    assert read_journal(connection, 2, 0, 9) == [planned[1], moved]
    assert read_journal(connection, 2, 2, 9) == [moved]
    assert read_journal(connection, 3, 0, 9) == [planned[2]]


def test_only_equal_neighbours_share_a_row(connection: sqlite3.Connection) -> None:
    """Another order, reason or sequence is another row, and each alarm is one: alarms have an index."""
    moves = [
        move(1), move(2), move(4), move(5, order_id=7), move(6, order_id=8), move(7), move(6),
        move(8, ALARM), move(9, ALARM), move(10, reason="r"),
    ]  # fmt: skip
    Journal().note_moves(connection, moves, 5.0)
    assert rows(connection) == len(moves) - 1
    assert [(entry.seq, entry.order_id, entry.reason) for entry in all_of(connection)] == [
        (one.after.seq, one.order_id, one.reason) for one in moves
    ]
    alarms = connection.execute("SELECT seq FROM journal INDEXED BY journal_alarms WHERE transition = '!'").fetchall()
    assert alarms == [(8,), (9,)]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), max_size=8), st.integers(1, 4))
def test_chunks_of_any_size_read_the_same(parts: list[tuple[int, int]], size: int) -> None:
    """A row of many entries may be read in parts."""
    journal = Journal()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        make_tables(connection)
        for first, lines in parts:
            journal.note_moves(connection, [move(first + at) for at in range(lines)], 5.0)
        whole, read = all_of(connection), []
        while chunk := read_journal(connection, None, read[-1].id if read else 0, size):
            assert len(chunk) <= size
            read += chunk
    assert read == whole
    assert [entry.seq for entry in whole] == [first + at for first, lines in parts for at in range(lines)]
    assert [entry.id for entry in whole] == list(range(1, len(whole) + 1))


def test_entries_of_a_line_come_in_chunks(connection: sqlite3.Connection) -> None:
    """A row whose other entries are still to come is not the end of them, nor does it take a place in a chunk."""
    journal, read = Journal(), list[JournalRow]()
    journal.note_planned(connection, 5.0, 0, 3)
    journal.note_moves(connection, [move(2)], 6.0)
    while chunk := read_journal(connection, 2, read[-1].id if read else 0, 1):
        read += chunk
    assert read == read_journal(connection, 2, 0, 9) != []
    assert len(read) == 2


def test_kinds_of_an_undone_transaction_are_forgotten(connection: sqlite3.Connection) -> None:
    """Otherwise later entries would name a kind that is not there."""
    journal = Journal()
    connection.execute("BEGIN")
    journal.note_moves(connection, [move(1)], 5.0)
    connection.execute("ROLLBACK")
    journal.forget()
    journal.note_moves(connection, [move(2)], 5.0)
    assert [entry.transition for entry in all_of(connection)] == ["T1"]


def test_the_ledger_as_a_whole_has_entries(connection: sqlite3.Connection) -> None:
    """They are about line 0."""
    Journal().note_ledger(connection, 5.0, "paused", "a reason")
    assert read_journal(connection, 0, 0, 9) == [
        JournalRow(1, 0, 5.0, "", "", "-", "paused", 0, 0, None, "", "a reason")
    ]


def test_all_entries_have_ids_of_their_own(connection: sqlite3.Connection) -> None:
    """One row for many lines takes as many ids, after whatever was written before it."""
    journal = Journal()
    journal.note_ledger(connection, 5.0, "paused", "a reason")
    journal.note_planned(connection, 5.0, 0, 3)
    journal.note_ledger(connection, 5.0, "unpaused", "")
    assert journal.note_moves(connection, [move(1), move(2)], 5.0) == last_row(connection) == 7
    assert [entry.id for entry in all_of(connection)] == [1, 2, 3, 4, 5, 6, 7]


def test_ids_of_an_undone_transaction_are_used_again(connection: sqlite3.Connection) -> None:
    """The journal has no gap, which would look like a lost entry."""
    journal = Journal()
    journal.note_planned(connection, 5.0, 0, 3)
    connection.execute("BEGIN")
    journal.note_planned(connection, 5.0, 3, 6)
    connection.execute("ROLLBACK")
    journal.forget()
    journal.note_planned(connection, 5.0, 3, 6)
    assert last_row(connection) == 6
