"""`sqlite.backlog`: what is still to be sent, exactly, and at today's price."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import connected, in_states
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Share
from xoxo_async.bulk.ledger.sqlite.backlog import read_backlog, reprice

BODY = '{"productId":7,"denomination":0.1,"quantity":3}'


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a ledger with a line in each state."""
    for connection in connected(tmp_path / "l.db"):
        connection.execute("DROP TRIGGER lines_fixed")
        in_states(connection, *LineState)
        connection.execute("UPDATE lines SET body = ?, worth = 5", (BODY,))
        yield connection


def test_amounts_are_read_exactly(connection: sqlite3.Connection) -> None:
    """SQLite would read 0.1 as a float; the denomination is the one of the request."""
    assert read_backlog(connection) == [Share(7, Decimal("0.1"), 3, 1, 1, 5)]
    (share,) = read_backlog(connection, doubted=True)
    assert (share.orders, share.worth) == (5, 25)


def test_a_price_binds_what_is_not_placed(connection: sqlite3.Connection) -> None:
    """A planned order costs the new price, one in doubt the greater of both, and a final one keeps its own."""
    reprice(connection, lambda product, denomination, quantity: denomination * quantity / product)
    worths = dict(connection.execute("SELECT state, worth FROM lines"))
    new = 429  # 0.3 / 7 in ten-thousandths, rounded up
    assert worths == {state.value: new for state in LineState} | dict.fromkeys(("placed", "rejected", "cancelled"), 5)
    reprice(connection, lambda *_: None)
    worths = dict(connection.execute("SELECT state, worth FROM lines WHERE state IN ('planned', 'unknown')"))
    assert worths == {"planned": None, "unknown": new}
