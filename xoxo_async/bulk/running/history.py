"""The vendor's order history: read once for all lines that need it, and within bounds."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio

from xoxo_async.errors import DecodeError, XoxoError
from xoxo_async.services.orders.replies import OrderSummary

__all__ = ["LONGEST_S", "DayHistory"]

_MOST_ORDERS: Final = 20_000
"""How many orders are read at most: some two hundred calls, a minute of the allowance. A person decides about a line
that is not among them."""

LONGEST_S: Final = 120.0
"""Seconds for the history of the days of one line, for all lines that need it together."""


class DayHistory:
    """Find orders by poNumber in the history of some days.

    The history is the one reply that carries the poNumber. Lines in doubt are mostly of the same days, so the orders
    that were read for one line serve the others. Each search reads on only until it finds its poNumber.

    Args:
        summaries: The history of these days, as `orders.iterate_history` reads it: one getOrderHistory call for each
            hundred orders.
        first: The first day.
        last: The last day.
        clock: Any clock, in seconds.
        longest_s: Seconds that all searches together may take.
    """

    def __init__(
        self, summaries: AsyncIterator[OrderSummary], clock: Callable[[], float], longest_s: float = LONGEST_S
    ) -> None:
        self.cut_short: str = ""
        """Why not all of the days were read; empty when they were."""
        self._orders: AsyncIterator[OrderSummary] | None = summaries
        self._clock: Final = clock
        self._longest_s: Final = longest_s
        self._left_s = longest_s
        self._left = _MOST_ORDERS
        self._order_ids: Final[dict[str, int]] = {}
        self._failure: XoxoError | None = None
        self._reading: Final = anyio.Lock()

    async def find(self, po_number: str) -> int | None:
        """Return the order id of a poNumber; None when the part of the history that can be read does not have it.

        Args:
            po_number: The poNumber.

        Raises:
            XoxoError: The history could not be read. Every later call raises the same error.
        """
        async with self._reading:
            if self._failure is not None:
                raise self._failure
            began = self._clock()
            try:
                with anyio.fail_after(self._left_s):
                    await self._read_until(po_number)
            except TimeoutError:
                self._end(f"it was not read to its end within {self._longest_s:g} s")
            except DecodeError as error:
                self._end(error.message)
            except XoxoError as error:
                self._failure = error
                raise
            except BaseException:
                self._end("it was cut off")  # otherwise a cancelled generator looks like one at its end
                raise
            self._left_s -= self._clock() - began
            return self._order_ids.get(po_number)

    async def _read_until(self, po_number: str) -> None:
        while self._orders is not None and po_number not in self._order_ids:
            if not self._left:
                self._end(f"it has more than {_MOST_ORDERS:,} orders")
                return
            summary = await anext(self._orders, None)
            if summary is None:
                self._orders = None
                return
            self._left -= 1
            if summary.po_number:
                self._order_ids.setdefault(summary.po_number, summary.order_id)

    def _end(self, why: str) -> None:
        self._orders, self.cut_short = None, why
