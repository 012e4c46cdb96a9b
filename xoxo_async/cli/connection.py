"""Where a command sends, how fast, and whether an order there costs real money."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from xoxo_async.cli.invocation import current_profile
from xoxo_async.environment import address_in_force
from xoxo_async.network import spends_real_money

__all__ = ["SANDBOX", "Connection", "is_real_money"]

SANDBOX: Final = "sandbox"
"""The address that messages show for a sandbox that runs for one command."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command sends, and how fast.

    Attributes:
        base_url: Replaces `XOXO_BASE_URL` and the profile's, unless it is empty.
        client_id: Replaces `XOXO_CLIENT_ID` and the profile's, unless it is empty.
        sandbox: Whether to start a sandbox for this command alone.
        books: Where that sandbox keeps its books; None keeps them in memory.
        rate: Calls a minute of the operation that `paced` names; infinite for no limit, None for the default.
        paced: Which limit of `RateLimits` the rate replaces: that of orders, or of the calls without a documented one.
        connections: The most requests in flight.
        profile: The profile that `--profile` names; empty takes `XOXO_PROFILE`.
    """

    base_url: str = ""
    client_id: str = ""
    sandbox: bool = False
    books: Path | None = None
    rate: float | None = None
    paced: Literal["place_order", "other"] = "place_order"
    connections: int = 64
    profile: str = msgspec.field(default_factory=current_profile)

    @property
    def flags(self) -> list[str]:
        """The flags with which another command uses the same server."""
        flags = ["--sandbox"] if self.sandbox else []
        flags += ["--profile", self.profile] if self.profile else []
        flags += ["--base-url", self.base_url] if self.base_url else []
        return flags + (["--client-id", self.client_id] if self.client_id else [])

    @property
    def address(self) -> str:
        """The address of the server, or `sandbox`."""
        return SANDBOX if self.sandbox else address_in_force(self.base_url, profile=self.profile)


def is_real_money(connection: Connection) -> bool:
    """Return whether an order may cost real money: it does not at the sandbox, on this machine and at staging.

    Args:
        connection: Where the order goes.
    """
    return not connection.sandbox and spends_real_money(connection.address)
