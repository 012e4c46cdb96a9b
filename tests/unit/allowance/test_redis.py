"""`allowance.redis`: what belongs to a Redis server alone; `test_protocol` has what every store does."""

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.redis_server import RedisServer, _in_python, running_redis
from xoxo_async.allowance import AwayError, Grant, RedisAllowance
from xoxo_async.errors import ConfigError

pytestmark = pytest.mark.anyio

real = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs a real redis-server")


async def take(store: RedisAllowance, account: str = "acc") -> Grant:
    return await store.take(account, "placeOrder", member="a", interval_s=1.0, count=1, within_s=math.inf)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Run a server that gives one answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://:hidden-word@127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", ConfigError, "refuses the user"),
        (b"-NOAUTH Authentication required.\r\n", ConfigError, "refuses the user"),
        (b"-NOPERM this user has no permissions to run the 'eval' command\r\n", ConfigError, "refuses"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", AwayError, "127.0.0.1"),
        (b"-READONLY You can't write against a read only replica.\r\n", AwayError, "refused"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", AwayError, "refused"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ConfigError, "no Redis server"),
    ],
)
async def test_what_a_server_refuses(answer: bytes, kind: type[Exception], words: str) -> None:
    """A refusal that a person must act on is a `ConfigError`; one that passes is not. None shows the password."""
    async with answering(answer) as url:
        store = RedisAllowance(url)
        with pytest.raises(kind, match=words) as caught:
            await take(store)
        assert "hidden-word" not in str(caught.value)
        await store.aclose()


async def test_no_server_is_no_fault_of_the_setting() -> None:
    """A server that is down is away, so that the processes go on alone."""
    store = RedisAllowance("redis://:hidden-word@127.0.0.1:1/0")
    with pytest.raises(AwayError, match=r"redis://127\.0\.0\.1:1/0 cannot be reached"):
        await take(store)
    await store.aclose()


async def test_a_key_of_someone_else(redis_server: RedisServer) -> None:
    """A key of that name that is no hash is a person's affair."""
    from redis.asyncio import Redis

    account = uuid4().hex
    client = Redis.from_url(redis_server.url)
    await client.set(f"xoxo:{{{account}}}:placeOrder", "something else")
    await client.aclose()
    store = RedisAllowance(redis_server.url)
    with pytest.raises(ConfigError, match="refuses the allowance's script"):
        await take(store, account)
    await store.aclose()


async def test_its_keys_end_by_themselves(redis_server: RedisServer) -> None:
    """Nothing stays in the server a minute after the last slot or penalty."""
    from redis.asyncio import Redis

    account = uuid4().hex
    store = RedisAllowance(redis_server.url)
    await take(store, account)
    client = Redis.from_url(redis_server.url)
    keys = [key async for key in client.scan_iter(f"xoxo:{{{account}}}:*")]
    assert len(keys) == 2
    assert all([0 < await client.pttl(key) <= 62_000 for key in keys])
    await store.hold(account, "placeOrder", 600)
    assert 600_000 < await client.pttl(f"xoxo:{{{account}}}:placeOrder") <= 662_000
    await client.aclose()
    await store.aclose()


def test_the_server_in_python_runs_the_script() -> None:
    """Where no `redis-server` is installed, the tests use one in Python: it must give the same answers."""
    with _in_python() as port:

        async def use() -> list[Grant]:
            store = RedisAllowance(f"redis://127.0.0.1:{port}/0")
            grants = [await take(store), await take(store)]
            await store.hold("acc", "placeOrder", 30)
            grants.append(await take(store))
            await store.aclose()
            return grants

        grants = asyncio.run(use())
    assert [grant.first_s for grant in grants] == pytest.approx([0, 1, 30], abs=0.5)
    assert grants[2].held_s == pytest.approx(30, abs=0.5)
    assert grants[0].members == 1


@real
@pytest.mark.database
def test_a_server_that_is_killed_and_started_again() -> None:
    """While the server is down the store is away; the same store works with its successor."""

    async def use(store: RedisAllowance) -> str:
        try:
            return str((await take(store)).count)
        except AwayError:
            return "away"

    async def work(server: RedisServer, store: RedisAllowance) -> list[str]:
        found = [await use(store)]
        server.kill()
        found += [await use(store), await use(store)]
        server.start()
        found.append(await use(store))
        await store.aclose()
        return found

    with running_redis() as server:
        store = RedisAllowance(server.url)
        assert asyncio.run(work(server, store)) == ["1", "away", "away", "1"]


@real
@pytest.mark.database
def test_a_password() -> None:
    """With the password it works; without it, or with another one, the error says so and does not show it."""
    with running_redis("--requirepass", "hidden-word") as server:

        async def use(url: str) -> str:
            store = RedisAllowance(url)
            try:
                return str((await take(store)).count)
            except ConfigError as error:
                return error.message
            finally:
                await store.aclose()

        assert asyncio.run(use(server.url.replace("//", "//:hidden-word@"))) == "1"
        for url in (server.url, server.url.replace("//", "//:other-word@")):
            said = asyncio.run(use(url))
            assert "refuses the user or the password" in said
            assert "word@" not in said
