"""`history`: each page is read once, and the reading is bounded."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import anyio
import pytest

from xoxo_async import errors
from xoxo_async.bulk.running.history import DayHistory
from xoxo_async.services.orders import OrderSummary

pytestmark = pytest.mark.anyio

FIRST, LAST = date(2027, 1, 14), date(2027, 1, 16)


class Vendor:
    """A client whose history has the orders PO-1, PO-2, … up to a number, and then ends as it is told."""

    def __init__(self, count: int, end: errors.XoxoError | None = None) -> None:
        self.orders = self
        self.count, self.end = count, end
        self.read = 0
        self.begun: list[tuple[date, date]] = []
        self.pause: Callable[[], Any] | None = None

    async def iterate_history(self, first: date, last: date) -> AsyncIterator[OrderSummary]:
        self.begun.append((first, last))
        for number in range(1, self.count + 1):
            self.read += 1
            if self.pause is not None:
                await self.pause()
            yield OrderSummary(order_id=1000 + number, po_number=f"PO-{number}")
        if self.end is not None:
            raise self.end


def history_of(vendor: Vendor, clock: Callable[[], float] = lambda: 0.0) -> DayHistory:
    return DayHistory(vendor.orders.iterate_history(FIRST, LAST), clock)


async def test_each_page_of_a_history_is_read_once() -> None:
    """Also when several ask at once."""
    vendor = Vendor(100)
    history = history_of(vendor)
    assert (await history.find("PO-10"), vendor.read) == (1010, 10)
    assert (await history.find("PO-3"), vendor.read) == (1003, 10)
    found: list[int | None] = []

    async def ask(po_number: str) -> None:
        found.append(await history.find(po_number))

    async with anyio.create_task_group() as group:
        for po_number in ("PO-20", "PO-40", "PO-30"):
            group.start_soon(ask, po_number)
    assert sorted(order_id or 0 for order_id in found) == [1020, 1030, 1040]
    assert (vendor.read, vendor.begun) == (40, [(FIRST, LAST)])


async def test_what_is_not_in_it_is_none() -> None:
    """None after the whole history was read."""
    history = history_of(Vendor(10))
    assert (await history.find("PO-11"), history.cut_short) == (None, "")
    assert (await history.find("PO-10"), await history.find("PO-12")) == (1010, None)


async def test_a_history_with_too_many_orders_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orders that were read until then can be found."""
    monkeypatch.setattr("xoxo_async.bulk.running.history._MOST_ORDERS", 50)
    vendor = Vendor(1000)
    history = history_of(vendor)
    assert (await history.find("PO-60"), vendor.read) == (None, 50)
    assert history.cut_short == "it has more than 50 orders"
    assert (await history.find("PO-50"), await history.find("PO-51"), vendor.read) == (1050, None, 50)


async def test_a_history_that_takes_too_long_is_cut() -> None:
    """All readers together have the time limit of one."""
    vendor = Vendor(1000)
    history = DayHistory(vendor.orders.iterate_history(FIRST, LAST), time.monotonic, 0.05)
    assert await history.find("PO-5") == 1005
    vendor.pause = anyio.sleep_forever
    with anyio.fail_after(10):
        assert await history.find("PO-6") is None
    assert history.cut_short == "it was not read to its end within 0.05 s"
    assert await history.find("PO-5") == 1005


async def test_a_history_without_an_end_is_cut_short() -> None:
    """A server that ignores page numbers does not keep the reader for ever."""
    history = history_of(Vendor(10, errors.DecodeError("page 2 brings nothing new")))
    assert (await history.find("PO-11"), history.cut_short) == (None, "page 2 brings nothing new")
    assert await history.find("PO-9") == 1009


async def test_a_failure_is_raised_to_every_caller() -> None:
    """The history is not read again for each caller."""
    vendor = Vendor(10, errors.ServerError("500"))
    history = history_of(vendor)
    for _ in range(3):
        with pytest.raises(errors.ServerError, match="500"):
            await history.find("PO-11")
    assert len(vendor.begun) == 1


async def test_a_cancelled_reader_is_not_the_end() -> None:
    """The next caller learns that the history was not read to its end."""
    vendor = Vendor(10)
    vendor.pause = anyio.sleep_forever
    history = history_of(vendor)
    with anyio.move_on_after(0.01):
        await history.find("PO-1")
    assert (await history.find("PO-1"), history.cut_short) == (None, "it was cut off")
