"""`OrderService`: place an order, look it up, settle it, list the history."""

import math
import time
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Final, Unpack

from xoxo_async.calls import Call, Calls
from xoxo_async.config import Timeouts, check_number
from xoxo_async.errors import NotFoundError, OutcomeUnknownError, XoxoError, effect_of
from xoxo_async.operation import Dispatch
from xoxo_async.paging import Page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.orders.matching import contradictions, require_order_id, with_po_number
from xoxo_async.services.orders.operations import GET_ORDER, GET_ORDER_HISTORY, PLACE_ORDER
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.services.orders.requests import HistoryRequest, OrderFields, OrderLookup, PlaceOrder, place_order_of
from xoxo_async.services.orders.settling import Settling

__all__ = ["OrderService"]

_ABSENT: Final = frozenset({"PLE10016", "PLE10028"})
"""The refusals of getOrderDetails that mean: no such order (wire documentation § 4.5)."""
_SLOWEST_ORDER_S: Final = 150.0
"""The vendor may take 120 s to place an order; the rest is a margin."""


class OrderService:
    """Place orders and find them again."""

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        doubt: Callable[[str, str], None] = lambda _po_number, _reason: None,
        distrust: Callable[[int, str], None] = lambda _order_id, _po_number: None,
        call_s: float = Timeouts().call_s,
        calls: Calls | None = None,
        ends_at: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what runs operations; `XoxoClient` does this.

        Args:
            dispatch: Runs operations.
            doubt: Called with the poNumber of every order that ends without a known outcome, and the reason.
            distrust: Called with an order id and a poNumber when the answer cannot belong to the request of that
                poNumber.
            call_s: The deadline of placing an order, its look-ups included.
            calls: Tells the hooks what happens; None where there are none.
            ends_at: Tells when all calls must have ended, by the clock; infinity for no such time.
            clock: A monotonic clock.
        """
        self._call_s: Final = check_number("call_s", call_s)
        self._dispatch: Final = dispatch
        self._calls: Final = calls
        self._doubt: Final = doubt
        self._distrust: Final = distrust
        self._clock: Final = clock
        self._ends_at: Final = ends_at

    async def place(self, **order: Unpack[OrderFields]) -> Order:
        """Place one order. Moves money, once for each poNumber, however often it is called.

        After a lost answer the order is looked up by its poNumber, and never sent again: for up to 30 seconds after
        silence, and up to 8 after a refusal that may hide an order. So a redelivered message gets the first order back,
        if it asks for the same. An order that contradicts the request (in e-mail, contact, tag, product, value,
        quantity or category block) is never returned.

        Args:
            **order: The fields of the order, by name: `product_id`, `denomination` and `po_number`; as needed also
                `quantity`, `email`, `contact`, `tag`, `notify_receiver`, `notify_admin`, `details`. See `OrderFields`.

        Returns:
            The order. Its codes may still be pending: see `delivery_status`.

        Raises:
            ConfigError: A field is wrong; nothing was sent.
            OutcomeUnknownError: Nobody knows. Call `settle` with the poNumber, or place again with the same poNumber.
            DuplicatePoNumberError: The poNumber belongs to another order; the message names it and what differs.
            ApiError: The vendor refused; `effect` says whether an order may exist all the same.
            AuthError: The credentials were refused; nothing was processed.
            TransportError: The server was not reached; nothing was sent.

        Example:
            ```python
            order = await xoxo.orders.place(product_id=1001, denomination=500, po_number="INV-1")
            codes = [voucher.code.reveal() for voucher in order.vouchers]
            ```
        """
        request = place_order_of(order)
        del order  # thousands may wait for their slot
        started = self._clock()
        call = None if self._calls is None else self._calls.hold(PLACE_ORDER.name, request.po_number)
        try:
            try:
                placed = with_po_number(await self._dispatch(PLACE_ORDER, request), request.po_number)
            except XoxoError as error:
                if error.effect == "none":
                    raise
                placed = await self._settle(request, error, started, call)
            except BaseException as error:
                self._note_abandoned(request, error)
                raise
            if contradicted := contradictions(request, placed):
                # The vendor may repeat the first order of this poNumber, or the answer belongs to another request.
                self._distrust(placed.order_id, request.po_number)
                answered = f"it was answered with order {placed.order_id}, and {', '.join(contradicted)}"
                placed = await self._settle(request, _doubt_about(request, answered), started, call)
        except BaseException as error:
            if call is not None:
                call.close(error)
            raise
        if call is not None:
            call.close()
        return placed

    async def _settle(self, request: PlaceOrder, error: XoxoError, started: float, call: Call | None) -> Order:
        """Look up an order that may exist. Its look-ups belong to the call."""
        try:
            order = await self._settling().after(request, error, self._deadline(started))
        except BaseException:
            del error  # where it is raised, its traceback leads to this frame
            raise
        if call is not None:
            call.settled(order.order_id, error)
        return order

    def _settling(self) -> Settling:
        # Made when it is needed, which is seldom: kept here, it would be a cycle with each view of the client.
        return Settling(self.find, self._doubt, self._clock, self._ends_at)

    def _deadline(self, started: float) -> float:
        return min(started + self._call_s, self._ends_at())

    def _note_abandoned(self, request: PlaceOrder, error: BaseException) -> None:
        """Report an order whose call ended by a cancellation or a bug after its request may have left."""
        # A call that still waits for a token, a slot or a connection has ordered nothing.
        if effect_of(error) == "possible":
            bug = isinstance(error, Exception)
            reason = f"a fault ended the call: {type(error).__name__}" if bug else "its caller was cancelled"
            self._doubt(request.po_number, reason)

    async def get(self, *, order_id: int | None = None, po_number: str | None = None) -> Order:
        """Read one order with its codes. Moves no money, sends no e-mail; one getOrderDetails call.

        Args:
            order_id: The vendor's id, or
            po_number: your poNumber.

        Returns:
            The order.

        Raises:
            ConfigError: Both or neither was given, or one is malformed.
            NotFoundError: There is no such order (yet: a look-up may lag behind the placing).
            XoxoError: The call failed.

        Example:
            ```python
            order = await xoxo.orders.get(po_number="INV-1")
            ```
        """
        checks.one_of(("order_id", "po_number"), order_id, po_number)
        if order_id is not None:
            lookup = OrderLookup(order_id=checks.whole("order_id", order_id))
            return require_order_id(await self._dispatch(GET_ORDER, lookup))
        asked = checks.po_number("po_number", po_number)
        return with_po_number(await self._dispatch(GET_ORDER, OrderLookup(po_number=asked)), asked)

    async def find(self, po_number: str) -> Order | None:
        """Read the order of a poNumber, if there is one. Moves no money, sends no e-mail; one getOrderDetails call.

        None is no proof that the order will never exist: placing may take 120 s, and look-ups may lag.

        Args:
            po_number: Your poNumber.

        Returns:
            The order, or None.

        Raises:
            ConfigError: The poNumber is malformed.
            XoxoError: The call failed.

        Example:
            ```python
            order = await xoxo.orders.find("INV-1")
            ```
        """
        try:
            return await self.get(po_number=po_number)
        except NotFoundError as error:
            if error.error_id in _ABSENT:
                return None
            raise

    async def settle(self, po_number: str, *, absent_after_s: float = _SLOWEST_ORDER_S) -> Order | None:
        """Find out what became of an order whose answer was lost. Moves no money.

        Args:
            po_number: The poNumber it was placed with.
            absent_after_s: Seconds of look-ups until an absent order counts as never placed. The vendor may take 120 s
                to place an order; a smaller value is safe only when the order was sent long ago.

        Returns:
            The order, or None when every look-up found none. It is then safe to place it again under the same poNumber.

        Raises:
            ConfigError: The poNumber is malformed, or `absent_after_s` is no number of seconds from 0.
            XoxoError: A look-up failed for good; nothing is known then.

        Example:
            ```python
            order = await xoxo.orders.settle("INV-1")
            ```
        """
        for_s = check_number("absent_after_s", absent_after_s, zero=True)
        return await self._settling().look_for(checks.po_number("po_number", po_number), for_s)

    async def list_history(
        self, start: date, end: date, *, page: int = 1, limit: int = 100, tag: str | None = None
    ) -> Page[OrderSummary]:
        """Read one page of the orders of some days, without codes. Moves no money; one getOrderHistory call.

        Args:
            start: The first day. The vendor does not say in which time zone; most likely IST.
            end: The last day.
            page: The page, from 1.
            limit: Orders a page.
            tag: Only orders with this tag.

        Returns:
            The page; an empty range is an empty page.

        Raises:
            ConfigError: An argument is wrong.
            XoxoError: The call failed.

        Example:
            ```python
            page = await xoxo.orders.list_history(date(2026, 3, 1), date(2026, 3, 31))
            ```
        """
        checks.check_page(page, limit)
        first, last = checks.check_dates(start, end)
        request = HistoryRequest(first, last, limit, page, checks.text("tag", tag))
        return Page(await self._dispatch(GET_ORDER_HISTORY, request), page, limit)

    def iterate_history(
        self, start: date, end: date, *, limit: int = 100, tag: str | None = None
    ) -> AsyncIterator[OrderSummary]:
        """Iterate over all orders of some days, without codes. Moves no money; one getOrderHistory call a page.

        Args:
            start: The first day.
            end: The last day.
            limit: Orders a page.
            tag: Only orders with this tag.

        Returns:
            An iterator over the orders, to be used with `async for`; each page is read when its turn comes.

        Raises:
            ConfigError: An argument is wrong; raised at the first step.
            DecodeError: The list has no end: the server sends the same items again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for order in xoxo.orders.iterate_history(date(2026, 3, 1), date(2026, 3, 31)):
                print(order.order_id, order.po_number)
            ```
        """
        return iterate_pages(
            lambda page: self.list_history(start, end, page=page, limit=limit, tag=tag), lambda order: order.order_id
        )


def _doubt_about(request: PlaceOrder, answered: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(answered, operation=PLACE_ORDER.name, attempts=1, po_number=request.po_number)
