"""Order lines from any source, as one stream of checked rows."""

from collections.abc import AsyncIterable, Iterable
from typing import Any, Final

import msgspec

from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.orders_file import ORDERS, OrdersFile
from xoxo_async.bulk.intake.problems import Problems, ProblemSink
from xoxo_async.bulk.intake.rows import Row, check_fields, check_file_row, make_row
from xoxo_async.bulk.intake.streaming import Rows, stream
from xoxo_async.bulk.intake.tables import FileRow
from xoxo_async.bulk.intake.unique import Repeats

__all__ = ["rows_of"]


def rows_of(
    orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine],
    job: str,
    sink: ProblemSink | None = None,
    *,
    notify: bool = False,
) -> Rows[Row]:
    """Return any source of order lines as one stream of checked rows.

    Of each row only hashes are kept, to find later rows that repeat it.

    Args:
        orders: A file, or a sync or async iterable of order lines.
        job: The job's name, which poNumbers are derived from.
        sink: Takes every problem of the rows.
        notify: Whether the vendor mails the codes of every row with an address.
    """
    return stream(orders, _Intake(job, sink, notify=notify))


class _Intake:
    """Checks one order after another, and compares each with the orders before it."""

    def __init__(self, job: str, sink: ProblemSink | None, *, notify: bool) -> None:
        self.many: Final = ORDERS.many
        self.problems: Final = Problems(sink)
        self._repeats: Final = Repeats()
        self._job: Final = job
        self._notify: Final = notify

    @property
    def warnings(self) -> Problems:
        """Orders that are sent, and that a person should look at."""
        return self._repeats.warnings

    def from_file(self, row: FileRow) -> Row | None:
        """Check a row of a file."""
        request = check_file_row(row, self.problems)
        if request is None:
            return None
        return make_row(row.number, OrderLine(**row.fields), self._asked(request), self._job, row)

    def from_python(self, number: int, line: object) -> Row | None:
        """Check an item of an iterable; any object may stand there."""
        if not isinstance(line, OrderLine):
            self.problems.add(number, f"is a {type(line).__name__}, not an OrderLine", given={"": line})
            return None
        request = check_fields(number, msgspec.structs.asdict(line), self.problems)
        return None if request is None else make_row(number, line, self._asked(request), self._job)

    def is_new(self, row: Row) -> bool:
        """Return whether a row has a key and a poNumber of its own."""
        return self._repeats.is_new(row, self.problems)

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with what is asked for all rows."""
        return {**request, "notify_receiver_email": 1} if self._notify and request.get("email") else request
