"""`sqlite.statements`: lines are read and written in a fixed number of statements."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import connected
from tests.unit.bulk.ledger.ledgers import in_states as add
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.sqlite.statements import (
    last_seq,
    read_lines,
    read_owners,
    read_state,
    write_moves,
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def moved(line: LedgerLine, state: LineState, **facts: object) -> Move:
    after = msgspec.structs.replace(line, state=state, **facts)
    return Move(line, after, transition="T", evidence="e", order_id=after.order_id, error_id="", reason="r")


def test_lines_that_are_not_there_are_left_out(connection: sqlite3.Connection) -> None:
    """No numbers give no lines."""
    assert last_seq(connection) == 0
    add(connection, LineState.PLANNED, LineState.SENDING)
    assert last_seq(connection) == 2
    assert [line.seq for line in read_lines(connection, [2, 99])] == [2]
    assert read_lines(connection, []) == []


def test_lines_of_several_states_come_in_one_order(connection: sqlite3.Connection) -> None:
    """After a line, and as many as were asked for: the rest is another chunk."""
    add(connection, *[LineState.PLANNED, LineState.PLACED, LineState.UNKNOWN] * 3)
    wanted = (LineState.UNKNOWN, LineState.PLANNED)
    assert [line.seq for line in read_state(connection, wanted, 0, 4)] == [1, 3, 4, 6]
    assert [line.seq for line in read_state(connection, wanted, 6, 4)] == [7, 9]
    assert [line.seq for line in read_state(connection, (), 7, 9)] == [8, 9]
    assert read_state(connection, (LineState.MANUAL,), 0, 9) == []


def test_a_line_ends_where_it_moved_last(connection: sqlite3.Connection) -> None:
    """It may move twice in one transaction."""
    add(connection, LineState.SENDING)
    (line,) = read_lines(connection, [1])
    doubt = moved(line, LineState.UNKNOWN, suspect=True)
    assert write_moves(connection, [doubt, moved(doubt.after, LineState.PLACED, order_id=7)])
    (line,) = read_lines(connection, [1])
    assert (line.state, line.suspect, line.order_id) == (LineState.PLACED, True, 7)
    assert read_owners(connection, [7, 8]) == {7: 1}


@pytest.mark.parametrize("other", [{"state": LineState.PLANNED}, {"epoch": 1}])
def test_a_stale_move_is_reported(connection: sqlite3.Connection, other: dict[str, object]) -> None:
    """The transaction must not be committed, because another process holds the ledger now."""
    add(connection, LineState.SENDING)
    (line,) = read_lines(connection, [1])
    stale = msgspec.structs.replace(line, **other)
    assert not write_moves(connection, [moved(stale, LineState.PLACED)])
