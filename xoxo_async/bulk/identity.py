"""The account and address that a ledger belongs to. They are compared before any call.

Another account or server does not have the ledger's orders, so every order would look absent and be bought again.
"""

from typing import Final
from urllib.parse import urlsplit

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Identity, Ledger
from xoxo_async.bulk.running.evidence import mismatch
from xoxo_async.errors import ConfigError, LedgerConflictError, NotFoundError
from xoxo_async.network import is_loopback

__all__ = ["OWN_SANDBOX", "check_identity", "identity_of", "is_of_own_sandbox"]

OWN_SANDBOX: Final = "sandbox"
"""The address that a ledger stores for a sandbox that keeps its books beside it: the port differs each time."""

_NEVER_SENT: Final = frozenset({LineState.PLANNED, LineState.CANCELLED})


def identity_of(client: BulkClient, address: str = "") -> Identity:
    """Return the account and the address that a client works for.

    Args:
        client: The client.
        address: The name of the server, instead of the client's base URL.
    """
    return Identity(address or _normal(client.base_url), client.account_fingerprint)


def is_of_own_sandbox(ledger: Ledger) -> bool:
    """Return whether the orders of a ledger are in a sandbox of its own.

    Args:
        ledger: The ledger.
    """
    return ledger.identity is not None and ledger.identity.address == OWN_SANDBOX


def _normal(base_url: str) -> str:
    """Return an address in one spelling: a host has no case, and `127.0.0.1` is `localhost`."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    host = "localhost" if is_loopback(host) else host
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


async def check_identity(client: BulkClient, ledger: Ledger, identity: Identity) -> None:
    """Refuse to work on a ledger of another account or address; bind a ledger that has none yet.

    A server on this machine may come back at another port. It counts as the same server when it has an order of the
    ledger, or when the ledger has never sent anything.

    Args:
        client: Looks up that order. No other call is made.
        ledger: The ledger.
        identity: The caller's account and address.

    Raises:
        ConfigError: The account or address is not the ledger's; the message names the difference and how to go on.
        XoxoError: When the order cannot be looked up.
    """
    owner = ledger.identity
    if owner == identity:
        return
    if owner is None:
        if (await ledger.counts()).rows:
            try:
                await ledger.rebind(identity, reason="the ledger had no account and address", expected=None)
            except LedgerConflictError:
                if ledger.identity is None:
                    raise
                await check_identity(client, ledger, identity)  # another worker was first: is it the same account?
        return
    same_place = owner.address == identity.address
    if not same_place and not _differ_in_port_alone(owner.address, identity.address):
        raise ConfigError(_begun_elsewhere(owner, identity))
    if owner.account != identity.account:
        raise ConfigError(
            "this ledger was begun with another account, where its orders are; nothing was sent. If the account is the"
            " same and only its client id or token was replaced, confirm it with `xoxo bulk rebind`"
        )
    if not same_place:
        if not await _is_same_server(client, ledger):
            raise ConfigError(_begun_elsewhere(owner, identity))
        await ledger.rebind(
            identity, reason="the same server at another port of this machine, by an order it knows", expected=owner
        )


def _begun_elsewhere(owner: Identity, identity: Identity) -> str:
    return (
        f"this ledger was begun against {owner.address}, where its orders are, and not {identity.address}; nothing was"
        " sent. If the server is the same, confirm it with `xoxo bulk rebind`"
    )


def _differ_in_port_alone(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    local = first.hostname == second.hostname == "localhost"
    return local and (first.scheme, first.path) == (second.scheme, second.path)


async def _is_same_server(client: BulkClient, ledger: Ledger) -> bool:
    counts = await ledger.counts()
    if all(state in _NEVER_SENT for state, lines in counts.states.items() if lines):
        return True
    async for line in ledger.lines(states=(LineState.PLACED,)):
        return await _has_order(client, line)
    return False


async def _has_order(client: BulkClient, line: LedgerLine) -> bool:
    try:
        order = await client.orders.get(po_number=line.po_number)
    except NotFoundError:
        return False
    return order.order_id == line.order_id and not mismatch(line, order)
