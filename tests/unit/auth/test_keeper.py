"""`auth.keeper`: one token for all callers, careful repeats, and a close that loses no pair."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.unit.auth.endpoints import Vendor
from xoxo_async import ClientCredentials, MemoryTokenStore, RateLimits, RefreshToken, RetryPolicy, Timeouts, errors
from xoxo_async.auth import ExchangeAnswer, TokenProvider
from xoxo_async.auth.keeper import Keeper
from xoxo_async.auth.troubles import TROUBLES
from xoxo_async.hooks import Event, TokenNotRenewed, TokenRenewed
from xoxo_async.pacing import TOKEN_REQUEST, Pacer

pytestmark = pytest.mark.anyio

FINE = ExchangeAnswer(200, b'{"access_token": "tok", "expires_in": 1000}')
PAIR = ExchangeAnswer(200, b'{"access_token": "tok", "refresh_token": "next", "expires_in": 1000}')
DOWN: dict[str, Any] = {
    "500": ExchangeAnswer(500, b'{"code": 500, "error": "x"}'),
    "502, a page": ExchangeAnswer(502, b"<html>"),
    "200, a page": ExchangeAnswer(200, b"<html>"),
    "reset": errors.ReplyLostError("gone"),
    "timeout": errors.ReplyTimeoutError("silence"),
    "not reached": errors.ConnectError("refused"),
}


class Played:
    """A token endpoint with a list of answers; the last one repeats."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await anyio.lowlevel.checkpoint()
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, ExchangeAnswer)
        return answer


def by_id(kind: str = "good") -> ClientCredentials:
    return ClientCredentials("id", f"{kind}-secret")


def by_pair() -> RefreshToken:
    return RefreshToken("id", "secret", "first", store=MemoryTokenStore())


def keeper(
    post: Any, provider: TokenProvider | None = None, *, clock: Callable[[], float] | None = None, **settings: Any
) -> Keeper:
    kept = Keeper(
        provider or by_id(),
        "https://a/chef",
        **{
            "post": post,
            "timeouts": Timeouts(),
            "retry": RetryPolicy(attempts=3, base_s=0, max_s=0),
            "hooks": (),
            "pacer": None,
            "clock": clock or (lambda: 0.0),
            "wall": lambda: 0.0,
            **settings,
        },
    )
    kept.open()
    return kept


# Repeats of a failed token request.


@pytest.mark.parametrize("down", DOWN.values(), ids=DOWN)
async def test_failed_token_requests_follow_the_policy(down: Any) -> None:
    """One failed token request fails no call; as many as the policy has attempts fail it."""
    endpoint = Played(down, FINE)
    assert (await keeper(endpoint).within(10)).access.reveal() == "tok"
    assert endpoint.asked == 2
    endpoint = Played(down)
    with pytest.raises((errors.AuthError, errors.ConnectError)) as caught:
        await keeper(endpoint, by_id("other")).within(10)
    assert (endpoint.asked, caught.value.effect, caught.value.retryable) == (3, "none", True)


async def test_failed_token_requests_are_told() -> None:
    """Each one is an event: a warning where no other request follows, and never with words of the vendor's."""
    heard: list[Event] = []
    endpoint = Played(ExchangeAnswer(500, b'{"error": "HUNTER-2"}'), FINE)
    await keeper(endpoint, by_id("told"), hooks=[heard.append]).within(10)
    refused = Played(ExchangeAnswer(401, b'{"error": "invalid_client"}'))
    with pytest.raises(errors.AuthError):
        await keeper(refused, by_id("wrong"), hooks=[heard.append]).within(10)
    again, renewed, refusal = heard
    assert again == TokenNotRenewed(error="AuthError", status=500, wait_s=0.0)
    assert isinstance(renewed, TokenRenewed)
    assert refusal == TokenNotRenewed(error="CredentialsRejectedError", status=401)
    assert (again.level, refusal.level) == (logging.INFO, logging.WARNING)


@pytest.mark.parametrize("down", [end for end in DOWN if end != "not reached"])
async def test_a_lost_refresh_is_repeated_once(down: str) -> None:
    """The vendor documents one repeat with the same token, so there is no third request."""
    endpoint = Played(DOWN[down], PAIR)
    assert (await keeper(endpoint, by_pair()).within(10)).access.reveal() == "tok"
    endpoint = Played(DOWN[down])
    with pytest.raises(errors.AuthError):
        await keeper(endpoint, RefreshToken("id", "secret", "second", store=MemoryTokenStore())).within(10)
    assert endpoint.asked == 2


async def test_an_unsent_refresh_follows_the_policy() -> None:
    """A request that never left spends no refresh token."""
    endpoint = Played(DOWN["not reached"], DOWN["not reached"], PAIR)
    assert (await keeper(endpoint, by_pair()).within(10)).access.reveal() == "tok"


async def test_a_lost_pair_is_named_in_the_error() -> None:
    """The vendor renewed, the answer was lost, and the old refresh token is refused: the error says so."""
    vendor = Vendor("first")
    vendor.lose = errors.ReplyLostError("gone")
    with pytest.raises(errors.RefreshTokenDeadError, match="an earlier renewal was lost"):
        await keeper(vendor, by_pair()).within(10)
    assert vendor.sent == ["first", "first"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ExchangeAnswer(401, b'{"error": "invalid_client"}'), errors.CredentialsRejectedError),
        (ExchangeAnswer(429, b'{"message": "auth.request_limit_exceeded"}'), errors.RateLimitedError),
    ],
)
async def test_a_refusal_is_not_repeated(answer: ExchangeAnswer, kind: type[errors.XoxoError]) -> None:
    """Wrong credentials and a penalty are raised after one request."""
    endpoint = Played(answer)
    with pytest.raises(kind):
        await keeper(endpoint).within(10)
    assert endpoint.asked == 1


async def test_a_penalty_within_a_retry_is_honoured() -> None:
    """Where the second request is throttled, no client of the account makes a third."""
    endpoint = Played(DOWN["500"], ExchangeAnswer(429, b'{"code": 429, "error": "x"}', 7.0))
    pacer = Pacer(RateLimits.unlimited(), clock=lambda: 0.0)
    for _ in range(3):
        with pytest.raises(errors.RateLimitedError) as caught:
            await keeper(endpoint, pacer=pacer).within(10)
        assert caught.value.retry_after_s == 7
    assert (endpoint.asked, pacer.blocked_s(TOKEN_REQUEST)) == (2, 7)


async def test_a_policy_of_one_attempt_asks_once() -> None:
    """With `attempts=1` a failed token request is not repeated."""
    for provider in (by_id(), by_pair()):
        endpoint = Played(DOWN["500"])
        with pytest.raises(errors.AuthError):
            await keeper(endpoint, provider, retry=RetryPolicy(attempts=1)).within(10)
        assert endpoint.asked == 1


async def test_a_failure_keeps_its_cause() -> None:
    """The call that met it and those that are refused after it both say what the network said."""
    failure = errors.ConnectError("not reached")
    failure.__cause__ = ConnectionRefusedError(111, "refused")
    endpoint = Played(failure)
    kept = keeper(endpoint)
    for asked in (3, 3):
        with pytest.raises(errors.ConnectError) as caught:
            await kept.within(10)
        assert (endpoint.asked, caught.value.__cause__) == (asked, failure.__cause__)


async def test_an_outage_causes_few_token_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes without an endpoint and a new client each second cause some forty requests."""
    now, endpoint = [0.0], Played(DOWN["500"])
    monkeypatch.setattr(TROUBLES, "clock", lambda: now[0])  # no client is there when the next one comes
    for _ in range(600):
        with pytest.raises(errors.AuthError):
            await keeper(endpoint, clock=lambda: now[0]).within(10)
        now[0] += 1.0
    assert endpoint.asked <= 3 * (5 + 600 / 30)
    endpoint.answers = [FINE]
    now[0] += 30
    assert (await keeper(endpoint, clock=lambda: now[0]).within(10)).access.reveal() == "tok"


async def test_clients_of_one_account_ask_together() -> None:
    """Twenty new clients and one failure cause two token requests, and every client gets a token."""
    endpoint = Played(DOWN["500"], FINE)
    clients, tokens = [keeper(endpoint) for _ in range(20)], list[str]()

    async def use(client: Keeper) -> None:
        tokens.append((await client.within(10)).access.reveal())

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for client in clients:
                group.start_soon(use, client)
    assert (tokens, endpoint.asked) == (["tok"] * 20, 2)


async def test_another_secrets_failure_is_not_ours() -> None:
    """A client with a wrong secret does not stop one with the right secret."""
    endpoint = Played(ExchangeAnswer(401, b'{"error": "invalid_client"}'), FINE)
    with pytest.raises(errors.CredentialsRejectedError):
        await keeper(endpoint, by_id("wrong")).within(10)
    assert (await keeper(endpoint, by_id("right")).within(10)).access.reveal() == "tok"


# Closing.


class Slow:
    """A token endpoint that answers when the test says so."""

    def __init__(self, answer: ExchangeAnswer) -> None:
        self.answer = answer
        self.asked, self.go = anyio.Event(), anyio.Event()

    async def __call__(self, _path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
        self.asked.set()
        await self.go.wait()
        return self.answer


async def waiting_for(kept: Keeper, endpoint: Slow) -> "asyncio.Task[Any]":
    caller = asyncio.create_task(kept.within(100))
    await endpoint.asked.wait()
    return caller


async def test_closing_waits_for_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refresh token may be spent, so a pair that comes within the token timeout is stored."""
    store, endpoint, waits = MemoryTokenStore(), Slow(PAIR), list[float]()
    kept = keeper(endpoint, RefreshToken("id", "s", "first", store=store), timeouts=Timeouts(token_s=77))
    caller, wait = await waiting_for(kept, endpoint), asyncio.wait

    async def noted(tasks: Any, *, timeout: float) -> Any:  # noqa: ASYNC109 - asyncio's signature
        waits.append(timeout)
        endpoint.go.set()
        return await wait(tasks, timeout=timeout)

    monkeypatch.setattr("xoxo_async.auth.keeper.asyncio.wait", noted)
    await kept.close()
    assert waits[0] >= 77
    stored = await store.load()
    assert stored is not None
    assert stored.refresh is not None
    assert stored.refresh.reveal() == "next"
    await caller


async def test_closing_waits_for_no_client_credentials() -> None:
    """A request that spends nothing is cancelled at once, and the next client may make another."""
    endpoint = Slow(FINE)
    kept = keeper(endpoint)
    caller = await waiting_for(kept, endpoint)
    with anyio.fail_after(30):
        await kept.close()
        with pytest.raises(errors.ConfigError, match="closed"):
            await caller
        assert (await keeper(Played(FINE)).within(10)).access.reveal() == "tok"


async def test_closing_ends_a_wait_between_two_tries() -> None:
    """Between two token requests nothing is under way, so closing ends the wait and no request follows."""
    endpoint = Played(DOWN["500"], PAIR)
    kept = keeper(endpoint, by_pair(), retry=RetryPolicy(attempts=3, base_s=1000, max_s=1000))
    caller = asyncio.create_task(kept.within(100))
    while not endpoint.asked:
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()
    with anyio.fail_after(30):
        await kept.close()
        with pytest.raises(errors.ConfigError, match="closed"):
            await caller
    assert endpoint.asked == 1
