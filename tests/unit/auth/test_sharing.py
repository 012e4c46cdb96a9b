"""`auth.sharing`: a provider begins again after it lost a lease, and asks a shared store without a lease first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.auth.endpoints import NOW, Vendor, provider
from xoxo_async import FileTokenStore, MemoryTokenStore
from xoxo_async.auth import Token
from xoxo_async.auth.sharing import SharedTokenStore, SupersededError, bound_to, glance, with_retakes
from xoxo_async.wire import Secret

pytestmark = pytest.mark.anyio


class Table:
    """A shared store in memory whose lease can be lost in the middle of a renewal."""

    def __init__(self) -> None:
        self.pair: Token | None = None
        self.locks = 0
        self.accounts: list[str] = []
        self.replaced_by: Token | None = None
        self.left_by = ""

    def of_account(self, account: str) -> "Table":
        self.accounts.append(account)
        return self

    def unfinished(self) -> str:
        return self.left_by

    async def load(self) -> Token | None:
        return self.pair

    async def save(self, token: Token, /) -> None:
        if self.replaced_by is not None:
            self.pair, self.replaced_by = self.replaced_by, None
            raise SupersededError("another process")
        self.pair = token

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        self.locks += 1
        yield


async def test_only_a_shared_store_is_bound_to_accounts(store: FileTokenStore) -> None:
    """A file and a memory store hold one account, so they are used as they are, and only under their lock."""
    table = Table()
    assert isinstance(table, SharedTokenStore)
    assert bound_to("one", table) is table
    assert table.accounts == ["one"]
    for single in (store, MemoryTokenStore()):
        assert bound_to("one", single) is single
        await single.save(Token(Secret("a")))
        assert await glance(single) is None


async def test_a_fresh_token_needs_no_lease() -> None:
    """Processes that only fetch a fresh token do not wait for each other."""
    table, vendor = Table(), Vendor("first")
    table.pair = Token(Secret("fresh"), NOW + 9999, Secret("r"), issued_at=NOW)
    assert (await provider("first", table).obtain(vendor, None)).access == Secret("fresh")
    assert (table.locks, vendor.sent) == (0, [])


async def test_a_lost_lease_uses_the_other_pair() -> None:
    """Where another process has stored a pair meanwhile, that pair is used, and nothing more is requested."""
    table, vendor = Table(), Vendor("first")
    table.replaced_by = Token(Secret("theirs"), NOW + 9999, Secret("r"), issued_at=NOW)
    assert (await provider("first", table).obtain(vendor, None)).access == Secret("theirs")
    assert vendor.sent == ["first"]


async def test_a_lost_pair_is_tried_before_a_person() -> None:
    """If the pair that stayed is dead, the one that this process could not store may be the vendor's newest."""
    table, vendor = Table(), Vendor("first")
    renewing = provider("first", table)
    table.replaced_by = Token(Secret("theirs"), NOW + 9999, Secret("dead"), issued_at=NOW)
    theirs = await renewing.obtain(vendor, None)
    assert (await renewing.obtain(vendor, theirs)).access == Secret("a2")
    assert vendor.sent == ["first", "dead", "r1"]


async def test_a_lease_lost_each_time_is_an_error() -> None:
    """A process that is stopped each time gives up, and its caller may try again."""
    tries = []

    async def obtain() -> Token:
        tries.append(1)
        raise SupersededError("stopped again")

    with pytest.raises(SupersededError) as caught:
        await with_retakes(obtain)
    assert len(tries) == 3
    assert (caught.value.retryable, caught.value.effect) == (True, "none")
