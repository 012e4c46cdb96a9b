"""`sqlite.statements`: lines are read and written in a fixed number of statements."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import connected
from tests.unit.bulk.ledger.ledgers import in_states as add
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import Move
from xoxo_async.bulk.ledger.sqlite.statements import (
    OrderTakenError,
    last_seq,
    read_lines,
    read_owners,
    read_state,
    write_lines,
)
from xoxo_async.bulk.ledger.tallying import ends_of


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
    assert write_lines(connection, ends_of([doubt, moved(doubt.after, LineState.PLACED, order_id=7)]))
    (line,) = read_lines(connection, [1])
    assert (line.state, line.suspect, line.order_id) == (LineState.PLACED, True, 7)
    assert read_owners(connection, [7, 8]) == {7: 1}


@pytest.mark.parametrize("other", [{"state": LineState.PLANNED}, {"epoch": 1}])
def test_a_stale_move_is_reported(connection: sqlite3.Connection, other: dict[str, object]) -> None:
    """The transaction must not be committed, because another process holds the ledger now."""
    add(connection, LineState.SENDING)
    (line,) = read_lines(connection, [1])
    stale = msgspec.structs.replace(line, **other)
    assert not write_lines(connection, ends_of([moved(stale, LineState.PLACED)]))


def test_lines_that_move_together_get_their_own_values(connection: sqlite3.Connection) -> None:
    """What they share is written once, and what differs for each; what does not change stays as it is."""
    add(connection, *[LineState.SENDING] * 3)
    connection.execute("UPDATE lines SET error = 'kept', worth = seq")
    lines = sorted(read_lines(connection, [1, 2, 3]), key=lambda line: line.seq)
    amounts = [Decimal(500), Decimal("500.00"), None]
    moves = [
        moved(one, LineState.PLACED, order_id=7 + one.seq, amount_charged=amount, suspect=one.seq == 2, currency="INR")
        for one, amount in zip(lines, amounts, strict=True)
    ]
    assert write_lines(connection, ends_of(moves))
    read = sorted(read_lines(connection, [1, 2, 3]), key=lambda line: line.seq)
    assert read == [move.after for move in moves]
    assert [str(line.amount_charged) for line in read] == ["500", "500.00", "None"]
    assert {(line.error, line.currency, line.state) for line in read} == {("kept", "INR", LineState.PLACED)}


@pytest.mark.parametrize("seqs", [[1, 2, 3], [1, 3], [3, 2], [2]])
def test_lines_that_move_alike_are_written_alone(connection: sqlite3.Connection, seqs: list[int]) -> None:
    """Whether or not their numbers follow each other: the lines between them stay as they are."""
    add(connection, *[LineState.SENDING] * 3)
    lines = {line.seq: line for line in read_lines(connection, [1, 2, 3])}
    assert write_lines(connection, ends_of([moved(lines[seq], LineState.UNKNOWN) for seq in seqs]))
    after = {line.seq: line.state for line in read_lines(connection, [1, 2, 3])}
    assert {seq for seq, state in after.items() if state is LineState.UNKNOWN} == set(seqs)


@pytest.mark.parametrize("stale", [0, 1, 2])
def test_one_stale_line_among_many_is_reported(connection: sqlite3.Connection, stale: int) -> None:
    """Whether or not the lines were alike before."""
    add(connection, *[LineState.SENDING] * 3)
    lines = sorted(read_lines(connection, [1, 2, 3]), key=lambda line: line.seq)
    lines[stale] = msgspec.structs.replace(lines[stale], epoch=4)
    assert not write_lines(connection, ends_of([moved(one, LineState.UNKNOWN) for one in lines]))


def test_a_move_that_changes_nothing_is_written(connection: sqlite3.Connection) -> None:
    """A look-up may find what is known; the line must still be what it was."""
    add(connection, LineState.UNKNOWN)
    (line,) = read_lines(connection, [1])
    assert write_lines(connection, ends_of([moved(line, line.state)]))
    assert not write_lines(connection, ends_of([moved(msgspec.structs.replace(line, epoch=1), line.state, epoch=1)]))


def test_an_order_of_another_line_is_refused_alone(connection: sqlite3.Connection) -> None:
    """With an error of its own, after which nothing is written; another fault of a write is not taken for it."""
    add(connection, LineState.SENDING, LineState.SENDING)
    first, second = sorted(read_lines(connection, [1, 2]), key=lambda line: line.seq)
    assert write_lines(connection, ends_of([moved(first, LineState.PLACED, order_id=7)]))
    with pytest.raises(OrderTakenError, match="order_id"):
        write_lines(connection, ends_of([moved(second, LineState.PLACED, order_id=7)]))
    assert read_lines(connection, [2]) == [second]
