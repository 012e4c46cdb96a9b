"""Order lines and checked rows for tests."""

from collections.abc import AsyncIterable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from xoxo_async.bulk import OrderLine, OrdersFile
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row, check_fields, make_row
from xoxo_async.bulk.intake.stream import rows_of
from xoxo_async.bulk.intake.streaming import Rows

JOB = "march"


def line(key: str = "a", **fields: Any) -> OrderLine:
    """Return a line that passes its check, unless `fields` are wrong."""
    return OrderLine(**{"key": key, "product_id": 1001, "denomination": Decimal(5), **fields})


def row(key: str = "a", number: int = 1, **fields: Any) -> Row:
    """Return a checked row."""
    given = line(key, **fields)
    problems = Problems()
    request = check_fields(number, msgspec.structs.asdict(given), problems)
    assert request is not None, problems.shown()
    return make_row(number, given, request, JOB)


def rows(orders: OrdersFile | Iterable[OrderLine] | AsyncIterable[OrderLine]) -> Rows[Row]:
    """Return orders as a stream of rows of one job."""
    return rows_of(orders, JOB)


async def numbers(stream: Rows[Row]) -> list[int]:
    """Read a stream to its end, and return the numbers of its good rows."""
    return [row.number async for row in stream]
