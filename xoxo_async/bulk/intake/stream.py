"""Order lines from any source, as one stream of checked rows."""

import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Final, TypeVar

import anyio.to_thread
import msgspec

from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import OrdersFile
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows import Row, Rows, check_fields, check_file_row, make_row
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import Repeats

__all__ = ["in_thread", "rows_of"]

T = TypeVar("T")

_CHUNK: Final = 500


def rows_of(
    orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine],
    job: str,
    sink: ProblemSink | None = None,
    *,
    notify: bool = False,
) -> Rows:
    """Return any source of order lines as one stream of checked rows.

    A thread reads files and other iterables, a chunk at a time, so that the event loop stays free. Of each row only
    hashes are kept, to find later rows that repeat it.

    Args:
        orders: A file, or a sync or async iterable of order lines.
        job: The job's name, which poNumbers are derived from.
        sink: Takes every problem of the rows.
        notify: Whether the vendor mails the codes of every row with an address.
    """
    intake = _Intake(job, sink, notify=notify)
    source = "orders"
    if isinstance(orders, AsyncIterable):
        rows = intake.streamed(orders)
    elif isinstance(orders, OrdersFile):
        source = orders.source
        rows = in_thread(intake.new(map(intake.from_file, orders.rows(intake.problems))))
    else:
        rows = in_thread(intake.new(itertools.starmap(intake.from_python, enumerate(orders, 1))))
    return Rows(source, rows, intake.problems, intake.repeats.warnings)


class _Intake:
    """Checks one row after another, and compares each with the rows before it."""

    def __init__(self, job: str, sink: ProblemSink | None, *, notify: bool) -> None:
        self.problems: Final = Problems(sink)
        self.repeats: Final = Repeats()
        self._job: Final = job
        self._notify: Final = notify

    def from_file(self, row: FileRow) -> Row | None:
        """Check a row of a file."""
        request = check_file_row(row, self.problems)
        if request is None:
            return None
        return make_row(row.number, OrderLine(**row.fields), self._asked(request), self._job, row.given)

    def from_python(self, number: int, line: object) -> Row | None:
        """Check an item of an iterable; any object may stand there."""
        if not isinstance(line, OrderLine):
            self.problems.add(number, f"is a {type(line).__name__}, not an OrderLine", given={"": line})
            return None
        request = check_fields(number, msgspec.structs.asdict(line), self.problems)
        return None if request is None else make_row(number, line, self._asked(request), self._job)

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with what is asked for all rows."""
        return {**request, "notify_receiver_email": 1} if self._notify and request.get("email") else request

    def new(self, rows: Iterable[Row | None]) -> Iterator[Row]:
        """Yield the good rows that repeat no earlier row."""
        for row in rows:
            if row is not None and self.repeats.is_new(row, self.problems):
                yield row

    async def streamed(self, lines: AsyncIterable[OrderLine]) -> AsyncIterator[Row]:
        """Yield the good rows of an async iterable."""
        number = 0
        async for line in lines:
            number += 1
            for row in self.new((self.from_python(number, line),)):
                yield row


async def in_thread(rows: Iterator[T]) -> AsyncIterator[T]:
    """Yield what an iterator gives, and let a thread ask it, a chunk at a time.

    Args:
        rows: The iterator.
    """

    def chunk() -> list[T]:
        return list(itertools.islice(rows, _CHUNK))

    while batch := await anyio.to_thread.run_sync(chunk):
        for row in batch:
            yield row
