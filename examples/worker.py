"""A queue worker: one message makes one order, also if the queue delivers the message twice.

The poNumber is made from the message's id, so a message that comes again finds its own order. The worker acknowledges a
message only when the outcome of its order is certain.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from xoxo_async import Order, XoxoClient, errors


class Message(NamedTuple):
    """A message of your queue."""

    id: str
    product_id: int
    denomination: str
    email: str


async def handle(xoxo: XoxoClient, message: Message, deliver: Callable[[Message, Order], Awaitable[None]]) -> bool:
    """Handle one message. Return whether to acknowledge it."""
    try:
        order = await xoxo.orders.place(
            product_id=message.product_id,
            denomination=message.denomination,
            po_number=f"msg-{message.id}",
            email=message.email,
        )
    except (errors.AuthError, errors.ConfigError):
        raise  # every message fails in the same way until a person has fixed the settings or the credentials
    except errors.XoxoError as error:
        if error.effect == "possible" or error.retryable:
            return False  # the queue delivers it again, and the same poNumber then finds or places the order
        print(f"message {message.id} refused: {error}")
        return True
    await deliver(message, order)
    return True


async def work(queue: "asyncio.Queue[Message]", deliver: Callable[[Message, Order], Awaitable[None]]) -> None:
    """Take messages until the task is cancelled. A message that is not acknowledged goes back into the queue."""
    async with XoxoClient.from_env() as xoxo:
        while True:
            message = await queue.get()
            acknowledged = False
            try:
                acknowledged = await handle(xoxo, message, deliver)
            finally:
                if not acknowledged:
                    queue.put_nowait(message)
                queue.task_done()
