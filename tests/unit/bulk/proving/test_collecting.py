"""`collecting`: which calls are made, and that a broken list is noticed."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bulk.proving.books import SCOPE, Vendor, details, line, sold, summary
from xoxo_async import errors
from xoxo_async.bulk.proving.collecting import (
    begin_scope,
    find_doubtful,
    in_chunks,
    look_up,
    ranges_of,
    read_history,
    read_payments,
)
from xoxo_async.bulk.proving.days import Days
from xoxo_async.bulk.proving.facts import Asked, order_facts
from xoxo_async.bulk.proving.notebook import Notebook
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Payment

pytestmark = pytest.mark.anyio


def silent(_what: str, _done: int) -> None:
    """Tell nobody."""


def ranged(path: Path, kind: str = "history") -> Notebook:
    notes = Notebook(path)
    notes.begin("terms", newest="", scope="", ranges={kind: [("2026-03-09", "2026-03-12")]})
    return notes


@pytest.mark.parametrize("days", [0, 1, 30, 31, 32, 100])
def test_ranges_cover_each_day_and_one_more(days: int) -> None:
    """Whether a range's last day belongs to it is not known, so another range begins there, or a day more is asked."""
    first, last = date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days)
    ranges = list(ranges_of(first, last))
    assert (ranges[0][0], ranges[-1][1]) == (first.isoformat(), (last + timedelta(days=1)).isoformat())
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    assert len(ranges) == days // 31 + 1


def test_an_interrupted_proof_keeps_its_scope(tmp_path: Path) -> None:
    """Its days and its moment stay; other terms begin anew, and a proof without history reads payments alone."""
    march, april = (
        Days(date(2026, month, 1), date(2026, month, 9), "", ends_early=False, newest="") for month in (3, 4)
    )
    with Notebook(tmp_path / "p") as notes:
        first = begin_scope(notes, "job", ["one"], march, lambda: 1.0, history=True)
        assert begin_scope(notes, "job", ["one"], april, lambda: 2.0, history=True) == first
        assert (first.first, first.last, first.now) == (march.first, march.last, 1.0)
        payments = notes.next_range("payments")
        assert payments is not None
        assert payments.first == "2026-02-28"
        other = begin_scope(notes, "job", ["other"], april, lambda: 2.0, history=False)
        assert (other.first, other.now) == (april.first, 2.0)
        assert notes.next_range("history") is None


async def each(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (499, [499]), (500, [500]), (1001, [500, 500, 1])])
async def test_chunks_hold_every_item_once(count: int, sizes: list[int]) -> None:
    """In order, of a stream and of a list."""
    for items in (each(count), range(count)):
        chunks = [chunk async for chunk in in_chunks(items)]
        assert [len(chunk) for chunk in chunks] == sizes
        assert [item for chunk in chunks for item in chunk] == list(range(count))


async def test_a_history_takes_a_call_a_hundred(tmp_path: Path) -> None:
    """And one more where the last page is full."""
    client = Vendor()
    client.sells(sold(*range(250)))
    with ranged(tmp_path / "p") as notes:
        assert await read_history(client, notes, silent) == ""
        assert notes.calls() == {"getOrderHistory": 3}
        assert sum(len(case.orders) for case in notes.cases()) == 250


async def test_a_grown_history_is_read_whole(tmp_path: Path) -> None:
    """Orders that come meanwhile push the others to later pages; none is lost, and none counts twice."""
    client = Vendor()
    client.sells(sold(*range(150)))
    list_history = client.list_history

    async def growing(*given: Any, **also: Any) -> Page[Any]:
        page = await list_history(*given, **also)
        client.history.insert(0, summary(5000 + len(client.history), f"new-{len(client.history)}"))
        return page

    client.list_history = growing  # type: ignore[method-assign]
    with ranged(tmp_path / "p") as notes:
        await read_history(client, notes, silent)
        counts = {case.po_number: len(case.orders) for case in notes.cases()}
        assert {f"po-{number}-100" for number in range(150)} <= counts.keys()
        assert set(counts.values()) == {1}


@pytest.mark.parametrize("kind", ["history", "payments"])
async def test_a_list_without_end_is_said(tmp_path: Path, kind: str) -> None:
    """A server that ignores page numbers would be read for ever."""
    client = Vendor()
    full: Page[Any] = Page(
        tuple(
            summary(n, f"po-{n}") if kind == "history" else Payment(reference_id=f"{n}", adjusted_amount=Decimal(1))
            for n in range(100)
        ),
        1,
        100,
    )

    async def same(*_given: object, **_also: object) -> Page[Any]:
        return full

    client.list_history = client.list_payments = same  # type: ignore[method-assign]
    read = read_history if kind == "history" else read_payments
    with ranged(tmp_path / "p", kind) as notes:
        assert await read(client, notes, silent) == "page 2 of its days 2026-03-09 to 2026-03-12 is page 1 again"


async def test_only_doubtful_orders_are_looked_up(tmp_path: Path) -> None:
    """By poNumber, and where that finds none, by id."""
    client = Vendor()
    client.history = [summary(1001, "po-0001"), summary(1002, "elsewhere")]
    client.hidden = {1001, 1002}
    with ranged(tmp_path / "p") as notes:
        notes.add_lines([line(1), line(2), line(3), line(4, state="planned", order_id=None)])
        assert await find_doubtful(notes, SCOPE, thorough=False) == 3
        await look_up(client, notes, silent)
        asked = {case.po_number: case.asked for case in notes.cases()}
        assert (client.calls.count("find"), client.calls.count("get")) == (3, 2)
        first, second = asked["po-0001"], asked["po-0002"]
        assert first == Asked(by_po=order_facts(details(client.history[0])))
        assert second == Asked(by_id=order_facts(details(client.history[1])))
        assert asked["po-0003"] == Asked()
        assert asked["po-0004"] is None
        assert notes.calls() == {"getOrderDetails": 5}


async def test_a_failed_look_up_keeps_the_others(tmp_path: Path) -> None:
    """The next run asks only for what is left."""
    client = Vendor()
    client.history = [summary(1000 + n, f"po-{n:04}") for n in range(1, 6)]
    client.breaks_at = 4
    with ranged(tmp_path / "p") as notes:
        notes.add_lines([line(n) for n in range(1, 6)])
        await find_doubtful(notes, SCOPE, thorough=True)
        with pytest.raises(errors.ConnectError):
            await look_up(client, notes, silent)
        assert 1 <= len(notes.todo(10)) < 5
        await look_up(client, notes, silent)
        assert notes.todo(10) == []


@pytest.mark.parametrize("error", [errors.NotAllowedError("no access", effect="none"), errors.DecodeError("odd shape")])
async def test_a_refused_report_is_said(tmp_path: Path, error: errors.XoxoError) -> None:
    """A proof goes on without it."""
    client = Vendor()
    client.refuses_payments = error
    with ranged(tmp_path / "p", "payments") as notes:
        assert await read_payments(client, notes, silent) == error.message


async def test_a_report_may_come_later(tmp_path: Path) -> None:
    """Then the same command goes on."""
    client = Vendor()
    client.refuses_payments = errors.ServerError("down", effect="none")
    with ranged(tmp_path / "p", "payments") as notes, pytest.raises(errors.ServerError):
        await read_payments(client, notes, silent)
