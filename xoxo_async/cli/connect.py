"""Open a client from flags and XOXO_* variables; start the sandbox first for `--sandbox`."""

import math
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from xoxo_async.cli.connection import Connection
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.failures import hide
from xoxo_async.cli.output import say
from xoxo_async.config import RateLimits
from xoxo_async.environment import Environment, state_folder
from xoxo_async.errors import ConfigError, TokenStoreError
from xoxo_async.network import Network
from xoxo_async.profiles import SECRET_NAMES

if TYPE_CHECKING:
    from xoxo_async.auth import TokenProvider
    from xoxo_async.client import XoxoClient
    from xoxo_async.hooks import Event

__all__ = ["SANDBOX_CLIENT", "SANDBOX_SECRET", "ask", "environment_of", "limits_of", "open_client", "own_sandbox"]

T = TypeVar("T")
_LOOKUPS: Final = frozenset({"getOrderDetails", "getOrderHistory"})

SANDBOX_CLIENT: Final = "sandbox-client"
SANDBOX_SECRET: Final = "sandbox-secret"  # noqa: S105 - printed by `xoxo sandbox`; it opens nothing else


@asynccontextmanager
async def open_client(connection: Connection, *, say_lookups: bool = True) -> "AsyncGenerator[XoxoClient]":
    """Open a client, and before it the sandbox if the connection asks for one; close both after the block.

    Args:
        connection: Where to send to.
        say_lookups: Whether to print retries of look-ups too. A person waits for a single look-up; a bulk run makes
            thousands.

    Raises:
        ConfigError: A variable with credentials is missing, which the error names, or the address is not valid.
    """
    from xoxo_async.auth.providers import ClientCredentials
    from xoxo_async.credentials import allowance_from, credentials_from

    async with AsyncExitStack() as stack:
        if connection.sandbox:
            base_url, client_id, secret = await stack.enter_async_context(own_sandbox(connection.books))
            credentials: TokenProvider = ClientCredentials(client_id, secret)
            network, allowance, limits = Network(), None, None
        else:
            environment = environment_of(connection)
            credentials, base_url = credentials_from(environment), environment.base_url
            network, allowance, limits = environment.network(), allowance_from(environment), environment.limits
        # Only now: to load it takes longer than to find that a setting is missing.
        from xoxo_async.client import XoxoClient

        client = XoxoClient(
            credentials,
            base_url=base_url,
            rate_limits=limits_of(connection, limits),
            max_connections=max(256, connection.connections),
            hooks=(_say_retry if say_lookups else _say_retry_but_lookups,),
            proxy=network.proxy,
            ssl=network.ssl,
            trust_env=network.trust_env,
            allowance=allowance,
        )
        yield await stack.enter_async_context(client)


@asynccontextmanager
async def own_sandbox(books: Path | None) -> AsyncGenerator[tuple[str, str, str]]:
    """Run a sandbox and yield its address, client id and secret. Remove new books afterwards if nothing is in them.

    Args:
        books: The file of its books; None keeps them in memory.

    Raises:
        ConfigError: It cannot start.
    """
    import anyio

    from xoxo_async.sandbox import Sandbox

    made = _is_missing(books)
    try:
        if books is not None and books.parent == state_folder():
            books.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sandbox = Sandbox(path=books)
        await sandbox.start()
    except OSError as error:
        raise ConfigError(f"the sandbox cannot start: {error}") from error
    try:
        yield sandbox.base_url, SANDBOX_CLIENT, SANDBOX_SECRET
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.__aexit__(None, None, None)
        if books is not None and made and sandbox.state.is_unused:
            _remove(books)


def _is_missing(path: Path | None) -> bool:
    return path is not None and not path.exists()


def _remove(books: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        books.with_name(books.name + suffix).unlink(missing_ok=True)


def _say_retry(event: "Event") -> None:
    """Print that a call is tried again, because a person waits for it."""
    from xoxo_async.hooks import AttemptFailed

    # Where the token's store fails, the error that ends the command says so. "getBalance failed" blames the wrong part.
    if isinstance(event, AttemptFailed) and event.error != TokenStoreError.__name__:
        after = f" in {event.wait_s:.0f} s" if event.wait_s >= 1.5 else ""
        say(f"{event.operation} failed ({event.error}), trying again{after} …")


def _say_retry_but_lookups(event: "Event") -> None:
    if getattr(event, "operation", "") not in _LOOKUPS:
        _say_retry(event)


def environment_of(connection: Connection) -> Environment:
    """Return the settings of a connection: flags, the profile of a flag, variables, the profile of a variable.

    Args:
        connection: The flags.

    Raises:
        ConfigError: The profile is not there or wrong, or a secret cannot be read.
    """
    environment = Environment.read(
        profile=connection.profile, base_url=connection.base_url, client_id=connection.client_id
    )
    hide(getattr(environment, name) for name in SECRET_NAMES)
    if connection.profile:
        _say_what_it_replaces(environment)
    return environment


def _say_what_it_replaces(environment: Environment) -> None:
    """Print which variables the profile of a flag goes before: its reader may expect the other account."""
    for name in ("base_url", "client_id"):
        variable = f"XOXO_{name.upper()}"
        other = os.environ.get(variable, "").strip() not in ("", getattr(environment, name))
        if other and environment.origins.get(name, "") == f"profile {environment.profile}":
            say(f"the profile {environment.profile} goes before {variable}")


def limits_of(connection: Connection, kept: RateLimits | None) -> RateLimits:
    """Return the rate limits of a connection.

    Args:
        connection: The flags.
        kept: The limits of its profile; None for the vendor's.
    """
    rate, usual = connection.rate, kept or RateLimits()
    if rate == math.inf or (connection.sandbox and rate is None):
        return RateLimits.unlimited()
    if rate is None:
        return usual
    limits = RateLimits.unlimited() if connection.sandbox else usual
    return msgspec.structs.replace(limits, **{connection.paced: rate})


def ask(connection: Connection, question: "Callable[[XoxoClient], Awaitable[T]]") -> T:
    """Open a client, make one call, close the client.

    Args:
        connection: Where the call goes.
        question: Makes the call, and returns its result.
    """

    async def work() -> T:
        async with open_client(connection) as client:
            return await question(client)

    return run_async(work)
