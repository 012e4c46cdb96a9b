"""Where a command sends to, how fast, and whether that is real money."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from xoxo_async.environment import Environment
from xoxo_async.network import is_loopback

__all__ = ["SANDBOX", "Connection", "is_real_money"]

SANDBOX: Final = "sandbox"
"""What a person reads for the address of a sandbox that runs for one command."""


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
    def address(self) -> str:
        """The address it leads to."""
        return SANDBOX if self.sandbox else self.base_url or Environment.read().base_url


def is_real_money(connection: Connection) -> bool:
    """Return whether orders sent there may cost something: anything but the sandbox, this machine and staging.

    Args:
        connection: Where to send to.
    """
    if connection.sandbox:
        return False
    host = urlsplit(connection.address).hostname or ""
    return not (is_loopback(host) or (host.startswith("staging") and host.endswith(".xoxoday.com")))
