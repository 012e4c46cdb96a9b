"""Clients, rows and codes of jobs against the sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, XoxoClient
from xoxo_async.bulk import OrderLine, SqliteLedger
from xoxo_async.bulk.ledger.vouchers import codes_of
from xoxo_async.sandbox import Sandbox

FIXED = RateLimits.unlimited()


def lines(count: int, product_id: int = 1001, value: int = 100) -> list[OrderLine]:
    """Return lines that need only a code."""
    return [OrderLine(key=f"k{n}", product_id=product_id, denomination=Decimal(value)) for n in range(count)]


@asynccontextmanager
async def connected(sandbox: Sandbox, limits: RateLimits = FIXED) -> AsyncIterator[XoxoClient]:
    """Connect to a sandbox."""
    credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
    retry = RetryPolicy(base_s=0.05, max_s=0.1)
    async with XoxoClient(credentials, base_url=sandbox.base_url, rate_limits=limits, retry=retry) as client:
        yield client


async def codes_by_key(ledger: SqliteLedger) -> dict[str, list[str]]:
    """Return the codes of every line, packed or not, by its key."""
    found: dict[str, list[str]] = {}
    async for order in ledger.lines(with_codes=True):
        codes = [code.code for code in codes_of(order.codes)]
        shared = (await ledger.packed([order])).get(order.seq)
        if shared is None and order.lines == 1:
            found[order.key] = codes
        for line in shared or ():
            found[line.key] = codes[line.first : line.end]
    return found


def booked_codes(sandbox: Sandbox) -> list[str]:
    """Return every code the sandbox has sold."""
    return [code for order in sandbox.state.orders.values() for code, _pin in order.codes]
