"""A queue worker: one message makes one order, however often it comes; the library decides what becomes of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import NamedTuple, Protocol

from xoxo_async import Verdict, XoxoClient
from xoxo_async.bulk import Once, OrderLine, SettledLine, open_ledger

LOG = logging.getLogger(__name__)
Deliver = Callable[[SettledLine], Awaitable[None]]


class Message(NamedTuple):
    """A message of your queue. `deliveries` counts how often it has come."""

    id: str
    product_id: int
    denomination: Decimal
    deliveries: int = 1


class Queue(Protocol):
    """Your queue. `settle` acknowledges a message, has it delivered again later, or makes it a dead letter."""

    receive: Callable[[], Awaitable[Message]]
    settle: Callable[[Message, Verdict], Awaitable[None]]


async def handle(once: Once, queue: Queue, message: Message, deliver: Deliver) -> None:
    """Issue the order of one message. The message is settled also if this task fails or is cancelled."""
    line = OrderLine(key=message.id, product_id=message.product_id, denomination=message.denomination)
    verdict = Verdict.again(60.0, "the worker failed, or was stopped")
    try:
        verdict = await once.handle(line, deliver, attempts=message.deliveries)
    except Exception:
        LOG.exception("the order of message %s was not handed over", message.id)
    finally:
        await queue.settle(message, verdict)
    if verdict.pause:  # every other message would end in the same way, until a person acts
        LOG.error("no message is taken for %.0f s: %s", verdict.after_s, verdict.why)
        await asyncio.sleep(verdict.after_s)


async def work(queue: Queue, deliver: Deliver, ledger: str = "messages.db") -> None:
    """Work on 64 messages at once until the task is cancelled."""

    async def consume(once: Once) -> None:
        while True:
            await handle(once, queue, await queue.receive(), deliver)

    async with XoxoClient.from_env() as xoxo, open_ledger(ledger) as books, asyncio.TaskGroup() as tasks:
        once = Once(xoxo, books, job="messages")
        for _ in range(64):
            tasks.create_task(consume(once))
