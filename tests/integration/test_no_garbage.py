"""A call leaves no reference cycle: what it made goes with it, and the collector has nothing to find.

A full collection walks all objects of a web app, and everything waits for it.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import CoroutineType, FrameType, TracebackType

import pytest

import xoxo_async
from tests.unit.servers import Talk, http, read_request, serving
from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, StaticToken, Timeouts, XoxoClient, errors
from xoxo_async.hooks import Event

pytestmark = pytest.mark.anyio

HERE = xoxo_async.__path__[0]
CALLS = 5
ORDER = b'{"data": {"placeOrder": {"status": 1, "data": {"orderId": %d, "vouchers": [{"voucherCode": "A-%d"}]}}}}'
REFUSED = b'{"code": 400, "errorId": "PLE10018", "error": "out of stock", "message": "no"}'
HOOKS: list[list[Callable[[Event], None]]] = [[], [lambda _event: None]]


def _is_ours(thing: object) -> bool:
    """Tell what is the SDK's: its objects, and the frames of its functions."""
    if isinstance(thing, CoroutineType):
        return str(thing.cr_code.co_filename).startswith(HERE)
    if isinstance(thing, TracebackType):
        thing = thing.tb_frame
    if isinstance(thing, FrameType):
        return thing.f_code.co_filename.startswith(HERE)
    return type(thing).__module__.startswith("xoxo_async")


async def left_behind(call: Callable[[int], Awaitable[object]]) -> list[object]:
    """Return what of the SDK's objects only a collection frees, after some calls."""
    await call(0)
    gc.collect()
    gc.disable()
    try:
        for number in range(1, CALLS + 1):
            await call(number)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return [f"{type(thing).__name__} {str(thing)[:100]}" for thing in gc.garbage if _is_ours(thing)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def client(url: str, hooks: list[Callable[[Event], None]], **settings: float) -> XoxoClient:
    return XoxoClient(
        StaticToken("t"),
        base_url=f"{url}/chef",
        rate_limits=RateLimits.unlimited(),
        retry=RetryPolicy(attempts=2, base_s=0.001, max_s=0.002),
        timeouts=Timeouts(**settings),
        hooks=hooks,
    )


def saying(body: bytes, status: bytes = b"200 OK") -> Talk:
    """Answer every request with this body, with the number of the answer where it has a place for one."""
    said = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        await read_request(reader)
        said += 1
        writer.write(http(body.replace(b"%d", b"%d" % said), status=status))
        await writer.drain()

    return talk


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


@asynccontextmanager
async def placing(
    talk: Talk, hooks: list[Callable[[Event], None]]
) -> AsyncIterator[Callable[[int], Awaitable[object]]]:
    """Give a function that places an order at a server, and returns the error where there is one."""
    async with serving(talk) as url, client(url, hooks, order_s=0.1, read_s=0.1, call_s=0.3) as xoxo:

        async def place(number: int) -> str:
            try:
                await xoxo.orders.place(product_id=1001, denomination=500, po_number=f"P-{number}")
            except errors.XoxoError as error:
                return type(error).__name__
            return ""

        yield place


@pytest.mark.parametrize("hooks", HOOKS, ids=["no hook", "a hook"])
@pytest.mark.parametrize(
    ("talk", "ends_with"),
    [
        pytest.param(saying(ORDER), "", id="placed"),
        pytest.param(saying(REFUSED, b"400 Bad Request"), "DenominationError", id="refused"),
        pytest.param(silence, "OutcomeUnknownError", id="silence"),
        pytest.param(hang_up, "OutcomeUnknownError", id="lost"),
        pytest.param(saying(b"{"), "OutcomeUnknownError", id="no JSON"),
        pytest.param(saying(ORDER.replace(b'"data": {"orderId"', b'"data": {"quantity": 9, "orderId"')),
                     "OutcomeUnknownError", id="another order"),
    ],
)  # fmt: skip
async def test_an_order_leaves_no_cycle(talk: Talk, ends_with: str, hooks: list[Callable[[Event], None]]) -> None:
    """However it ends: placed, refused, or without an answer, and then not found by its look-ups."""
    async with placing(talk, hooks) as place:
        assert await place(-1) == ends_with
        assert await left_behind(place) == []


async def test_a_repeated_read_leaves_no_cycle() -> None:
    """Each attempt's error goes with the call, whether the last one is raised or not."""
    async with serving(saying(b"busy", b"503 Busy")) as url, client(url, []) as xoxo:

        async def ask(_number: int) -> None:
            with pytest.raises(errors.ServerError):
                await xoxo.account.get_balance()

        assert await left_behind(ask) == []


async def test_an_unreachable_server_leaves_no_cycle() -> None:
    """The error of aiohttp's own is one with its frames, and would keep the whole request."""
    async with client("http://127.0.0.1:9", []) as xoxo:

        async def ask(_number: int) -> None:
            with pytest.raises(errors.ConnectError):
                await xoxo.account.get_balance()

        assert await left_behind(ask) == []


async def test_a_cancelled_call_leaves_no_cycle() -> None:
    """While it waits for its answer, and while it waits for its slot."""
    async with serving(silence) as url, client(url, []) as xoxo:
        slow = XoxoClient(StaticToken("u"), base_url=f"{url}/chef", rate_limits=RateLimits(place_order=1))

        async def give_up(_number: int) -> None:
            calls = [
                asyncio.ensure_future(one.orders.place(product_id=1, denomination=5, po_number="A"))
                for one in (xoxo, slow, slow)
            ]
            await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)

        async with slow:
            assert await left_behind(give_up) == []


TOKEN = b'{"access_token": "t", "token_type": "bearer", "expires_in": 60}'
BALANCE = b'{"data": {"getBalance": {"status": 1, "data": {"points": 1, "value": 1, "currency": "INR"}}}}'


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"503 Busy"])
async def test_a_failed_renewal_leaves_no_cycle(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call raises the error of the token request, a later one gets its token: nothing of it is left."""
    monkeypatch.setattr("xoxo_async.auth.troubles._FIRST_WAIT_S", 0.0)
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        head, _ = await read_request(reader)
        if b"token" in head.split(b"\r\n", 1)[0]:
            asked += 1
            writer.write(http(b"no", status=status) if asked % 2 else http(TOKEN))
        else:
            writer.write(http(BALANCE))
        await writer.drain()

    async with serving(talk) as url, AsyncExitStack() as opened:
        accounts = [ClientCredentials(f"id-{number}", "secret") for number in range(CALLS + 1)]
        clients = [XoxoClient(each, base_url=f"{url}/chef", retry=RetryPolicy(attempts=1)) for each in accounts]
        for each in clients:
            await opened.enter_async_context(each)

        async def ask(number: int) -> None:
            with pytest.raises(errors.AuthError):
                await clients[number].account.get_balance()
            await clients[number].account.get_balance()

        assert await left_behind(ask) == []


async def test_a_refused_token_leaves_no_cycle() -> None:
    """The vendor refuses each new token, and after some of them no other one is asked for now."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        if b"token" in head.split(b"\r\n", 1)[0]:
            writer.write(http(TOKEN))
        else:
            writer.write(http(b'{"error": "invalid_token"}', status=b"401 Unauthorized"))
        await writer.drain()

    async with serving(talk) as url:
        credentials = ClientCredentials("id", "secret")
        async with XoxoClient(credentials, base_url=f"{url}/chef", rate_limits=RateLimits.unlimited()) as xoxo:

            async def ask(_number: int) -> None:
                with pytest.raises(errors.TokenRejectedError):
                    await xoxo.account.get_balance()

            assert await left_behind(ask) == []


async def test_a_deadline_leaves_no_cycle() -> None:
    """A web app makes a view of its client for each request."""
    async with serving(saying(ORDER)) as url, client(url, []) as xoxo:

        async def place(number: int) -> None:
            async with xoxo.deadline(60) as view:
                await view.orders.place(product_id=1001, denomination=500, po_number=f"P-{number}")

        assert await left_behind(place) == []
