"""The time zone of the vendor's order dates, measured on orders that the ledger surely placed itself.

The dates have no zone. An order that was answered at its first send was placed between that send and its answer, so
its date shows how the vendor's clock differs from this one.
"""

import math
from datetime import UTC
from typing import Final, Protocol

import anyio

from xoxo_async.bulk.ledger.facts import PLANNED_AT
from xoxo_async.bulk.ledger.lines import Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.errors import XoxoError
from xoxo_async.services.orders.replies import Order

__all__ = ["OrderReader", "VendorZone"]

_SAMPLES: Final = 3
"""Orders that measure the zone; they must not contradict. The vendor does not document the zone of its dates (wire
documentation § 4.6)."""
_MOST_LOOKED_UP: Final = 9
"""Most orders that are looked up in a run. If these cannot be read or have no date, more do not help."""

_QUARTER_S: Final = 900
"""Zones differ by whole quarters of an hour. The rest of a measured difference is the difference of two clocks."""


class OrderReader(Protocol):
    """Reads one order by its id."""

    async def __call__(self, *, order_id: int) -> Order:
        """Return the order; moves no money."""
        ...


class VendorZone:
    """Check whether an order's date falls within one send.

    Args:
        read_order: Reads an order by its `order_id`, as `orders.get` does; a few getOrderDetails calls, once.
        ledger: Names orders that it surely placed.
    """

    def __init__(self, read_order: OrderReader, ledger: Ledger) -> None:
        self._read_order: Final = read_order
        self._ledger: Final = ledger
        self._offset: float | None = None
        self._left = _MOST_LOOKED_UP
        self._learning: Final = anyio.Lock()

    async def is_of_this_send(self, line: LedgerLine, order: Order) -> bool:
        """Return whether an order was placed during the last send of a line; False if that cannot be decided.

        When a proxy repeats a request, the vendor refuses the second one because it knows the poNumber. The order is
        the line's own then, and its date (whole seconds of the vendor's clock) lies between the send and its end.

        Args:
            line: A line whose earlier sends cannot have become an order.
            order: The order found under its poNumber.
        """
        if line.first_sent_at is None or line.last_sent_at is None:
            return False
        date = _seconds(order)
        offset = await self._known_offset() if date is not None else None
        if date is None or offset is None:
            return False
        return math.floor(line.first_sent_at + offset) <= date <= math.floor(line.last_sent_at + offset)

    async def is_since_plan(self, order: Order) -> bool:
        """Return whether an order is not older than the ledger's job; False if that cannot be decided.

        Args:
            order: The order found.
        """
        date, planned = _seconds(order), await self._ledger.get_fact(PLANNED_AT)
        offset = await self._known_offset() if date is not None and planned else None
        return date is not None and offset is not None and date >= math.floor(float(planned or 0.0) + offset)

    async def _known_offset(self) -> float | None:
        async with self._learning:  # once for all look-ups that are under way
            if self._offset is None:
                self._offset = await self._learned()
            return self._offset

    async def _learned(self) -> float | None:
        """Return the vendor's clock minus this one, in seconds; None if no order shows it, or two orders contradict."""
        low, high, samples = -math.inf, math.inf, 0
        async for line in self._ledger.lines(states=(LineState.PLACED,)):
            if not self._left:
                break
            interval = await self._interval(line)
            if interval is None:
                continue
            low, high, samples = max(low, interval[0]), min(high, interval[1]), samples + 1
            if samples >= _SAMPLES:
                break
        if not samples or low > high:
            return None
        zone = math.ceil(low / _QUARTER_S) * _QUARTER_S
        return float(zone) if zone <= high else (low + high) / 2

    async def _interval(self, line: LedgerLine) -> tuple[float, float] | None:
        sure = line.evidence == Evidence.ANSWERED_PLACED and not line.suspect
        if not sure or line.first_sent_at is None or line.last_sent_at is None or line.order_id is None:
            return None
        self._left -= 1
        try:
            date = _seconds(await self._read_order(order_id=line.order_id))
        except XoxoError:
            return None
        return None if date is None else (date - line.last_sent_at, date + 1 - line.first_sent_at)


def _seconds(order: Order) -> int | None:
    return None if order.order_date is None else int(order.order_date.replace(tzinfo=UTC).timestamp())
