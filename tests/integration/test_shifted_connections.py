"""On a kept connection whose answers are one behind, each caller gets its own order or none, over raw sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from xoxo_async import RateLimits, RetryPolicy, StaticToken, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.hooks import Event, OrderInDoubt
from xoxo_async.services.orders import GET_ORDER, PLACE_ORDER, OrderLookup, place_order
from xoxo_async.transport.connections import Attempt

pytestmark = pytest.mark.anyio

Answer = bytes


def http(status: int, body: object, *, kind: bytes = b"application/json") -> Answer:
    """Return an answer on a connection that stays open."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(raw))
    return head + raw


@dataclass
class Vendor:
    """A vendor with books behind a proxy, which may repeat an answer while the next request is in flight.

    From then on the connection is one behind: each request gets the answer to the one before it.

    Attributes:
        repeats: Takes the operation and how many of it came. Returns whether the answer is repeated.
        instead: Returns the answer to send instead of the one in the books; None for the one in the books.
    """

    repeats: Callable[[str, int], bool] = lambda _operation, _number: False
    instead: Callable[[str, int], Answer | None] = lambda _operation, _number: None
    books: dict[str, int] = field(default_factory=dict)
    products: dict[int, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: str = ""
    """The poNumber whose answers wait for the gate."""

    def answer(self, operation: str, data: dict[str, Any]) -> Answer:
        """Answer as the vendor's records say."""
        if operation == "placeOrder":
            self.books.setdefault(data["poNumber"], 1001 + len(self.books))
        if operation in ("placeOrder", "getOrderDetails"):
            by_id = [order_id for order_id in self.books.values() if order_id == data.get("orderId")]
            order_id = self.books.get(data.get("poNumber", "")) or (by_id[0] if by_id else None)
            if order_id is None:
                return http(404, {"code": 404, "errorId": "PLE10016", "error": "x"})
            product = self.products.setdefault(order_id, data.get("productId", 1001))
            voucher = {"productId": product, "voucherCode": f"CODE-{order_id}"}
            order = {"orderId": order_id, "quantity": 1, "deliveryStatus": "delivered", "vouchers": [voucher]}
            return http(200, {"data": {operation: {"status": 1, "data": order}}})
        if operation == "generateLink":
            link = f"https://links.example.com/{len(self.requests)}"
            reply = {"success": 1, "campaignId": data["campaignId"], "links": [link], "batchId": "1"}
            return http(200, {"data": {operation: reply}})
        return http(200, {"data": {operation: {"status": 1, "data": {"value": 5, "currency": "INR"}}}})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        again = b""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            operation = asked["query"].rsplit(".", 1)[-1]
            self.requests.append(operation)
            data = asked["variables"]["data"]
            said = self.answer(operation, data)
            number = self.requests.count(operation)
            said = self.instead(operation, number) or said
            if self.held and data.get("poNumber") == self.held:
                await self.gate.wait()
            if again:  # one behind: each answer comes while the next request is in flight
                writer.write(again)
                again = said
            else:
                writer.write(said)
                again = said if self.repeats(operation, number) else b""


@asynccontextmanager
async def serving(vendor: Vendor) -> AsyncIterator[Vendor]:
    """Run the vendor on loopback."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await vendor.serve(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield vendor
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def client_of(vendor: Vendor, events: list[Event], *, own: bool = True) -> AsyncIterator[XoxoClient]:
    """Return a client with one connection at a time, from its own pool or from a caller's session."""
    async with AsyncExitStack() as stack:
        session = None if own else await stack.enter_async_context(aiohttp.ClientSession())
        client = XoxoClient(
            StaticToken("TOKEN"),
            base_url=vendor.url,
            rate_limits=RateLimits.unlimited(),
            retry=RetryPolicy(base_s=0, max_s=0),
            session=session,
            hooks=[events.append],
        )
        yield await stack.enter_async_context(client)


def doubts(events: list[Event]) -> list[str]:
    """Return the poNumbers in doubt."""
    return [event.po_number for event in events if isinstance(event, OrderInDoubt)]


pools = pytest.mark.parametrize("own", [True, False], ids=["own pool", "a caller's session"])


@pools
async def test_another_orders_answer_causes_a_look_up(own: bool) -> None:
    """The first answer comes again for the second order, which is looked up over another connection."""
    events: list[Event] = []
    vendor = Vendor(repeats=lambda operation, number: operation == "placeOrder" and number == 1)
    async with serving(vendor), client_of(vendor, events, own=own) as client:
        got = {
            po: (await client.orders.place(product_id=1001, denomination=100, po_number=po)).order_id for po in "ABCD"
        }
    assert got == vendor.books
    assert vendor.requests.count("placeOrder") == 4
    assert doubts(events) == ["A"]


@pools
async def test_a_look_up_never_returns_another_order(own: bool) -> None:
    """A look-up by poNumber or id ignores the answer to another look-up, and is made again."""
    vendor = Vendor(books={"A": 1, "B": 2, "C": 3, "D": 4})
    vendor.repeats = lambda _operation, number: number in (1, 5)
    async with serving(vendor), client_of(vendor, [], own=own) as client:
        found = [await client.orders.find(po) for po in "ABCD"]
        got = [(await client.orders.get(order_id=order_id)).order_id for order_id in (1, 2, 3, 4)]
    assert [order.order_id for order in found if order] == [1, 2, 3, 4]
    assert got == [1, 2, 3, 4]


STRAY = {
    "429": http(429, {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0}]}),
    "502": http(502, b"<html>bad gateway</html>", kind=b"text/html"),
    "refusal inside 200": http(200, {"data": {"placeOrder": {"status": 0, "message": "no"}}}),
    "no JSON": http(200, b"<html>who are you</html>", kind=b"text/html"),
    "refused": http(400, {"code": 400, "errorId": "PLE10001", "error": "x"}),
}


@pools
@pytest.mark.parametrize("kind", STRAY)
async def test_a_doubled_refusal_refuses_one_call_only(kind: str, own: bool) -> None:
    """The second copy is not read, so the next order is neither sent again nor given up."""
    vendor = Vendor(
        repeats=lambda operation, number: operation == "placeOrder" and number == 1,
        instead=lambda operation, number: STRAY[kind] if operation == "placeOrder" and number == 1 else None,
    )
    async with serving(vendor), client_of(vendor, [], own=own) as client:
        with suppress(errors.XoxoError):
            await client.orders.place(product_id=1001, denomination=100, po_number="A")
        sent = vendor.requests.count("placeOrder")
        order = await client.orders.place(product_id=1001, denomination=100, po_number="B")
    assert order.order_id == vendor.books["B"]
    assert vendor.requests.count("placeOrder") == sent + 1


async def test_links_are_not_handed_out_twice() -> None:
    """An answer without a key closes its connection, so that a second copy of it is never read."""
    vendor = Vendor(repeats=lambda _operation, _number: True)
    day = (datetime.now(UTC) + timedelta(days=30)).date()
    async with serving(vendor), client_of(vendor, []) as client:
        batches = [await client.links.generate(campaign_id=7, quantity=1, expires_on=day) for _ in range(3)]
    links = [link.reveal() for batch in batches for link in batch.links]
    assert len(set(links)) == 3


async def test_an_order_id_of_another_ponumber_is_refused() -> None:
    """Both connections are closed, the order is looked up, and hooks receive what is in doubt."""
    events: list[Event] = []
    vendor = Vendor(
        instead=lambda operation, number: (
            vendor.answer("placeOrder", {"poNumber": "A"}) if operation == "placeOrder" and number == 3 else None
        )
    )
    async with serving(vendor), client_of(vendor, events) as client:
        await client.orders.place(product_id=1001, denomination=100, po_number="A")
        await client.orders.find("nothing")  # a refusal, which closes its connection
        await client.orders.place(product_id=1001, denomination=100, po_number="B")
        order = await client.orders.place(product_id=1001, denomination=100, po_number="C")
    assert order.order_id == vendor.books["C"]
    assert doubts(events) == ["A", "B"]
    assert vendor.requests.count("placeOrder") == 3


async def test_an_order_for_another_product_closes_its_connection() -> None:
    """Hooks receive the earlier answers of the connection, and no more requests go over it."""
    events: list[Event] = []
    other = {"orderId": 77, "quantity": 1, "vouchers": [{"productId": 2002, "voucherCode": "X"}]}
    vendor = Vendor(
        instead=lambda operation, number: (
            http(200, {"data": {operation: {"status": 1, "data": other}}})
            if operation == "placeOrder" and number == 2
            else None
        )
    )
    async with serving(vendor), client_of(vendor, events) as client:
        await client.orders.place(product_id=1001, denomination=100, po_number="A")
        await client.orders.place(product_id=1001, denomination=100, po_number="B")
        await client.orders.place(product_id=1001, denomination=100, po_number="C")
    assert "A" in doubts(events)
    assert vendor.connections == 2


async def test_a_connection_is_retired_after_two_hundred_orders() -> None:
    """No more than two hundred orders are in doubt when one answer proves to belong to another request."""
    vendor = Vendor()
    async with serving(vendor), client_of(vendor, []) as client:
        for number in range(201):
            await client.orders.place(product_id=1001, denomination=100, po_number=f"P{number}")
    assert vendor.connections == 2


async def test_only_a_success_keeps_a_connection() -> None:
    """Successes share one connection, and each refusal closes one."""
    vendor = Vendor()
    async with serving(vendor), client_of(vendor, []) as client:
        for _ in range(3):
            await client.account.get_balance()
        assert vendor.connections == 1
        for _ in range(2):
            assert await client.orders.find("nothing") is None
    assert vendor.connections == 2


async def test_a_tainted_connection_ends_its_request() -> None:
    """A caller with a ledger gets the earlier answers of the connection, and its request in flight ends."""
    vendor = Vendor(held="C")
    async with serving(vendor), client_of(vendor, []) as client:
        first, second = Attempt("A"), Attempt("B")
        for attempt in (first, second):
            request = place_order(product_id=1001, denomination=Decimal(100), po_number=attempt.po_number)
            await client.dispatcher.once(PLACE_ORDER, request, attempt=attempt)
        assert first.connection is second.connection is not None
        under_way = asyncio.ensure_future(client.dispatcher.once(GET_ORDER, OrderLookup(po_number="C")))
        while vendor.requests[-1] != "getOrderDetails":
            await asyncio.sleep(0)
        assert second.connection.taint() == (("A", 1001), ("B", 1002))
        with pytest.raises(errors.ReplyLostError):
            await under_way
        assert second.connection.taint() == ()


async def test_an_impossible_answer_names_orders_in_doubt() -> None:
    """A single attempt raises ReplyLostError, and names the orders that its connection has answered."""
    vendor = Vendor(repeats=lambda _operation, number: number == 2)
    async with serving(vendor), client_of(vendor, []) as client:
        attempts = [Attempt(po_number) for po_number in "ABC"]
        for attempt in attempts[:2]:
            request = place_order(product_id=1001, denomination=Decimal(100), po_number=attempt.po_number)
            await client.dispatcher.once(PLACE_ORDER, request, attempt=attempt)
        request = place_order(product_id=1001, denomination=Decimal(100), po_number="C")
        with pytest.raises(errors.ReplyLostError, match="another request") as caught:
            await client.dispatcher.once(PLACE_ORDER, request, attempt=attempts[2])
    assert caught.value.effect == "possible"
    assert attempts[2].doubted == (("A", 1001), ("B", 1002))


# In bulk, the ledger has what was ordered, and which order belongs to which line.


@pytest.mark.parametrize("own", [True, False], ids=["own pool", "a caller's session"])
@pytest.mark.parametrize("nth", [1, 2, 5, 9])
@pytest.mark.parametrize("operation", ["placeOrder", "getOrderDetails"])
@pytest.mark.parametrize("mixed", [True, False], ids=["mixed products", "one product"])
@pytest.mark.parametrize("at_once", [1, 4])
async def test_every_row_gets_its_own_order(
    tmp_path: Path, operation: str, nth: int, mixed: bool, at_once: int, own: bool
) -> None:
    """Each row has the order and the code of its poNumber, and nothing is bought twice, for any doubled answer."""
    vendor = Vendor(repeats=lambda asked, number: asked == operation and number == nth)
    rows = [
        OrderLine(key=f"k{n}", product_id=1001 + n % 3 if mixed else 1001, denomination=Decimal(100)) for n in range(12)
    ]
    async with (
        serving(vendor),
        client_of(vendor, [], own=own) as client,
        SqliteLedger(tmp_path / "l.db") as ledger,
    ):
        issuer = BulkIssuer(client, ledger, job="march", check=False, settle_s=0, concurrency=at_once)
        report = await issuer.run(rows)
        if report.unknown:
            report = await issuer.resume()
        got = {line.po_number: line async for line in ledger.lines(with_codes=True)}
    assert (report.issued, report.unknown) == (12, 0)
    assert {po_number: line.order_id for po_number, line in got.items()} == vendor.books
    assert vendor.requests.count("placeOrder") == 12
    for line in got.values():
        assert [code.code for code in codes_of(line.codes)] == [f"CODE-{line.order_id}"]


async def test_a_stopped_run_issues_no_doubtful_row(tmp_path: Path) -> None:
    """After a stop right behind the wrong answer, no row that the answer puts in doubt counts as issued."""
    vendor = Vendor(repeats=lambda asked, number: asked == "placeOrder" and number == 3)
    rows = [OrderLine(key=f"k{n}", product_id=1001 + n, denomination=Decimal(100)) for n in range(6)]
    async with serving(vendor), client_of(vendor, []) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        issuer = BulkIssuer(client, ledger, job="march", check=False, settle_s=0, concurrency=1)
        answer = vendor.answer

        def stop_at_the_fourth(operation: str, data: dict[str, Any]) -> Answer:
            if vendor.requests.count("placeOrder") == 4:
                issuer.stop("enough")
            return answer(operation, data)

        vendor.answer = stop_at_the_fourth  # type: ignore[method-assign]
        report = await issuer.run(rows)
        assert (report.issued, report.unknown, report.not_sent) == (0, 4, 2)
        report = await issuer.resume()
        assert report.issued == 6
        assert {line.po_number: line.order_id async for line in ledger.lines()} == vendor.books
    assert vendor.requests.count("placeOrder") == 6


async def test_a_wrong_product_puts_earlier_rows_in_doubt(tmp_path: Path) -> None:
    """No order id shows the fault, so the rows before it are looked up over another connection."""
    other = {"orderId": 77, "quantity": 1, "vouchers": [{"productId": 2002, "voucherCode": "X"}]}
    vendor = Vendor(
        instead=lambda operation, number: (
            http(200, {"data": {operation: {"status": 1, "data": other}}})
            if operation == "placeOrder" and number == 3
            else None
        )
    )
    rows = [OrderLine(key=f"k{n}", product_id=1001, denomination=Decimal(100)) for n in range(5)]
    async with serving(vendor), client_of(vendor, []) as client, SqliteLedger(tmp_path / "l.db") as ledger:
        issuer = BulkIssuer(client, ledger, job="march", check=False, settle_s=0, concurrency=1)
        report = await issuer.run(rows)
        assert (report.issued, report.unknown) == (5, 0)
        assert {line.po_number: line.order_id async for line in ledger.lines()} == vendor.books
        doubted = [row.seq async for row in ledger.journal() if row.transition == "T16"]
    assert doubted == [1, 2]
    assert vendor.requests.count("placeOrder") == 5
    assert vendor.requests.count("getOrderDetails") == 3
