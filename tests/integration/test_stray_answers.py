"""Answers without a request, and which parts of an answer an error shows, over raw sockets."""

import asyncio
import json
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import pytest

from xoxo_async import ClientCredentials, RateLimits, StaticToken, Timeouts, XoxoClient, errors, reading
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

TOKEN = "TOKENTOKENTOKEN"
CODE = "SECRETCODE1"

Answers = Callable[[str, int], list[tuple[float, bytes]]]


def http(status: int, body: object) -> bytes:
    """Return an answer on a connection that stays open."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(raw), raw)


def placed(order_id: object, **other: object) -> dict[str, object]:
    """Return a placeOrder answer."""
    voucher = {"productId": 1001, "voucherCode": f"{CODE}-{order_id}", "pin": "1"}
    order = {"orderId": order_id, "quantity": 1, "deliveryStatus": "delivered", "vouchers": [voucher], **other}
    return {"data": {"placeOrder": {"status": 1, "data": order}}}


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close the connection, and wait until it is closed."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def answering(answers: Answers) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve requests with the answers and delays of `answers`. Yield the address and the requests."""
    requests: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                operation = body["query"].rsplit(".", 1)[-1]
                requests.append(operation)
                for wait_s, raw in answers(operation, requests.count(operation)):
                    asyncio.get_running_loop().call_later(wait_s, writer.write, raw)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            await closed(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lines(count: int) -> list[OrderLine]:
    """Return some lines."""
    return [OrderLine(key=f"k{n}", product_id=1001, denomination=Decimal(100)) for n in range(count)]


STRAY = {
    "the same again": lambda order: http(200, order),
    "a proxy's 408": lambda _order: b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("kind", STRAY)
async def test_bytes_on_an_idle_connection_are_no_answer(tmp_path: Path, kind: str) -> None:
    """Each line gets its own order, although stray bytes come between every two."""

    def answers(_operation: str, number: int) -> list[tuple[float, bytes]]:
        order = placed(1000 + number)
        return [(0.0, http(200, order)), (0.02, STRAY[kind](order))]

    limits = RateLimits(place_order=600, order_details=None, order_history=None)
    async with answering(answers) as (url, requests):
        client = XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=limits)
        async with client, SqliteLedger(tmp_path / "l.db") as ledger:
            report = await BulkIssuer(client, ledger, job="j", concurrency=1, check=False).run(lines(6))
            ids = [line.order_id async for line in ledger.lines()]
    assert (report.issued, requests.count("placeOrder")) == (6, 6)
    assert ids == [1001 + n for n in range(6)]


async def test_one_order_is_never_two_lines(tmp_path: Path) -> None:
    """A server that answers every order with one id issues one line, and the others become manual."""

    def answers(operation: str, _number: int) -> list[tuple[float, bytes]]:
        if operation == "getOrderDetails":
            return [(0.0, http(200, {"data": {"getOrderDetails": placed(777)["data"]["placeOrder"]}}))]  # type: ignore[index]
        return [(0.0, http(200, placed(777)))]

    async with answering(answers) as (url, _):
        client = XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited())
        async with client, SqliteLedger(tmp_path / "l.db") as ledger:
            issuer = BulkIssuer(client, ledger, job="j", concurrency=2, check=False, settle_s=0)
            report = await issuer.run(lines(3))
    assert (report.issued, report.unknown) == (1, 2)


async def test_one_absurd_order_id_ends_no_run(tmp_path: Path) -> None:
    """An order id that no database can hold makes its line manual, and the others are issued."""

    def answers(operation: str, number: int) -> list[tuple[float, bytes]]:
        order = placed(10**20 if number == 2 or operation == "getOrderDetails" else 1000 + number)
        key = operation
        return [(0.0, http(200, {"data": {key: order["data"]["placeOrder"]}}))]  # type: ignore[index]

    async with answering(answers) as (url, _):
        client = XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited())
        async with client, SqliteLedger(tmp_path / "l.db") as ledger:
            issuer = BulkIssuer(client, ledger, job="j", concurrency=1, check=False, settle_s=0)
            report = await issuer.run(lines(5))
    assert (report.issued, report.unknown) == (4, 1)


@pytest.mark.parametrize("replayed", [True, False], ids=["the first order again", "another request's answer"])
async def test_place_never_returns_another_order(replayed: bool) -> None:
    """`place` looks it up by poNumber: another order is an error that names it, the right one is returned."""

    def answers(operation: str, _number: int) -> list[tuple[float, bytes]]:
        if operation == "placeOrder":
            return [(0.0, http(200, placed(1, quantity=3)))]
        order = placed(1, quantity=3) if replayed else placed(2)
        return [(0.0, http(200, {"data": {"getOrderDetails": order["data"]["placeOrder"]}}))]  # type: ignore[index]

    async with answering(answers) as (url, requests):
        async with XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited()) as client:
            place = client.orders.place(product_id=1001, denomination=100, po_number="A")
            if replayed:
                with pytest.raises(errors.DuplicatePoNumberError, match="to order 1, and its quantity is 3, not 1"):
                    await place
            else:
                assert (await place).order_id == 2
    assert requests == ["placeOrder", "getOrderDetails"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"email": "jane@x.example"}, {"email": "john@x.example"}),
        ({"contact": "+91-9000000001"}, {"contact": "+91-9000000002"}),
        ({"tag": "A"}, {"tag": "B"}),
    ],
    ids=["e-mail", "contact", "tag"],
)
async def test_two_callers_never_share_one_order(
    xoxo_sandbox: Sandbox, first: dict[str, str], second: dict[str, str]
) -> None:
    """The first caller's retry gets the first order; the second caller gets an error and no code."""
    credentials = ClientCredentials(xoxo_sandbox.client_id, xoxo_sandbox.client_secret)
    async with XoxoClient(credentials, base_url=xoxo_sandbox.base_url) as client:
        place = partial(client.orders.place, product_id=1001, denomination=100, po_number="A")
        order = await place(**first)
        assert (await place(**first)).order_id == order.order_id
        with pytest.raises(errors.DuplicatePoNumberError, match=f"order {order.order_id}"):
            await place(**second)
    assert xoxo_sandbox.books().duplicates == {}


async def test_penalties_without_end_pause_the_run(tmp_path: Path) -> None:
    """A server that always refuses for its rate limit gets few requests, and then the run pauses."""
    refusal = {"errors": [{"message": "auth.request_limit_exceeded", "penaltySeconds": 0}]}

    async with answering(lambda _operation, _number: [(0.0, http(429, refusal))]) as (url, requests):
        client = XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited())
        async with client, SqliteLedger(tmp_path / "l.db") as ledger:
            with anyio.fail_after(30):
                report = await BulkIssuer(client, ledger, job="j", concurrency=1, check=False).run(lines(1))
    assert (report.pause.value, report.exit_code) == ("rate", 5)
    assert len(requests) < 12


HALF = json.dumps(placed(1)).encode()
SPOILT = {
    "wrong type": http(200, placed("abc")),
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + HALF,
    "no JSON": http(200, HALF + b"}}"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "half a gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "an error": http(500, placed(1)),
}


@pytest.mark.parametrize("kind", SPOILT)
async def test_errors_show_neither_token_nor_code(kind: str) -> None:
    """Reprs, causes and tracebacks show neither, also with captured local variables."""
    shut = {"cut off", "no HTTP"}

    def answers(_operation: str, _number: int) -> list[tuple[float, bytes]]:
        return [(0.0, SPOILT[kind])]

    seen: list[str] = []
    async with answering(answers) as (url, _):
        timeouts = Timeouts(order_s=0.3, read_s=0.3) if kind in shut else Timeouts()
        limits = RateLimits.unlimited()
        async with XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=limits, timeouts=timeouts) as client:
            for read in (client.orders.get(po_number="A"), client.account.get_balance()):
                try:
                    await read
                except errors.XoxoError as error:
                    told = traceback.TracebackException.from_exception(error, capture_locals=True)
                    seen.append("".join(told.format()))
                    chain: BaseException | None = error
                    while chain is not None:
                        seen.append(f"{chain!r} {chain} {vars(chain)}")
                        chain = chain.__cause__ or chain.__context__
    text = "\n".join(line for line in "\n".join(seen).splitlines() if "SPOILT" not in line and "HALF" not in line)
    assert seen
    assert TOKEN not in text
    assert CODE not in text


async def test_closing_in_a_cancelled_scope_leaves_nothing() -> None:
    """Connections are closed and no task is left, also while a token request hangs."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client closes the connection
        await closed(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = asyncio.all_tasks()
    client = XoxoClient(
        ClientCredentials("id", "secret"), base_url=f"http://127.0.0.1:{port}", timeouts=Timeouts(token_s=0.5)
    )
    with anyio.move_on_after(0.2):
        async with client:
            await client.account.get_balance()
    ours = {task for task in asyncio.all_tasks() - before if "silent" not in repr(task)}
    assert ours == set()
    server.close()
    await server.wait_closed()
    while len(asyncio.all_tasks()) > len(before):  # the server's task ends after the client has closed the connection
        await asyncio.sleep(0)


async def test_a_large_refusal_does_not_block_the_loop() -> None:
    """An error of eight megabytes is read in a thread, and the event loop goes on."""
    body = {"code": 400, "errorId": "PLE10001", "errorInfo": ["x" * 100] * 80_000}

    async with answering(lambda _operation, _number: [(0.0, http(400, body))]) as (url, _):
        async with XoxoClient(StaticToken(TOKEN), base_url=url, rate_limits=RateLimits.unlimited()) as client:
            threads: list[str] = []
            known = reading.recognise

            def watched(*given: object, **named: object) -> errors.XoxoError:
                threads.append(threading.current_thread().name)
                return known(*given, **named)  # type: ignore[arg-type]

            reading.recognise = watched  # type: ignore[assignment]
            try:
                with pytest.raises(errors.BadRequestError):
                    await client.account.get_balance()
            finally:
                reading.recognise = known
    assert threads
    assert threads[0] != threading.main_thread().name


async def test_the_deadline_covers_look_ups_too() -> None:
    """With a deadline of two seconds and a silent server, no call waits for half a minute of look-ups."""
    async with answering(lambda _operation, _number: []) as (url, _):
        timeouts = Timeouts(order_s=0.5, read_s=0.5, call_s=2)
        async with XoxoClient(StaticToken(TOKEN), base_url=url, timeouts=timeouts) as client:
            with anyio.fail_after(8), pytest.raises(errors.OutcomeUnknownError, match="no answer"):
                await client.orders.place(product_id=1001, denomination=100, po_number="A")
