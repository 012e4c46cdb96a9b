"""From flags and XOXO_* variables to an open client, the sandbox's included."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import anyio
import msgspec

from xoxo_async.auth import ClientCredentials, TokenProvider
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.output import say
from xoxo_async.client import XoxoClient, credentials_from
from xoxo_async.config import RateLimits
from xoxo_async.environment import Environment
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import AttemptFailed, Event
from xoxo_async.network import Network

__all__ = ["SANDBOX_CLIENT", "SANDBOX_SECRET", "ask", "open_client"]

T = TypeVar("T")
_LOOKUPS: Final = frozenset({"getOrderDetails", "getOrderHistory"})

SANDBOX_CLIENT: Final = "sandbox-client"
SANDBOX_SECRET: Final = "sandbox-secret"  # noqa: S105 - printed by `xoxo sandbox`; it opens nothing else


@asynccontextmanager
async def open_client(connection: Connection, *, aloud: bool = True) -> AsyncGenerator[XoxoClient]:
    """Open a client, and the sandbox before it where that is asked for; both end with the block.

    Args:
        connection: Where to send to.
        aloud: Whether look-ups that are tried again are told as well: one a person waits for, not one of thousands.

    Raises:
        ConfigError: When credentials are missing, naming the variables, or the address makes no sense.
    """
    async with AsyncExitStack() as stack:
        if connection.sandbox:
            base_url = await stack.enter_async_context(_own_sandbox(connection.books))
            credentials: TokenProvider = ClientCredentials(SANDBOX_CLIENT, SANDBOX_SECRET)
            network = Network()
        else:
            credentials, base_url, network = _from_environment(connection)
        client = XoxoClient(
            credentials,
            base_url=base_url,
            rate_limits=_limits(connection),
            max_connections=max(256, connection.connections),
            hooks=(_tell if aloud else _tell_but_lookups,),
            proxy=network.proxy,
            ssl=network.ssl,
            trust_env=network.trust_env,
        )
        yield await stack.enter_async_context(client)


@asynccontextmanager
async def _own_sandbox(books: Path | None) -> AsyncGenerator[str]:
    """Run a sandbox, and yield its address; books that this made and no order was written in go again."""
    from xoxo_async.sandbox import Sandbox

    made = _is_missing(books)
    try:
        sandbox = Sandbox(path=books)
        await sandbox.start()
    except OSError as error:
        raise ConfigError(f"the sandbox cannot start: {error}") from error
    try:
        yield sandbox.base_url
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.__aexit__(None, None, None)
        if books is not None and made and not sandbox.state.orders:
            _remove(books)


def _is_missing(path: Path | None) -> bool:
    return path is not None and not path.exists()


def _remove(books: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        books.with_name(books.name + suffix).unlink(missing_ok=True)


def _tell(event: Event) -> None:
    """Say that something is tried again: a person who waits wants to know for what."""
    if isinstance(event, AttemptFailed):
        after = f" in {event.wait_s:.0f} s" if event.wait_s >= 1.5 else ""
        say(f"{event.operation} failed ({event.error}), trying again{after} …")


def _tell_but_lookups(event: Event) -> None:
    if isinstance(event, AttemptFailed) and event.operation not in _LOOKUPS:
        _tell(event)


def _from_environment(connection: Connection) -> tuple[TokenProvider, str, Network]:
    environment = Environment.read()
    flags = {"base_url": connection.base_url, "client_id": connection.client_id}
    environment = msgspec.structs.replace(environment, **{name: value for name, value in flags.items() if value})
    return credentials_from(environment), environment.base_url, environment.network()


def _limits(connection: Connection) -> RateLimits:
    rate = connection.rate
    if rate == math.inf or (connection.sandbox and rate is None):
        return RateLimits.unlimited()
    if rate is None:
        return RateLimits()
    return msgspec.structs.replace(RateLimits.unlimited() if connection.sandbox else RateLimits(), place_order=rate)


def ask(connection: Connection, question: Callable[[XoxoClient], Awaitable[T]]) -> T:
    """Open a client, ask one thing, close it.

    Args:
        connection: Where to ask.
        question: What to ask.
    """

    async def work() -> T:
        async with open_client(connection) as client:
            return await question(client)

    return run_async(work)
