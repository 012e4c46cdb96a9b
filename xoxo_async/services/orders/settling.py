"""What follows a lost answer: look-ups by poNumber, never a second send."""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from xoxo_async.consequences import in_short, is_answer, means_an_order
from xoxo_async.errors import DuplicatePoNumberError, OutcomeUnknownError, XoxoError
from xoxo_async.services.orders.matching import contradictions
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.replies import Order
from xoxo_async.services.orders.requests import PlaceOrder

__all__ = ["Settling"]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 15.0
_SETTLE_FOR_S: Final = 30.0
"""Seconds of look-ups after no answer: the vendor may still be placing the order."""
_LAG_S: Final = 8.0
"""Seconds of look-ups after a refusal: the vendor is done, and only its look-ups may lag."""


class Settling:
    """Find out by look-ups what became of orders without a clear answer.

    Args:
        find: Reads the order of a poNumber; None when there is none.
        doubt: Called with the poNumber of every order that ends without a known outcome, and the reason.
        clock: A monotonic clock.
        ends_at: Tells when all look-ups must have ended, by the clock.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[Order | None]],
        doubt: Callable[[str, str], None],
        clock: Callable[[], float],
        ends_at: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._find: Final = find
        self._doubt: Final = doubt
        self._clock: Final = clock
        self._ends_at: Final = ends_at

    async def after(self, request: PlaceOrder, error: XoxoError, deadline: float) -> Order:
        """Look up an order that may exist, until the call's deadline.

        Args:
            request: The order's request.
            error: Why its outcome is not known.
            deadline: When the call ends, by the clock.

        Returns:
            The order, if it is found and matches the request.

        Raises:
            OutcomeUnknownError: The order is not found, and it may still exist; or a look-up failed.
            ApiError: The vendor refused the order, and the look-ups find none.
            DuplicatePoNumberError: The poNumber belongs to another order.
        """
        order = await self._look_until(request, error, deadline)
        if order is None:
            self._doubt(request.po_number, in_short(error))
            if isinstance(error, OutcomeUnknownError) or (is_answer(error) and not means_an_order(error)):
                try:
                    raise error
                finally:
                    del error  # its traceback leads to this frame: together they would wait for a full collection
            raise _outcome(error, error.message) from error
        if contradicted := contradictions(request, order):
            raise DuplicatePoNumberError(
                f"the poNumber belongs to order {order.order_id}, and {', '.join(contradicted)}",
                operation=PLACE_ORDER.name,
                attempts=error.attempts,
                po_number=request.po_number,
            ) from error
        return order

    async def _look_until(self, request: PlaceOrder, error: XoxoError, deadline: float) -> Order | None:
        """Look an order up; report it as open when the look-ups end without an answer."""
        left = deadline - self._clock()
        for_s = min(_LAG_S if is_answer(error) else _SETTLE_FOR_S, left)
        order = None
        try:
            with anyio.move_on_after(max(left, 0.0)):
                order = await self.look_for(request.po_number, for_s)
        except XoxoError as failed:
            self._doubt(request.po_number, f"its look-up failed: {in_short(failed)}")
            raise _outcome(error, f"{error.message}; the look-up failed as well ({failed.message})") from failed
        except BaseException:
            self._doubt(request.po_number, "its caller was cancelled while it was looked up")
            raise
        return order

    async def look_for(self, po_number: str, for_s: float) -> Order | None:
        """Look an order up until it is found or the time is over; at least twice.

        Args:
            po_number: The poNumber.
            for_s: Seconds of look-ups.

        Returns:
            The order; None when no look-up found it.
        """
        end = self._clock() + for_s
        wait = _FIRST_WAIT_S
        order = await self._find(po_number)
        while order is None:
            now = self._clock()
            left = end - now
            # At its caller's deadline the next look-up raises: an order that was not seen is not one that is absent.
            pause = min(wait, left, self._ends_at() - now)
            await anyio.sleep(max(pause, 0.0))
            order = await self._find(po_number)
            if left <= pause:
                break
            wait = min(wait * 2, _LONGEST_WAIT_S)
        return order


def _outcome(error: XoxoError, message: str) -> XoxoError:
    outcome = OutcomeUnknownError(
        message,
        operation=error.operation,
        attempts=error.attempts,
        po_number=error.po_number,
        status=error.status,
        error_id=error.error_id,
    )
    outcome.raw = error.raw
    return outcome
