"""The account and address that a ledger belongs to. They are compared before any call.

Another account or server does not have the ledger's orders, so every order would look absent and be bought again.
"""

from typing import Final, Protocol
from urllib.parse import urlsplit

from xoxo_async.bulk.client import Orders
from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Identity, Ledger
from xoxo_async.bulk.running.evidence import mismatch
from xoxo_async.errors import ConfigError, LedgerConflictError, NotFoundError
from xoxo_async.network import is_loopback

__all__ = ["check_identity", "compare_identity", "identity_of"]


class AccountClient(Protocol):
    """The part of a client that says whose it is."""

    @property
    def base_url(self) -> str:
        """The address of the server."""
        ...

    @property
    def account_fingerprint(self) -> str:
        """A hash that identifies the account."""
        ...

    @property
    def orders(self) -> Orders:
        """Looks orders up."""
        ...


_NEVER_SENT: Final = frozenset({LineState.PLANNED, LineState.CANCELLED})


def identity_of(client: AccountClient, address: str = "") -> Identity:
    """Return the account and the address that a client works for.

    Args:
        client: The client.
        address: The name of the server, instead of the client's base URL.
    """
    return Identity(address or _normal(client.base_url), client.account_fingerprint)


def _normal(base_url: str) -> str:
    """Return an address in one spelling: a host has no case, and `127.0.0.1` is `localhost`."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    host = "localhost" if is_loopback(host) else host
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


async def check_identity(client: AccountClient, ledger: Ledger, identity: Identity) -> None:
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
    if not await _is_of(client, ledger, owner, identity):
        await ledger.rebind(
            identity, reason="the same server at another port of this machine, by an order it knows", expected=owner
        )


async def compare_identity(client: AccountClient, ledger: Ledger, identity: Identity) -> None:
    """Refuse to read another account's orders for a ledger, as `check_identity` does, and write nothing.

    Args:
        client: Looks up one order, if the server of this machine is at another port. No other call is made.
        ledger: The ledger.
        identity: The caller's account and address.

    Raises:
        ConfigError: The account or address is not the ledger's; the message names the difference.
        XoxoError: When the order cannot be looked up.
    """
    if ledger.identity is not None and ledger.identity != identity:
        await _is_of(client, ledger, ledger.identity, identity)


async def _is_of(client: AccountClient, ledger: Ledger, owner: Identity, identity: Identity) -> bool:
    """Return whether an identity names the owner's address, or raise if it is another account or server.

    False means that it is the same server at another port of this machine.
    """
    same_place = owner.address == identity.address
    if not same_place and not _differ_in_port_alone(owner.address, identity.address):
        raise ConfigError(_begun_elsewhere(ledger, owner, identity))
    if owner.account != identity.account:
        raise ConfigError(
            "this ledger was begun with another account, where its orders are; nothing was sent. If the account is the"
            f" same and only its client id or token was replaced, confirm it with `{_rebind(ledger, 'new client id')}`"
        )
    if not same_place and not await _is_same_server(client, ledger):
        raise ConfigError(_begun_elsewhere(ledger, owner, identity))
    return same_place


def _begun_elsewhere(ledger: Ledger, owner: Identity, identity: Identity) -> str:
    return (
        f"this ledger was begun against {owner.address}, where its orders are, and not {identity.address}; nothing was"
        f" sent. If the server is the same, confirm it with `{_rebind(ledger, 'the same server')}`"
    )


def _rebind(ledger: Ledger, reason: str) -> str:
    return command_for(ledger, "xoxo bulk rebind", "--reason", reason)


def _differ_in_port_alone(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    local = first.hostname == second.hostname == "localhost"
    return local and (first.scheme, first.path) == (second.scheme, second.path)


async def _is_same_server(client: AccountClient, ledger: Ledger) -> bool:
    if await _never_sent(ledger):
        return True
    if ledger.kind is not JobKind.ORDERS:
        return False  # points and links cannot be looked up
    async for line in ledger.lines(states=(LineState.PLACED,)):
        return await _has_order(client, line)
    return False


async def _never_sent(ledger: Ledger) -> bool:
    counts = await ledger.counts()
    return all(state in _NEVER_SENT for state, lines in counts.states.items() if lines)


async def _has_order(client: AccountClient, line: LedgerLine) -> bool:
    try:
        order = await client.orders.get(po_number=line.po_number)
    except NotFoundError:
        return False
    return order.order_id == line.order_id and not mismatch(line, order)
