"""What is done in doubt: look-ups by poNumber, never a second sending."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from xoxo_async.consequences import is_answer, means_an_order
from xoxo_async.errors import DuplicatePoNumberError, OutcomeUnknownError, XoxoError
from xoxo_async.services.orders.matching import contradictions
from xoxo_async.services.orders.operations import PLACE_ORDER
from xoxo_async.services.orders.replies import Order
from xoxo_async.services.placing import PlaceOrder

__all__ = ["Settling"]

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 15.0
_SETTLE_FOR_S: Final = 30.0


_LAG_S: Final = 8.0
"""How long after a vendor's answer look-ups are given to show the order it may speak of."""


class Settling:
    """Find out by look-ups what became of orders whose answers are in doubt.

    Args:
        find: Reads the order of a poNumber, None for none.
        doubt: Told of every order whose outcome its caller left open.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[Order | None]],
        doubt: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._find: Final = find
        self._doubt: Final = doubt
        self._clock: Final = clock

    async def after(self, request: PlaceOrder, error: XoxoError, deadline: float) -> Order:
        """Look for an order that may exist, within the call's time; return it, or raise what is then known.

        Args:
            request: What was asked for.
            error: Why nobody knows.
            deadline: When the call ends, by the clock.
        """
        # After an answer the vendor has done what it will do, and only look-ups lag; after silence it may be at it.
        answered = is_answer(error)
        order = None
        left = deadline - self._clock()
        try:
            with anyio.move_on_after(max(left, 0.0)):
                order = await self.look_for(request.po_number, min(_LAG_S if answered else _SETTLE_FOR_S, left))
        except XoxoError as failed:
            self._doubt(request.po_number, f"its look-up failed: {failed.message}")
            raise _outcome(error, f"{error.message}; the look-up failed as well ({failed.message})") from failed
        except BaseException:
            self._doubt(request.po_number, "its caller was cancelled while it was looked up")
            raise
        if order is None:
            self._doubt(request.po_number, error.message)
            if isinstance(error, OutcomeUnknownError) or (answered and not means_an_order(error)):
                raise error
            raise _outcome(error, error.message) from error
        if contradicted := contradictions(request, order):
            raise DuplicatePoNumberError(
                f"the poNumber belongs to order {order.order_id}, and {', '.join(contradicted)}",
                operation=PLACE_ORDER.name,
                attempts=error.attempts,
                po_number=request.po_number,
            ) from error
        return order

    async def look_for(self, po_number: str, for_s: float) -> Order | None:
        """Look until the order is there or the time is over; at least twice.

        Args:
            po_number: The poNumber.
            for_s: How long to look.
        """
        end = self._clock() + for_s
        wait = _FIRST_WAIT_S
        order = await self._find(po_number)
        while order is None:
            left = end - self._clock()
            await anyio.sleep(min(wait, max(left, 0.0)))
            order = await self._find(po_number)
            if left <= wait:
                break
            wait = min(wait * 2, _LONGEST_WAIT_S)
        return order


def _outcome(error: XoxoError, message: str) -> XoxoError:
    return OutcomeUnknownError(
        message,
        operation=error.operation,
        attempts=error.attempts,
        po_number=error.po_number,
        status=error.status,
        error_id=error.error_id,
    )
