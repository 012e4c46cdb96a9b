"""The event loop that a command runs on."""

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

__all__ = ["run_async"]

T = TypeVar("T")


def run_async(work: Callable[[], Coroutine[Any, Any, T]], *, network: bool = True) -> T:
    """Run a command's work on an event loop of asyncio, or of uvloop where that is installed and of use.

    Args:
        work: A coroutine function that does the work and returns the result.
        network: Whether the work has a network. Without one, uvloop saves nothing, and loading it takes longer than to
            read a ledger.
    """
    import asyncio  # here, because it takes long to load, and a help text needs no loop

    # Not `anyio.run`: a short command would load all of anyio's backend, which takes as long as click does.
    with asyncio.Runner(loop_factory=_uvloop() if network else None) as runner:
        return runner.run(_started(work))


async def _started(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Call the function on the loop: what it makes, such as a cancel scope, may need one."""
    return await work()


def _uvloop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Return what makes a loop of uvloop; None where it is not installed."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop
