"""Open the ledger of a command."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from xoxo_async.cli.event_loop import run_async

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["with_ledger"]

T = TypeVar("T")


def with_ledger(
    where: "LedgerAddress",
    work: Callable[["Ledger"], Awaitable[T]],
    *,
    read_only: bool = False,
    store_codes: bool = True,
) -> T:
    """Open an existing ledger, call a function with it, and close it.

    Args:
        where: The ledger.
        work: The function.
        read_only: Whether only to read, which is possible while another process works on the ledger.
        store_codes: Whether the function uses voucher codes. If not, no key is needed.
    """
    from xoxo_async.bulk.ledger.opening import open_ledger

    async def opened() -> T:
        async with open_ledger(where, must_exist=True, read_only=read_only, store_codes=store_codes) as ledger:
            return await work(ledger)

    return run_async(opened, network=not where.is_file)
