"""`sqlite.sums`: a ledger's numbers, read from its lines."""

import random
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import connected, in_states
from xoxo_async.bulk.ledger.budget import commitment, is_unpriced
from xoxo_async.bulk.ledger.counting import alarms_of, is_dealt
from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.sqlite.journal import read_journal
from xoxo_async.bulk.ledger.sqlite.packs import read_packed
from xoxo_async.bulk.ledger.sqlite.statements import read_state
from xoxo_async.bulk.ledger.sqlite.sums import read_committed, read_funds
from xoxo_async.bulk.ledger.sqlite.tally import count


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    for connection in connected(tmp_path / "l.db"):
        connection.execute("DROP TRIGGER lines_fixed")
        yield connection


@pytest.mark.parametrize("delivery", list(Delivery))
def test_the_numbers_always_add_up(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Each line is one thing, whatever its state, and issued only where its codes have come."""
    in_states(connection, *LineState, delivery=delivery)
    counts = count(connection)
    assert counts.issued + counts.pending + counts.rejected + counts.unknown + counts.not_sent == counts.rows
    assert (counts.rows, counts.orders, counts.states) == (8, 8, dict.fromkeys(LineState, 1))
    in_doubt = delivery is Delivery.CANCELLING
    issued = delivery is Delivery.DELIVERED
    assert (counts.issued, counts.pending) == (issued, not issued and not in_doubt)
    assert counts.delivery_cancelled == (delivery is Delivery.CANCELLED)
    assert (counts.rejected, counts.not_sent, counts.unknown) == (1, 2, 4 + in_doubt)


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


def random_ledger(connection: sqlite3.Connection, seed: int) -> None:
    """Fill a ledger with orders in all states, some of them packs, and with alarms."""
    chance = random.Random(seed)
    in_states(connection, *chance.choices([*LineState, *[LineState.PLACED] * 6], k=60))
    for seq in range(1, 61):
        connection.execute(
            "UPDATE lines SET worth = ?, amount_charged = ?, currency = ?, held = ? WHERE seq = ?",
            (
                chance.choice([None, *[10_000 * n for n in range(4)]]),
                chance.choice([None, "0", "-1", "0.00001", "2.5"]),
                chance.choice(["", "INR", "EUR"]),
                chance.randrange(7),
                seq,
            ),
        )
        for first in range(0, chance.choice([0, 0, 6]), 2):
            connection.execute(
                "INSERT INTO packed_lines (pack, first, pieces, key, po_number, digest, body, row)"
                " VALUES (?, ?, 2, ?, ?, 'd', '{}', 1)",
                (seq, first, f"p{seq}-{first}", f"p{seq}-{first}"),
            )
    connection.execute("UPDATE lines SET evidence = 'person_closed' WHERE seq % 7 = 0")
    for at in range(900):
        connection.execute(
            "INSERT INTO journal (seq, at, from_state, to_state, transition, evidence, attempts, epoch, reason)"
            " VALUES (?, ?, '', '', ?, ?, 0, 0, ?)",
            (
                chance.randint(1, 60),
                float(at),
                chance.choice(["!", "!", "!", "T3"]),
                chance.choice(["late_proof", "person_placed", "answered_placed", "delivery_seen", "answered_done"]),
                chance.choice(["one", "two", "three"]),
            ),
        )


@pytest.mark.parametrize("seed", range(3))
def test_sql_agrees_with_the_pure_rules(connection: sqlite3.Connection, seed: int) -> None:
    """Alarms, dealt lines and unpriced orders are the same, whichever of the two says so."""
    random_ledger(connection, seed)
    lines = {line.seq: line for line in read_state(connection, (), 0, 1000)}
    counts = count(connection)
    assert (counts.alarms, counts.alarms_total) == alarms_of(read_journal(connection, None, 0, 1000), lines)
    assert counts.alarms_total > len(counts.alarms)
    for currency in ("INR", "EUR"):
        unpriced = [line for line in lines.values() if is_unpriced(line, currency)]
        total = sum(commitment(line, currency) for line in lines.values())
        assert read_funds(connection, currency) == (0, currency, (unpriced[0].key, unpriced[0].row))
        assert read_committed(connection, currency) == total
    parts = read_packed(connection, list(lines))
    connection.execute("UPDATE lines SET lines = 2 WHERE seq IN (SELECT pack FROM packed_lines)")
    dealt = sum(is_dealt(lines[part.pack], part) for part in parts)
    alone = [line for line in lines.values() if line.seq not in {part.pack for part in parts}]
    assert count(connection).issued == dealt + sum(line.delivery is Delivery.DELIVERED for line in alone)
    assert dealt
