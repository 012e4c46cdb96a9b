"""`fetching`: codes of the same order are fetched again, or there is a reason why not."""

from contextlib import asynccontextmanager
from typing import Any

import pytest

from xoxo_async import errors
from xoxo_async.bulk import Delivery, Identity, LedgerLine, LineState
from xoxo_async.bulk.exporting.fetching import CodeFetcher
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.services.orders import Order, VoucherCode
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

BODY = '{"productId":1001,"quantity":1,"denomination":100,"poNumber":"PO-1"}'


def line(seq: int, **given: Any) -> LedgerLine:
    plain: dict[str, Any] = {"state": LineState.PLACED, "delivery": Delivery.DELIVERED, "order_id": 100 + seq}
    fields = {**plain, **given}
    return LedgerLine(seq=seq, key=f"k{seq}", po_number=f"PO-{seq}", digest="d", body=BODY, row=seq, epoch=1, **fields)


class Vendor:
    """A client, its vendor's orders, and the ledger that asks for their codes."""

    base_url = "https://x.example/chef"
    account_fingerprint = "me"
    kind = JobKind.ORDERS
    argument = "l.db"

    def __init__(self) -> None:
        self.orders = self
        self.identity = Identity("https://x.example:443/chef", "me")
        self.asked: list[int] = []
        self.opened = self.closed = 0
        self.error: Exception | None = None

    @asynccontextmanager
    async def open(self) -> Any:
        self.opened += 1
        yield self
        self.closed += 1

    async def get(self, *, order_id: int) -> Order:
        self.asked.append(order_id)
        if self.error is not None:
            raise self.error
        if order_id == 103:
            raise errors.NotFoundError("no", error_id="PLE10016")
        vouchers = (VoucherCode(voucher_code_=Secret(f"CODE-{order_id}")),)
        return Order(order_id=order_id, quantity=5 if order_id == 102 else 1, vouchers=vouchers)

    async def vet(self, found: dict[int, bytes]) -> dict[int, Any]:
        return {seq: codes_of(codes) for seq, codes in found.items()}


@pytest.fixture
def vendor() -> Any:
    return Vendor()


async def test_the_codes_of_an_order_are_fetched(vendor: Any) -> None:
    """One call an order; the client is opened once and closed at the end."""
    async with CodeFetcher(vendor, vendor.open).opened() as fetcher:
        first, second = await fetcher.fetch([line(1)]), await fetcher.fetch([line(4)])
    assert [code.code for code in first.codes[1]] == ["CODE-101"]
    assert (first.calls, second.calls, vendor.asked) == (1, 1, [101, 104])
    assert (vendor.opened, vendor.closed) == (1, 1)


async def test_only_codes_that_are_elsewhere_are_asked_for(vendor: Any) -> None:
    """Not of a line that has them, waits for them, or has no order; then no client is opened."""
    lines = [line(1, codes=b"[]"), line(2, delivery=Delivery.PENDING), line(3, state=LineState.UNKNOWN)]
    async with CodeFetcher(vendor, vendor.open).opened() as fetcher:
        assert await fetcher.fetch(lines) == ({}, {}, 0)
    assert vendor.opened == 0


async def test_another_order_gives_no_codes(vendor: Any) -> None:
    """One that differs from the row, and one that the vendor does not find: each has its reason."""
    async with CodeFetcher(vendor, vendor.open).opened() as fetcher:
        fetched = await fetcher.fetch([line(1), line(2), line(3)])
    assert set(fetched.codes) == {1}
    assert fetched.refused == {
        2: "order 102 at the vendor is another one: its quantity is 5, not 1",
        3: "the vendor does not find order 103",
    }


async def test_an_order_that_cannot_be_looked_up_raises(vendor: Any) -> None:
    """The error itself, not a group around it."""
    vendor.error = errors.ConnectError("not reached")
    async with CodeFetcher(vendor, vendor.open).opened() as fetcher:
        with pytest.raises(errors.ConnectError, match="not reached"):
            await fetcher.fetch([line(n) for n in range(1, 40)])


async def test_another_account_gives_no_codes(vendor: Any) -> None:
    """It has other orders, so no order is looked up."""
    vendor.identity = Identity("https://x.example:443/chef", "somebody else")
    async with CodeFetcher(vendor, vendor.open).opened() as fetcher:
        with pytest.raises(errors.ConfigError, match="another account"):
            await fetcher.fetch([line(1)])
    assert vendor.asked == []
