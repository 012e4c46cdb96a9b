"""`sqlite.adding`: planned orders are added, their digests in half the bytes."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.sqlite.adding import NewOrder, add_orders
from xoxo_async.bulk.ledger.sqlite.shapes import Shapes
from xoxo_async.bulk.ledger.sqlite.statements import read_state


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def order(number: int, digest: str = "d", **facts: object) -> NewOrder:
    plain = NewOrder(None, f"k{number}", f"po{number}", digest, "{}", number, 1, 5)
    return msgspec.structs.replace(plain, **facts)


def test_a_digest_is_read_as_it_was_given(connection: sqlite3.Connection) -> None:
    """Also one that is no SHA-256, or not in small letters: what is planned again is compared with it."""
    hashed = hashlib.sha256(b"{}").hexdigest()
    digests = [hashed, "d", hashed[::-1], hashed.upper(), hashed[:62], "0" * 64, f"{hashed[:-2]} 0", hashed]
    add_orders(connection, Shapes(), [order(at, digest) for at, digest in enumerate(digests)])
    assert [line.digest for line in read_state(connection, (), 0, 99)] == digests


def test_orders_that_are_there_are_left_out(connection: sqlite3.Connection) -> None:
    """When only new ones are wanted: by key or by poNumber. Otherwise one is an error."""
    assert add_orders(connection, Shapes(), [order(1), order(2)], only_new=True) == 2
    again = [order(1), order(3, po_number="po2"), order(4)]
    assert add_orders(connection, Shapes(), again, only_new=True) == 1
    assert [(line.seq, line.key) for line in read_state(connection, (), 0, 9)] == [(1, "k1"), (2, "k2"), (3, "k4")]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        add_orders(connection, Shapes(), [order(1)])


def test_orders_get_the_numbers_they_bring(connection: sqlite3.Connection) -> None:
    """Or else the next one."""
    add_orders(connection, Shapes(), [order(1, seq=7, lines=3, worth=None), order(2)])
    found = [(line.seq, line.lines, line.worth, line.state) for line in read_state(connection, (), 0, 9)]
    assert found == [(7, 3, None, "planned"), (8, 1, 5, "planned")]
