"""`planner`: how a row becomes a planned line, with fixed bytes."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.bulk.intake.order_rows import line, rows
from xoxo_async.bulk import OrderLine
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.planning.catalog import PlanCatalog
from xoxo_async.bulk.planning.planner import Planner
from xoxo_async.errors import PlanError
from xoxo_async.services.catalog import Voucher
from xoxo_async.services.orders import PLACE_ORDER, AirmilesDetails, PlaceOrder

pytestmark = pytest.mark.anyio


async def planned(lines: Iterable[OrderLine], *, pack: bool = False, skip_invalid: bool = False) -> list[PlannedLine]:
    """Plan without a catalog."""
    planner = Planner(None, pack=pack, skip_invalid=skip_invalid)
    return [line async for line in planner.plan(rows(lines))]


async def test_the_same_row_is_always_the_same_bytes() -> None:
    """The request of a row follows from the row and the job alone."""
    lines = [line("a"), line("b", email="b@example.com", quantity=2)]
    assert await planned(lines) == await planned(lines)
    assert len({line.digest for line in await planned(lines)}) == 2


@pytest.mark.parametrize(
    ("other", "room"),
    [
        ({}, 10),
        ({"contact": "+91-9000000000", "tag": "x"}, 10),
        ({"email": "a@example.com"}, 0),
        ({"po_number": "PO-1"}, 0),
        ({"details": AirmilesDetails(loyalty_member_id="1")}, 0),
        ({"quantity": 9}, 10),
        ({"quantity": 10}, 0),
    ],
)
async def test_only_lines_for_codes_alone_have_room(other: dict[str, object], room: int) -> None:
    """An e-mail, a poNumber, details or a full quantity keep a line alone, and so does a job that does not pack."""
    assert [line.room for line in await planned([line(**other)], pack=True)] == [room]
    assert [line.room for line in await planned([line(**other)])] == [0]


async def test_a_bad_row_fails_or_is_skipped() -> None:
    """By default the error names row and column; with skip_invalid the other rows are planned."""
    lines = [line("good"), line("bad", email="no address"), line("also good")]
    with pytest.raises(PlanError, match="row 2, column email: must be one e-mail address"):
        await planned(lines)
    assert [line.key for line in await planned(lines, skip_invalid=True)] == ["good", "also good"]


async def test_a_planned_line_keeps_its_request() -> None:
    """The struct is kept beside its bytes, so that nobody decodes them again while planning."""
    (planned_line,) = await planned([line("a", tag="march")])
    assert isinstance(planned_line.order, PlaceOrder)
    assert planned_line.request == PLACE_ORDER.encode_request(planned_line.order)
    assert planned_line.po_number == planned_line.order.po_number


class Catalog:
    """A catalog whose products are all the same, and good in India alone."""

    async def list_vouchers(self, **asked: Any) -> list[Voucher]:
        facts = {"currency_code": "INR", "value_denominations_": "100,500", "order_quantity_limit": 2}
        named = {"country_code": "IN", "is_phone_number_mandatory": True, "name": "Corner Shop"}
        return [Voucher(product_id=number, **facts, **named) for number in asked["product_ids"]]


async def test_a_row_is_good_by_all_it_asks() -> None:
    """Rows that want the same as a good one are good; one that differs in anything is looked at by itself."""
    good: dict[str, Any] = {"denomination": 500, "contact": "+91 1234567", "currency": "INR", "country": "IN"}
    others: list[dict[str, Any]] = [
        {"denomination": 250}, {"quantity": 3}, {"contact": None}, {"currency": "USD"}, {"country": "US"},
    ]  # fmt: skip
    wanted = [line(f"k{number}", **{**good, **other}) for number, other in enumerate([{}, *others, {}, *others])]
    source = rows(wanted)
    planner = Planner(PlanCatalog(SimpleNamespace(catalog=Catalog()), "INR"), skip_invalid=True)  # type: ignore[arg-type]
    assert [planned.key async for planned in planner.plan(source)] == ["k0", "k6"]
    columns = [problem.partition("column ")[2].partition(":")[0] for problem in source.problems.shown()]
    assert columns == ["denomination", "quantity", "contact", "currency", "country"] * 2
