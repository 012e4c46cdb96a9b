"""Read the first rows of a long list."""

from collections.abc import AsyncIterator
from typing import TypeVar

__all__ = ["first_rows"]

T = TypeVar("T")


async def first_rows(rows: AsyncIterator[T], limit: int) -> list[T]:
    """Return the first rows of a list, and do not read the pages after them.

    Args:
        rows: The list.
        limit: The most rows to return.
    """
    taken: list[T] = []
    async for row in rows:
        taken.append(row)
        if len(taken) >= limit:
            break
    return taken
