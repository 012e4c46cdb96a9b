"""`state`: what the sandbox booked, charged and gave out, also after a new start."""

import sys
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from xoxo_async.sandbox.points_book import Gift
from xoxo_async.sandbox.products import Product
from xoxo_async.sandbox.state import BookedOrder, State


def state(path: Path | None = None, **given: Any) -> State:
    return State(**{"seed": 7, "balance": Decimal(10_000), "path": path, "clock": lambda: 1_700_000_000.0, **given})


def plain(books: State) -> Product:
    """Return a product with fixed values that is delivered at once."""
    return next(p for p in books.products.values() if p.values and not (p.open_value or p.delayed or p.trouble))


def book(books: State, po_number: str, quantity: int = 1) -> BookedOrder:
    product = plain(books)
    order = books.book(product, quantity=quantity, denomination=product.values[0], po_number=po_number)
    assert order is not None
    return order


def test_an_order_is_charged_and_found() -> None:
    """The price leaves the balance and is in the payment report; both keys find the order."""
    books = state()
    order = book(books, "PO-1", quantity=3)
    assert books.find(order.order_id, "") is order
    assert books.find(0, "PO-1") is order
    assert books.find(0, "PO-2") is None
    assert books.balance == Decimal(10_000) - order.charged
    assert books.payments[-1].balance == books.balance
    assert len(order.codes) == len(set(order.codes)) == 3


def test_an_order_over_the_balance_is_not_booked() -> None:
    """An order over the balance is not booked, and nothing is charged."""
    books = state(balance=Decimal("0.01"))
    product = plain(books)
    assert books.book(product, quantity=1, denomination=product.values[0], po_number="PO-1") is None
    assert (books.books().orders, books.balance) == (0, Decimal("0.01"))


@pytest.mark.parametrize("unique", [True, False])
def test_a_repeated_po_number_may_be_accepted(unique: bool) -> None:
    """With `unique_po_numbers=False` the second order is booked, and is counted as a duplicate."""
    books = state(unique_po_numbers=unique)
    book(books, "PO-1")
    assert books.taken("PO-1") is unique
    assert not books.taken("PO-2")
    assert not books.taken("")  # the vendor does not compare empty poNumbers
    book(books, "PO-1")
    assert books.books().duplicates == {"PO-1": 2}


def test_one_seed_gives_the_same_codes() -> None:
    """One seed repeats products and codes, so that a failure can be repeated; another seed differs."""
    assert state().products == state().products
    assert book(state(), "PO-1").codes == book(state(), "PO-1").codes
    assert book(state(), "PO-1").codes != book(state(seed=8), "PO-1").codes


def test_delayed_products_are_delivered_later() -> None:
    """Until its time has come the order exists without codes."""
    now = [1_700_000_000.0]
    books = state(clock=lambda: now[0], delivery_delay_s=5.0)
    product = next(p for p in books.products.values() if p.delayed)
    order = books.book(product, quantity=1, denomination=(product.values or (Decimal(500),))[0], po_number="PO-1")
    assert order is not None
    assert not books.delivered(order)
    now[0] += 5.0
    assert books.delivered(order)


def test_books_in_a_file_survive_a_restart(tmp_path: Path) -> None:
    """Orders, balance and spent refresh tokens are the same after a restart."""
    path = tmp_path / "books.db"
    first = state(path)
    book(first, "PO-1", quantity=2)
    first.add_funds(Decimal(500))
    first.remember_tokens("access", 1_800_000_000.0, "refresh-1")
    first.remember_tokens("access-2", 1_800_000_000.0, "refresh-2")
    assert first.spend_refresh("refresh-1")
    told, payments = first.books(), first.payments
    first.close()

    again = state(path)
    assert again.books() == told
    assert again.payments == payments
    assert not again.spend_refresh("refresh-1")
    assert again.spend_refresh("refresh-2")
    again.close()


def test_an_unusable_file_is_named(tmp_path: Path) -> None:
    """A missing folder, and a file that is not a database, are errors that name the path."""
    with pytest.raises(NotADirectoryError, match="there is no folder"):
        state(tmp_path / "nowhere" / "books.db")
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"no database at all" * 100)
    with pytest.raises(OSError, match="cannot be kept in"):
        state(rubbish)


def test_the_books_can_be_read_while_booking() -> None:
    """The count adds up at every moment while another thread books orders."""
    books = state(balance=Decimal(10**9))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # switch threads as often as possible
    try:
        booking = Thread(target=lambda: [book(books, f"PO-{number}") for number in range(1000)])
        booking.start()
        while booking.is_alive():
            seen = books.books()
            assert (seen.orders, seen.duplicates) == (len(seen.by_po_number), {})
        booking.join()
    finally:
        sys.setswitchinterval(interval)
    assert books.books().orders == 1000


def test_the_books_are_private(tmp_path: Path) -> None:
    """They hold codes and addresses: a new file is 0600, and an older one becomes so, with the files beside it."""
    path = tmp_path / "books.db"
    first = state(path)
    book(first, "PO-1")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"books.db": 0o600, "books.db-wal": 0o600, "books.db-shm": 0o600}
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    again = state(path)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    again.close()
    first.close()


def _points_and_links(books: State) -> None:
    """Send 50 and 30 points, cancel the first credit twice, and make three links."""
    first, _ = books.book_points([Gift("a@b.example", "A", 50, ""), Gift("b@b.example", "B", 30, "")])
    for _ in range(2):
        books.points.cancel(first.unique_id)
    books.book_links(7001, 3, (), Decimal(300))


def test_points_and_links_cost_when_they_are_sent(tmp_path: Path) -> None:
    """The report has a row for each credit, for its cancellation, and for each call that made links; it adds up."""
    books = state(path=tmp_path / "books.db")
    _points_and_links(books)
    told = [(entry.reference, entry.reason, entry.amount, entry.balance) for entry in books.payments[1:]]
    assert told == [
        ("REF9000001", "Points issued", 5, 9_995),
        ("REF9000002", "Points issued", 3, 9_992),
        ("REF9000001", "Refunded", 5, 9_997),
        ("batch_000001", "Links issued", 300, 9_697),
    ]
    assert (books.balance, books.points_left) == (9_697, 96_970)
    assert books.book_links(7001, 1, (), Decimal(9_698)) is None
    books.close()
    again = state(path=tmp_path / "books.db")
    assert (again.payments, again.balance) == (books.payments, books.balance)
    again.close()


def test_they_may_cost_when_they_are_redeemed() -> None:
    """Nobody redeems anything here, so the report has nothing of them; points still cannot be given twice."""
    books = state(pay_on="redeem")
    _points_and_links(books)
    assert (len(books.payments), books.balance, books.points_left) == (1, 10_000, 99_970)
    assert books.book_links(7001, 1, (), Decimal(99_999)) is not None
