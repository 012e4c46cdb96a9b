"""`summing`: what a notebook adds up is what was put into it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tests.unit.bulk.proving.books import SCOPE, line, order
from xoxo_async.bulk.proving.notebook import Notebook, Range
from xoxo_async.bulk.proving.summing import paid_orders, wallet_facts
from xoxo_async.bulk.proving.wallet import PaymentFacts

DAYS = Range("2026-03-09", "2026-03-12", 0)


def paid(number: int, amount: str, closing: str, movement: str = "out", day: str = "2026-03-10") -> PaymentFacts:
    return PaymentFacts(f"R{number}", day, movement, 1000 + number, Decimal(amount), Decimal(closing), complete=True)  # type: ignore[arg-type]


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notebook]:
    """Two lines, their orders, and an order of another job."""
    with Notebook(tmp_path / "p") as notebook:
        notebook.add_lines([line(1), line(2)])
        notebook.add_page(DAYS, [order(1), order(2), order(3, po_number="other")], 1, done=True)
        yield notebook


def pay(notes: Notebook, rows: Sequence[PaymentFacts]) -> None:
    notes.add_payments(DAYS, [(f"{row}", row) for row in rows], 1, done=True)


BOOKS = [
    paid(90, "1000", "1000", "in"),
    paid(1, "190.50", "809.50"),
    paid(2, "190.50", "619.00"),
    paid(3, "190.50", "428.50"),
    paid(2, "190.50", "619.00", "back"),
    paid(77, "0.10", "618.90"),
]


def test_every_movement_is_added_up(notes: Notebook) -> None:
    """In any order of rows; money of others apart."""
    rows = list(BOOKS)
    Random(1).shuffle(rows)
    pay(notes, rows)
    facts = wallet_facts(notes, SCOPE, currency="INR")
    assert (facts.ours, facts.others, facts.rest) == (Decimal(381), Decimal("190.5"), Decimal("0.1"))
    assert (facts.ours_refunded, facts.refunded, facts.added) == (Decimal("190.5"), Decimal("190.5"), Decimal(1000))
    assert (facts.named, facts.unnamed, facts.names_orders) == (3, 1, True)
    assert (facts.ledger, facts.vendor) == (Decimal(381), Decimal(381))
    assert (facts.other_orders, facts.other_charged) == (1, Decimal("190.5"))
    assert facts.ends == ((Decimal(0), -1), (Decimal("618.9"), 1))


def test_a_broken_chain_has_loose_ends(notes: Notebook) -> None:
    """A row whose amount was changed, or that is missing."""
    pay(notes, [*BOOKS[:2], paid(2, "90.50", "619.00"), *BOOKS[3:]])
    assert len(wallet_facts(notes, SCOPE).ends) == 4


def test_each_order_has_its_payments(notes: Notebook) -> None:
    """Rows that took, and rows that gave back."""
    pay(notes, BOOKS)
    assert [(one.order_id, one.rows, one.paid, one.refunded) for one in paid_orders(notes, SCOPE)] == [
        (1001, 1, Decimal("190.5"), Decimal(0)),
        (1002, 1, Decimal("190.5"), Decimal("190.5")),
    ]


def test_a_row_that_moves_is_counted_once(notes: Notebook) -> None:
    """The report grows while it is read. Two equal rows of one page are two payments."""
    pay(notes, [paid(1, "190.50", "809.50"), paid(1, "190.50", "809.50")])
    pay(notes, [paid(1, "190.50", "809.50")])
    (one, _other) = paid_orders(notes, SCOPE)
    assert (one.rows, one.paid) == (2, Decimal(381))


def test_a_row_of_another_day_is_not_unnamed(notes: Notebook) -> None:
    """The order of a payment outside the days was not read, so nothing follows from it."""
    pay(notes, [paid(77, "5", "5", day="2026-03-08")])
    assert wallet_facts(notes, SCOPE).unnamed == 0


def test_rows_that_cannot_be_counted_are_named(notes: Notebook) -> None:
    """Another reason, or no balance."""
    pay(notes, [paid(1, "1", "1", ""), PaymentFacts("R2", "", "out", None, Decimal(1), None, complete=True)])
    assert wallet_facts(notes, SCOPE).odd == ("R2 of an unknown day", "R1 of 2026-03-10")


def test_whole_amounts_are_noticed(notes: Notebook) -> None:
    """Where charges have fractions and no row of the report has one."""
    pay(notes, [paid(1, "190", "810"), paid(2, "190", "619")])
    assert wallet_facts(notes, SCOPE).rounded == 2  # the third one has no row
    pay(notes, [paid(3, "190.50", "428.5")])
    assert wallet_facts(notes, SCOPE).rounded == 0
