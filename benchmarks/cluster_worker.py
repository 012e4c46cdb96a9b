"""One process of `bench_cluster.py`: it works on a planned job, and says what that took."""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from placers import IN_FLIGHT, TOKEN

from xoxo_async import RateLimits, StaticToken, XoxoClient
from xoxo_async.bulk import BulkIssuer, SqliteLedger, open_ledger
from xoxo_async.bulk.ledger.lines import DEFAULT_RULES, Change, Counts, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.protocol import Ledger

NO_LEDGER: Final = "without:"
"""What stands before the path of a ledger whose lines are sent, and of which nothing is written."""


class Unwritten(SqliteLedger):
    """A ledger that writes nothing while it works: what a run takes with it is what it takes without any ledger."""

    async def load(self) -> None:
        """Read the planned lines into memory."""
        self._left = deque([line async for line in self.lines()])
        self._lines = {line.seq: line for line in self._left}
        self._before = await super().counts()

    async def claim(self, limit: int, *, budget: Decimal | None = None) -> list[LedgerLine]:
        del budget
        taken = [self._left.popleft() for _ in range(min(limit, len(self._left)))]
        now = self.now()
        return [msgspec.structs.replace(line, state=LineState.SENDING, epoch=1, last_sent_tick=now) for line in taken]

    async def record(
        self, changes: Sequence[Change], *, rules: Rules = DEFAULT_RULES, doubts: Sequence[tuple[str, int]] = ()
    ) -> list[LedgerLine]:
        del rules, doubts
        assert all(change.order_id for change in changes), "an order was refused"
        return [self._lines[change.seq] for change in changes]

    async def counts(self) -> Counts:
        return msgspec.structs.replace(self._before, states={LineState.PLANNED: len(self._left)})


def ledger_at(where: str) -> Ledger:
    """Return the ledger to work on."""
    return Unwritten(where.removeprefix(NO_LEDGER)) if where.startswith(NO_LEDGER) else open_ledger(where, codes_key="")


async def work(where: str, base_url: str) -> None:
    """Open the ledger, wait for a line on standard input, and send what is planned."""
    async with (
        XoxoClient(StaticToken(TOKEN), base_url=base_url, rate_limits=RateLimits.unlimited()) as xoxo,
        ledger_at(where) as ledger,
    ):
        if isinstance(ledger, Unwritten):
            await ledger.load()
        issuer = BulkIssuer(xoxo, ledger, job=ledger.job or "bench", concurrency=IN_FLIGHT, check=False)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        wall, cpu = time.monotonic(), time.process_time()
        report = await issuer.resume()
        took = {"begun": wall, "ended": time.monotonic(), "cpu_s": time.process_time() - cpu, "issued": report.issued}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
