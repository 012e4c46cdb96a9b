"""`stream`: any source of order lines is one stream of checked rows, and a bad row does not end it."""

import csv
import tempfile
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.intake.order_rows import rows
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, read_orders
from xoxo_async.bulk.intake import columns
from xoxo_async.bulk.intake.stream import _Intake
from xoxo_async.services.orders.operations import PLACE_ORDER

pytestmark = pytest.mark.anyio


def some(count: int) -> Iterable[OrderLine]:
    return (OrderLine(key=str(n), product_id=1, denomination=Decimal(1)) for n in range(count))


async def some_async(count: int) -> AsyncIterator[OrderLine]:
    for line in some(count):
        yield line


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 1777])
async def test_no_row_is_lost_between_chunks(tmp_path: Path, count: int) -> None:
    """Files, sync and async iterables give every row, whatever the number of rows."""
    path = tmp_path / "o.csv"
    path.write_text("key,product_id,denomination,quantity\n" + "".join(f"{n},1,10,1\n" for n in range(count)))
    for source in (read_orders(path), some(count), list(some(count)), some_async(count)):
        read = [(row.number, row.line.key) async for row in rows(source)]
        assert [key for _, key in read] == [str(n) for n in range(count)]
        assert read[0][0] == read[-1][0] - count + 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_item_of_another_type_is_named(streamed: bool) -> None:
    """It is a problem of its row, and the good rows around it come through."""
    given: list[Any] = [
        *some(1),
        msgspec.UNSET,
        OrderLine(key="", product_id=1, denomination=Decimal(1)),
        *list(some(3))[1:],
    ]

    async def stream() -> AsyncIterator[Any]:
        for one in given:
            yield one

    taken = rows(stream() if streamed else given)
    assert [(row.number, row.line.key) async for row in taken] == [(1, "0"), (4, "1"), (5, "2")]
    with pytest.raises(errors.PlanError, match=r"row 2: is a UnsetType(.|\n)*row 3, column key: is empty"):
        taken.problems.raise_if_any("orders")


def test_a_stream_names_its_source(tmp_path: Path) -> None:
    """Messages call a file by its name, and other sources `orders`."""
    assert rows(read_orders(tmp_path / "march.csv")).source.endswith("march.csv")
    assert (rows([]).source, rows(some_async(0)).source) == ("orders", "orders")


async def test_an_unreadable_file_ends_the_stream(tmp_path: Path) -> None:
    """The error of the file comes out of the stream unchanged, although another thread raises it."""
    with pytest.raises(errors.PlanError, match=r"nowhere\.csv: cannot be read"):
        _ = [row async for row in rows(read_orders(tmp_path / "nowhere.csv"))]


CELLS = {
    "key": st.sampled_from(
        ["E-1", "E-2", "e-1", " E-3 ", "", "key", "E\u200b", "1e+14", "EXAMPLE: this row is not issued"]
    ),
    "product_id": st.sampled_from(["1001", "1001", "1001.0", "x", "product_id"]),
    "denomination": st.sampled_from(["500", "500", "500.0", "1,000", "₹500", "-1", "EUR 5"]),
    "quantity": st.sampled_from(["", "1", "2", "1.5", "True"]),
    "email": st.sampled_from(["a@b.c", "d@b.c", "none", "", "a@b.c "]),
    "contact": st.sampled_from(["", "+91 1234567", "911234567.0", "me"]),
    "po_number": st.sampled_from(["", "", "PO-1", "pö"]),
    "notify_receiver": st.sampled_from(["", "yes", "no", "maybe"]),
    "currency": st.sampled_from(["", "INR", "EUR"]),
    "Team": st.sampled_from(["", "A", "B\tC", "\x07"]),
}


NEEDED = ("key", "product_id", "denomination")
TABLES = st.sets(st.sampled_from(sorted(set(CELLS).difference(NEEDED)))).flatmap(
    lambda more: st.tuples(
        st.just([*NEEDED, *sorted(more)]),
        st.lists(st.tuples(*(CELLS[name] for name in (*NEEDED, *sorted(more)))), min_size=2, max_size=9),
    )
)


@given(TABLES, st.integers(1, 3))
def test_alike_rows_are_read_as_any_other(table: tuple[list[str], list[tuple[str, ...]]], most: int) -> None:
    """The same rows and the same problems, whether or not a row is compared with earlier ones."""
    names, rows = table
    read: list[object] = []
    for compares in (True, False):
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            patch.setattr(columns, "_MOST_ALIKE", most if compares else 0)
            path = Path(folder) / "orders.csv"
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([names, *rows])
            intake = _Intake("march", None, notify=False)
            orders = read_orders(path, keep=["Team"] if "Team" in names else None)
            try:
                checked = map(intake.from_file, orders.rows(intake.problems))
                good = [row for row in checked if row is not None and intake.is_new(row)]
            except errors.PlanError as error:
                read.append(error.message.replace(folder, ""))
            else:
                requests = [(row.number, row.line, row.given, PLACE_ORDER.encode_request(row.order)) for row in good]
                read.append((requests, intake.problems.listing(), intake.warnings.listing()))
    assert read[0] == read[1]
