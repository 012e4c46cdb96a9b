"""`auth.memory`: clients, threads and event loops share one token or pair, until it expires."""

import asyncio
import copy
import gc
import multiprocessing
import pickle
import threading
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.unit.auth.endpoints import CLIENT, LIFETIME, NOW, Clock, Endpoint, Vendor, provider
from xoxo_async import ClientCredentials, FileTokenStore, MemoryTokenStore, RefreshToken, errors
from xoxo_async.auth import ExchangeAnswer, Token, TokenStore, memory
from xoxo_async.kept import Kept
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


def storeless(first: str, client_id: str = CLIENT) -> RefreshToken:
    return RefreshToken(client_id, "the-secret", first, clock=Clock())


@pytest.fixture
def unique() -> str:
    """A refresh token that no other test has, because providers without a store share their pair by it."""
    return uuid.uuid4().hex


@pytest.mark.parametrize("shared", ["file", "memory"])
async def test_clients_that_share_a_store_renew_once(tmp_path: Path, shared: str) -> None:
    """Fifty providers of one pair cause one renewal, and every one of them gets the new token."""
    server = Vendor("first")
    memory = MemoryTokenStore()
    stores = [FileTokenStore(tmp_path / "pair.json") if shared == "file" else memory for _ in range(50)]
    tokens: list[Token] = []

    async def obtain(store: TokenStore) -> None:
        tokens.append(await provider("first", store).obtain(server, None))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for store in stores:
                group.start_soon(obtain, store)
    assert {token.access.reveal() for token in tokens} == {"a1"}
    assert server.renewals == 1


async def test_providers_share_a_pair_without_a_store(unique: str) -> None:
    """Fifty providers of one refresh token cause one renewal; another token or client id has another pair."""
    vendor = Vendor(unique, f"{unique}-other")
    providers = [storeless(unique) for _ in range(50)]
    tokens: set[str] = set()

    async def obtain(one: RefreshToken) -> None:
        tokens.add((await one.obtain(vendor, None)).access.reveal())

    async with anyio.create_task_group() as group:
        for one in providers:
            group.start_soon(obtain, one)
    assert tokens == {"a1"}
    assert (await storeless(f"{unique}-other").obtain(vendor, None)).access.reveal() == "a2"
    with pytest.raises(errors.RefreshTokenDeadError):
        await storeless(unique, client_id="another-client-id").obtain(vendor, None)


def test_event_loops_in_threads_share_a_pair(unique: str) -> None:
    """A client belongs to one loop, the pair to all of them, and one loop renews it."""
    vendor = Vendor(unique)
    providers = [storeless(unique) for _ in range(8)]
    tokens: list[str] = []

    def run(one: RefreshToken) -> None:
        async def obtain() -> None:
            tokens.append((await one.obtain(vendor, None)).access.reveal())

        anyio.run(obtain)

    threads = [threading.Thread(target=run, args=(one,)) for one in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert tokens == ["a1"] * 8
    assert vendor.renewals == 1


async def test_a_cancelled_holder_lets_go(unique: str) -> None:
    """A provider that is cancelled while the vendor is silent releases the lock."""
    one, two = storeless(unique), storeless(unique)
    with anyio.CancelScope() as scope:

        async def silence(_path: str, _body: bytes, _kind: str, /) -> ExchangeAnswer:
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        await one.obtain(silence, None)
    with anyio.fail_after(10):
        assert (await two.obtain(Vendor(unique), None)).access.reveal() == "a1"


async def test_a_stored_pair_is_copied_nowhere() -> None:
    """A copy of a store is the store itself, and a pickle is refused: of two pairs one would be dead."""
    store = MemoryTokenStore()
    await store.save(Token(Secret("access")))
    assert copy.copy(store) is store
    assert copy.deepcopy([store])[0] is store
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(store)
    assert repr(store) == "MemoryTokenStore(<one pair>)"


# What is kept without a client.


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which kept tokens expire; at the start nothing is kept."""
    clock = Clock()
    monkeypatch.setattr(memory, "_SHARED", Kept(memory._Place, clock))
    return clock


class At(Endpoint):
    """A client's token endpoint at one address."""

    def __init__(self, base_url: str = "https://a/chef", lifetime_s: float | None = 1000.0) -> None:
        super().__init__({"access_token": "tok", "expires_in": lifetime_s})
        self.base_url = base_url


def by_id(client_id: str = "me", key: str = "s&cret", **settings: Any) -> ClientCredentials:
    return ClientCredentials(client_id, key, **settings)


async def test_client_credentials_keep_a_token_until_expiry(wall: Clock) -> None:
    """The next provider with the same values gets the token while it is good; after its expiry nothing is kept."""
    endpoint = At()
    for at, asked, kept in ((0, 1, 1), (700, 1, 1), (800, 2, 1), (1799, 2, 1)):
        wall.now = NOW + at
        await by_id(clock=wall).obtain(endpoint, None)
        gc.collect()
        if at == 1799:
            break
        assert (len(endpoint.asked), len(memory._SHARED)) == (asked, kept)
    wall.now = NOW + 100_000
    assert len(memory._SHARED) == 0


async def test_a_token_without_expiry_is_kept_an_hour(wall: Clock) -> None:
    """A token without a known expiry is used until it is refused, and kept for later clients for an hour."""
    endpoint = At(lifetime_s=None)
    await by_id(clock=wall).obtain(endpoint, None)
    gc.collect()
    wall.now += 3599
    assert len(memory._SHARED) == 1
    wall.now += 1
    assert len(memory._SHARED) == 0


@pytest.mark.parametrize(
    ("provider", "base_url"),
    [
        (by_id("you"), "https://a/chef"),
        (by_id("me", "other"), "https://a/chef"),
        (by_id(), "https://b/chef"),
        (by_id(), "https://a/chef2"),
    ],
    ids=["client id", "secret", "host", "path"],
)
async def test_another_address_or_secret_is_another_token(
    wall: Clock, provider: ClientCredentials, base_url: str
) -> None:
    """Where address, client id or secret differs, another token is requested."""
    await by_id().obtain(At(), None)
    other = At(base_url)
    await provider.obtain(other, None)
    assert len(other.asked) == 1


async def test_without_an_address_nothing_is_shared(wall: Clock) -> None:
    """An exchange without `base_url` gets a token that no other client uses."""
    endpoint = Endpoint({"access_token": "tok", "expires_in": 1000})
    for _ in range(2):
        await by_id().obtain(endpoint, None)
    assert (len(endpoint.asked), len(memory._SHARED)) == (2, 0)


async def test_only_the_refused_token_is_forgotten(wall: Clock) -> None:
    """A late refusal of the token before it leaves the new token."""
    endpoint, one = At(), by_id(clock=wall)
    old = await one.obtain(endpoint, None)
    one.forget(old)
    endpoint.answer = ExchangeAnswer(200, b'{"access_token": "new", "expires_in": 1000}')
    assert (await by_id(clock=wall).obtain(endpoint, None)).access == Secret("new")
    one.forget(old)
    assert (await by_id(clock=wall).obtain(endpoint, None)).access == Secret("new")
    assert len(endpoint.asked) == 2


async def test_forgetting_keeps_the_refresh_token(wall: Clock) -> None:
    """Only the refused access token is forgotten, and nothing while a renewal is under way."""
    store, pair = MemoryTokenStore(), Token(Secret("a"), NOW + 9999, Secret("r"))
    await store.save(pair)
    async with store.lock():
        store.forget_access(pair)
    assert await store.load() == pair
    store.forget_access(Token(Secret("other")))
    assert await store.load() == pair
    store.forget_access(pair)
    assert await store.load() == pair._replace(access=Secret(""))


async def test_a_pair_lives_as_its_refresh_token(wall: Clock, unique: str) -> None:
    """Short-lived clients without a store do not spend one refresh token twice."""
    vendor = Vendor(unique)
    for number in range(1, 4):
        token = await RefreshToken(CLIENT, "s", unique, clock=wall).obtain(vendor, None)
        assert token.access == Secret(f"a{number}")
        gc.collect()
        wall.now += LIFETIME
    assert vendor.sent == [unique, "r1", "r2"]
    wall.now += 16 * 86400
    assert len(memory._SHARED) == 0


async def test_a_token_file_belongs_to_one_client(tmp_path: Path, wall: Clock) -> None:
    """Only the same client at the same address uses the token; any other client overwrites it."""
    path = tmp_path / "token.json"

    async def asks(client_id: str, base_url: str) -> bool:
        endpoint = At(base_url)
        await by_id(client_id, store=FileTokenStore(path), clock=wall).obtain(endpoint, None)
        return bool(endpoint.asked)

    who = [("me", "https://a"), ("me", "https://a"), ("you", "https://a"), ("you", "https://b"), ("you", "https://b")]
    assert [await asks(*one) for one in who] == [True, False, True, True, False]


async def test_client_credentials_never_overwrite_a_pair(tmp_path: Path) -> None:
    """The pair's refresh token is the only way to the account, so a `ConfigError` names the file."""
    store = FileTokenStore(tmp_path / "pair.json")
    await store.save(Token(Secret("a"), NOW + 9999, Secret("r")))
    with pytest.raises(errors.ConfigError, match=r"pair\.json.*rotating pair"):
        await by_id(store=store).obtain(At(), None)
    assert (await store.load()) == Token(Secret("a"), NOW + 9999, Secret("r"))


async def test_a_full_disk_causes_no_token_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that cannot be stored is not requested, or each call would request one."""
    endpoint = At()

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xoxo_async.auth.stores.os.fsync", fail)
    with pytest.raises(errors.AuthError, match=r"token\.json.*No space left"):
        await by_id(store=FileTokenStore(tmp_path / "token.json")).obtain(endpoint, None)
    assert endpoint.asked == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12 on, in a process with threads
async def test_a_forked_process_finds_token_and_lock(wall: Clock) -> None:
    """A renewal under way in the parent at the fork does not block the child."""
    provider = by_id(clock=wall)
    await provider.obtain(At(), None)
    store = provider._shared["https://a/chef"]
    async with store.lock():
        with memory._SHARED.lock:
            child = multiprocessing.get_context("fork").Process(target=_obtain, args=(wall,), daemon=True)
            child.start()
            try:
                await anyio.to_thread.run_sync(child.join, 30)
                assert child.exitcode == 0
            finally:
                child.kill()
                child.join()


def _obtain(wall: Clock) -> None:
    endpoint = At()

    async def main() -> None:
        assert (await by_id(clock=wall).obtain(endpoint, None)).access == Secret("tok")
        assert endpoint.asked == []

    asyncio.run(
        main()
    )  # the child has the state of the parent's thread, by which anyio would take its loop for running
