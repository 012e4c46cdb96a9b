"""Order lines from wherever they come, as one stream of numbered rows."""

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final

import anyio.to_thread

from xoxo_async.bulk.intake.order_lines import OrderLine, Problems, checked
from xoxo_async.bulk.intake.orders_file import OrdersFile
from xoxo_async.bulk.intake.repeats import Repeats

__all__ = ["Rows", "rows_of"]

_CHUNK: Final = 500


class Rows:
    """A stream of (row number, line); bad rows go to `problems` and the stream goes on.

    Args:
        source: What is read, for messages.
        rows: The rows.
        problems: Where bad rows are noted.
        warnings: Where rows are noted that are sent, and that a person should look at.
    """

    def __init__(
        self, source: str, rows: AsyncIterator[tuple[int, OrderLine]], problems: Problems, warnings: Problems
    ) -> None:
        self.source: Final = source
        self.problems: Final = problems
        self.warnings: Final = warnings
        self._rows: Final = rows

    def __aiter__(self) -> AsyncIterator[tuple[int, OrderLine]]:
        return self._rows


def rows_of(orders: "OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine]") -> Rows:
    """Return any source of order lines as one stream of numbered rows.

    Files and other blocking sources are read in a thread, a chunk at a time, so the loop stays free. Of each row only
    hashes are kept, to find the rows that repeat it.

    Args:
        orders: A file, or a sync or async iterable of order lines.
    """
    problems, repeats = Problems(), Repeats()
    if isinstance(orders, AsyncIterable):
        return Rows("orders", _numbered(orders, problems, repeats), problems, repeats.warnings)
    source = orders.source if isinstance(orders, OrdersFile) else "orders"
    rows = orders.rows(problems) if isinstance(orders, OrdersFile) else enumerate(orders, 1)
    return Rows(source, _in_thread(_good(rows, problems, repeats)), problems, repeats.warnings)


async def _numbered(
    orders: AsyncIterable[OrderLine], problems: Problems, repeats: Repeats
) -> AsyncIterator[tuple[int, OrderLine]]:
    row = 0
    async for given in orders:
        row += 1
        line = checked(row, given, problems)
        if line is not None and repeats.is_new(row, line, problems):
            yield row, line


def _good(
    rows: Iterable[tuple[int, OrderLine]], problems: Problems, repeats: Repeats
) -> Iterator[tuple[int, OrderLine]]:
    for row, given in rows:
        line = checked(row, given, problems)
        if line is not None and repeats.is_new(row, line, problems):
            yield row, line


async def _in_thread(rows: Iterator[tuple[int, OrderLine]]) -> AsyncIterator[tuple[int, OrderLine]]:
    def chunk() -> list[tuple[int, OrderLine]]:
        return list(itertools.islice(rows, _CHUNK))

    while batch := await anyio.to_thread.run_sync(chunk):
        for row in batch:
            yield row
