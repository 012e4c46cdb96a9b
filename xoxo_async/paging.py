"""One page of a list, and the iterator over all pages. It stops where the vendor's list ends."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar, cast

import msgspec

from xoxo_async.errors import DecodeError
from xoxo_async.wire.raw import RawReply
from xoxo_async.wire.replies import Part
from xoxo_async.wire.scalars import to_decimal
from xoxo_async.wire.untyped import Rows, read_untyped

__all__ = ["Page", "iterate_pages"]

T = TypeVar("T")

_MAX_PAGES: Final = 10_000
"""More pages than any list of the vendor's has: a million items at the default limit."""

_MAX_STALE: Final = 10
"""A page may have mostly known items where the list has just grown a lot. Ten such pages in a row are no accident."""


class Page(Part, Generic[T], frozen=True, kw_only=False):
    """One page of a list.

    Attributes:
        items: The items of the page.
        number: The number of the page, from 1.
        limit: The number of items that were requested.
    """

    items: tuple[T, ...]
    number: int
    limit: int

    @property
    def is_last(self) -> bool:
        """Whether the page has fewer items than requested. That is how the vendor ends a list; there is no total."""
        return len(self.items) < self.limit

    @property
    def raw(self) -> RawReply | None:
        """The vendor's answer with this page; None where the items came from elsewhere."""
        return cast("RawReply | None", self.items.raw) if isinstance(self.items, Rows) else None

    @property
    def extra(self) -> tuple[dict[str, object], ...]:
        """The fields of each item that the SDK does not know, in the order of `items`. It reads the answer again.

        Raises:
            DecodeError: A part of the answer that no known field needs cannot be read.
        """
        rows = _rows(self._envelope()) if self.raw is not None else []
        found = [_unknown_fields(item, row) for item, row in zip(self.items, rows, strict=False)]
        return tuple(found + [{}] * (len(self.items) - len(found)))

    @property
    def count(self) -> int | None:
        """The number of all items of the list; None unless the vendor says it, which it does for campaigns alone."""
        envelope = self._envelope() if self.raw is not None else {}
        value = envelope.get("count") if isinstance(envelope, dict) else None
        try:
            number = to_decimal(value)
        except DecodeError:
            return None
        return int(number) if number is not None else None

    def _envelope(self) -> object:
        """Return the object that holds the success flag and the items, or the bare list."""
        answer = read_untyped(self.raw.reveal()) if self.raw is not None else None
        data = cast("dict[str, object]", answer).get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            return data
        inner = [value for value in cast("dict[str, object]", data).values() if value is not None]
        return inner[0] if inner else None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _rows(envelope: object) -> list[object]:
    rows = cast("dict[str, object]", envelope).get("data") if isinstance(envelope, dict) else envelope
    return cast("list[object]", rows) if isinstance(rows, list) else []


def _unknown_fields(item: object, row: object) -> dict[str, object]:
    if not isinstance(item, msgspec.Struct) or not isinstance(row, dict):
        return {}
    known = {field.encode_name for field in msgspec.structs.fields(type(item))}
    return {name: value for name, value in cast("dict[str, object]", row).items() if name not in known}


async def iterate_pages(
    fetch: Callable[[int], Awaitable[Page[T]]], identity: Callable[[T], Hashable] | None = None
) -> AsyncIterator[T]:
    """Yield the items of page 1, 2, … until a page has fewer items than requested.

    A list may grow while it is read. Then an item that moves from one page to the next comes twice; it is yielded once
    if it has an identity. A server that ignores the page number sends the same items again and again, and where the
    list grows meanwhile, no two of its pages are equal. The number of new items on a page tells the two cases apart.

    Args:
        fetch: Reads one page by its number.
        identity: Returns what identifies an item. Without it, whole items are compared and all are yielded, because two
            equal items may be two payments.

    Raises:
        DecodeError: The iteration would never end: a full page has no new item, many pages in a row have mostly known
            items, or there are more pages than any list has. A page with more items than requested is no error: that
            server sends the whole list at once.
    """
    seen: set[Hashable] = set()
    stale = 0
    for number in range(1, _MAX_PAGES + 1):
        page = await fetch(number)
        keys = [cast("Hashable", item) if identity is None else identity(item) for item in page.items]
        new = [item for item, key in zip(page.items, keys, strict=True) if key not in seen]
        seen.update(keys)
        if page.items and not new and len(page) > page.limit:
            return  # the server ignores the limit too, and sent the whole list as page 1
        if not new and not page.is_last:
            raise _endless(f"page {number} brings nothing new: the server ignores page numbers")
        for item in page.items if identity is None else new:
            yield item
        # The replies have no total (wire documentation § 4.2), so a short page is the only sign of the end.
        if page.is_last:
            return
        stale = stale + 1 if 2 * len(new) < len(page) else 0
        if stale >= _MAX_STALE:
            raise _endless(
                f"pages {number - stale + 1} to {number} bring mostly what was there before: the server ignores page "
                "numbers, or the list grows as fast as it is read"
            )
    raise _endless(f"after {_MAX_PAGES:,} pages there is no end")


def _endless(message: str) -> DecodeError:
    return DecodeError(message, effect="none")
