"""While the database is away results wait in memory and nothing is claimed; once it is back they are written first."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import pytest

from tests.postgres import PostgresServer, running_postgres
from tests.unit.bulk.ledger.ledgers import placed
from tests.unit.bulk.ledger.postgres.world import world
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.postgres import connections
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


class Server:
    """A server that the test may end, from a thread that lives as long as it: the system ends it with that thread."""

    def __init__(self, server: PostgresServer, thread: ThreadPoolExecutor) -> None:
        self.server: Final = server
        self._thread: Final = thread

    async def crash(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, partial(self.server.stop, how="immediate"))

    async def start(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self.server.start)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Give a server of the test's own."""
    with ThreadPoolExecutor(1) as thread, running_postgres() as server:
        yield Server(server, thread)


@pytest.mark.database
async def test_a_short_outage_is_waited_for(own_server: Server) -> None:
    """A database that crashes and comes back fails nobody: results and claims wait."""
    async with world(await own_server.server.new_database(), workers=1, lines=3) as one:
        ledger = one.workers[0].ledger
        first, second = await ledger.claim(2)
        await own_server.crash()
        recording = asyncio.create_task(ledger.record([placed(first)]))
        claiming = asyncio.create_task(ledger.claim(1))
        done, _ = await asyncio.wait([recording, claiming], timeout=0.5)
        assert not done
        await own_server.start()
        (after,) = await recording
        assert after.state is LineState.PLACED
        assert [line.key for line in await claiming] == ["k2"]
        assert (await ledger.record([placed(second, 8)]))[0].state is LineState.PLACED
        told = [row.transition async for row in ledger.journal(seq=first.seq)]
        assert told == ["T0", "T1", "T3"]


@pytest.mark.database
async def test_results_of_a_long_outage_are_kept(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call fails, nothing is claimed, and the next call that reaches the database writes the results first."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
    async with world(await own_server.server.new_database(), workers=1, lines=3) as one:
        ledger = one.workers[0].ledger
        first, _ = await ledger.claim(2)
        await own_server.crash()
        with pytest.raises(LedgerError, match=r"results kept in memory until .*: 1.*they are lost with it"):
            await ledger.record([placed(first)])
        with pytest.raises(LedgerError):
            await ledger.claim(1)
        await own_server.start()
        assert [line.key for line in await ledger.claim(1)] == ["k2"]
        found = await ledger.find("k0")
        assert found is not None
        assert found.state is LineState.PLACED


@pytest.mark.database
async def test_kept_results_are_written_at_the_end(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the ledger tries once more."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
    async with world(await own_server.server.new_database(), workers=2, lines=1) as one:
        ledger, other = one.workers[0].ledger, one.workers[1].ledger
        (first,) = await ledger.claim(1)
        await own_server.crash()
        with pytest.raises(LedgerError):
            await ledger.record([placed(first)])
        await own_server.start()
        await ledger.aclose()
        found = await other.find("k0")
        assert found is not None
        assert found.state is LineState.PLACED
