"""`sqlite.packs`: lines that share an order, and what becomes of them when it is refused."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.facts import packable
from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.packing import Packer
from xoxo_async.bulk.ledger.sqlite.adding import NewOrder, add_orders
from xoxo_async.bulk.ledger.sqlite.packs import has_packs, insert_packed, keys_of, pack_of, read_packed, unpack
from xoxo_async.bulk.ledger.sqlite.shapes import Shapes
from xoxo_async.bulk.ledger.sqlite.statements import read_lines


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a ledger with one order of three lines."""
    for connection in connected(tmp_path / "l.db"):
        assert not has_packs(connection)
        packer = Packer()
        for one in packable(0, 1, 2):
            packer.add(one)
        packs = list(packer.rest())
        orders = [
            NewOrder(None, one.key, one.po_number, one.digest, one.request.decode(), 1, 3, 3_000_000)
            for one, _ in packs
        ]
        add_orders(connection, Shapes(), orders)
        insert_packed(connection, packs, 0)
        yield connection


def test_packed_lines_are_found_in_their_order(connection: sqlite3.Connection) -> None:
    """By the order's number, from the front, or by their keys."""
    assert has_packs(connection)
    assert [(one.key, one.pack, one.first, one.worth) for one in read_packed(connection, [1, 9])] == [
        ("k0", 1, 0, 1_000_000),
        ("k1", 1, 1, 1_000_000),
        ("k2", 1, 2, 1_000_000),
    ]
    assert (pack_of(connection, "k1"), pack_of(connection, "k9")) == (1, None)
    (order,) = read_lines(connection, [1])
    assert (order.lines, order.worth) == (3, 3_000_000)
    assert keys_of(connection, ["k1", order.key, "k9"]) == {"k1": (1, False), order.key: (1, True)}


def test_lines_of_a_refused_order_are_orders(connection: sqlite3.Connection) -> None:
    """Each has its own poNumber and request; unpacking twice adds none."""
    assert [unpack(connection, [1]) for _ in range(2)] == [3, 0]
    alone = read_lines(connection, [2, 3, 4, 5])
    assert [(one.key, one.po_number, one.lines) for one in alone] == [
        (f"k{number}", f"po-{number}-100", 1) for number in range(3)
    ]
    assert read_packed(connection, [1]) == []
    assert keys_of(connection, ["k2"]) == {"k2": (4, True)}
