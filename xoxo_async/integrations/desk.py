"""An order desk: places orders for requests that may go away before their order is placed.

A server may cancel a request: its client disconnects (Django), a timeout of the app ends, the server stops. An order
that was sent then goes on at the vendor's, and nobody reads its answer. At a desk an order is a task of its own. Who
waits for it may go away; the order is placed, or looked up, to its end.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias, Unpack

from xoxo_async.client import XoxoClient
from xoxo_async.config import check_number
from xoxo_async.errors import ConfigError, DuplicatePoNumberError, OutcomeUnknownError, XoxoError
from xoxo_async.integrations.http_status import log_error
from xoxo_async.services.orders import Order
from xoxo_async.services.orders.requests import OrderFields, PlaceOrder, place_order_of

__all__ = ["ClientSource", "OrderDesk", "opened"]

_LOG: Final = logging.getLogger("xoxo_async")

ClientSource: TypeAlias = XoxoClient | Callable[[], XoxoClient]
"""A client, or a function that makes one. With a function the app can start again after it stopped."""


class _Running:
    """One order that is being placed."""

    __slots__ = ("awaited", "request", "task")

    def __init__(self, request: PlaceOrder, task: asyncio.Task[Order]) -> None:
        self.request = request
        self.task = task
        self.awaited = 0


class OrderDesk:
    """Place orders that go on when their caller is cancelled.

    Requests of one poNumber that come at the same time share one order, so that a double click sends once. That holds
    within a process; across processes the vendor's check of the poNumber holds, or `Once` with a ledger that they
    share.

    Args:
        client: The client to place with. The desk does not close it.
        finish_s: Seconds that `aclose` gives the orders that are under way. Then it cancels them, and hooks and log
            name each one (`OrderInDoubt`).

    Raises:
        ConfigError: `finish_s` is no number from 0.
    """

    def __init__(self, client: XoxoClient, *, finish_s: float = 20.0) -> None:
        self.client: Final = client
        self._finish_s: Final = check_number("finish_s", finish_s, zero=True)
        self._running: Final[dict[str, _Running]] = {}
        self._closed = False

    def __len__(self) -> int:
        """The orders that are being placed."""
        return len(self._running)

    def is_placing(self, po_number: str) -> bool:
        """Return whether an order of this poNumber is being placed by this desk.

        Args:
            po_number: The poNumber.
        """
        return po_number in self._running

    async def place(self, *, wait_s: float | None = None, **order: Unpack[OrderFields]) -> Order | None:
        """Place one order, as `orders.place` does. Moves money, once for each poNumber.

        Args:
            wait_s: Seconds to wait for the order; None waits as long as the client's `call_s`.
            **order: The fields of the order.

        Returns:
            The order. None if it takes longer than `wait_s`: it goes on. Answer 202 then, and place again with the same
            poNumber, or look it up, to learn its end.

        Raises:
            ConfigError: A field is wrong, or the desk is closed; nothing was sent.
            DuplicatePoNumberError: Another order under this poNumber is under way, or exists.
            XoxoError: As `orders.place`.

        Example:
            ```python
            from xoxo_async.integrations.desk import OrderDesk

            desk = OrderDesk(xoxo)
            order = await desk.place(product_id=1001, denomination=500, po_number="INV-1", wait_s=10)
            await desk.aclose()
            ```
        """
        if wait_s is not None:
            check_number("wait_s", wait_s, zero=True)
        if self._closed:
            raise ConfigError("the order desk is closed: the app is stopping")
        request = place_order_of(order)
        running = self._running.get(request.po_number)
        if running is None:
            task = asyncio.ensure_future(self.client.orders.place(**order))
            running = self._running[request.po_number] = _Running(request, task)
            task.add_done_callback(lambda _task: self._end(running))
        elif running.request != request:
            raise DuplicatePoNumberError(
                "an order with other fields is being placed under this poNumber; nothing was sent",
                effect="none",
                operation="placeOrder",
                po_number=request.po_number,
            )
        running.awaited += 1
        try:
            # Not wait_for(): it cancels what it waits for.
            await asyncio.wait({running.task}, timeout=wait_s)
        except asyncio.CancelledError:
            running.awaited -= 1
            raise
        if not running.task.done():
            running.awaited -= 1
            return None
        if running.task.cancelled():  # by `aclose`; the request itself was not cancelled
            raise OutcomeUnknownError(
                "the app stopped before the order was settled",
                operation="placeOrder",
                attempts=1,
                po_number=request.po_number,
            )
        return running.task.result()

    def _end(self, running: _Running) -> None:
        self._running.pop(running.request.po_number, None)
        if running.task.cancelled() or (error := running.task.exception()) is None or running.awaited:
            return
        if isinstance(error, XoxoError):
            log_error(error)
        else:
            _LOG.error("order %s: nobody waits for its error", running.request.po_number, exc_info=error)

    async def aclose(self) -> None:
        """Take no more orders, and wait up to `finish_s` for those that are under way."""
        self._closed = True
        tasks = [running.task for running in self._running.values()]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=self._finish_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(source: ClientSource, *, finish_s: float = 20.0) -> AsyncGenerator[OrderDesk]:
    """Open a client and its desk on the running loop, and close both at the end.

    Args:
        source: The client, or a function that makes one.
        finish_s: As for `OrderDesk`.

    Raises:
        ConfigError: The settings are wrong, the function makes no client, or the server runs on trio.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError("the server does not run on asyncio, and the client needs it") from None
    client = source if isinstance(source, XoxoClient) else source()
    if not isinstance(client, XoxoClient):
        raise ConfigError(f"the function that makes the client returned {type(client).__name__}, not an XoxoClient")
    async with client:
        desk = OrderDesk(client, finish_s=finish_s)
        try:
            yield desk
        finally:
            await desk.aclose()
