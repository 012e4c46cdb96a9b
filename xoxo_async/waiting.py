"""Wait for work that goes on if the waiting task is cancelled, and either give it up then, or wait for its end.

An opening that is given up would keep its lock, and a fact that is given up would not be in the ledger yet.
"""

import asyncio
from typing import Any, TypeVar

__all__ = ["outlast", "read_error", "shielded"]

T = TypeVar("T")


async def shielded(work: "asyncio.Future[T]") -> T:
    """Wait for some work. If the waiting task is cancelled, the work goes on, and nobody is told of its error.

    Since Python 3.14 `asyncio.shield` reports such an error to the loop, as "exception in shielded future". Here it is
    told by whoever does the work, so this would be a second report, with a trace that nobody asked for.

    Args:
        work: A task, or a future that a thread resolves.

    Raises:
        asyncio.CancelledError: When the waiting task, or the work, was cancelled.
    """
    waiter = asyncio.get_running_loop().create_future()

    def wake(_work: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    try:
        if not work.done():
            work.add_done_callback(wake)
            await waiter
        return work.result()
    except asyncio.CancelledError:
        work.remove_done_callback(wake)
        work.add_done_callback(read_error)
        raise
    finally:
        del work  # its error's traceback leads to this frame: together they would wait for a full collection


def read_error(work: "asyncio.Future[Any]") -> None:
    """Read the error of work that has ended, or asyncio reports that nobody did.

    Args:
        work: The work.
    """
    if not work.cancelled():
        work.exception()


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
        read_error(work)
        raise cancelled
    return work.result()
