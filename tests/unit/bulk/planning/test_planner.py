"""`plan`: how a row becomes a poNumber and a fixed request."""

import re
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.rows import rows_of
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.planning.planner import Planner, derive_po_number
from xoxo_async.errors import PlanError
from xoxo_async.services.orders import AirmilesDetails

pytestmark = pytest.mark.anyio


def order_line(key: str = "a", **other: object) -> OrderLine:
    """Return a line."""
    return OrderLine(**{"key": key, "product_id": 1001, "denomination": Decimal(100), **other})  # type: ignore[arg-type]


async def planned(lines: Iterable[OrderLine], *, pack: bool = False, skip_invalid: bool = False) -> list[PlannedLine]:
    """Plan without a catalogue."""
    planner = Planner("march", None, pack=pack, skip_invalid=skip_invalid)
    plan: AsyncIterator[PlannedLine] = planner.plan(rows_of(lines))
    return [line async for line in plan]


@given(st.text(max_size=80), st.text(min_size=1, max_size=300))
def test_a_po_number_is_plain_short_and_always_the_same(job: str, key: str) -> None:
    """Whatever job and key hold: at most 100 of the characters that no system trips over, and stable."""
    po_number = derive_po_number(job, key)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", po_number)
    assert po_number == derive_po_number(job, key)


@given(st.tuples(st.text(max_size=5), st.text(max_size=5)), st.tuples(st.text(max_size=5), st.text(max_size=5)))
def test_two_rows_never_share_a_po_number(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Also where job and key, run together, read the same."""
    assert (derive_po_number(*one) == derive_po_number(*other)) == (one == other)


async def test_the_same_row_is_always_the_same_bytes() -> None:
    """What is sent for a row follows from the row and the job alone."""
    rows = [order_line("a"), order_line("b", email="b@example.com", quantity=2)]
    assert await planned(rows) == await planned(rows)
    assert len({line.digest for line in await planned(rows)}) == 2


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
async def test_only_lines_that_want_nothing_but_codes_have_room_for_others(other: dict[str, object], room: int) -> None:
    """A mail, a poNumber or details of its own keep a line alone; so does a full quantity, and so does no --pack."""
    assert [line.room for line in await planned([order_line(**other)], pack=True)] == [room]
    assert [line.room for line in await planned([order_line(**other)])] == [0]


async def test_a_bad_row_spoils_the_plan_or_is_left_out() -> None:
    """By default the error names row and column; with skip_invalid the others go on."""
    rows = [order_line("good"), order_line("bad", email="no address"), order_line("also good")]
    with pytest.raises(PlanError, match="row 2, column email: must be one e-mail address"):
        await planned(rows)
    assert [line.key for line in await planned(rows, skip_invalid=True)] == ["good", "also good"]
