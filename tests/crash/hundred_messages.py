"""The worker that the crash tests kill: it is handed a hundred messages at once, and each until it is done.

Run as `python hundred_messages.py BASE_URL LEDGER [POINT NTH]`. With a point it dies at the n-th order: `before` its
request leaves, or `after` its answer has come.
"""

import asyncio
import os
import sys
from decimal import Decimal
from typing import Any, Final

from xoxo_async import ClientCredentials, RateLimits, XoxoClient
from xoxo_async.bulk import Once, OrderLine, SqliteLedger
from xoxo_async.sandbox import Sandbox

__all__ = ["KILLED", "MESSAGES", "work"]

MESSAGES: Final = 100
KILLED: Final = 9


async def work(base_url: str, path: str, point: str = "", nth: int = 0) -> dict[str, int]:
    """Work on all messages until each is done; return their orders."""
    credentials = ClientCredentials(Sandbox.client_id, Sandbox.client_secret)
    async with (
        XoxoClient(credentials, base_url=base_url, rate_limits=RateLimits.unlimited()) as client,
        SqliteLedger(path) as ledger,
    ):
        if point:
            die_at(client, point, nth)
        once = Once(client, ledger, job="crash", settle_s=0.3)
        orders: dict[str, int] = {}

        async def handle(number: int) -> None:
            line = OrderLine(key=f"m-{number}", product_id=1001, denomination=Decimal(100))

            async def deliver(settled: Any) -> None:
                orders[settled.key] = settled.order_id

            while (verdict := await once.handle(line, deliver)).action == "again":
                await asyncio.sleep(min(verdict.after_s, 0.1))
            assert verdict.action == "done", verdict

        await asyncio.gather(*(handle(number) for number in range(MESSAGES)))
        return orders


def die_at(client: XoxoClient, point: str, nth: int) -> None:
    """Have this process die at the n-th order."""
    dispatcher, sent = client.dispatcher, 0
    once = dispatcher.once

    async def dying(operation: Any, request: Any, **given: Any) -> Any:
        nonlocal sent
        sent += operation.name == "placeOrder"
        last = operation.name == "placeOrder" and sent == nth
        if last and point == "before":
            os._exit(KILLED)
        reply = await once(operation, request, **given)
        if last:
            os._exit(KILLED)
        return reply

    dispatcher.once = dying  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], *sys.argv[3:4], *map(int, sys.argv[4:5])))
