"""What every test may lean on."""

import gc
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.accounts import forget_accounts
from tests.crash.sampling import EXHAUSTIVE
from tests.postgres import PostgresServer, running_postgres
from tests.redis_server import RedisServer, running_redis

# Machines differ and are shared: an example may be slow without anything being wrong.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("shared-machine"), max_examples=40)  # of `make fast`
settings.load_profile("shared-machine")


def pytest_report_header() -> str:
    """Say how many kill points the crash tests try."""
    chosen = "all (XOXO_EXHAUSTIVE=1)" if EXHAUSTIVE else "a sample; the same one again: --randomly-seed=SEED"
    return f"kill points: {chosen}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while ten thousand tests are collected, nor ever among them: it took half of the time."""
    gc.set_threshold(20_000, 20, 20)  # in tests as well: with Python's own 700 it took a twentieth of their CPU time
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of the night out, and mark those that start a database: a minute is not enough for them."""
    left_out = [] if EXHAUSTIVE else [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        if _needs_a_database(item):
            item.add_marker(pytest.mark.database)


def _needs_a_database(item: pytest.Item) -> bool:
    """Return whether a test starts PostgreSQL or Redis, by its fixtures or by the store that it is about."""
    if {"postgres", "redis_server"} & set(getattr(item, "fixturenames", ())):
        return True
    about = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return any(isinstance(one, str) and one == "postgres" for one in about)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: aiohttp knows no other loop."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """Tests share a process, and a port may come up twice."""
    yield
    forget_accounts()


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """Let SIGHUP end a process, as in a usual shell: what `nohup` starts ignores it, and so do its children."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one PostgreSQL for the tests of this process that ask for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a new database with the schema `xoxo`."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Run one Redis for the tests of this process that ask for it."""
    with running_redis() as server:
        yield server
