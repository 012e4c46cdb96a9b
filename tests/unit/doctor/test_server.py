"""`server`: the clock, the token, the account and the limits that answers state."""

import time
from decimal import Decimal
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from xoxo_async import ClientCredentials, MemoryTokenStore, RateLimits, RefreshToken, StaticToken, errors
from xoxo_async.auth import Token
from xoxo_async.doctor import server
from xoxo_async.network import Network
from xoxo_async.services.account import Balance
from xoxo_async.services.account.replies import TokenInfo
from xoxo_async.transport.watching import Heard
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
DAY = 86_400


def heard(date: str = "", *, took: float = 0.1, limits: dict[str, str] | None = None) -> Heard:
    return Heard("/chef", 200, date, limits or {}, NOW, NOW + took)


@pytest.mark.parametrize(
    ("off", "status"), [(0.0, "ok"), (-4.0, "ok"), (30.0, "warn"), (-30.0, "warn"), (400.0, "fail"), (-4000.0, "fail")]
)
def test_the_clock_is_compared(off: float, status: str) -> None:
    """Five seconds do no harm, five minutes end a token too late."""
    found = server.check_clock(heard(formatdate(NOW - off, usegmt=True)))
    assert found.status == status
    if status != "ok":
        assert ("ahead of" if off > 0 else "behind") in found.text


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """The server may have read its clock at any time of it."""
    assert server.check_clock(heard(formatdate(NOW, usegmt=True), took=20)).status == "ok"


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Foo 2026 99:99:99 GMT"])
def test_no_date_is_said(date: str) -> None:
    """A proxy may remove it."""
    found = server.check_clock(heard(date))
    assert (found.status, found.text) == ("warn", "not checked: the server's answer has no Date")


def answering(**replies: Any) -> Any:
    async def reply(value: Any) -> Any:
        return value

    return SimpleNamespace(
        account=SimpleNamespace(**{name: lambda v=value: reply(v) for name, value in replies.items()})
    )


@pytest.mark.parametrize(
    ("left", "static", "status"), [(10 * DAY, True, "ok"), (DAY, True, "warn"), (DAY, False, "ok"), (None, True, "ok")]
)
async def test_a_token_lives_for_some_time(left: int | None, static: bool, status: str) -> None:
    """One that nothing renews must be replaced by a person."""
    info = TokenInfo(access_token=Secret("hush"), expires_in_=left)
    provider = StaticToken("tokentoken") if static else ClientCredentials("me", "hush")
    found = await server.check_token(answering(check_token=info), provider)
    assert found.status == status
    assert "hush" not in str(found)


@pytest.mark.parametrize(("left", "status"), [(20 * DAY, "ok"), (2 * DAY, "warn"), (-DAY, "warn")])
async def test_a_pair_lives_for_some_time(left: float, status: str) -> None:
    """Any command renews it before its end."""
    store = MemoryTokenStore()
    await store.save(Token(Secret("a"), refresh=Secret("hush"), refresh_expires_at=time.time() + left))
    found = await server.check_pair(RefreshToken("me", "hush", "hush", store=store), store)
    assert found is not None
    assert found.status == status
    assert await server.check_pair(StaticToken("tokentoken"), store) is None


@pytest.mark.parametrize(("value", "status"), [("12.50", "ok"), ("0", "warn")])
async def test_an_account_needs_money(value: str, status: str) -> None:
    """Without it no order can be placed."""
    balance = Balance(value=Decimal(value), currency="INR")
    found = await server.check_account(answering(get_balance=balance))
    assert (found.status, found.facts["value"]) == (status, value)


def test_stated_limits_are_shown() -> None:
    """The vendor documents no header for them, so the first that comes is news."""
    assert server.check_stated_limits([heard()], RateLimits()).status == "ok"
    found = server.check_stated_limits([heard(), heard(limits={"x-ratelimit-limit": "5"})], RateLimits())
    assert (found.status, "x-ratelimit-limit: 5" in found.text) == ("warn", True)


async def test_this_machine_needs_no_tls() -> None:
    """Plain http is allowed to it alone, and a proxy's own connection is not looked into."""
    assert (await server.check_tls("http://127.0.0.1:1/chef", Network())).status == "ok"
    proxied = await server.check_tls("https://x.example/chef", Network(proxy="http://proxy.example:1"))
    assert "through the proxy" in proxied.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.RefreshTokenDeadError("x"), "token import"),
        (errors.CredentialsRejectedError("x"), "client id"),
        (errors.AuthError("x"), "later"),
        (errors.ConnectError("x"), "XOXO_CA_FILE"),
        (errors.LedgerError("x"), "PGPASSWORD"),
    ],
)
def test_each_failure_has_its_advice(error: errors.XoxoError, words: str) -> None:
    """It says what a person can do."""
    assert words in server.advice_for(error)
