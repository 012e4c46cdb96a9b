"""Wait until work has ended, also if the waiting task is cancelled.

An opening that is given up would keep its lock, and a fact that is given up would not be in the ledger yet.
"""

import asyncio
from typing import TypeVar

__all__ = ["outlast"]

T = TypeVar("T")


async def outlast(work: "asyncio.Future[T]") -> T:
    """Wait until some work has ended, also if the waiting task is cancelled; then the cancellation goes on.

    A shield of anyio stops only anyio's cancellation: asyncio's own `task.cancel()` and `asyncio.timeout` pass through
    it. So this module uses asyncio, as the token renewal does.

    Args:
        work: A task, or a future that a thread resolves.

    Raises:
        asyncio.CancelledError: When the task was cancelled meanwhile; the work has ended before.
    """
    import anyio  # noqa: PLC0415 - a command that only reads a ledger does not need it

    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not work.cancelled():
            work.exception()  # read here, so that asyncio does not report it as never retrieved
        raise cancelled
    return work.result()
