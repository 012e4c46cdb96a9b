"""From the path of a ledger to the open ledger."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from xoxo_async.cli.event_loop import run_async

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["with_ledger"]

T = TypeVar("T")


def with_ledger(
    path: Path,
    work: Callable[["Ledger"], Awaitable[T]],
    *,
    read_only: bool = False,
    store_codes: bool = True,
) -> T:
    """Open a ledger that exists, work on it, close it.

    Args:
        path: The ledger.
        work: What to do with it.
        read_only: Whether to look only, also while somebody else works on it.
        store_codes: Whether codes are looked at; without, no key is needed.
    """
    from xoxo_async.bulk.ledger.opening import open_ledger

    async def opened() -> T:
        async with open_ledger(path, must_exist=True, read_only=read_only, store_codes=store_codes) as ledger:
            return await work(ledger)

    return run_async(opened)
