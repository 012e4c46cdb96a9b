"""`options`: views of a client over the same pool, token and allowance, and deadlines. No option resends an order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.servers import http, read_request, serving
from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, StaticToken, Timeouts, XoxoClient, errors
from xoxo_async.hooks import Event
from xoxo_async.options import Options, check_headers
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

BALANCE = http(b'{"data": {"getBalance": {"status": 1, "data": {"value": 5, "currency": "INR"}}}}')
ORDER: dict[str, Any] = {"product_id": 1001, "denomination": 100, "po_number": "PO-1"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


def client_of(sandbox: Sandbox, **settings: Any) -> XoxoClient:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    fast = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(attempts=3, base_s=0, max_s=0)}
    return XoxoClient(credentials, base_url=sandbox.base_url, **{**fast, **settings})


def client() -> XoxoClient:
    return XoxoClient(StaticToken("token"))


def unpaced(url: str) -> XoxoClient:
    return XoxoClient(StaticToken("token"), base_url=url, rate_limits=RateLimits.unlimited())


@pytest.mark.parametrize("name", sorted({"timeout_s", "deadline_s"}))
@pytest.mark.parametrize("value", [0, -1, float("nan"), True, "5"])
def test_a_wrong_time_names_its_option(name: str, value: Any) -> None:
    """A time is a positive number; the error names the option."""
    with pytest.raises(errors.ConfigError, match=f"^{name} must be a positive number"):
        client().with_options(**{name: value})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"attempts": 0}, "^attempts must be"),
        ({"attempts": 1.5}, "^attempts must be"),
        ({"keep_body": 1}, "^keep_body must be"),
        ({"headers": "X: y"}, "^headers must be a mapping"),
        ({"headers": {"": "y"}}, "^headers: '' is no name"),
        ({"headers": {"X Y": "y"}}, "is no name"),
        ({"headers": {"X": "y\r\nAuthorization: z"}}, "the value of X"),
        ({"headers": {"X": 5}}, "the value of X"),
        ({"headers": {"X": "a", "x": "b"}}, "x is given twice"),
        ({"headers": {"User-Agent": "me"}}, "user_agent="),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], says: str) -> None:
    """The error names the option, and for a header its name."""
    with pytest.raises(errors.ConfigError, match=says):
        client().with_options(**options)


@pytest.mark.parametrize(
    "name", ["Authorization", "CONTENT-TYPE", "host", "Content-Length", "Transfer-Encoding", "Accept", "Cookie", "TE"]
)
def test_our_headers_are_not_replaced(name: str) -> None:
    """The headers that carry token, form and length of a request are the SDK's; the error shows no value."""
    with pytest.raises(errors.ConfigError, match=f"^headers: {name} is set by the SDK") as caught:
        client().with_options(headers={name: "S3CRET"})
    assert "S3CRET" not in str(caught.value)


def test_options_show_no_header() -> None:
    """A header may hold a gateway's key."""
    assert "S3CRET" not in repr(Options(headers=check_headers({"X-Key": "S3CRET"})))


async def test_a_view_shares_pool_and_token(sandbox: Sandbox) -> None:
    """A view of a view asks for no second token, closes nothing, and ends with its client."""
    async with client_of(sandbox) as xoxo:
        view = xoxo.with_options(attempts=1).with_options(timeout_s=9)
        assert view.dispatcher.pacer is xoxo.dispatcher.pacer
        assert view.dispatcher.bounds.timeouts == Timeouts(read_s=9, order_s=9)
        assert (view.base_url, view.account_fingerprint) == (xoxo.base_url, xoxo.account_fingerprint)
        assert "view" in repr(view)
        async with view:
            assert (await view.account.get_balance()).currency == "INR"
        assert (await xoxo.account.get_balance()).currency == "INR"
        assert sandbox.books().requests["token"] == 1
    with pytest.raises(errors.ConfigError, match="this client is closed"):
        await view.account.get_balance()


async def test_a_views_headers_go_with_calls() -> None:
    """A view of a view replaces a header by name, in any case; the client itself sends none of them."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(BALANCE)
        await writer.drain()

    async with serving(talk) as url, unpaced(url) as xoxo:
        outer = xoxo.with_options(headers={"X-Request-ID": "one", "X-Tenant": "a"})
        await outer.with_options(headers={"x-request-id": "two"}).account.get_balance()
        await xoxo.account.get_balance()
    assert b"\r\nx-request-id: two\r\n" in heads[0]
    assert b"\r\nX-Tenant: a\r\n" in heads[0]
    assert b"one" not in heads[0]
    assert b"\r\nAuthorization: Bearer token\r\n" in heads[0]
    assert b"tenant" not in heads[1].lower()


@pytest.mark.parametrize(("attempts", "works"), [(1, False), (4, True)])
async def test_attempts_hold_for_the_view(sandbox: Sandbox, attempts: int, works: bool) -> None:
    """A read is tried as often as the view says, whatever the client's policy."""
    for nth in (1, 2, 3):
        sandbox.script("html_502", operation="getBalance", nth=nth)
    async with client_of(sandbox) as xoxo:
        call = xoxo.with_options(attempts=attempts).account.get_balance()
        if works:
            assert (await call).currency == "INR"
        else:
            with pytest.raises(errors.ServerError) as caught:
                await call
            assert caught.value.attempts == 1


@pytest.mark.parametrize("options", [{"timeout_s": 0.1}, {"deadline_s": 0.9}, {"timeout_s": 0.1, "attempts": 9}])
async def test_no_option_sends_an_order_again(sandbox: Sandbox, options: dict[str, Any]) -> None:
    """An order without an answer in a view's time is looked up; it was sent once, whatever the attempts."""
    sandbox.script("timeout_after_commit", seconds=0.3)
    async with client_of(sandbox) as xoxo:
        await xoxo.account.get_balance()
        order = await xoxo.with_options(**options).orders.place(**ORDER)
        assert order.po_number == "PO-1"
    booked = sandbox.order("PO-1")
    assert booked is not None
    assert booked.order_id == order.order_id
    assert sandbox.books().orders == 1


async def test_a_deadline_ends_all_calls_of_its_block(sandbox: Sandbox) -> None:
    """It holds for the client, for its views and for tasks of the block, and ends with the block."""
    heard: list[Event] = []
    async with client_of(sandbox, hooks=[heard.append]) as xoxo:
        async with xoxo.deadline(60), xoxo.deadline(0.01) as inner:
            await asyncio.sleep(0.02)
            for view in (xoxo, inner, xoxo.with_options(attempts=2)):
                with pytest.raises(errors.ConnectError, match="deadline is over") as caught:
                    await view.orders.place(**ORDER)
                assert caught.value.effect == "none"
            heard.clear()
            with pytest.raises(errors.ConnectError, match="deadline is over") as caught:
                await asyncio.create_task(_balance(xoxo))
            assert [event.name for event in heard] == ["call_queued", "call_finished"]
            assert (caught.value.operation, caught.value.call_id != "") == ("getBalance", True)
        assert (await xoxo.account.get_balance()).currency == "INR"
        with pytest.raises(errors.ConnectError, match="deadline is over"):
            await inner.account.get_balance()  # the view keeps its deadline
    assert sandbox.order("PO-1") is None


async def _balance(xoxo: XoxoClient) -> None:
    await xoxo.account.get_balance()


async def test_a_deadline_cuts_a_slow_answer(sandbox: Sandbox) -> None:
    """A read that takes longer ends at the deadline, and is not tried again after it."""
    sandbox.script("timeout_before", operation="getBalance", seconds=0.3)
    async with client_of(sandbox) as xoxo:
        await xoxo.account.check_token()
        with pytest.raises(errors.ReplyTimeoutError):
            async with xoxo.deadline(0.1) as view:
                await view.account.get_balance()


async def test_a_lost_order_is_unknown_at_the_deadline(sandbox: Sandbox) -> None:
    """The look-ups end with the deadline too; an order that they did not see counts as unknown, never as absent."""
    sandbox.script("timeout_after_commit", seconds=0.3)
    sandbox.script("timeout_before", operation="getOrderDetails", every=1, seconds=0.3)
    async with client_of(sandbox) as xoxo:
        await xoxo.account.get_balance()
        began = asyncio.get_running_loop().time()
        async with xoxo.deadline(0.2) as view:
            with pytest.raises(errors.OutcomeUnknownError):
                await view.orders.place(**ORDER)
        assert asyncio.get_running_loop().time() - began < 0.29 + 0.3
    assert sandbox.books().orders == 1


async def test_settling_ends_at_the_deadline(sandbox: Sandbox) -> None:
    """An order that was not seen by then is not reported as absent: that would allow a second order."""
    async with client_of(sandbox) as xoxo:
        await xoxo.account.get_balance()
        with pytest.raises(errors.ConnectError, match="deadline is over"):
            async with xoxo.deadline(0.1) as view:
                await view.orders.settle("PO-9", absent_after_s=30)


@pytest.mark.parametrize("seconds", [0, -1, "5", None])
async def test_a_wrong_deadline_is_refused(seconds: Any) -> None:
    """A deadline is a positive number of seconds."""
    with pytest.raises(errors.ConfigError, match=r"deadline must be"):
        async with client().deadline(seconds):
            pass
