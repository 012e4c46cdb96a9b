"""The event loop that a command runs on."""

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

import anyio

__all__ = ["run_async"]

T = TypeVar("T")


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's work on an event loop: uvloop if it is installed, asyncio otherwise.

    Args:
        work: A coroutine function that does the work and returns the result.
    """
    return anyio.run(work, backend_options={"use_uvloop": True} if find_spec("uvloop") else {})
