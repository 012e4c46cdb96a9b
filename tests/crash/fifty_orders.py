"""The program that the crash tests kill: it plans and issues fifty lines, or those that are left.

Run as `python fifty_orders.py BASE_URL LEDGER`. It ends with `DIED` when the ledger reports an error.
"""

import asyncio
import sys
from decimal import Decimal
from typing import Final

from xoxo_async import ClientCredentials, RateLimits, XoxoClient, errors
from xoxo_async.bulk import BulkIssuer, OrderLine, Report, SqliteLedger
from xoxo_async.sandbox import Sandbox

__all__ = ["DIED", "ROWS", "run"]

ROWS: Final = 50
DIED: Final = 3


async def run(base_url: str, path: str) -> Report:
    """Issue the lines into the ledger at this path, and return the report."""
    lines = (OrderLine(key=f"row-{n}", product_id=1001, denomination=Decimal(100)) for n in range(ROWS))
    credentials = ClientCredentials(Sandbox.client_id, Sandbox.client_secret)
    async with (
        XoxoClient(credentials, base_url=base_url, rate_limits=RateLimits.unlimited()) as client,
        SqliteLedger(path) as ledger,
    ):
        return await BulkIssuer(client, ledger, job="crash", concurrency=8, settle_s=0.2).run(lines)


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1], sys.argv[2]))
    except errors.LedgerError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(DIED)
