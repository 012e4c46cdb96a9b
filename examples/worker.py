"""A queue worker: one message, one order, delivered at least once and yet bought once.

The message's id makes the poNumber; a redelivered message finds its own order. Only a message whose order is certain
is acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from xoxo_async import Order, XoxoClient, errors


class Message(NamedTuple):
    """What your queue delivers."""

    id: str
    product_id: int
    denomination: str
    email: str


async def handle(xoxo: XoxoClient, message: Message, deliver: Callable[[Message, Order], Awaitable[None]]) -> bool:
    """Work on one message; return whether to acknowledge it."""
    try:
        order = await xoxo.orders.place(
            product_id=message.product_id,
            denomination=message.denomination,
            po_number=f"msg-{message.id}",
            email=message.email,
        )
    except (errors.AuthError, errors.ConfigError):
        raise  # not this message's fault: no message can be worked on until a person has looked
    except errors.XoxoError as error:
        if error.effect == "possible" or error.retryable:
            return False  # let the queue deliver it again: the same poNumber settles it
        print(f"message {message.id} refused: {error}")
        return True
    await deliver(message, order)
    return True


async def work(queue: "asyncio.Queue[Message]", deliver: Callable[[Message, Order], Awaitable[None]]) -> None:
    """Take messages until cancelled; what is not acknowledged goes back."""
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
