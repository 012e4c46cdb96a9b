"""`first_rows`: it reads no more rows than asked for."""

from collections.abc import AsyncIterator

import pytest

from xoxo_async.cli.first_rows import first_rows


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "read"), [(1, 1), (3, 3), (9, 5)])
async def test_no_row_after_the_limit_is_read(limit: int, read: int) -> None:
    """The row after the last one might need another page."""
    seen: list[int] = []

    async def rows() -> AsyncIterator[int]:
        for number in range(5):
            seen.append(number)
            yield number

    assert await first_rows(rows(), limit) == seen == list(range(read))
