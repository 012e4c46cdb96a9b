"""Wait for work to its end although the waiting task is cancelled: an opening that is left half-way keeps its lock."""

import asyncio
from typing import TypeVar

import anyio

__all__ = ["outlast"]

T = TypeVar("T")


async def outlast(work: "asyncio.Future[T]") -> T:
    """Wait until some work has ended, however often the waiting task is cancelled; then the cancellation goes on.

    A shield of anyio holds against anyio's cancellation only: `task.cancel()` and `asyncio.timeout` of asyncio itself
    pass through it. So this one place names asyncio, as the token renewal does.

    Args:
        work: What runs by itself: a task, or a future that a thread resolves.

    Raises:
        asyncio.CancelledError: When the task was cancelled meanwhile; the work has ended all the same.
    """
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not work.cancelled():
            work.exception()  # looked at here, so that asyncio does not report it as forgotten
        raise cancelled
    return work.result()
