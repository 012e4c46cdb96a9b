"""`orders.service`: what each method asks and hands out, and how `place` ends, with a fake dispatcher."""

import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import anyio
import msgspec
import pytest

from xoxo_async.errors import (
    BadRequestError,
    ConfigError,
    ConnectError,
    DecodeError,
    DuplicatePoNumberError,
    NotFoundError,
    OutcomeUnknownError,
)
from xoxo_async.services.orders import Order, OrderService, OrderSummary, TopUpDetails, VoucherCode, VoucherDetail
from xoxo_async.wire import Masked, RawReply, Secret
from xoxo_async.wire.replies import keep_answer

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {"product_id": 31, "denomination": 25, "po_number": "PO-7"}
START, END = date(2026, 3, 1), date(2026, 3, 31)


def order(raw: RawReply | None = None, **fields: Any) -> Order:
    made = Order(**{"order_id": 900, **fields})
    keep_answer(made, raw)
    return made


def absent() -> NotFoundError:
    return NotFoundError("no", error_id="PLE10016")


def lost() -> OutcomeUnknownError:
    return OutcomeUnknownError("lost", operation="placeOrder", po_number="PO-7")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that sleeping moves."""
    clock = Clock()
    monkeypatch.setattr(anyio, "sleep", clock.sleep)
    return clock


async def test_an_order_has_the_requested_po_number(road: Any) -> None:
    """No reply holds the poNumber, so the service fills it in."""
    road.answers = [order(), order(), order()]
    service = OrderService(road)
    assert (await service.place(**ASKED)).po_number == "PO-7"
    assert (await service.get(po_number="PO-8")).po_number == "PO-8"
    found = await service.find("PO-9")
    assert found is not None
    assert found.po_number == "PO-9"


@pytest.mark.parametrize("wrong", [{"product_id": 0}, {"po_number": ""}, {"details": {"loungeData": {}}}])
async def test_wrong_orders_are_not_sent(road: Any, wrong: dict[str, Any]) -> None:
    """The error names the wrong field, and nothing is sent."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        await OrderService(road).place(**{**ASKED, **wrong})
    assert road.asked == []


@pytest.mark.parametrize("wrong", [{}, {"order_id": 1, "po_number": "a"}, {"order_id": 0}, {"po_number": ""}])
async def test_an_order_is_looked_up_by_one_key(road: Any, wrong: dict[str, Any]) -> None:
    """The vendor does not say which of two keys wins, so exactly one is sent."""
    with pytest.raises(ConfigError):
        await OrderService(road).get(**wrong)
    assert road.asked == []


@pytest.mark.parametrize("key", [{"order_id": 5}, {"po_number": "PO-7"}])
async def test_a_look_up_needs_an_order_id(road: Any, key: dict[str, Any]) -> None:
    """A reply with order id 0 proves no order."""
    road.answers = [order(order_id=0)]
    with pytest.raises(DecodeError, match="no order id"):
        await OrderService(road).get(**key)


@pytest.mark.parametrize("error_id", ["PLE10016", "PLE10028"])
async def test_find_returns_none_for_no_order(road: Any, error_id: str) -> None:
    """Both refusals that mean `no such order` become None."""
    road.answers = [NotFoundError("no", error_id=error_id)]
    assert await OrderService(road).find("PO-7") is None


@pytest.mark.parametrize("error_id", ["PLE10021", ""])
async def test_find_raises_where_an_order_may_exist(road: Any, error_id: str) -> None:
    """PLE10021 means that the order is being made, and a bare 404 may come from a proxy."""
    road.answers = [NotFoundError("no", error_id=error_id)]
    with pytest.raises(NotFoundError):
        await OrderService(road).find("PO-7")


async def test_raw_answers_are_masked(road: Any) -> None:
    """An order shows its raw answer in no repr, pickle or JSON, and its unknown fields can still be read."""
    body = b'{"data":{"placeOrder":{"data":{"orderId":900,"tip":"HUNTER-2"}}}}'
    road.answers = [order(raw=RawReply(body))]
    placed = await OrderService(road).place(**ASKED)
    assert isinstance(placed.raw, RawReply)
    assert placed.extra == {"tip": "HUNTER-2"}
    assert "HUNTER" not in repr(msgspec.structs.asdict(placed))
    assert "HUNTER" not in repr(placed.to_dict(reveal=True))
    assert b"HUNTER" not in pickle.dumps(placed)
    assert b"HUNTER" not in msgspec.json.encode(placed)


async def test_history_is_iterated_over_pages(road: Any) -> None:
    """Every page asks for the same days and tag."""
    road.answers = [(OrderSummary(order_id=1),), ()]
    seen = [item.order_id async for item in OrderService(road).iterate_history(START, END, limit=1, tag="t")]
    assert seen == [1]
    assert [(request.page, request.tag) for _, request in road.asked] == [(1, "t"), (2, "t")]


async def test_a_lost_answer_is_looked_up(road: Any, clock: Clock) -> None:
    """The order is found by its poNumber, and placeOrder is sent once."""
    road.answers = [lost(), absent(), absent(), order(quantity=1)]
    placed = await OrderService(road, clock=clock).place(**ASKED)
    assert (placed.order_id, placed.po_number) == (900, "PO-7")
    assert [name for name, _ in road.asked].count("placeOrder") == 1


async def test_an_order_not_found_stays_unknown(road: Any, clock: Clock) -> None:
    """Thirty seconds without an order prove nothing; the error says so, and the listener gets the poNumber."""
    doubts: list[str] = []
    road.answers = [lost(), *(absent() for _ in range(20))]
    service = OrderService(road, clock=clock, doubt=lambda po_number, _reason: doubts.append(po_number))
    with pytest.raises(OutcomeUnknownError):
        await service.place(**ASKED)
    assert doubts == ["PO-7"]
    assert clock.now >= 30
    assert [name for name, _ in road.asked].count("placeOrder") == 1


@pytest.mark.parametrize("error", [ConnectError("refused"), BadRequestError("no", error_id="PLE10001")])
async def test_an_error_without_effect_is_not_looked_up(road: Any, clock: Clock, error: Exception) -> None:
    """It is raised at once."""
    road.answers = [error]
    with pytest.raises(type(error)):
        await OrderService(road, clock=clock).place(**ASKED)
    assert len(road.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"vouchers": (VoucherCode(product_id=32, voucher_code_=Secret("HUNTER-2")),)},
        {"voucher_details": (VoucherDetail(denomination=Decimal(50)),)},
        {"quantity": 2},
        {"order_meta_": Masked({"email": "john@x.example"})},
        {"order_meta_": Masked({"contact": "+91-9000000002"})},
        {"tag": "B"},
        {"order_meta_": Masked({"userMeta": {"topupPhoneNumber": "9000000002"}})},
    ],
    ids=["product", "denomination", "quantity", "e-mail", "contact", "tag", "top-up"],
)
@pytest.mark.parametrize("refused", [True, False], ids=["refused", "replayed"])
async def test_another_orders_po_number_raises(road: Any, clock: Clock, other: dict[str, Any], refused: bool) -> None:
    """The vendor may refuse a used poNumber or answer with its first order; that order is never returned."""
    asked = {**ASKED, "email": "jane@x.example", "contact": "+91-9000000001", "tag": "A"}
    details = TopUpDetails(phone_code="+91", phone_number="9000000001")
    first = DuplicatePoNumberError("used", error_id="PLE10004") if refused else order(**other)
    road.answers = [first, order(**other)]
    with pytest.raises(DuplicatePoNumberError, match="belongs to order 900, and it") as caught:
        await OrderService(road, clock=clock).place(**asked, details=details)
    assert caught.value.effect == "possible"
    assert not any(told in str(caught.value) for told in ("john", "jane", "90000"))
    assert [name for name, _ in road.asked] == ["placeOrder", "getOrderDetails"]


async def test_an_answer_to_another_request_is_looked_up(road: Any, clock: Clock) -> None:
    """The answer names another order, and the look-up finds the one that was placed."""
    road.answers = [order(order_id=901, tag="B"), order(tag="A")]
    assert (await OrderService(road, clock=clock).place(**ASKED, tag="A")).order_id == 900


async def test_a_foreign_answer_without_our_order_raises(road: Any, clock: Clock) -> None:
    """The error names the order that came, and the listener gets the poNumber."""
    doubts: list[str] = []
    road.answers = [order(order_id=901, tag="B"), *(absent() for _ in range(20))]
    service = OrderService(road, clock=clock, doubt=lambda po_number, _reason: doubts.append(po_number))
    with pytest.raises(OutcomeUnknownError, match="answered with order 901, and its tag is not the one asked for"):
        await service.place(**ASKED, tag="A")
    assert doubts == ["PO-7"]


async def test_a_matching_duplicate_returns_the_order(road: Any, clock: Clock) -> None:
    """A redelivered message gets the first order."""
    road.answers = [DuplicatePoNumberError("used", error_id="PLE10004"), order(quantity=1)]
    assert (await OrderService(road, clock=clock).place(**ASKED)).order_id == 900


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), "150", -1, True, None], ids=repr)
async def test_settle_refuses_a_wrong_time(road: Any, clock: Clock, seconds: Any) -> None:
    """NaN, a negative number and a text are named, and nothing is looked up."""
    with pytest.raises(ConfigError, match="absent_after_s"):
        await OrderService(road, clock=clock).settle("PO-7", absent_after_s=seconds)
    with pytest.raises(ConfigError, match="call_s"):
        OrderService(road, call_s=seconds)
    assert road.asked == []


async def test_settle_waits_before_it_returns_none(road: Any, clock: Clock) -> None:
    """It returns None after the vendor's longest time, and finds an order that comes late."""
    road.answers = [absent() for _ in range(40)]
    assert await OrderService(road, clock=clock).settle("PO-7") is None
    assert clock.now >= 150
    road.answers = [absent(), absent(), order()]
    found = await OrderService(road, clock=clock).settle("PO-7")
    assert found is not None
