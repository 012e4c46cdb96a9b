"""`ledger_store`: what is read and written in one statement, whatever it is asked about."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.schema import build, connect
from xoxo_async.bulk.ledger.sqlite.statements import (
    Move,
    count,
    get_meta,
    last_seq,
    read_codes,
    read_journal,
    read_lines,
    read_owners,
    read_state,
    set_meta,
    set_metas,
    write_codes,
    write_moves,
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to an empty ledger."""
    create_private(tmp_path / "l.db")
    build(tmp_path / "l.db")
    connection = connect(tmp_path / "l.db")
    yield connection
    connection.close()


def add(connection: sqlite3.Connection, *states: LineState, delivery: Delivery = Delivery.NONE) -> None:
    """Add a line in each state."""
    for state in states:
        name = f"k{last_seq(connection) + 1}"
        connection.execute(
            "INSERT INTO lines (key, po_number, digest, body, row, state, delivery) VALUES (?, ?, 'd', '{}', 1, ?, ?)",
            (name, name, state.value, delivery.value),
        )


def moved(line: LedgerLine, state: LineState, **facts: object) -> Move:
    after = msgspec.structs.replace(line, state=state, **facts)
    return Move(line, after, transition="T", evidence="e", order_id=after.order_id, error_id="", reason="r")


def test_facts_are_kept_by_name_and_the_latest_counts(connection: sqlite3.Connection) -> None:
    """One by one, or several in one statement."""
    assert get_meta(connection, "a") is None
    set_meta(connection, "a", "1")
    set_metas(connection, {"a": "2", "b": "'); --"})
    assert (get_meta(connection, "a"), get_meta(connection, "b")) == ("2", "'); --")


def test_lines_that_are_not_there_are_left_out(connection: sqlite3.Connection) -> None:
    """Asked for none, there are none."""
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


def test_a_move_is_written_with_its_journal_row(connection: sqlite3.Connection) -> None:
    """A line that moves twice in one transaction ends where the last move put it, and has a row for each."""
    add(connection, LineState.SENDING)
    (line,) = read_lines(connection, [1])
    doubt = moved(line, LineState.UNKNOWN, suspect=True)
    assert write_moves(connection, [doubt, moved(doubt.after, LineState.PLACED, order_id=7)], 5.0)
    (line,) = read_lines(connection, [1])
    assert (line.state, line.suspect, line.order_id) == (LineState.PLACED, True, 7)
    journal = [(row.at, row.from_state, row.to_state, row.order_id) for row in read_journal(connection, 1, 0, 9)]
    assert journal == [(5.0, "sending", "unknown", None), (5.0, "unknown", "placed", 7)]
    assert read_owners(connection, [7, 8]) == {7: 1}


@pytest.mark.parametrize("other", [{"state": LineState.PLANNED}, {"epoch": 1}])
def test_a_move_of_a_line_that_is_not_as_it_was_is_told(
    connection: sqlite3.Connection, other: dict[str, object]
) -> None:
    """Nothing of that transaction may be committed: somebody else holds the ledger now."""
    add(connection, LineState.SENDING)
    (line,) = read_lines(connection, [1])
    stale = msgspec.structs.replace(line, **other)
    assert not write_moves(connection, [moved(stale, LineState.PLACED)], 5.0)


def test_the_newest_codes_of_a_line_are_kept(connection: sqlite3.Connection) -> None:
    """Half of them may come with the answer, and all of them later."""
    write_codes(connection, [(1, "half"), (2, "all")])
    write_codes(connection, [(1, "whole")])
    assert read_codes(connection, [1, 2, 3]) == {1: "whole", 2: "all"}


@pytest.mark.parametrize("delivery", list(Delivery))
def test_the_numbers_always_add_up(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Each line is one thing, whatever its state, and issued only where its codes have come."""
    add(connection, *LineState, delivery=delivery)
    counts = count(connection)
    assert counts.issued + counts.pending + counts.rejected + counts.unknown + counts.not_sent == counts.rows
    assert (counts.rows, counts.orders, counts.states) == (8, 8, dict.fromkeys(LineState, 1))
    assert (counts.issued, counts.pending) == ((1, 0) if delivery is Delivery.DELIVERED else (0, 1))
    assert counts.delivery_cancelled == (delivery is Delivery.CANCELLED)
    assert (counts.rejected, counts.not_sent, counts.unknown) == (1, 2, 4)


def test_charges_are_summed_exactly_by_currency(connection: sqlite3.Connection) -> None:
    """Only of lines that are placed."""
    add(connection, LineState.PLACED, LineState.PLACED, LineState.PLACED, LineState.PLACED, LineState.UNKNOWN)
    for seq, charged, currency in [(1, "0.10", "INR"), (2, "0.20", "INR"), (3, "5", "EUR"), (5, "7", "INR")]:
        connection.execute("UPDATE lines SET amount_charged = ?, currency = ? WHERE seq = ?", (charged, currency, seq))
    assert count(connection).charged == {"INR": Decimal("0.30"), "EUR": Decimal(5)}
