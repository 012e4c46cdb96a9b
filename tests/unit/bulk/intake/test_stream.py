"""`stream`: any source of order lines is one stream of checked rows, and a bad row does not end it."""

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.intake.order_rows import rows
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, read_orders

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
