"""`auth.stores`: clients, threads and event loops that share a pair renew it once."""

import copy
import gc
import pickle
import threading
import uuid
from pathlib import Path

import anyio
import pytest

from tests.unit.auth.endpoints import CLIENT, Clock, Vendor, provider
from xoxo_async import FileTokenStore, MemoryTokenStore, RefreshToken, errors
from xoxo_async.auth import ExchangeAnswer, Token, TokenStore
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


def storeless(first: str, client_id: str = CLIENT) -> RefreshToken:
    return RefreshToken(client_id, "the-secret", first, clock=Clock())


@pytest.fixture
def unique() -> str:
    """A refresh token no other test has: providers without a store share their pair by it."""
    return uuid.uuid4().hex


@pytest.mark.parametrize("shared", ["file", "memory"])
async def test_clients_that_share_a_store_renew_once(tmp_path: Path, shared: str) -> None:
    """Fifty providers on one pair cause one renewal, and none of them loses it."""
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


async def test_providers_of_one_credential_share_a_pair_without_a_store(unique: str) -> None:
    """Fifty clients of a process, one refresh token: one renewal; another token or client id is another pair."""
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


async def test_the_shared_pair_ends_with_its_last_provider(unique: str) -> None:
    """Nothing of a credential stays in the process once nobody uses it."""
    vendor = Vendor(unique)
    one = storeless(unique)
    await one.obtain(vendor, None)
    del one
    gc.collect()
    with pytest.raises(errors.RefreshTokenDeadError):
        await storeless(unique).obtain(vendor, None)


def test_event_loops_in_threads_share_a_pair(unique: str) -> None:
    """A client belongs to its loop; the pair belongs to all of them, and one loop renews it."""
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
    """Cancelled while the vendor is silent, a provider leaves the lock to the next one."""
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
    """Of two stores one would be renewed and the other dead: a copy is the store itself, and no pickle is made."""
    store = MemoryTokenStore()
    await store.save(Token(Secret("access")))
    assert copy.copy(store) is store
    assert copy.deepcopy([store])[0] is store
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(store)
    assert repr(store) == "MemoryTokenStore(<one pair>)"
