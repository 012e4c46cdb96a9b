"""`client`: all services share one session and dispatcher; the first call opens connections, `aclose()` closes them."""

import asyncio
import logging
from typing import Any

import aiohttp
import msgspec
import pytest

from xoxo_async import (
    STAGING,
    ClientCredentials,
    EffectClass,
    Operation,
    RateLimits,
    RetryPolicy,
    StaticToken,
    XoxoClient,
    errors,
)
from xoxo_async.hooks import Event, Hook, LoggingHook, OrderInDoubt
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

CREDENTIALS = ClientCredentials("somebody", "hush-hush")
FAST: dict[str, Any] = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(attempts=1)}


def client_of(sandbox: Sandbox, **settings: Any) -> XoxoClient:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return XoxoClient(credentials, base_url=sandbox.base_url, **{**FAST, **settings})


def test_making_a_client_does_nothing_yet() -> None:
    """The constructor needs no event loop, and without a `base_url` the client talks to STAGING."""
    client = XoxoClient(CREDENTIALS)
    assert client.base_url == STAGING
    assert client.max_connections == 256


def test_a_client_shows_its_address_and_no_secret() -> None:
    """The repr of a client holds its address and none of its secrets."""
    assert repr(XoxoClient(CREDENTIALS)) == f"XoxoClient(base_url={STAGING!r})"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"credentials": None}, "ClientCredentials"),
        ({"credentials": "token"}, "ClientCredentials"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_connections": 2.5}, "max_connections"),
        ({"max_connections": True}, "max_connections"),
        ({"base_url": "http://example.com/chef"}, "allow_insecure_http"),
        ({"base_url": "http://example.com/chef", "allow_insecure_http": "no"}, "allow_insecure_http"),
        ({"credentials": ClientCredentials}, "ClientCredentials"),
        ({"timeouts": 30}, "timeouts must be of the class Timeouts, not int"),
        ({"rate_limits": {"place_order": 5}}, "rate_limits must be of the class RateLimits"),
        ({"retry": 3}, "retry must be of the class RetryPolicy"),
        ({"session": "mine"}, "session must be an aiohttp.ClientSession, not str"),
        ({"hooks": print}, "hooks must be a list"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, Any], problem: str) -> None:
    """The constructor raises `ConfigError` before anything is sent, and the error says what to change."""
    with pytest.raises(errors.ConfigError, match=problem):
        XoxoClient(**{"credentials": CREDENTIALS, **settings})


def test_clients_of_one_account_share_one_allowance() -> None:
    """Clients of one account share a pacer, because the vendor counts by account; another account has another."""
    first, second = XoxoClient(CREDENTIALS), XoxoClient(ClientCredentials("somebody", "hush-hush"))
    assert first.dispatcher.pacer is second.dispatcher.pacer
    assert first.dispatcher.pacer is not XoxoClient(StaticToken("token")).dispatcher.pacer
    assert first.dispatcher.pacer is not XoxoClient(CREDENTIALS, base_url="https://other.example/chef").dispatcher.pacer


def test_an_argument_overrides_the_base_url_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`from_env` takes the address from `XOXO_BASE_URL` unless `base_url` is given."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "token")
    monkeypatch.setenv("XOXO_BASE_URL", "https://env.example/chef/")
    assert XoxoClient.from_env().base_url == "https://env.example/chef"
    assert XoxoClient.from_env(base_url="https://argument.example/chef").base_url == "https://argument.example/chef"


def test_without_credentials_the_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variables that are missing, and no other."""
    for name in ("ACCESS_TOKEN", "REFRESH_TOKEN", "CLIENT_SECRET"):
        monkeypatch.delenv(f"XOXO_{name}", raising=False)
    monkeypatch.setenv("XOXO_CLIENT_ID", "somebody")
    with pytest.raises(errors.ConfigError, match="no credentials: set XOXO_CLIENT_SECRET, or XOXO_ACCESS_TOKEN"):
        XoxoClient.from_env()


async def test_a_closed_client_raises_and_closes_again() -> None:
    """After `async with`, a call raises `ConfigError`, and a second `aclose()` does nothing."""
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        assert (await client.account.get_balance()).currency == "INR"
        await client.aclose()
        await client.aclose()
        with pytest.raises(errors.ConfigError, match="closed"):
            await client.account.get_balance()


async def test_a_callers_session_is_never_closed() -> None:
    """The client sends token requests and calls through the caller's session, and does not close it."""
    asked: list[str] = []
    trace = aiohttp.TraceConfig()

    async def note(_session: object, _context: object, request: aiohttp.TraceRequestStartParams) -> None:
        asked.append(request.url.path)

    trace.on_request_start.append(note)
    async with Sandbox() as sandbox, aiohttp.ClientSession(trace_configs=[trace]) as http:
        async with client_of(sandbox, session=http) as client:
            await client.account.get_balance()
        assert asked == ["/chef/v1/oauth/token", "/chef/v1/oauth/api"]
        assert not http.closed


class Nothing(msgspec.Struct):
    pass


class Currency(msgspec.Struct, frozen=True):
    currency: str = ""


async def test_a_callers_operation_uses_token_and_limits() -> None:
    """`dispatch` runs a caller's operation with this client's token and rate limits."""
    mine = Operation(
        "getBalance",
        query="plumProAPI.query.getBalance",
        request=Nothing,
        reply=Currency,
        effect=EffectClass.READ,
    )
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        assert await client.dispatch(mine, Nothing()) == Currency("INR")


@pytest.mark.parametrize("logs_itself", [False, True])
async def test_doubt_reaches_hooks_and_log_once(caplog: pytest.LogCaptureFixture, logs_itself: bool) -> None:
    """An `OrderInDoubt` has the poNumber; where a `LoggingHook` logs it, the client does not log it again."""
    events: list[Event] = []
    hooks = [events.append, LoggingHook()] if logs_itself else [events.append]
    async with Sandbox() as sandbox, client_of(sandbox, hooks=hooks) as client:
        sandbox.script("commit_then_reset", operation="placeOrder")
        sandbox.script("html_502", operation="getOrderDetails")
        with pytest.raises(errors.OutcomeUnknownError):
            await client.orders.place(product_id=1001, denomination=100, po_number="PO-7")
    assert [event.po_number for event in events if isinstance(event, OrderInDoubt)] == ["PO-7"]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "PO-7" in warned[0]


class Around:
    """A wrapper of aiohttp's session with a `request` method of its own."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.asked: list[str] = []

    def request(self, method: str, url: object, **options: Any) -> Any:
        self.asked.append(method)
        return self._http.request(method, str(url), **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


async def test_a_callers_session_is_called_by_request() -> None:
    """The client calls the public `request` of a caller's session, which may sign or log each request."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        around: Any = Around(http)
        async with client_of(sandbox, session=around) as client:
            await client.account.get_balance()
        assert around.asked == ["POST", "POST"]  # the token, and the balance


async def test_an_open_client_meets_patched_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocks replace `ClientSession._request`; a client that called around one would spend real money in a test."""

    async def replaced(*_given: Any, **_options: Any) -> Any:
        raise aiohttp.ClientConnectionError("mocked")

    async with Sandbox() as sandbox, client_of(sandbox) as client:
        await client.account.get_balance()
        monkeypatch.setattr(aiohttp.ClientSession, "_request", replaced)
        with pytest.raises(errors.ConnectError):
            await client.orders.place(product_id=1001, denomination=100, po_number="MOCKED-1")
        assert sandbox.books().orders == 0


@pytest.mark.parametrize("hooks", [[], [lambda _event: None]], ids=["alone", "with a hook"])
@pytest.mark.parametrize("loop", ["trio", "none"])
def test_without_asyncio_a_sentence_says_so(loop: str, hooks: list[Hook], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is sent, and no order is said to be in doubt."""

    async def place() -> None:
        async with XoxoClient(CREDENTIALS, hooks=hooks) as client:
            await client.orders.place(product_id=1001, denomination=100, po_number="PO-7")

    run = pytest.importorskip("trio").run if loop == "trio" else lambda work: work().send(None)
    with pytest.raises(errors.ConfigError, match="runs on asyncio") as caught:
        run(place)
    assert (caught.value.effect, caught.value.po_number, caplog.text) == ("none", "PO-7", "")


@pytest.mark.parametrize(("loop", "words"), [("trio", "runs on asyncio"), ("asyncio", "belongs to another event loop")])
def test_a_used_client_waits_for_no_slot_elsewhere(loop: str, words: str) -> None:
    """The loop is looked at before the wait for a slot, which needs one too."""

    async def ask() -> None:
        await client.account.get_balance()

    async def ask_once() -> None:
        with pytest.raises(errors.ConnectError):
            await ask()

    run = pytest.importorskip("trio").run if loop == "trio" else lambda work: asyncio.run(work())
    limits = RateLimits(balance=1)
    client = XoxoClient(
        StaticToken("t"), base_url="http://127.0.0.1:1/x", rate_limits=limits, retry=RetryPolicy(attempts=1)
    )
    with asyncio.Runner() as first:
        first.run(ask_once())
        with pytest.raises(errors.ConfigError, match=words):
            run(ask)  # a slot would come in a minute
        first.run(client.aclose())
