"""`sqlite.shapes`: a request is kept in few bytes, and read as it was planned, byte for byte."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.ledger.ledgers import connected
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.sqlite import shapes
from xoxo_async.bulk.ledger.sqlite.adding import NewOrder, add_orders
from xoxo_async.bulk.ledger.sqlite.shapes import Shapes, cut
from xoxo_async.bulk.ledger.sqlite.statements import read_planned, read_state
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.requests import PlaceOrder

TEXTS = st.text(max_size=12) | st.sampled_from(['","notifyReceiverEmail":', '"poNumber":"a"', "\x01", "\x02", ':"'])
REQUESTS = st.builds(
    PlaceOrder,
    product_id=st.integers(1, 3),
    quantity=st.just(1),
    denomination=st.decimals(1, 9, places=1),
    po_number=st.text('aé\x01"\\ ', min_size=1, max_size=3),
    email=st.none() | TEXTS,
    contact=st.none() | TEXTS,
    tag=st.none() | TEXTS,
    notify_receiver_email=st.none() | st.just(0),
    shipping_first_name=st.none() | TEXTS,
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to an empty ledger."""
    yield from connected(tmp_path / "l.db")


def request(number: int, **fields: object) -> PlaceOrder:
    facts = {"product_id": 1, "quantity": 1, "denomination": 5, "email": f"p{number}@example.com"} | fields
    return PlaceOrder(po_number=f"po-{number}", notify_receiver_email=0, notify_admin_email=0, **facts)  # type: ignore[arg-type]


def new(one: PlaceOrder, key: str) -> NewOrder:
    return NewOrder(None, key, one.po_number, "d", PLACE_ORDER.encode_request(one).decode(), 1, 1, None)


def bodies(connection: sqlite3.Connection) -> list[str]:
    """Return the requests as a report reads them, once a claim has read the same."""
    read = [line.body for line in read_state(connection, (), 0, 1000)]
    lines, shapes = read_planned(connection, 1000)
    Shapes().fill(connection, lines, shapes)
    assert lines == read_state(connection, (LineState.PLANNED,), 0, 1000)
    assert [line.body for line in lines] == read
    return read


@given(REQUESTS)
def test_what_is_cut_out_fits_the_holes(one: PlaceOrder) -> None:
    """Whatever stands in the texts of a request."""
    body = PLACE_ORDER.encode_request(one).decode()
    if (parts := cut(body, one.po_number)) is not None:
        shape, own = parts
        assert shape.replace("\x01", one.po_number).replace("\x02", own) == body
        assert one.po_number not in {"a", "aa"} or own in body


@given(st.lists(REQUESTS, max_size=8))
def test_a_shape_is_cut_as_if_alone(orders: list[PlaceOrder]) -> None:
    """Most requests have the shape of the one before, and are cut by it: to the same parts."""
    requests = [(PLACE_ORDER.encode_request(one).decode(), one.po_number) for one in orders]
    assert shapes._cut_all(requests) == [cut(*request) for request in requests]


def test_requests_are_read_as_they_were_planned(connection: sqlite3.Connection) -> None:
    """With a receiver or without one, and with texts that look like parts of a request."""
    orders = [
        request(1), request(2), request(3, email=None), request(4, email='","notifyReceiverEmail":', tag="poNumber"),
        request(5, contact="+91", tag="märz"), request(6, email=None, contact="\x01\x02"),
    ]  # fmt: skip
    planned = [new(one, f"k{at}") for at, one in enumerate(orders)]
    assert add_orders(connection, Shapes(), planned) == 6
    assert bodies(connection) == [order.body for order in planned]
    kept = connection.execute("SELECT shape, body FROM lines WHERE seq <= 2").fetchall()
    assert kept == [(kept[0][0], "p1@example.com"), (kept[0][0], "p2@example.com")]


def test_what_cannot_be_cut_is_kept_whole(connection: sqlite3.Connection) -> None:
    """A request that does not name its poNumber as it is, or has a sign that marks a hole."""
    whole = ['{"n":1}', '{"poNumber":"po-1","email":"\x01"}', ""]
    orders = [NewOrder(None, f"k{at}", f"po-{at}", "", body, 1, 1, None) for at, body in enumerate(whole)]
    add_orders(connection, Shapes(), orders)
    assert bodies(connection) == whole
    assert connection.execute("SELECT count(*) FROM shapes").fetchone() == (0,)


def test_a_ledger_keeps_so_many_shapes(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each request has its own, the later ones are kept whole; known shapes are used all the same."""
    monkeypatch.setattr(shapes, "_MOST", 3)
    orders = [new(request(number, denomination=number), f"k{number}") for number in range(1, 7)]
    for part in (orders[:2], orders[2:5], [*orders[5:], new(request(7, denomination=1), "k7")]):
        add_orders(connection, Shapes(), part)
    assert bodies(connection) == [*(order.body for order in orders), new(request(7, denomination=1), "k7").body]
    shaped = [shape is not None for (shape,) in connection.execute("SELECT shape FROM lines ORDER BY seq")]
    assert shaped == [True, True, True, False, False, False, True]


def test_shapes_of_an_undone_transaction_are_forgotten(connection: sqlite3.Connection) -> None:
    """Otherwise later lines would name a shape that is not there."""
    known = Shapes()
    connection.execute("BEGIN")
    add_orders(connection, known, [new(request(1), "k1")])
    connection.execute("ROLLBACK")
    known.forget()
    add_orders(connection, known, [new(request(2), "k2")])
    assert bodies(connection) == [new(request(2), "k2").body]
    lines, numbers = read_planned(connection, 9)
    known.fill(connection, lines, numbers)
    assert [line.body for line in lines] == bodies(connection)
