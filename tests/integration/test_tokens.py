"""Tokens against the sandbox: new clients, short lifetimes, revocations, throttles, and processes with one pair."""

import gc
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.warm_python import WarmProcess
from xoxo_async import (
    ClientCredentials,
    FileTokenStore,
    RateLimits,
    RefreshToken,
    RetryPolicy,
    StaticToken,
    Timeouts,
    XoxoClient,
    errors,
)
from xoxo_async.auth import TokenProvider
from xoxo_async.hooks import Event, TokenRenewed
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox
from xoxo_async.services.account import GET_BALANCE
from xoxo_async.services.account.requests import NoArguments

pytestmark = pytest.mark.anyio


class Renewals:
    """A hook that counts renewals."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: Event, /) -> None:
        self.count += isinstance(event, TokenRenewed)


def client_on(sandbox: Sandbox, provider: TokenProvider | None = None, *hooks: Renewals) -> XoxoClient:
    return XoxoClient(
        provider or ClientCredentials(CLIENT_ID, CLIENT_SECRET),
        base_url=sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
        hooks=hooks,
    )


@asynccontextmanager
async def sandbox_and_client(
    provider: TokenProvider | None = None, *hooks: Renewals, token_ttl_s: float = 1_296_000.0
) -> AsyncIterator[tuple[Sandbox, XoxoClient]]:
    async with Sandbox(token_ttl_s=token_ttl_s) as sandbox, client_on(sandbox, provider, *hooks) as xoxo:
        yield sandbox, xoxo


def refreshing(folder: Path) -> RefreshToken:
    return RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=FileTokenStore(folder / "pair.json"))


async def test_200_callers_cause_one_token_request() -> None:
    """The first caller on a new client requests a token, and all others wait for that answer."""
    async with sandbox_and_client() as (sandbox, xoxo):
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(xoxo.account.get_balance)
        assert sandbox.books().requests["token"] == 1
        assert sandbox.books().requests["getBalance"] == 200


async def test_twenty_clients_renew_one_pair_once() -> None:
    """Twenty clients without a store and with one refresh token renew once, and none finds it used."""
    async with Sandbox() as sandbox:

        async def use() -> None:
            async with client_on(sandbox, RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN)) as xoxo:
                await xoxo.account.get_balance()

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(use)
        assert sandbox.books().requests["token"] == 1


@pytest.mark.parametrize("kind", ["client credentials", "refresh token"])
async def test_a_two_second_token_is_renewed_once_each(tmp_path: Path, kind: str) -> None:
    """In five seconds of load no call fails, and there is about one renewal per lifetime."""
    provider = refreshing(tmp_path) if kind == "refresh token" else None
    async with sandbox_and_client(provider, token_ttl_s=2) as (sandbox, xoxo):
        calls = Counter[str]()

        async def load() -> None:
            while True:
                await xoxo.account.get_balance()
                calls["good"] += 1
                await anyio.sleep(0.02)  # some hundred calls a second meet each renewal; more only use the processor

        with anyio.move_on_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(load)
        # Renewals are at 0, 1.6, 3.2 and 4.8 s, after four fifths of a lifetime. A failed call ends the task group.
        assert 3 <= sandbox.books().requests["token"] <= 5
        assert calls["good"] > 100
        assert sandbox.books().requests["getBalance"] - calls["good"] <= 8  # calls that were in flight at the end


@pytest.mark.parametrize("kind", ["client credentials", "refresh token"])
async def test_a_revocation_in_mid_run_costs_one_renewal(tmp_path: Path, kind: str) -> None:
    """All tokens are revoked under forty callers: each recovers, with one more token request in all."""
    renewals = Renewals()
    provider = refreshing(tmp_path) if kind == "refresh token" else None
    async with sandbox_and_client(provider, renewals) as (sandbox, xoxo):
        sandbox.script("revoke_token", operation="getBalance", nth=100)

        async def load() -> None:
            for _ in range(10):
                await xoxo.account.get_balance()

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(load)
        assert sandbox.books().requests["token"] == 2
        assert renewals.count == 2


# The API refuses new tokens.


PROVIDERS: dict[str, Callable[[Path], TokenProvider]] = {
    "client credentials": lambda _folder: ClientCredentials(CLIENT_ID, CLIENT_SECRET),
    "refresh token": refreshing,
}


@pytest.mark.parametrize("make", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize("how", ["one after the other", "at once", "each with a client of its own"])
async def test_an_api_refusing_every_token_limits_requests(
    tmp_path: Path, make: Callable[[Path], TokenProvider], how: str
) -> None:
    """Forty calls make few token requests, and each error says what, since when, and when the next one is."""
    told: list[errors.XoxoError] = []

    async def call(xoxo: XoxoClient) -> None:
        with pytest.raises(errors.TokenRejectedError) as caught:
            await xoxo.account.get_balance()
        told.append(caught.value)

    async with sandbox_and_client(make(tmp_path)) as (sandbox, xoxo):
        sandbox.script("revoke_token", operation="getBalance")
        if how == "one after the other":
            for _ in range(40):
                await call(xoxo)
        elif how == "at once":
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(call, xoxo)
        else:
            for _ in range(40):
                async with client_on(sandbox, make(tmp_path)) as own:
                    await call(own)
        assert sandbox.books().requests["token"] <= 12
    assert len(told) == 40
    assert "in a row since" in str(told[-1])
    assert "the next one is requested at" in str(told[-1])
    assert (told[-1].effect, told[-1].retryable) == ("none", True)


async def test_a_recovered_vendor_is_found_by_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """During the wait nobody requests a token; after it one call does, and everything works again."""
    monkeypatch.setattr("xoxo_async.auth.troubles._FIRST_WAIT_S", 0.2)
    async with sandbox_and_client() as (sandbox, xoxo):
        sandbox.script("revoke_token", operation="getBalance", first=2)
        with pytest.raises(errors.TokenRejectedError):
            await xoxo.account.get_balance()
        with anyio.fail_after(10):
            while True:
                try:
                    await xoxo.account.get_balance()
                    break
                except errors.TokenRejectedError as error:
                    assert "in a row" in str(error)  # noqa: PT017 - the loop is the point
                    await anyio.sleep(0.05)
        assert sandbox.books().requests["token"] == 3


async def test_a_static_token_that_is_refused_is_dead() -> None:
    """No token endpoint is called, and the error says that the token cannot be renewed."""
    async with sandbox_and_client(StaticToken("made-elsewhere")) as (sandbox, xoxo):
        for _ in range(5):
            with pytest.raises(errors.TokenRejectedError, match="static") as caught:
                await xoxo.account.get_balance()
            assert not caught.value.retryable
        assert "token" not in sandbox.books().requests


# Short-lived clients.


async def test_ten_short_lived_clients_make_one_token_request() -> None:
    """The token stays in the process for the next client, if each task or web request makes its own."""
    async with Sandbox() as sandbox:
        for _ in range(10):
            async with client_on(sandbox) as xoxo:
                await xoxo.account.get_balance()
        assert sandbox.books().requests["token"] == 1


async def test_clients_in_threads_share_the_token() -> None:
    """Ten clients at once, each in a thread with its own loop as in Flask or Celery, share one token."""
    with Sandbox().run_in_thread() as sandbox:

        async def use() -> None:
            async with client_on(sandbox) as xoxo:
                await xoxo.account.get_balance()

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(anyio.to_thread.run_sync, anyio.run, use)
        assert sandbox.books().requests["token"] == 1


async def test_a_token_is_never_given_to_another_account() -> None:
    """Another secret, client id or address requests its own token, so a wrong secret is found."""
    async with Sandbox() as one, Sandbox() as two:
        for sandbox in (one, two):
            async with client_on(sandbox) as xoxo:
                await xoxo.account.get_balance()
        assert (one.books().requests["token"], two.books().requests["token"]) == (1, 1)
        for provider in (ClientCredentials(CLIENT_ID, "wrong-secret"), ClientCredentials("other", CLIENT_SECRET)):
            async with client_on(one, provider) as xoxo:
                with pytest.raises(errors.CredentialsRejectedError):
                    await xoxo.account.get_balance()


async def test_a_refused_token_is_forgotten_for_all() -> None:
    """If the client that met the refusal is closed, the next one requests a token at once."""
    async with Sandbox() as sandbox:
        async with client_on(sandbox) as xoxo:
            await xoxo.account.get_balance()
            sandbox.tokens.revoke_all()
            with pytest.raises(errors.TokenRejectedError):
                await xoxo.dispatcher.once(GET_BALANCE, NoArguments())
        async with client_on(sandbox) as xoxo:
            await xoxo.dispatcher.once(GET_BALANCE, NoArguments())
        assert sandbox.books().requests["token"] == 2


async def test_a_penalty_outlives_the_client_that_met_it() -> None:
    """The next client of the account waits for the penalty too, and its error says so."""

    async def use(base_url: str) -> errors.RateLimitedError:
        provider, timeouts = ClientCredentials(CLIENT_ID, CLIENT_SECRET), Timeouts(call_s=20)
        limits = RateLimits.unlimited()
        async with XoxoClient(provider, base_url=base_url, rate_limits=limits, timeouts=timeouts) as xoxo:
            with pytest.raises(errors.RateLimitedError) as caught:
                await xoxo.account.get_balance()
        return caught.value

    async with Sandbox() as sandbox:
        sandbox.script("throttle", operation="getBalance", seconds=60, first=1)
        for _ in range(3):
            assert (await use(sandbox.base_url)).retry_after_s == pytest.approx(60, abs=20)
            gc.collect()
        assert len([received for received in sandbox.requests if received.operation == "getBalance"]) == 1


KEEPER = """
import sys, anyio
from xoxo_async import ClientCredentials, FileTokenStore, RateLimits, XoxoClient
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET

async def main(base_url, path):
    provider = ClientCredentials(CLIENT_ID, CLIENT_SECRET, store=FileTokenStore(path))
    async with XoxoClient(provider, base_url=base_url, rate_limits=RateLimits.unlimited()) as xoxo:
        await xoxo.account.get_balance()

anyio.run(main, sys.argv[1], sys.argv[2])
"""


async def test_processes_share_a_token_by_a_file(tmp_path: Path) -> None:
    """Three commands one after another make one token request, and the file is 0600."""
    with Sandbox().run_in_thread() as sandbox:
        path = tmp_path / "token.json"
        command = [sys.executable, "-W", "error", "-c", KEEPER, sandbox.base_url, str(path)]
        for _ in range(3):
            await anyio.run_process(command)
        assert sandbox.books().requests["token"] == 1
        assert path.stat().st_mode & 0o777 == 0o600


async def test_one_failed_token_request_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 500 a token comes: the call succeeds, and so does a single attempt of a bulk run."""
    for single in (False, True):
        async with sandbox_and_client() as (sandbox, xoxo):
            real, asked = sandbox.tokens.issue, list[int]()

            def issue(*args: Any, real: Any = real, asked: list[int] = asked) -> Any:
                asked.append(1)
                return (500, {"code": 500, "error": "x"}) if len(asked) == 1 else real(*args)

            monkeypatch.setattr(sandbox.tokens, "issue", issue)
            if single:
                await xoxo.dispatcher.once(GET_BALANCE, NoArguments())
            else:
                await xoxo.account.get_balance()
            assert len(asked) == 2


WORKER = """
import sys, anyio
from xoxo_async import FileTokenStore, RateLimits, RefreshToken, XoxoClient
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN

async def main(base_url, path, seconds):
    provider = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=FileTokenStore(path))
    async with XoxoClient(provider, base_url=base_url, rate_limits=RateLimits.unlimited()) as xoxo:
        print("ready", flush=True)
        sys.stdin.readline()
        with anyio.move_on_after(seconds):
            while True:
                await xoxo.account.get_balance()
                await anyio.sleep(0.005)
    print("done", flush=True)

anyio.run(main, sys.argv[1], sys.argv[2], float(sys.argv[3]))
"""


def run_workers(sandbox: Sandbox, path: Path, seconds: float, count: int = 2) -> list[tuple[int, str, str]]:
    """Run processes that start to call at the same moment. Return how each ended."""
    command = ["-W", "error", "-c", WORKER, sandbox.base_url, path, str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    workers = [WarmProcess(command, **pipes) for _ in range(count)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        ends = [worker.communicate(timeout=60) for worker in workers]
        return [(worker.returncode, *end) for worker, end in zip(workers, ends, strict=True)]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


async def test_two_processes_renew_one_pair_once(tmp_path: Path) -> None:
    """The file lock lets one process renew, and the other one finds the new pair."""
    with Sandbox().run_in_thread() as sandbox:
        ends = await anyio.to_thread.run_sync(run_workers, sandbox, tmp_path / "pair.json", 0.5)
        assert ends == [(0, "done\n", "")] * 2
        assert sandbox.books().requests["token"] == 1


async def test_two_processes_on_one_rotating_pair_lose_nothing(tmp_path: Path) -> None:
    """For six seconds with a two-second pair no call fails, and both renew as often as one would."""
    with Sandbox(token_ttl_s=2).run_in_thread() as sandbox:
        ends = await anyio.to_thread.run_sync(run_workers, sandbox, tmp_path / "pair.json", 6.0)
        assert ends == [(0, "done\n", "")] * 2
        renewals = sandbox.books().requests["token"]
        assert 3 <= renewals <= 5  # at 0, 1.6, 3.2 and 4.8 s: once a lifetime, not once a process
        # The pair on disk is valid: each pair was stored before it was used.
        left = await FileTokenStore(tmp_path / "pair.json").load()
        assert left is not None
        assert left.refresh is not None
        assert sandbox.state.refresh[left.refresh.reveal()]
        assert sum(not live for live in sandbox.state.refresh.values()) == renewals


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClientCredentials(CLIENT_ID, "a wrong secret"),
        lambda: RefreshToken(CLIENT_ID, "a wrong secret", REFRESH_TOKEN),
    ],
    ids=["client credentials", "refresh token"],
)
async def test_a_wrong_secret_is_reported_and_hidden(make: Callable[[], TokenProvider]) -> None:
    """CredentialsRejectedError does not show the secret, also for a refresh, where a new pair would not help."""
    provider = make()
    async with sandbox_and_client(provider) as (sandbox, xoxo):
        with pytest.raises(errors.CredentialsRejectedError) as caught:
            await xoxo.account.get_balance()
        shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {vars(caught.value)} {provider!r}"
        assert "wrong secret" not in shown
        assert REFRESH_TOKEN not in shown
        assert sandbox.books().requests["token"] == 1


async def test_a_stored_pair_may_be_refused_once(tmp_path: Path) -> None:
    """A new sandbox refuses the stored pair, and the configured refresh token works."""
    for requests in (1, 2):
        async with sandbox_and_client(refreshing(tmp_path)) as (sandbox, xoxo):
            await xoxo.account.get_balance()
            assert sandbox.books().requests["token"] == requests


async def test_a_used_refresh_token_is_sent_once(tmp_path: Path) -> None:
    """Fifty callers with a dead refresh token get the error, and the vendor is asked once."""
    async with sandbox_and_client(refreshing(tmp_path)) as (sandbox, xoxo):
        sandbox.state.spend_refresh(REFRESH_TOKEN)
        told = []

        async def call() -> None:
            with pytest.raises(errors.RefreshTokenDeadError, match="dashboard"):
                await xoxo.account.get_balance()
            told.append(1)

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(call)
        assert len(told) == 50
        assert sandbox.books().requests["token"] == 1


async def test_a_throttled_token_endpoint_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's throttle names no time, so no caller requests a token for a minute."""
    async with Sandbox() as sandbox:
        monkeypatch.setattr(sandbox.tokens, "issue", lambda *_: (429, {"message": "auth.request_limit_exceeded"}))
        provider = ClientCredentials(CLIENT_ID, CLIENT_SECRET)
        async with XoxoClient(provider, base_url=sandbox.base_url, retry=RetryPolicy(attempts=1)) as xoxo:
            for _ in range(5):
                with pytest.raises(errors.RateLimitedError) as caught:
                    await xoxo.account.get_balance()
                assert caught.value.retry_after_s == pytest.approx(60, abs=5)
        assert sandbox.books().requests["token"] == 1


async def test_an_error_names_its_own_order() -> None:
    """Many orders wait for one token, and none comes: each error has the poNumber of its own order."""
    wrong = ClientCredentials(CLIENT_ID, "no-such-secret")
    named: list[tuple[str, str | None, str]] = []

    async def place(xoxo: XoxoClient, po_number: str) -> None:
        try:
            await xoxo.orders.place(product_id=1001, denomination=100, po_number=po_number)
        except errors.AuthError as error:
            named.append((po_number, error.po_number, error.operation))

    async with sandbox_and_client(wrong) as (sandbox, first), client_on(sandbox, wrong) as second:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(place, first if number % 2 else second, f"PO-{number}")
        await place(second, "PO-LATER")
    assert len(named) == 21
    assert [each for each in named if each[0] != each[1] or each[2] != "placeOrder"] == []
