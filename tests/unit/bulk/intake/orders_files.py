"""Files of orders for tests, and what is said of bad ones."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.bulk.intake.order_rows import numbers, rows
from xoxo_async import errors
from xoxo_async.bulk import OrderLine, read_orders

HEAD = "key,product_id,denomination,quantity\n"


def lines(path: Path, content: str | bytes, **choices: Any) -> list[OrderLine]:
    """Return the order lines of a file with some content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_orders(path, **choices))


def problem(path: Path, content: str | bytes) -> str:
    """Return the error message of a job for a file with some content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    async def read() -> None:
        taken = rows(read_orders(path))
        await numbers(taken)
        taken.problems.raise_if_any(taken.source)

    with pytest.raises(errors.PlanError) as caught:
        anyio.run(read)
    return str(caught.value)
