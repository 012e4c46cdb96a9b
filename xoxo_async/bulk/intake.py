"""Order lines from wherever they come, as one stream of numbered rows."""

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final

import anyio.to_thread

from xoxo_async.bulk.order_lines import OrderLine, Problems, checked
from xoxo_async.bulk.orders_file import OrdersFile

__all__ = ["Rows", "rows_of"]

_CHUNK: Final = 500


class Rows:
    """A stream of (row number, line); bad rows go to `problems` and the stream goes on.

    Args:
        source: What is read, for messages.
        rows: The rows.
        problems: Where bad rows are noted.
    """

    def __init__(self, source: str, rows: AsyncIterator[tuple[int, OrderLine]], problems: Problems) -> None:
        self.source: Final = source
        self.problems: Final = problems
        self._rows: Final = rows

    def __aiter__(self) -> AsyncIterator[tuple[int, OrderLine]]:
        return self._rows


def rows_of(orders: "OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine]") -> Rows:
    """Return any source of order lines as one stream of numbered rows.

    Files and other blocking sources are read in a thread, a chunk at a time: the loop stays free, memory stays flat.

    Args:
        orders: A file, or a sync or async iterable of order lines.
    """
    problems = Problems()
    if isinstance(orders, OrdersFile):
        return Rows(orders.source, _in_thread(_good(orders.rows(problems), problems)), problems)
    if isinstance(orders, AsyncIterable):
        return Rows("orders", _numbered(orders, problems), problems)
    return Rows("orders", _in_thread(_good(enumerate(orders, 1), problems)), problems)


async def _numbered(orders: AsyncIterable[OrderLine], problems: Problems) -> AsyncIterator[tuple[int, OrderLine]]:
    row = 0
    async for given in orders:
        row += 1
        line = checked(row, given, problems)
        if line is not None:
            yield row, line


def _good(rows: Iterable[tuple[int, OrderLine]], problems: Problems) -> Iterator[tuple[int, OrderLine]]:
    for row, given in rows:
        line = checked(row, given, problems)
        if line is not None:
            yield row, line


async def _in_thread(rows: Iterator[tuple[int, OrderLine]]) -> AsyncIterator[tuple[int, OrderLine]]:
    def chunk() -> list[tuple[int, OrderLine]]:
        return list(itertools.islice(rows, _CHUNK))

    while batch := await anyio.to_thread.run_sync(chunk):
        for row in batch:
            yield row
