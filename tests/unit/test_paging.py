"""Pages: where they end, and what never ends."""

from collections.abc import Sequence

import pytest

from xoxo_async.errors import DecodeError
from xoxo_async.paging import Page, iterate_pages

pytestmark = pytest.mark.anyio


class Server:
    """Serves given pages and remembers which were asked for."""

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
    """No reply has a total: the vendor ends a list with a page shorter than asked for, and no call is made after it."""
    server = Server([(1, 2), (3,)], 2)
    assert await read(server) == [1, 2, 3]
    assert server.asked == [1, 2]


async def test_a_full_last_page_costs_one_more_call() -> None:
    """After a full page there may be more: the empty page (PLE10030 on the wire) ends it."""
    server = Server([(1, 2)], 2)
    assert await read(server) == [1, 2]
    assert server.asked == [1, 2]


async def test_an_empty_list_is_one_call() -> None:
    """An empty first page ends at once."""
    server = Server([], 2)
    assert await read(server) == []
    assert server.asked == [1]


async def test_a_server_that_ignores_the_page_number_is_an_error() -> None:
    """The same full page twice would go on for ever: the iteration ends with an error that says why."""
    server = Server([(1, 2), (1, 2), (1, 2)], 2)
    with pytest.raises(DecodeError, match="ignores page numbers") as caught:
        await read(server)
    assert server.asked == [1, 2]
    assert caught.value.effect == "none"


async def test_a_full_page_with_nothing_new_ends_the_list_in_whatever_order_it_comes() -> None:
    """A server may go round in circles, or shuffle."""
    server = Server([(1, 2), (3, 4), (2, 3), (5, 6)], 2)
    with pytest.raises(DecodeError, match="page 3 brings nothing new"):
        await read(server)
    assert server.asked == [1, 2, 3]


class Growing:
    """Gives the newest items whatever page is asked for; others add some between two calls."""

    def __init__(self, added: int, limit: int = 100) -> None:
        self.asked = 0
        self.added, self.limit = added, limit

    async def __call__(self, number: int) -> Page[int]:
        self.asked += 1
        newest = self.asked * self.added
        return Page(tuple(range(newest + self.limit, newest, -1)), number, self.limit)


@pytest.mark.parametrize("added", [1, 30, 49])
async def test_a_list_that_grows_under_a_server_that_ignores_the_page_number_ends(added: int) -> None:
    """No two of its pages are the same, and each brings something new: ten that mostly repeat are enough."""
    server = Growing(added)
    with pytest.raises(DecodeError, match="mostly what was there before"):
        async for _ in iterate_pages(server):
            pass
    assert server.asked == 11


async def test_no_list_has_pages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose every page is new."""
    monkeypatch.setattr("xoxo_async.paging._MAX_PAGES", 50)
    server = Growing(100)
    with pytest.raises(DecodeError, match="after 50 pages there is no end"):
        async for _ in iterate_pages(server):
            pass
    assert server.asked == 50


async def test_what_a_growing_list_moves_to_the_next_page_is_given_once() -> None:
    """It is known by its identity; on one page, two of the same are both given."""
    server = Server([(5, 4, 4), (4, 3, 2), (1,)], 3)
    assert [item async for item in iterate_pages(server, lambda item: item)] == [5, 4, 4, 3, 2, 1]


async def test_items_without_an_identity_are_given_as_often_as_they_come() -> None:
    """Two payments that are alike may be two."""
    server = Server([(5, 4), (4, 3), (3,)], 2)
    assert [item async for item in iterate_pages(server)] == [5, 4, 4, 3, 3]


async def test_a_list_that_grew_a_lot_at_once_is_read_to_its_end() -> None:
    """Nine pages that mostly repeat, and then a new one, are a list in motion."""
    moved = [tuple(range(n, n + 4)) for n in range(9)]
    server = Server([*moved, (20, 21, 22, 23), *[tuple(range(20 + n, 24 + n)) for n in range(1, 9)], (90,)], 4)
    assert set(await read(server)) >= {0, 11, 20, 31, 90}


async def test_a_server_that_ignores_the_limit_gives_each_item_once() -> None:
    """All items on one page, whatever was asked for, is a whole list and no error."""
    server = Server([(1, 2, 3), (1, 2, 3)], 2)
    assert await read(server) == [1, 2, 3]


async def test_pages_are_read_when_their_turn_comes() -> None:
    """Breaking off early asks for no further page."""
    server = Server([(1, 2), (3, 4)], 2)
    async for item in iterate_pages(server):
        if item == 2:
            break
    assert server.asked == [1]


async def test_an_error_goes_through() -> None:
    """What a page's call raises reaches the caller, after the items before it."""

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
    """A page can be iterated and measured, and knows whether it is the last."""
    page = Page(("a", "b"), 1, 3)
    assert list(page) == ["a", "b"]
    assert len(page) == 2
    assert page.is_last
    assert not Page(("a", "b"), 1, 2).is_last
