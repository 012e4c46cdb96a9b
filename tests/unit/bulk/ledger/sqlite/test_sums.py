"""`sqlite.sums`: a ledger's numbers, read from its lines."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import connected, in_states
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.sqlite.sums import count, read_committed, read_funds


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


@pytest.mark.parametrize("delivery", list(Delivery))
def test_the_numbers_always_add_up(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Each line is one thing, whatever its state, and issued only where its codes have come."""
    in_states(connection, *LineState, delivery=delivery)
    counts = count(connection)
    assert counts.issued + counts.pending + counts.rejected + counts.unknown + counts.not_sent == counts.rows
    assert (counts.rows, counts.orders, counts.states) == (8, 8, dict.fromkeys(LineState, 1))
    assert (counts.issued, counts.pending) == ((1, 0) if delivery is Delivery.DELIVERED else (0, 1))
    assert counts.delivery_cancelled == (delivery is Delivery.CANCELLED)
    assert (counts.rejected, counts.not_sent, counts.unknown) == (1, 2, 4)


def test_charges_are_summed_exactly_by_currency(connection: sqlite3.Connection) -> None:
    """Only of lines that are placed."""
    in_states(connection, LineState.PLACED, LineState.PLACED, LineState.PLACED, LineState.PLACED, LineState.UNKNOWN)
    for seq, charged, currency in [(1, "0.10", "INR"), (2, "0.20", "INR"), (3, "5", "EUR"), (5, "7", "INR")]:
        connection.execute("UPDATE lines SET amount_charged = ?, currency = ? WHERE seq = ?", (charged, currency, seq))
    assert count(connection).charged == {"INR": Decimal("0.30"), "EUR": Decimal(5)}


def test_funds_are_unknown_with_an_unpriced_order(connection: sqlite3.Connection) -> None:
    """An order that was charged in the account's currency needs no price; a planned one has cost nothing."""
    in_states(connection, LineState.PLACED, LineState.PLANNED, LineState.SENDING)
    connection.execute("UPDATE lines SET amount_charged = '5', currency = 'INR' WHERE seq = 1")
    assert read_funds(connection, "INR") == (0, "INR", ("k3", 1))
    connection.execute("UPDATE lines SET worth = 70000 WHERE seq = 3")
    assert read_funds(connection, "INR") == (120_000, "INR", None)
    assert read_committed(connection, "EUR") == 70_000
