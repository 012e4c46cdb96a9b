"""Placing, looking up, settling and listing, as methods: `OrderService`."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from typing import Final

from xoxo_async.config import Timeouts, check_number
from xoxo_async.errors import NotFoundError, OutcomeUnknownError, XoxoError
from xoxo_async.operation import Dispatch, is_marked_unsent
from xoxo_async.paging import Page, check_page, iterate_pages
from xoxo_async.services import checks
from xoxo_async.services.orders.matching import contradictions, known, named
from xoxo_async.services.orders.operations import GET_ORDER, GET_ORDER_HISTORY, PLACE_ORDER, HistoryRequest, OrderLookup
from xoxo_async.services.orders.replies import Order, OrderSummary
from xoxo_async.services.orders.settling import Settling
from xoxo_async.services.placing import Details, place_order

__all__ = ["OrderService"]

_ABSENT: Final = frozenset({"PLE10016", "PLE10028"})
_VENDORS_WORST_S: Final = 150.0


class OrderService:
    """Place orders and find them again.

    Args:
        dispatch: Runs operations.
        doubt: Told of every order whose outcome its caller left open.
        call_s: The deadline of placing an order, its look-ups included.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        doubt: Callable[[str, str], None] = lambda _po_number, _reason: None,
        call_s: float = Timeouts().call_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call_s: Final = check_number("call_s", call_s)
        self._dispatch: Final = dispatch
        self._doubt: Final = doubt
        self._clock: Final = clock
        self._settling: Final = Settling(self.find, doubt, clock)

    async def place(
        self,
        *,
        product_id: int,
        denomination: Decimal | float | str,
        po_number: str,
        quantity: int = 1,
        email: str | None = None,
        contact: str | None = None,
        tag: str | None = None,
        notify_receiver: bool = False,
        notify_admin: bool = False,
        details: Details | None = None,
    ) -> Order:
        """Place one order. Moves money, once for a poNumber, however often it is called with it.

        Never sent again once it may have arrived: it is then looked up by its poNumber, for up to 30 seconds after
        silence, 8 after a refusal that may hide an order. So a redelivered message gets the order of the first. It must
        ask for the same: an order whose e-mail, contact, tag, product, value, quantity or category block contradicts
        the request is never handed out.

        Args:
            product_id: The product.
            denomination: A piece's value in its currency: one of `denominations`, or `min_value` to `max_value`.
            po_number: Your key, 1 to 100 characters, unique for ever. Derive it from what is bought, not the attempt.
            quantity: Pieces, up to the product's `order_quantity_limit` (10 for most).
            email: The receiver's address.
            contact: The receiver's phone, `+CC-NUMBER`; some products demand it.
            tag: Free text, can be filtered by in the history.
            notify_receiver: Have the vendor e-mail the codes.
            notify_admin: Have the vendor e-mail the administrator.
            details: What lounges, airmiles, top-ups and merchandise need besides.

        Returns:
            The order. Its codes may still be pending: see `delivery_status`.

        Raises:
            ConfigError: An argument is wrong; nothing was sent.
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
        request = place_order(
            product_id=product_id, denomination=denomination, po_number=po_number, quantity=quantity, email=email,
            contact=contact, tag=tag, notify_receiver=notify_receiver, notify_admin=notify_admin, details=details,
        )  # fmt: skip
        deadline = self._clock() + self._call_s
        try:
            order = named(await self._dispatch(PLACE_ORDER, request), request.po_number)
        except XoxoError as error:
            if error.effect == "none":
                raise
            return await self._settling.after(request, error, deadline)
        except BaseException as cancelled:
            # Nobody is left to ask whether the order exists; a listener has the poNumber. One who was still waiting
            # for a token, a slot or a connection has ordered nothing.
            if not is_marked_unsent(cancelled):
                self._doubt(request.po_number, "its caller was cancelled")
            raise
        if contradicted := contradictions(request, order):
            # The vendor replayed the poNumber's first order, or the answer belongs to another request.
            answered = f"it was answered with order {order.order_id}, and {', '.join(contradicted)}"
            doubt = OutcomeUnknownError(answered, operation=PLACE_ORDER.name, attempts=1, po_number=request.po_number)
            return await self._settling.after(request, doubt, deadline)
        return order

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
            return known(await self._dispatch(GET_ORDER, OrderLookup(order_id=checks.whole("order_id", order_id))))
        asked = checks.po_number(po_number)
        return named(await self._dispatch(GET_ORDER, OrderLookup(po_number=asked)), asked)

    async def find(self, po_number: str) -> Order | None:
        """Read the order of a poNumber, if there is one. Moves no money, sends no e-mail; one getOrderDetails call.

        None is not proof that there never will be: an order may take 120 s to be placed, and look-ups may lag.

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

    async def settle(self, po_number: str, *, absent_after_s: float = _VENDORS_WORST_S) -> Order | None:
        """Find out what became of an order whose answer was lost. Moves no money.

        Args:
            po_number: The poNumber it was placed with.
            absent_after_s: How long to look before its absence is believed. The vendor may take 120 s to place an
                order, counted from its sending; shorten this only when that was long ago.

        Returns:
            The order; or None when it was absent to the end, so that placing it again under the same poNumber is safe.

        Raises:
            ConfigError: The poNumber is malformed, or `absent_after_s` is no number of seconds from 0.
            XoxoError: A look-up failed for good; nothing is known then.

        Example:
            ```python
            order = await xoxo.orders.settle("INV-1")
            ```
        """
        for_s = check_number("absent_after_s", absent_after_s, zero=True)
        return await self._settling.look_for(checks.po_number(po_number), for_s)

    async def list_history(
        self, start: date, end: date, *, page: int = 1, limit: int = 100, tag: str | None = None
    ) -> Page[OrderSummary]:
        """Read one page of the orders of some days, without codes. Moves no money; one getOrderHistory call.

        Args:
            start: The first day (whose zone, the vendor does not say; most likely IST).
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
        check_page(page, limit)
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
            DecodeError: The server sends the same page again and again.
            XoxoError: A call failed.

        Example:
            ```python
            async for order in xoxo.orders.iterate_history(date(2026, 3, 1), date(2026, 3, 31)):
                print(order.order_id, order.po_number)
            ```
        """
        return iterate_pages(lambda page: self.list_history(start, end, page=page, limit=limit, tag=tag))
