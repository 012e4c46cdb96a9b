"""`connections`: what a connection has answered, and which answers cannot be to their requests."""

import gc

import pytest

from xoxo_async.transport.connections import ConnectionRecord, Records, SeenOrders


class Protocol:
    """The end of a connection inside aiohttp."""

    def __init__(self) -> None:
        self.ended = ""

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


def record(protocol: Protocol | None = None) -> ConnectionRecord:
    return ConnectionRecord(protocol or Protocol())  # type: ignore[arg-type]


def test_a_new_connection_may_serve_and_a_closed_one_never_again() -> None:
    """A success that is told late does not open it again."""
    protocol = Protocol()
    of = record(protocol)
    assert of.ready
    of.close()
    of.served()
    assert (of.ready, of.closed, protocol.ended) == (False, True, "closed")


@pytest.mark.parametrize(
    ("po_number", "possible"), [("A", True), (" a", True), ("B", False)], ids=["the same", "spelled otherwise", "other"]
)
def test_one_order_is_not_the_answer_to_two_po_numbers(po_number: str, possible: bool) -> None:
    """On one connection; case and blanks do not tell poNumbers apart for certain."""
    of = record()
    assert of.note(1, "A")
    assert of.note(1, po_number) is possible


def test_a_tainted_connection_names_its_orders_once() -> None:
    """It is cut at once, and all orders that it has named are in doubt."""
    protocol = Protocol()
    of = record(protocol)
    for order_id, po_number in enumerate("ABCD", 1):
        of.note(order_id, po_number)
    assert of.taint() == (("A", 1), ("B", 2), ("C", 3), ("D", 4))
    assert (protocol.ended, of.tainted, of.ready) == ("aborted", True, False)
    assert of.taint() == ()


def test_a_record_does_not_keep_its_connection() -> None:
    """A connection that the pool has dropped is gone, and with it its record."""
    records = Records()
    protocol = Protocol()
    of = records.of(protocol)  # type: ignore[arg-type]
    assert records.of(protocol) is of  # type: ignore[arg-type]
    del protocol
    gc.collect()
    of.close()
    assert of.taint() == ()


def test_an_order_seen_under_another_po_number_names_the_other_connection() -> None:
    """Over all connections of a client; what a tainted one has named counts no longer."""
    seen, first, second, third, fourth = SeenOrders(), record(), record(), record(), record()
    assert seen.check(first, 1, "A", 0.0) is None
    assert seen.check(second, 1, " a", 1.0) is None
    assert seen.record_of(1) is first
    stray = seen.check(third, 1, "B", 2.0)
    assert stray is not None
    assert stray.doubted == (("A", 1), ("B", 1))
    assert (first.tainted, second.tainted, third.tainted) == (True, False, True)
    assert seen.check(fourth, 1, "B", 3.0) is None
    assert seen.record_of(1) is fourth
    assert seen.record_of(2) is None


def test_one_connection_may_name_an_order_twice() -> None:
    """Its own poNumber again is no stray answer, and another poNumber is one, with its orders told once."""
    seen, of = SeenOrders(), record()
    assert seen.check(of, 1, "A", 0.0) is None
    assert seen.check(of, 1, "A", 1.0) is None
    stray = seen.check(of, 1, "B", 2.0)
    assert stray is not None
    assert stray.doubted == (("A", 1),)


def test_what_was_seen_is_forgotten_in_number() -> None:
    """A client that runs for months does not fill its memory, and the last 10,000 orders are there all the time."""
    seen, of = SeenOrders(), record()
    for order_id in range(51_000):
        seen.check(of, order_id, f"P{order_id}", 0.0)
        assert seen.record_of(max(order_id - 9_999, 0)) is of
        assert seen.record_of(order_id - 20_002) is None


def test_what_was_seen_is_forgotten_after_a_while() -> None:
    """An hour is remembered, and two hours are not."""
    seen, of = SeenOrders(), record()
    for order_id in range(300):
        seen.check(of, order_id, f"P{order_id}", 60.0 * order_id)
        assert seen.record_of(max(order_id - 59, 0)) is of
        assert seen.record_of(order_id - 122) is None


def test_an_order_remembered_is_no_object_of_its_own() -> None:
    """The garbage collector counts them: with one for each order it would walk all objects again and again."""
    seen, of = SeenOrders(), record()
    gc.collect()
    before = len(gc.get_objects())
    for order_id in range(1000):
        seen.check(of, order_id, f"PO-{order_id}", 0.0)
    assert len(gc.get_objects()) - before < 100
