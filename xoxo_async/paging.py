"""One page, and the iterator over all of them, which stops where the vendor stops."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from xoxo_async.errors import ConfigError, DecodeError

__all__ = ["Page", "check_page", "iterate_pages"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. No reply says how many there are in all.

    Attributes:
        items: What is on it.
        number: Its number, from 1.
        limit: How many were asked for.
    """

    items: tuple[T, ...]
    number: int
    limit: int

    @property
    def is_last(self) -> bool:
        """Whether it is shorter than asked for, which is how the vendor ends a list."""
        return len(self.items) < self.limit

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def check_page(page: object, limit: object) -> None:
    """Refuse a page number or size that makes no sense.

    Raises:
        ConfigError: When either is not a whole number from 1.
    """
    for name, value in (("page", page), ("limit", limit)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} must be a whole number from 1, not {value!r}")


async def iterate_pages(fetch: Callable[[int], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield the items of page 1, 2, … until one is shorter than asked for.

    Args:
        fetch: Reads one page by its number.

    Raises:
        DecodeError: When a full page comes twice: the server ignores the page number and would never end. If that page
            is longer than asked for, the server has given all there is on one page, and the iteration ends well.
    """
    number, before = 1, None
    while True:
        page = await fetch(number)
        if page.items and page.items == before:
            if len(page) > page.limit:
                return
            raise DecodeError(
                f"page {number} is page {number - 1} again: the server ignores page numbers", effect="none"
            )
        for item in page.items:
            yield item
        if page.is_last:
            return
        number, before = number + 1, page.items
