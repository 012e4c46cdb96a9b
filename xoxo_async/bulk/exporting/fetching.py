"""Fetch codes that a ledger does not keep from the vendor again; the ledger vets them against its marks."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

import anyio
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.vouchers import StoredCode
from xoxo_async.bulk.running.evidence import mismatch, stored_codes
from xoxo_async.errors import NotFoundError, XoxoError

__all__ = ["ClientOpener", "CodeFetcher", "Fetched"]

_AT_ONCE: Final = 16
"""Look-ups at once. The rate limit bounds them; a few are enough to use its 200 a minute (wire documentation § 5)."""

ClientOpener = Callable[[], AbstractAsyncContextManager[BulkClient]]
"""Opens a client. It is called once codes have to be fetched: an export without such codes needs no credentials."""


class Fetched(NamedTuple):
    """What the vendor returned for some orders.

    Attributes:
        codes: Their codes, by order.
        refused: Why an order has none, in words, by order.
        calls: Orders that were looked up, one call each.
    """

    codes: dict[int, tuple[StoredCode, ...]]
    refused: dict[int, str]
    calls: int = 0


class CodeFetcher:
    """Fetches codes that a ledger does not keep: one getOrderDetails call an order, within the rate limit.

    Args:
        ledger: The ledger.
        client: Makes the calls; it must have the ledger's account and address.
        address: The address that the ledger stores, instead of the client's base URL.
    """

    def __init__(self, ledger: Ledger, client: ClientOpener, *, address: str = "") -> None:
        self._ledger: Final = ledger
        self._opener: Final = client
        self._address: Final = address
        self._held: Final = AsyncExitStack()
        self._client: BulkClient | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator["CodeFetcher"]:
        """Close the client at the end of the block, where one was opened."""
        async with self._held:
            yield self

    async def fetch(self, lines: Sequence[LedgerLine]) -> Fetched:
        """Return the codes of those orders that have codes, and whose codes the ledger does not keep.

        Args:
            lines: The orders.

        Raises:
            ConfigError: When the client is of another account or address.
            XoxoError: When an order cannot be looked up.
        """
        wanted = [line for line in lines if _has_codes_elsewhere(line)]
        if not wanted or self._ledger.kind is not JobKind.ORDERS:  # only an order can be asked for again
            return Fetched({}, {})
        client = await self._connected()
        found: dict[int, bytes] = {}
        refused: dict[int, str] = {}
        failed: list[XoxoError] = []
        places = anyio.Semaphore(_AT_ONCE)

        async def ask(line: LedgerLine) -> None:
            async with places:
                try:
                    found[line.seq] = await _codes_of_order(client, line)
                except _RefusedError as error:
                    refused[line.seq] = str(error)
                except XoxoError as error:
                    failed.append(error)
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for line in wanted:
                group.start_soon(ask, line)
        if failed:
            raise failed[0]
        return Fetched(await self._ledger.vet(found), refused, len(wanted))

    async def _connected(self) -> BulkClient:
        if self._client is None:
            client = await self._held.enter_async_context(self._opener())
            await check_identity(client, self._ledger, identity_of(client, self._address))
            self._client = client
        return self._client


class _RefusedError(Exception):
    """The vendor does not have this order, or has another one under its id."""


async def _codes_of_order(client: BulkClient, line: LedgerLine) -> bytes:
    try:
        order = await client.orders.get(order_id=line.order_id)
    except NotFoundError as error:
        raise _RefusedError(f"the vendor does not find order {line.order_id}") from error
    # The date is not compared: a person may have named an order that another program placed.
    if difference := mismatch(line, order, dated=False):
        raise _RefusedError(f"order {line.order_id} at the vendor is another one: {difference}")
    return msgspec.json.encode(stored_codes(order))


def _has_codes_elsewhere(line: LedgerLine) -> bool:
    return line.state is LineState.PLACED and line.delivery is Delivery.DELIVERED and line.codes is None
