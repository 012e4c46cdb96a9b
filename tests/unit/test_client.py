"""`client`: one road for everything that uses it, opened by the first call and closed once."""

import logging
from pathlib import Path
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
from xoxo_async.client import credentials_from
from xoxo_async.environment import Environment
from xoxo_async.hooks import Event, LoggingHook, OrderInDoubt
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

CREDENTIALS = ClientCredentials("somebody", "hush-hush")
FAST: dict[str, Any] = {"rate_limits": RateLimits.unlimited(), "retry": RetryPolicy(attempts=1)}


def client_of(sandbox: Sandbox, **settings: Any) -> XoxoClient:
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return XoxoClient(credentials, base_url=sandbox.base_url, **{**FAST, **settings})


def test_making_a_client_does_nothing_yet() -> None:
    """No event loop is needed; and nobody reaches production who has not asked for it by name."""
    client = XoxoClient(CREDENTIALS)
    assert client.base_url == STAGING
    assert client.max_connections == 256


def test_a_client_shows_its_address_and_no_secret() -> None:
    """Also where a debugger prints it."""
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
    ],
)
def test_settings_that_make_no_sense_are_refused_when_given(settings: dict[str, Any], problem: str) -> None:
    """Before anything could be sent, and with what to do about it."""
    with pytest.raises(errors.ConfigError, match=problem):
        XoxoClient(**{"credentials": CREDENTIALS, **settings})


def test_clients_of_one_account_share_one_allowance() -> None:
    """The vendor counts by account: another address or token is another allowance."""
    first, second = XoxoClient(CREDENTIALS), XoxoClient(ClientCredentials("somebody", "hush-hush"))
    assert first.dispatcher.pacer is second.dispatcher.pacer
    assert first.dispatcher.pacer is not XoxoClient(StaticToken("token")).dispatcher.pacer
    assert first.dispatcher.pacer is not XoxoClient(CREDENTIALS, base_url="https://other.example/chef").dispatcher.pacer


def test_the_environment_says_where_and_arguments_say_it_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """`from_env` takes the address from `XOXO_BASE_URL` unless it is told one."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "token")
    monkeypatch.setenv("XOXO_BASE_URL", "https://env.example/chef/")
    assert XoxoClient.from_env().base_url == "https://env.example/chef"
    assert XoxoClient.from_env(base_url="https://argument.example/chef").base_url == "https://argument.example/chef"


def test_without_credentials_the_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is not asked for."""
    for name in ("ACCESS_TOKEN", "REFRESH_TOKEN", "CLIENT_SECRET"):
        monkeypatch.delenv(f"XOXO_{name}", raising=False)
    monkeypatch.setenv("XOXO_CLIENT_ID", "somebody")
    with pytest.raises(errors.ConfigError, match="no credentials: set XOXO_CLIENT_SECRET, or XOXO_ACCESS_TOKEN"):
        XoxoClient.from_env()


WHO = {"XOXO_CLIENT_ID": "me", "XOXO_CLIENT_SECRET": "hush", "XOXO_REFRESH_TOKEN": "first"}


def environment(**variables: object) -> Environment:
    return Environment.read(WHO | {name: str(value) for name, value in variables.items()})


@pytest.mark.parametrize(
    ("family", "shown"), [("", "user"), ("user", "user"), ("company", "company"), ("Company", "company")]
)
def test_the_family_of_the_credentials_is_the_environments(tmp_path: Path, family: str, shown: str) -> None:
    """XOXO_TOKEN_FAMILY says which of an account's two credential sets it is; points and storefront need company."""
    given = environment(XOXO_TOKEN_FAMILY=family, XOXO_TOKEN_FILE=tmp_path / "pair.json")
    assert f"family={shown!r}" in repr(credentials_from(given))


def test_another_family_is_a_config_error(tmp_path: Path) -> None:
    """Anything else is named before anything is sent."""
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FAMILY"):
        credentials_from(environment(XOXO_TOKEN_FAMILY="admin", XOXO_TOKEN_FILE=tmp_path / "pair.json"))


def test_a_token_file_is_used_without_a_configured_token(tmp_path: Path) -> None:
    """Where a pair has been imported, client id and secret are enough; where none has, they mean what they meant."""
    variables = {"XOXO_REFRESH_TOKEN": "", "XOXO_TOKEN_FILE": tmp_path / "pair.json"}
    assert repr(credentials_from(environment(**variables))).startswith("ClientCredentials")
    (tmp_path / "pair.json").write_text("{}")
    assert repr(credentials_from(environment(**variables))).startswith("RefreshToken")


def test_client_credentials_need_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep nothing on disk: a container without a home is place enough. A refresh token needs one, and says so."""

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert repr(credentials_from(environment(XOXO_REFRESH_TOKEN=""))).startswith("ClientCredentials")
    with pytest.raises(errors.ConfigError, match="XOXO_TOKEN_FILE"):
        credentials_from(environment())


@pytest.mark.parametrize("where", ["under a file", "in a folder nobody may make", "state"])
def test_a_token_file_without_a_place_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever the system says, the error names the file and the variable that moves it."""
    (tmp_path / "file").write_text("")
    match where:
        case "under a file":
            monkeypatch.setenv("XOXO_TOKEN_FILE", str(tmp_path / "file" / "pair.json"))
        case "state":
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        case _:
            monkeypatch.setenv("XOXO_TOKEN_FILE", "/proc/nobody/pair.json")
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.ConfigError, match=r"token.*\.json.*XOXO_TOKEN_FILE"):
        XoxoClient.from_env()


async def test_a_closed_client_says_so_and_may_be_closed_again() -> None:
    """Leaving the block closes it."""
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        assert (await client.account.get_balance()).currency == "INR"
        await client.aclose()
        await client.aclose()
        with pytest.raises(errors.ConfigError, match="closed"):
            await client.account.get_balance()


async def test_a_session_that_is_lent_is_used_and_never_closed() -> None:
    """Token and question both go through it; whose it is, closes it."""
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


async def test_an_operation_of_your_own_takes_the_same_road() -> None:
    """`dispatch` asks what no service offers, with this client's token and limits."""
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
async def test_an_order_left_in_doubt_is_told_to_hooks_and_log_once_each(
    caplog: pytest.LogCaptureFixture, logs_itself: bool
) -> None:
    """With the poNumber to settle by; a hook that logs spares the log a second line."""
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
    """What some put around aiohttp's session: a `request` of its own, and everything else is the session's."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.asked: list[str] = []

    def request(self, method: str, url: object, **options: Any) -> Any:
        self.asked.append(method)
        return self._http.request(method, str(url), **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


async def test_a_session_of_the_callers_is_asked_by_its_public_method() -> None:
    """It may sign or log what it sends; what lies behind it is none of ours."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as http:
        around: Any = Around(http)
        async with client_of(sandbox, session=around) as client:
            await client.account.get_balance()
        assert around.asked == ["POST", "POST"]  # the token, and the balance


async def test_what_replaces_aiohttps_requests_is_met_by_an_open_client_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocks and instrumentations replace `ClientSession._request`: past one of them, a test would spend real money."""

    async def replaced(*_given: Any, **_options: Any) -> Any:
        raise aiohttp.ClientConnectionError("mocked")

    async with Sandbox() as sandbox, client_of(sandbox) as client:
        await client.account.get_balance()
        monkeypatch.setattr(aiohttp.ClientSession, "_request", replaced)
        with pytest.raises(errors.ConnectError):
            await client.orders.place(product_id=1001, denomination=100, po_number="MOCKED-1")
        assert sandbox.books().orders == 0
