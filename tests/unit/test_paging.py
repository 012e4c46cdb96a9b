"""`paging`: where a list ends, and lists that would never end."""

from collections.abc import Sequence

import pytest

from xoxo_async.errors import DecodeError
from xoxo_async.paging import Page, iterate_pages

pytestmark = pytest.mark.anyio


class Server:
    """Serves given pages, and records which ones were requested."""

    def __init__(self, pages: Sequence[Sequence[int]], limit: int) -> None:
        self.asked: list[int] = []
        self._pages = pages
        self._limit = limit

    async def __call__(self, number: int) -> Page[int]:
        self.asked.append(number)
        items = self._pages[number - 1] if number <= len(self._pages) else ()
        return Page(tuple(items), number, self._limit)


async def read(server: Server) -> list[int]:
    return [item async for item in iterate_pages(server)]


async def test_a_short_page_is_the_last() -> None:
    """The vendor ends a list with a page shorter than the limit, so no further call is made."""
    server = Server([(1, 2), (3,)], 2)
    assert await read(server) == [1, 2, 3]
    assert server.asked == [1, 2]


async def test_a_full_last_page_costs_one_more_call() -> None:
    """After a full page one more call is made, and its empty page (PLE10030 on the wire) ends the list."""
    server = Server([(1, 2)], 2)
    assert await read(server) == [1, 2]
    assert server.asked == [1, 2]


async def test_an_empty_list_is_one_call() -> None:
    """An empty first page ends the list."""
    server = Server([], 2)
    assert await read(server) == []
    assert server.asked == [1]


async def test_ignored_page_numbers_are_an_error() -> None:
    """The same full page twice raises `DecodeError`, because the iteration would never end."""
    server = Server([(1, 2), (1, 2), (1, 2)], 2)
    with pytest.raises(DecodeError, match="ignores page numbers") as caught:
        await read(server)
    assert server.asked == [1, 2]
    assert caught.value.effect == "none"


async def test_a_page_without_new_items_is_an_error() -> None:
    """The items count, not their order: a server may repeat earlier pages or shuffle them."""
    server = Server([(1, 2), (3, 4), (2, 3), (5, 6)], 2)
    with pytest.raises(DecodeError, match="page 3 brings nothing new"):
        await read(server)
    assert server.asked == [1, 2, 3]


class Growing:
    """Returns the newest items for every page number, while others add items between two calls."""

    def __init__(self, added: int, limit: int = 100) -> None:
        self.asked = 0
        self.added, self.limit = added, limit

    async def __call__(self, number: int) -> Page[int]:
        self.asked += 1
        newest = self.asked * self.added
        return Page(tuple(range(newest + self.limit, newest, -1)), number, self.limit)


@pytest.mark.parametrize("added", [1, 30, 49])
async def test_a_growing_list_with_ignored_numbers_ends(added: int) -> None:
    """No two pages are equal and each has a new item; ten pages of mostly known items end the iteration."""
    server = Growing(added)
    with pytest.raises(DecodeError, match="mostly what was there before"):
        async for _ in iterate_pages(server):
            pass
    assert server.asked == 11


async def test_no_list_has_pages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list whose every page is new ends with an error after the most pages that any list has."""
    monkeypatch.setattr("xoxo_async.paging._MAX_PAGES", 50)
    server = Growing(100)
    with pytest.raises(DecodeError, match="after 50 pages there is no end"):
        async for _ in iterate_pages(server):
            pass
    assert server.asked == 50


async def test_an_item_that_moves_is_yielded_once() -> None:
    """An item with an identity that moves to the next page is not yielded again."""
    server = Server([(5, 4, 4), (4, 3, 2), (1,)], 3)
    assert [item async for item in iterate_pages(server, lambda item: item)] == [5, 4, 4, 3, 2, 1]


async def test_items_without_identity_are_all_yielded() -> None:
    """Two equal payments may be two payments."""
    server = Server([(5, 4), (4, 3), (3,)], 2)
    assert [item async for item in iterate_pages(server)] == [5, 4, 4, 3, 3]


async def test_nine_stale_pages_are_read_on() -> None:
    """Nine pages of mostly known items and then a new one are a list that has grown."""
    moved = [tuple(range(n, n + 4)) for n in range(9)]
    server = Server([*moved, (20, 21, 22, 23), *[tuple(range(20 + n, 24 + n)) for n in range(1, 9)], (90,)], 4)
    assert set(await read(server)) >= {0, 11, 20, 31, 90}


async def test_an_ignored_limit_is_no_error() -> None:
    """Where the first page has all items, whatever the limit, each is yielded once."""
    server = Server([(1, 2, 3), (1, 2, 3)], 2)
    assert await read(server) == [1, 2, 3]


async def test_pages_are_read_when_their_turn_comes() -> None:
    """A caller that stops early causes no further call."""
    server = Server([(1, 2), (3, 4)], 2)
    async for item in iterate_pages(server):
        if item == 2:
            break
    assert server.asked == [1]


async def test_an_error_goes_through() -> None:
    """The error of a page's call reaches the caller after the items before it."""

    async def fetch(number: int) -> Page[int]:
        if number == 2:
            raise DecodeError("no")
        return Page((1,), number, 1)

    seen: list[int] = []

    async def collect() -> None:
        async for item in iterate_pages(fetch):
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(DecodeError, match="no"):
        await collect()
    assert seen == [1]


def test_a_page_is_its_items() -> None:
    """A page can be iterated, has a length, and knows whether it is the last."""
    page = Page(("a", "b"), 1, 3)
    assert list(page) == ["a", "b"]
    assert len(page) == 2
    assert page.is_last
    assert not Page(("a", "b"), 1, 2).is_last
