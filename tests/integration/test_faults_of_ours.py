"""A bug, for example in a caller's trace hook, is raised unchanged and never looks like a broken connection."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from xoxo_async import ClientCredentials, RateLimits, StaticToken, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.hooks import Event, OrderInDoubt

pytestmark = pytest.mark.anyio

TOKEN, SECRET, CODE = "TOKENTOKENTOKEN", "CLIENTSECRET", "VOUCHERCODE"


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[str, list[str]]]:
    """A vendor that places every order. Yields its address and the requests."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if b"token" in head.split(b"\r\n")[0]:
                    operation, reply = "token", {"access_token": TOKEN, "expires_in": 3600}
                else:
                    operation = json.loads(body)["query"].rsplit(".", 1)[-1]
                    order = {"orderId": 1000 + len(asked), "vouchers": [{"productId": 1001, "voucherCode": CODE}]}
                    reply = {"data": {operation: {"status": 1, "data": order}}}
                asked.append(operation)
                said = json.dumps(reply).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def tracing(moment: str, fault: Callable[[], Exception], *, from_time: int = 1) -> aiohttp.TraceConfig:
    """A trace hook that raises from some time on."""
    config, times = aiohttp.TraceConfig(), [0]

    async def hook(_session: object, _context: object, _parameters: object) -> None:
        times[0] += 1
        if times[0] >= from_time:
            raise fault()

    getattr(config, moment).append(hook)
    return config


BEFORE = ["on_request_start"]
# After the connection is made, a middleware of the session may send its own body, which the client cannot see.
AFTER = ["on_connection_create_start", "on_request_headers_sent", "on_request_chunk_sent", "on_request_end"]


@pytest.mark.parametrize("fault", [AttributeError("x"), KeyError("x"), TypeError("x"), ValueError("x")], ids=repr)
@pytest.mark.parametrize("moment", [*BEFORE, *AFTER])
async def test_a_bug_in_a_hook_is_raised_unchanged(moment: str, fault: Exception) -> None:
    """It is not tried again, an order is in doubt only if bytes may have left, and no frame has a secret."""
    events: list[Event] = []
    async with vendor() as (url, asked):
        async with aiohttp.ClientSession(trace_configs=[tracing(moment, lambda: fault)]) as session:
            settings: dict[str, Any] = {"base_url": url, "rate_limits": RateLimits.unlimited(), "session": session}
            async with XoxoClient(StaticToken(TOKEN), hooks=[events.append], **settings) as client:
                with pytest.raises(type(fault)) as caught:
                    await client.orders.place(product_id=1001, denomination=100, po_number="A")
    assert caught.value is fault
    assert len(asked) <= 1
    doubts = [event for event in events if isinstance(event, OrderInDoubt)]
    assert [(doubt.po_number, doubt.reason) for doubt in doubts] == (
        [] if moment in BEFORE else [("A", f"a fault ended the call: {type(fault).__name__}")]
    )
    assert errors.effect_of(fault) == ("none" if moment in BEFORE else "possible")
    shown(fault)


def shown(fault: BaseException) -> None:
    """Check what an error reporter that captures local variables would show."""
    told = "".join(traceback.TracebackException.from_exception(fault, capture_locals=True).format())
    own = [line for line in told.splitlines() if "TOKEN, SECRET" not in line]
    for secret in (TOKEN, SECRET, CODE):
        assert secret not in "\n".join(own)


async def test_a_token_request_bug_shows_no_secret() -> None:
    """The traceback does not show the client secret of the request."""
    async with vendor() as (url, _):
        config = tracing("on_request_end", lambda: KeyError("x"))
        async with aiohttp.ClientSession(trace_configs=[config]) as session:
            async with XoxoClient(ClientCredentials("id", SECRET), base_url=url, session=session) as client:
                with pytest.raises(KeyError) as caught:
                    await client.account.get_balance()
    shown(caught.value)


async def test_a_bug_in_error_handling_hides_the_token() -> None:
    """The headers in aiohttp's own error behind it do not show the token."""

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        response.status = 500
        try:
            response.raise_for_status()
        except aiohttp.ClientResponseError as error:
            error.nowhere  # type: ignore[attr-defined]  # noqa: B018 - the bug
        return response

    async with vendor() as (url, _), aiohttp.ClientSession(middlewares=[middleware]) as session:
        async with XoxoClient(StaticToken(TOKEN), base_url=url, session=session) as client:
            with pytest.raises(AttributeError) as caught:
                await client.account.get_balance()
    assert caught.value.__context__ is None
    shown(caught.value)


async def test_a_bug_makes_the_line_unknown(tmp_path: Path) -> None:
    """The run ends with the bug, and a line that may have left is unknown and not sent again."""
    lines = [OrderLine(key=f"k{n}", product_id=1001, denomination=Decimal(100)) for n in range(3)]
    async with vendor() as (url, asked):
        config = tracing("on_request_end", lambda: KeyError("x"), from_time=2)
        async with aiohttp.ClientSession(trace_configs=[config]) as session:
            settings: dict[str, Any] = {"base_url": url, "rate_limits": RateLimits.unlimited(), "session": session}
            async with XoxoClient(StaticToken(TOKEN), **settings) as client:
                async with SqliteLedger(tmp_path / "l.db") as ledger:
                    issuer = BulkIssuer(client, ledger, job="j", concurrency=1, check=False)
                    with pytest.raises(KeyError):
                        await issuer.run(lines)
                    states = [line.state async for line in ledger.lines()]
    assert asked == ["placeOrder", "placeOrder"]
    assert sorted(states) == sorted([LineState.PLACED, LineState.UNKNOWN, LineState.PLANNED])
