"""A queue worker: one message makes one order, however often the queue delivers it.

The ledger remembers each message, and the library decides what becomes of it: its verdict.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import NamedTuple, Protocol

from xoxo_async import Verdict, XoxoClient
from xoxo_async.bulk import Once, OrderLine, SettledLine, open_ledger


class Message(NamedTuple):
    """A message of your queue. `deliveries` counts how often it has come."""

    id: str
    product_id: int
    denomination: Decimal
    deliveries: int = 1


class Queue(Protocol):
    """Your queue. `settle` acknowledges a message, has it delivered again later, or makes it a dead letter."""

    async def receive(self) -> Message: ...
    async def settle(self, message: Message, verdict: Verdict) -> None: ...


Deliver = Callable[[SettledLine], Awaitable[None]]


async def handle(once: Once, queue: Queue, message: Message, deliver: Deliver) -> Verdict:
    """Issue the order of one message, and settle the message also if this task fails or is cancelled."""
    line = OrderLine(key=message.id, product_id=message.product_id, denomination=message.denomination)
    verdict = Verdict.again(60.0, "the worker failed or was stopped")
    try:
        verdict = await once.handle(line, deliver, attempts=message.deliveries)
    except Exception:
        logging.exception("the order of message %s was not handed over", message.id)
    finally:
        await queue.settle(message, verdict)
    return verdict


async def work(queue: Queue, deliver: Deliver, ledger_at: str = "messages.db", at_once: int = 64) -> None:
    """Work on many messages at once until the task is cancelled."""

    async def consume(once: Once) -> None:
        while True:
            verdict = await handle(once, queue, await queue.receive(), deliver)
            if verdict.pause:  # no other message can do better: a person has to act
                logging.error("paused for %.0f s: %s", verdict.after_s, verdict.why)
                await asyncio.sleep(verdict.after_s)

    async with XoxoClient.from_env() as xoxo, open_ledger(ledger_at) as ledger, asyncio.TaskGroup() as tasks:
        once = Once(xoxo, ledger, job="messages")
        for _ in range(at_once):
            tasks.create_task(consume(once))
