"""`session`: one authorised attempt, and the one token behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.unit.servers import http, read_request, replying, serving
from xoxo_async import StaticToken, Timeouts, errors
from xoxo_async.auth import Exchange, Token
from xoxo_async.session import Session
from xoxo_async.transport.http import Answer, Http
from xoxo_async.wire.secrets import Secret

pytestmark = pytest.mark.anyio


def session_of(provider: object, base_url: str, *, timeouts: Timeouts | None = None, **clocks: Any) -> Session:
    timeouts = timeouts or Timeouts()
    http = Http(base_url, timeouts=timeouts, max_connections=4)
    return Session(provider, base_url, http=http, timeouts=timeouts, **clocks)  # type: ignore[arg-type]


@asynccontextmanager
async def session_on(base_url: str, provider: object = None, **timeouts: float) -> AsyncIterator[Session]:
    """A session that is closed whatever happens."""
    session = session_of(provider or StaticToken("tok"), base_url, timeouts=Timeouts(**{"connect_s": 5, **timeouts}))
    try:
        yield session
    finally:
        await session.aclose()


async def post(session: Session, total_s: float = 10) -> Answer:
    return await session.send("POST", "/api", b'{"order":1}', "application/json", total_s)


async def test_a_closed_session_says_so() -> None:
    """Using a closed session is a ConfigError, and closing twice is fine."""
    async with session_on("http://127.0.0.1:1") as session:
        await session.aclose()
        with pytest.raises(errors.ConfigError, match="closed"):
            await post(session)


def test_another_event_loop_says_so() -> None:
    """A session belongs to the loop of its first use."""

    async def use(session: Session) -> None:
        with pytest.raises(errors.ConnectError):
            await post(session)

    session = session_of(StaticToken("t"), "http://127.0.0.1:1")

    async def first() -> None:
        await use(session)
        await session._http.aclose()

    asyncio.run(first())
    with pytest.raises(errors.ConfigError, match=r"another event loop.*one client per loop.*share the token"):
        asyncio.run(post(session))


class Renewing:
    """A provider that hands out numbered tokens and counts how often it was asked."""

    def __init__(self, lifetime_s: float | None = None, fail: errors.XoxoError | None = None) -> None:
        self.asked = 0
        self.lifetime_s = lifetime_s
        self.fail = fail
        self.gate = asyncio.Event()
        self.gate.set()
        self.wall = lambda: 0.0

    async def obtain(self, _exchange: Exchange, _rejected: Token | None, /) -> Token:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if self.fail is not None:
            raise self.fail
        expires = None if self.lifetime_s is None else self.wall() + self.lifetime_s
        return Token(Secret(f"tok{number}"), expires)


@asynccontextmanager
async def echoing_token() -> AsyncIterator[str]:
    """A server that answers with the token it was sent."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            token = next(line for line in head.split(b"\r\n") if line.startswith(b"Authorization")).split()[-1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(token), token))

    async with serving(talk) as url:
        yield url


def timed_session(url: str, provider: Renewing, clock: list[float]) -> Session:
    provider.wall = lambda: clock[0]
    return session_of(provider, url, clock=lambda: clock[0], wall=lambda: clock[0])


async def test_two_hundred_cold_callers_cause_one_token_request() -> None:
    """However many wait, the token is asked for once."""
    provider = Renewing()
    async with echoing_token() as url, session_on(url, provider) as session, anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(post, session)
    assert provider.asked == 1


async def test_a_token_is_renewed_early_and_served_meanwhile() -> None:
    """Within its margin the old token is still served while one renewal runs aside."""
    provider, clock = Renewing(lifetime_s=1000), [0.0]
    async with echoing_token() as url:
        session = timed_session(url, provider, clock)
        assert (await post(session)).body == b"tok1"
        clock[0] = 900.0
        provider.gate.clear()
        assert [(await post(session)).body for _ in range(3)] == [b"tok1"] * 3
        provider.gate.set()
        await anyio.wait_all_tasks_blocked()
        assert (await post(session)).body == b"tok2"
        await session.aclose()
    assert provider.asked == 2


async def test_an_expired_token_is_never_sent() -> None:
    """After its end a new token is waited for."""
    provider, clock = Renewing(lifetime_s=1000), [0.0]
    async with echoing_token() as url:
        session = timed_session(url, provider, clock)
        await post(session)
        clock[0] = 1001.0
        assert (await post(session)).body == b"tok2"
        await session.aclose()


async def test_a_rejected_token_is_forgotten_only_while_current() -> None:
    """A late rejection of an old token does not throw the new one away."""
    provider = Renewing()
    async with echoing_token() as url, session_on(url, provider) as session:
        old = (await post(session)).bearer
        session.reject(old)
        assert (await post(session)).body == b"tok2"
        session.reject(old)
        assert (await post(session)).body == b"tok2"


async def test_a_failed_renewal_is_remembered_for_a_moment() -> None:
    """Callers within the moment get the same error without another request; after it, one asks again."""
    provider, clock = Renewing(fail=errors.CredentialsRejectedError("no")), [0.0]
    async with echoing_token() as url:
        session = timed_session(url, provider, clock)
        for _ in range(5):
            with pytest.raises(errors.CredentialsRejectedError):
                await post(session)
        assert provider.asked == 1
        clock[0] = 2.0
        provider.fail = None
        assert (await post(session)).body == b"tok2"
        await session.aclose()


async def test_a_failed_early_renewal_harms_nobody() -> None:
    """While the old token lives, a failing renewal is nobody's error."""
    provider, clock = Renewing(lifetime_s=1000), [0.0]
    async with echoing_token() as url:
        session = timed_session(url, provider, clock)
        await post(session)
        provider.fail = errors.RateLimitedError("slow", retry_after_s=50)
        clock[0] = 900.0
        for _ in range(5):
            assert (await post(session)).body == b"tok1"
            await anyio.wait_all_tasks_blocked()
        assert provider.asked == 2
        await session.aclose()


async def test_a_remembered_throttle_says_what_is_left_of_it() -> None:
    """Whoever asks later waits less; nobody asks the endpoint."""
    provider, clock = Renewing(fail=errors.RateLimitedError("slow", retry_after_s=50)), [0.0]
    async with echoing_token() as url:
        session = timed_session(url, provider, clock)
        for now, left in ((0.0, 50), (20.0, 30)):
            clock[0] = now
            with pytest.raises(errors.RateLimitedError) as caught:
                await session.authorise()
            assert caught.value.retry_after_s == left
        assert (provider.asked, session.has_token) == (1, False)
        clock[0], provider.fail = 50.0, None
        await session.authorise()
        assert session.has_token
        await session.aclose()


async def test_a_cancelled_caller_does_not_cancel_the_renewal() -> None:
    """The pair a renewal brings is kept, and the next caller uses it, though the first one left."""
    provider = Renewing()
    provider.gate.clear()
    async with echoing_token() as url, session_on(url, provider) as session:
        first = asyncio.ensure_future(post(session))
        await anyio.wait_all_tasks_blocked()
        second = asyncio.ensure_future(post(session))
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        provider.gate.set()
        assert (await second).body == b"tok1"
    assert provider.asked == 1


@pytest.mark.parametrize("how", ["asyncio", "anyio", "twice"])
async def test_who_is_cancelled_while_closing_still_waits_for_the_pair(how: str) -> None:
    """Ctrl-C, `asyncio.timeout` or a task group that ends: a renewal under way ends first, and then the connections."""
    provider = Renewing()
    provider.gate.clear()
    exchanged: list[Token] = []
    obtain = provider.obtain

    async def asking(exchange: Exchange, rejected: Token | None, /) -> Token:
        await exchange("/v1/oauth/token", b"", "application/json")
        token = await obtain(exchange, rejected)
        exchanged.append(token)
        return token

    provider.obtain = asking  # type: ignore[method-assign]
    async with serving(replying(http(b"{}"))) as url:
        session = session_of(provider, url)
        caller = asyncio.create_task(post(session))
        while not provider.asked:
            await anyio.sleep(0.01)
        scope = anyio.CancelScope()

        async def close() -> None:
            with scope:
                await session.aclose()

        closing = asyncio.create_task(close())
        await anyio.wait_all_tasks_blocked()
        for _ in range(2 if how == "twice" else 1):
            scope.cancel() if how == "anyio" else closing.cancel()
            await anyio.wait_all_tasks_blocked()
        assert not closing.done()
        provider.gate.set()
        await asyncio.wait([closing, caller])
        assert closing.cancelled() is (how != "anyio")
        assert len(exchanged) == 1
        assert session._http._session is not None
        assert session._http._session.closed
        caller.exception()


async def test_a_failed_token_request_means_the_call_was_never_sent() -> None:
    """A token answer that was lost, broken or a 502 is no answer to the order behind it: nothing was sent."""
    for fail in (errors.ReplyLostError("gone"), errors.ServerError("502"), errors.DecodeError("what")):
        provider = Renewing(fail=fail)
        async with echoing_token() as url, session_on(url, provider) as session:
            with pytest.raises(errors.AuthError) as caught:
                await post(session)
        assert (caught.value.effect, caught.value.retryable) == ("none", True)


async def test_a_token_that_comes_too_late_sends_nothing() -> None:
    """Whether a request may still leave is asked after the wait for a token, right before it is written."""
    provider = Renewing()
    provider.gate.clear()
    in_time = True
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        requests.append((await read_request(reader))[1])

    async with serving(talk) as url, session_on(url, provider) as session:
        sending = asyncio.ensure_future(
            session.send("POST", "/api", b'{"order":1}', "application/json", 10, lambda: in_time)
        )
        while not provider.asked:
            await asyncio.sleep(0)
        in_time = False
        provider.gate.set()
        with pytest.raises(errors.ConnectError, match="too late"):
            await sending
    assert not requests
