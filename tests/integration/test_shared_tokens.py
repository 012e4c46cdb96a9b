"""One token for many processes, in a database: kills, stops, restarts, first starts, and a database that goes away."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.postgres import PostgresServer, running_postgres
from tests.token_fleet import Worker, run_fleet, watched
from tests.warm_python import run_warm
from xoxo_async import PostgresTokenStore, RateLimits, RefreshToken, XoxoClient, errors
from xoxo_async.sandbox import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Sandbox

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pair", pytest.param("grant", marks=pytest.mark.nightly)])
def test_six_processes_renew_once_a_lifetime(database: str, kind: str) -> None:
    """One is killed, one stopped for longer than a token lives, one restarted: no refresh token is used twice."""
    fleet = run_fleet(database, processes=6, seconds=12, kind=kind)
    assert fleet.bad == []
    assert fleet.requests.refused == 0
    assert fleet.a_lifetime <= 1.05
    assert len(fleet.requests.renewed) >= 4
    assert fleet.good > 500


def test_two_processes_at_their_first_start_renew_once(database: str) -> None:
    """The table is empty: one makes the row, and the other one finds the pair."""
    with Sandbox(latency_ms=100).run_in_thread() as sandbox:
        requests = watched(sandbox)
        workers = [Worker(sandbox.base_url, database) for _ in range(2)]
        try:
            for worker in workers:
                worker.ready()
            for worker in workers:
                worker.go()
            assert [worker.line() for worker in workers] == ["good", "good"]
        finally:
            for worker in workers:
                worker.kill()
        assert (len(requests.renewed), requests.refused) == (1, 0)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_renewal_is_taken_over(database: str) -> None:
    """Its lease ends, and another process requests the token. Nothing was spent, so nobody fails."""
    with Sandbox().run_in_thread() as sandbox:
        requests = watched(sandbox, first_takes_s=1)
        first = Worker(sandbox.base_url, database, kind="grant", lease_s=0.5)
        second = Worker(sandbox.base_url, database, kind="grant", lease_s=0.5)
        try:
            first.ready()
            second.ready()
            first.go()
            wait_for(lambda: requests.renewed)
            first.kill()
            second.go()
            assert second.line() == "good"
        finally:
            first.kill()
            second.kill()
        assert (len(requests.renewed), requests.refused) == (2, 0)


def test_a_stopped_renewal_stores_its_pair(database: str) -> None:
    """The sandbox ends a refresh token when it is used. The sleeper has the only pair, so nobody else can renew.

    Who takes over reads who began the renewal. When the sleeper wakes, its pair is stored, and both go on.
    """
    with Sandbox().run_in_thread() as sandbox:
        requests = watched(sandbox, first_takes_s=2)
        sleeper = Worker(sandbox.base_url, database, lease_s=0.5)
        other = Worker(sandbox.base_url, database, lease_s=0.5)
        try:
            sleeper.ready()
            other.ready()
            sleeper.go()
            wait_for(lambda: requests.renewed)
            sleeper.process.send_signal(signal.SIGSTOP)
            other.go()
            said = other.line()
            assert said.startswith("bad RefreshTokenDeadError")
            assert f":{sleeper.process.pid} goes on: it began a renewal and did not end it" in said
            sleeper.process.send_signal(signal.SIGCONT)
            assert sleeper.line() == "good"
            wait_for(lambda: other.line() == "good")
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
            sleeper.kill()
            other.kill()
        assert (len(requests.renewed), requests.refused) == (1, 1)


SHORT = """
import anyio
from xoxo_async import XoxoClient

async def main():
    async with XoxoClient.from_env() as xoxo:
        await xoxo.account.get_balance()

anyio.run(main)
"""


async def test_short_lived_processes_make_one_token(tmp_path: Path, database: str) -> None:
    """With `XOXO_SHARED` alone, client credentials share their token from one process to the next."""
    with Sandbox().run_in_thread() as sandbox:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("XOXO_")}
        who = {"XOXO_CLIENT_ID": CLIENT_ID, "XOXO_CLIENT_SECRET": CLIENT_SECRET, "XDG_STATE_HOME": str(tmp_path)}
        env = clean | who | {"XOXO_SHARED": database, "XOXO_BASE_URL": sandbox.base_url}
        for _ in range(4):
            done = await anyio.to_thread.run_sync(partial(run_warm, ["-W", "error", "-c", SHORT], env=env))
            assert (done.returncode, done.stderr) == (0, "")
        assert sandbox.books().requests["token"] == 1
        assert os.listdir(tmp_path) == []


@pytest.fixture
def own_postgres() -> Iterator[tuple[PostgresServer, Executor]]:
    """Run a PostgreSQL that the test may stop, and the thread to start it in: it ends with that thread."""
    with ThreadPoolExecutor(1) as thread, running_postgres() as server:
        yield server, thread


async def test_a_living_token_outlives_the_database(own_postgres: tuple[PostgresServer, Executor]) -> None:
    """Calls go on while the database is down and the token lives; after its return the pair is renewed."""
    server, thread = own_postgres
    with Sandbox(token_ttl_s=8).run_in_thread() as sandbox:
        requests = watched(sandbox)
        store = PostgresTokenStore(await server.new_database(), key="")
        provider = RefreshToken(CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, store=store)
        async with XoxoClient(provider, base_url=sandbox.base_url, rate_limits=RateLimits.unlimited()) as xoxo:
            await xoxo.account.get_balance()
            issued = time.monotonic()
            await asyncio.get_running_loop().run_in_executor(thread, partial(server.stop, how="immediate"))
            while time.monotonic() < issued + 6.8:  # from 6.4 s on, the renewal is due and fails in the background
                await xoxo.account.get_balance()
                await anyio.sleep(0.05)
            assert len(requests.renewed) == 1
            await asyncio.get_running_loop().run_in_executor(thread, server.start)
            with anyio.fail_after(20):
                while len(requests.renewed) < 2:
                    with suppress(errors.AuthError):  # on a busy machine the token ends before the database is back
                        await xoxo.account.get_balance()
                    await anyio.sleep(0.05)
        assert requests.refused == 0
