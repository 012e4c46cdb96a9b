"""One process of `bench_cluster.py`: it works on a planned job, and says what that took."""

import asyncio
import json
import sys
import time

from placers import IN_FLIGHT, TOKEN

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, open_ledger


async def work(where: str, base_url: str) -> None:
    """Open the ledger, wait for a line on standard input, and send what is planned."""
    async with (
        XoxoClient(StaticToken(TOKEN), base_url=base_url, rate_limits=RateLimits.unlimited()) as xoxo,
        open_ledger(where, codes_key="") as ledger,
    ):
        issuer = BulkIssuer(xoxo, ledger, job=ledger.job or "bench", concurrency=IN_FLIGHT, check=False)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        wall, cpu = time.monotonic(), time.process_time()
        report = await issuer.resume()
        took = {"begun": wall, "ended": time.monotonic(), "cpu_s": time.process_time() - cpu, "issued": report.issued}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
