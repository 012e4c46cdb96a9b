"""`session`: one attempt against servers that misbehave at the socket, and the one token."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from xoxo_async import StaticToken, Timeouts, errors
from xoxo_async.auth import Exchange, Token
from xoxo_async.session import Answer, Session
from xoxo_async.transport.receiving import retry_after_s
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[str]:
    """Run a server that says exactly what a test wants, byte for byte."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    return head, await reader.readexactly(length)


def replying(raw: bytes) -> Talk:
    """Read a request, then send exactly these bytes and close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)
        await writer.drain()

    return talk


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole HTTP answer."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@asynccontextmanager
async def session_on(base_url: str, provider: object = None, **timeouts: float) -> AsyncIterator[Session]:
    """A session that is closed whatever happens."""
    session = Session(
        provider or StaticToken("tok"),  # type: ignore[arg-type]
        base_url,
        timeouts=Timeouts(**{"connect_s": 5, **timeouts}),
        max_connections=4,
    )
    try:
        yield session
    finally:
        await session.aclose()


async def post(session: Session, total_s: float = 10) -> Answer:
    return await session.send("POST", "/api", b'{"order":1}', "application/json", total_s)


async def test_an_answer_comes_back_whole_and_the_token_goes_out() -> None:
    """Status and body come back as sent; the request carries bearer token, JSON type and body, and no cookie."""
    seen: list[tuple[bytes, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 418 No\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\n\r\nhi")

    async with serving(talk) as url, session_on(url) as session:
        await post(session)
        answer = await post(session)
    assert (answer.status, answer.body, answer.retry_after_s) == (418, b"hi", 7.0)
    head, body = seen[1]
    assert b"Authorization: Bearer tok" in head
    assert b"Content-Type: application/json" in head
    assert b"cookie" not in head.lower()
    assert body == b'{"order":1}'


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    """Nobody listens: ConnectError, effect none, host and port named."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with session_on(f"http://127.0.0.1:{port}") as session:
        with pytest.raises(errors.ConnectError, match=str(port)) as caught:
            await post(session)
    assert (caught.value.effect, caught.value.retryable) == ("none", True)


async def test_an_unknown_host_proves_that_nothing_was_sent() -> None:
    """A name that resolves to nothing is a ConnectError."""
    async with session_on("https://no-such-host.invalid") as session:
        with pytest.raises(errors.ConnectError):
            await post(session)


async def test_a_full_pool_proves_that_nothing_was_sent() -> None:
    """A request that ran out of time waiting for a connection was never sent."""
    taken = anyio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        taken.set()
        await asyncio.Event().wait()

    async with serving(talk) as url:
        session = Session(StaticToken("tok"), url, timeouts=Timeouts(connect_s=0.05), max_connections=1)
        async with anyio.create_task_group() as group:
            group.start_soon(post, session)
            await taken.wait()
            with pytest.raises(errors.ConnectError):
                await post(session)
            group.cancel_scope.cancel()
        await session.aclose()


LOST: dict[str, bytes] = {
    "closed without a word": b"",
    "garbage": b"\x00\x01\x02 what\r\n\r\n",
    "half a status line": b"HTTP/1.1 20",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "broken chunking": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "broken gzip": http(b"not gzip at all", b"Content-Encoding: gzip"),
    "unknown encoding of headers": b"HTTP/1.1 200 OK\r\nBad Header\x00: x\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("raw", LOST.values(), ids=list(LOST))
async def test_a_broken_answer_leaves_doubt(raw: bytes) -> None:
    """After the request was sent, whatever cannot be read as HTTP is a lost reply, possibly with an effect."""
    async with serving(replying(raw)) as url, session_on(url) as session:
        with pytest.raises(errors.ReplyLostError) as caught:
            await post(session)
    assert (caught.value.effect, caught.value.retryable) == ("possible", False)
    assert "tok" not in str(caught.value)


@pytest.mark.parametrize("name", [b"Content-Security-Policy", b"Set-Cookie"])
async def test_a_long_line_in_the_head_is_read(name: bytes) -> None:
    """Policies and cookies of edge servers exceed aiohttp's 8 KB."""
    async with serving(replying(http(b"hi", name + b": " + b"a" * 60_000))) as url, session_on(url) as session:
        assert (await post(session)).body == b"hi"


async def test_a_line_that_is_too_long_is_named() -> None:
    """Whoever reads the error knows what to look for."""
    async with serving(replying(http(b"hi", b"X: " + b"a" * 70_000))) as url, session_on(url) as session:
        with pytest.raises(errors.ReplyLostError, match="a line of its head is longer than 64 KB"):
            await post(session)


async def test_only_what_is_tested_is_asked_for() -> None:
    """Whatever else is installed that could unpack answers."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_request(reader))[0])
        writer.write(http(b"hi"))

    async with serving(talk) as url, session_on(url) as session:
        await post(session)
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in seen[0]


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
async def test_what_is_asked_for_is_unpacked(encoding: bytes) -> None:
    """Both of them; deflate with and without zlib's head."""
    packed = [gzip.compress(b"hi")] if encoding == b"gzip" else [zlib.compress(b"hi"), zlib.compress(b"hi", wbits=-15)]
    for body in packed:
        async with serving(replying(http(body, b"Content-Encoding: " + encoding))) as url, session_on(url) as session:
            assert (await post(session)).body == b"hi"


async def test_a_reset_connection_leaves_doubt() -> None:
    """A reset after the request was read is a lost reply."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with serving(talk) as url, session_on(url) as session:
        with pytest.raises(errors.ReplyLostError):
            await post(session)


async def test_silence_leaves_doubt() -> None:
    """No answer in time is a ReplyTimeoutError, which says how long was waited."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.Event().wait()

    async with serving(talk) as url, session_on(url) as session:
        with pytest.raises(errors.ReplyTimeoutError, match=r"0\.2 s") as caught:
            await post(session, total_s=0.2)
    assert caught.value.effect == "possible"


async def test_a_redirect_is_never_followed() -> None:
    """A 307 comes back as an answer: followed, it would hand order and token to another host."""
    async with serving(replying(http(b"", b"Location: http://127.0.0.1:1/", status=b"307 Go"))) as url:
        async with session_on(url) as session:
            assert (await post(session)).status == 307


@pytest.mark.parametrize("announced", [True, False])
async def test_an_oversized_answer_is_not_read(announced: bool) -> None:
    """An answer over the limit ends as a DecodeError, whether or not it announced its size."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        size = b"Content-Length: 999999999\r\n" if announced else b"Connection: close\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + size + b"\r\n")
        while True:
            writer.write(b"x" * 1_000_000)
            await writer.drain()

    async with serving(talk) as url, session_on(url) as session:
        with pytest.raises(errors.DecodeError, match="larger"):
            await post(session)


async def test_a_gzip_bomb_is_stopped_early() -> None:
    """Half a gigabyte in half a megabyte ends at the limit, in bounded memory."""
    bomb = gzip.compress(bytes(1 << 29), 9)
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(replying(http(bomb, b"Content-Encoding: gzip"))) as url, session_on(url) as session:
        with pytest.raises((errors.DecodeError, errors.ReplyLostError)):
            await post(session)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


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

    session = Session(StaticToken("t"), "http://127.0.0.1:1", timeouts=Timeouts(), max_connections=1)

    async def first() -> None:
        await use(session)
        await session._http.close()  # type: ignore[union-attr]

    asyncio.run(first())
    with pytest.raises(errors.ConfigError, match="another event loop"):
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
    return Session(provider, url, timeouts=Timeouts(), max_connections=4, clock=lambda: clock[0], wall=lambda: clock[0])


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
        old = (await post(session)).token
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
        session = Session(provider, url, timeouts=Timeouts(), max_connections=4)
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
        assert session._http is not None
        assert session._http.closed
        caller.exception()


async def test_a_failed_token_request_means_the_call_was_never_sent() -> None:
    """A token answer that was lost, broken or a 502 is no answer to the order behind it: nothing was sent."""
    for fail in (errors.ReplyLostError("gone"), errors.ServerError("502"), errors.DecodeError("what")):
        provider = Renewing(fail=fail)
        async with echoing_token() as url, session_on(url, provider) as session:
            with pytest.raises(errors.AuthError) as caught:
                await post(session)
        assert (caught.value.effect, caught.value.retryable) == ("none", True)


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("7", None, 7.0),
        (" 1.5 ", None, 1.5),
        ("-1", None, None),
        ("nan", None, None),
        ("soon", None, None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", None, 91.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", None, 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", "Thu, 01 Jan 1970 00:01:30 GMT", 11.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", "yesterday", 91.0),
        ("9" * 400, None, 3600.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(header: str, date: str | None, seconds: float | None) -> None:
    """Both forms of the header, and rubbish, come out as bounded seconds or None; a date by the server's clock."""
    assert retry_after_s(header, date, now=10.0) == seconds
