"""Pages: where they end, and what never ends."""

from collections.abc import Sequence

import pytest

from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.paging import Page, check_page, iterate_pages

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


@pytest.mark.parametrize("bad", [0, -1, True, 1.0, "1", None])
def test_pages_and_limits_are_whole_numbers_from_one(bad: object) -> None:
    """Page 0 and limit 0 mean nobody knows what to the vendor: they are refused, by name."""
    with pytest.raises(ConfigError, match="page"):
        check_page(bad, 1)
    with pytest.raises(ConfigError, match="limit"):
        check_page(1, bad)
