"""`orders`: a key or poNumber that stands in one file twice is a question for a person, not one order."""

from pathlib import Path

import pytest

from xoxo_async.bulk import OrderLine
from xoxo_async.cli.orders import UniqueOrders
from xoxo_async.errors import PlanError


def read(folder: Path, rows: str) -> list[OrderLine]:
    path = folder / "orders.csv"
    path.write_text(f"key,po_number,product_id,denomination\n{rows}")
    return list(UniqueOrders(path))


def test_rows_of_their_own_are_read_as_ever(tmp_path: Path) -> None:
    """Without a poNumber too: it is made of the key later."""
    assert [line.key for line in read(tmp_path, "A,,1001,5\nB,,1001,5\nC,PO-1,1001,5\n")] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("A,,1001,5\nA,,1001,5\n", "A stands in row 2 already"),
        ("A,,1001,5\nB,,1001,5\nA,,1001,9\n", "A stands in row 2 already"),
        ("A,PO-1,1001,5\nB,PO-1,1001,5\n", "PO-1 stands in row 2 already"),
    ],
    ids=["the same row", "another amount", "another key"],
)
def test_a_row_that_repeats_an_earlier_one_is_named(tmp_path: Path, rows: str, problem: str) -> None:
    """The same contents may be two gifts for one person, or one that was copied by mistake."""
    with pytest.raises(PlanError, match=problem):
        read(tmp_path, rows)
