"""`settling`: in doubt an order is looked up for as long as that can tell, and what is then raised is what is known."""

from typing import Any

import anyio
import pytest

from xoxo_async.consequences import in_short
from xoxo_async.errors import (
    ConnectError,
    DuplicatePoNumberError,
    InsufficientFundsError,
    NotFoundError,
    OutcomeUnknownError,
    ServerError,
    XoxoError,
)
from xoxo_async.services.orders import Order
from xoxo_async.services.orders.requests import place_order
from xoxo_async.services.orders.settling import Settling

pytestmark = pytest.mark.anyio


class Books:
    """Look-ups that answer as listed, the last answer again and again; and a clock that only sleeping moves."""

    def __init__(self) -> None:
        self.answers: list[Order | BaseException | None] = [None]
        self.looked_at: list[float] = []
        self.doubts: list[tuple[str, str]] = []
        self.now = 0.0
        self.settling = Settling(self.find, lambda *doubt: self.doubts.append(doubt), lambda: self.now)

    async def find(self, _po_number: str) -> Order | None:
        self.looked_at.append(self.now)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def after(self, error: XoxoError, *, deadline: float = 400.0) -> Order:
        return await self.settling.after(place_order(product_id=31, denomination=25, po_number="PO-7"), error, deadline)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    """Return books without an order: put `answers` in, look at the rest afterwards."""
    books = Books()
    monkeypatch.setattr(anyio, "sleep", books.sleep)
    return books


def order(**fields: Any) -> Order:
    return Order(**{"order_id": 900, **fields})


WHERE: dict[str, Any] = {"operation": "placeOrder", "po_number": "PO-7", "attempts": 1}
LOST = OutcomeUnknownError("the answer was lost", **WHERE)
FUNDS = InsufficientFundsError("refused", **WHERE, status=422, error_id="PLE10010")
LATE = ServerError("not checked", **WHERE, status=502, error_id="PLE10035")
STRANGE = ServerError("never heard of", **WHERE, status=422, error_id="PLE77777")
USED = DuplicatePoNumberError("used", **WHERE, status=422, error_id="PLE10004")


async def test_look_ups_back_off_until_the_end(books: Books) -> None:
    """They come after 1, 2, 4 … seconds, never more than 15 apart, and the last one when the time is over."""
    assert await books.settling.look_for("PO-7", 60) is None
    assert books.looked_at == [0, 1, 3, 7, 15, 30, 45, 60]


@pytest.mark.parametrize("for_s", [0.0, -5.0, 0.5])
async def test_there_are_at_least_two_look_ups(books: Books, for_s: float) -> None:
    """A single look-up may lag behind the order."""
    assert await books.settling.look_for("PO-7", for_s) is None
    assert len(books.looked_at) == 2


async def test_a_found_order_ends_the_look_ups(books: Books) -> None:
    """There is no sleep after it is found."""
    books.answers = [None, None, order()]
    found = await books.settling.look_for("PO-7", 60)
    assert found is not None
    assert books.looked_at == [0, 1, 3]


@pytest.mark.parametrize(("error", "seconds"), [(LOST, 30), (FUNDS, 8), (LATE, 8)], ids=["silence", "funds", "late"])
async def test_silence_gets_more_look_ups_than_refusals(books: Books, error: XoxoError, seconds: float) -> None:
    """After a refusal the vendor is done; after silence it may still be placing the order."""
    with pytest.raises(XoxoError):
        await books.after(error)
    assert books.now == seconds


async def test_look_ups_end_with_the_call(books: Books) -> None:
    """They get no more time than is left of the call."""
    with pytest.raises(OutcomeUnknownError):
        await books.after(LOST, deadline=5.0)
    assert books.now == 5


async def test_a_found_order_is_returned(books: Books) -> None:
    """The error before it does not matter, and no doubt is reported."""
    books.answers = [None, order(quantity=1)]
    assert (await books.after(USED)).order_id == 900
    assert books.doubts == []


@pytest.mark.parametrize("error", [LOST, FUNDS, USED], ids=["lost", "funds", "used"])
async def test_an_error_that_fits_is_raised_unchanged(books: Books, error: XoxoError) -> None:
    """A refusal stays a refusal, an unknown outcome stays unknown, and the listener gets the poNumber."""
    with pytest.raises(type(error)) as caught:
        await books.after(error)
    assert caught.value is error
    assert books.doubts == [("PO-7", in_short(error))]


@pytest.mark.parametrize("error", [LATE, STRANGE], ids=["an order exists", "unknown id"])
async def test_an_unclear_refusal_becomes_outcome_unknown(books: Books, error: XoxoError) -> None:
    """Look-ups that find nothing do not outweigh it, and the error keeps all that the refusal said."""
    with pytest.raises(OutcomeUnknownError) as caught:
        await books.after(error)
    doubt = caught.value
    assert doubt.__cause__ is error
    assert (doubt.po_number, doubt.status, doubt.error_id, doubt.attempts) == (
        "PO-7",
        error.status,
        error.error_id,
        1,
    )
    assert books.doubts == [("PO-7", in_short(error))]


@pytest.mark.parametrize("error", [LOST, FUNDS], ids=["lost", "funds"])
async def test_a_failed_look_up_leaves_it_unknown(books: Books, error: XoxoError) -> None:
    """The error holds both reasons."""
    books.answers = [None, ConnectError("not reached")]
    with pytest.raises(OutcomeUnknownError, match=rf"{error.message}.*not reached") as caught:
        await books.after(error)
    assert caught.value.po_number == "PO-7"
    assert books.doubts == [("PO-7", "its look-up failed: ConnectError")]


async def test_another_not_found_is_a_failed_look_up(books: Books) -> None:
    """Only `find` decides which refusal means that there is no order."""
    books.answers = [NotFoundError("being fulfilled", error_id="PLE10021")]
    with pytest.raises(OutcomeUnknownError):
        await books.after(USED)


async def test_a_cancelled_caller_reports_the_po_number(books: Books) -> None:
    """The cancellation passes through."""
    books.answers = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        await books.after(LOST)
    assert books.doubts == [("PO-7", "its caller was cancelled while it was looked up")]


async def test_another_order_is_never_returned(books: Books) -> None:
    """The error names that order, and what differs."""
    books.answers = [order(quantity=5)]
    with pytest.raises(DuplicatePoNumberError, match="belongs to order 900, and its quantity is 5, not 1") as caught:
        await books.after(LOST)
    assert (caught.value.po_number, caught.value.__cause__) == ("PO-7", LOST)
