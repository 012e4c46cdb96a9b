"""From flags and XOXO_* variables to an open client, the sandbox's included."""

import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
import click
import msgspec

from xoxo_async.auth import ClientCredentials, TokenProvider
from xoxo_async.cli.render import say
from xoxo_async.client import XoxoClient, credentials_from
from xoxo_async.config import RateLimits
from xoxo_async.environment import Environment
from xoxo_async.errors import ConfigError
from xoxo_async.hooks import AttemptFailed, Event
from xoxo_async.network import Network, is_loopback

__all__ = [
    "SANDBOX",
    "SETTINGS",
    "Connection",
    "connection_options",
    "is_real_money",
    "json_option",
    "open_client",
    "run_async",
]

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

SANDBOX: Final = "sandbox"
"""What a ledger calls the address of the sandbox that is its own: the port differs each time."""

_LOOKUPS: Final = frozenset({"getOrderDetails", "getOrderHistory"})

SETTINGS: Final = "settings"
"""What a ledger's fact is called that holds the flags of its last run."""

SANDBOX_CLIENT: Final = "sandbox-client"
SANDBOX_SECRET: Final = "sandbox-secret"  # noqa: S105 - printed by `xoxo sandbox`; it opens nothing else


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command sends to, and how fast.

    Attributes:
        base_url: Instead of `XOXO_BASE_URL`; empty leaves it.
        client_id: Instead of `XOXO_CLIENT_ID`; empty leaves it.
        sandbox: Whether to start the sandbox for this command alone.
        books: Where that sandbox keeps its books; None keeps them in memory.
        rate: placeOrder calls a minute; infinite for no limit, None for the default.
        connections: Requests in flight at most.
    """

    base_url: str = ""
    client_id: str = ""
    sandbox: bool = False
    books: Path | None = None
    rate: float | None = None
    connections: int = 64

    @property
    def flags(self) -> list[str]:
        """The flags that make another command meet the same server."""
        flags = ["--sandbox"] if self.sandbox else []
        flags += ["--base-url", self.base_url] if self.base_url else []
        return flags + (["--client-id", self.client_id] if self.client_id else [])

    @property
    def ledgers_name(self) -> str:
        """What a ledger calls the address; empty where it is the client's base URL."""
        return SANDBOX if self.sandbox else ""

    @property
    def address(self) -> str:
        """The address it leads to."""
        return SANDBOX if self.sandbox else self.base_url or Environment.read().base_url


def connection_options(command: Command) -> Command:
    """Add the flags that say where to send to."""
    options = [
        click.option(
            "--base-url", default="", metavar="URL", help="The API's address [env: XOXO_BASE_URL; else STAGING]."
        ),
        click.option("--client-id", default="", metavar="ID", help="The client id [env: XOXO_CLIENT_ID]."),
        click.option(
            "--sandbox", is_flag=True, help="Use a sandbox server started for this command alone; no real money."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")(command)


def is_real_money(connection: Connection) -> bool:
    """Return whether orders sent there may cost something: anything but the sandbox, this machine and staging.

    Args:
        connection: Where to send to.
    """
    if connection.sandbox:
        return False
    host = urlsplit(connection.address).hostname or ""
    return not (is_loopback(host) or (host.startswith("staging") and host.endswith(".xoxoday.com")))


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
    given = {"base_url": connection.base_url, "client_id": connection.client_id}
    environment = msgspec.structs.replace(environment, **{name: value for name, value in given.items() if value})
    return credentials_from(environment), environment.base_url, environment.network()


def _limits(connection: Connection) -> RateLimits:
    rate = connection.rate
    if rate == math.inf or (connection.sandbox and rate is None):
        return RateLimits.unlimited()
    if rate is None:
        return RateLimits()
    return msgspec.structs.replace(RateLimits.unlimited() if connection.sandbox else RateLimits(), place_order=rate)


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's work on an event loop, the faster one where it is installed.

    Args:
        work: The work.
    """
    return anyio.run(work, backend_options={"use_uvloop": True} if find_spec("uvloop") else {})
