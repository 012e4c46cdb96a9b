"""Whether an answer can belong to its request, and who is told of the orders that are in doubt where it cannot."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from xoxo_async.errors import ReplyLostError
from xoxo_async.operation import EffectClass, Operation
from xoxo_async.transport.connections import Attempt, ConnectionRecord, OrderAnswer, SeenOrders

__all__ = ["Belief"]


class Belief:
    """Check answers against their requests, over all the connections of a client.

    Args:
        doubt: Called with the poNumber of each order whose answer may belong to another request, and the reason.
    """

    __slots__ = ("_doubt", "_listeners", "_seen")

    def __init__(self, doubt: Callable[[str, str], None]) -> None:
        self._doubt: Final = doubt
        self._seen: Final = SeenOrders()
        self._listeners: Final[list[Callable[[OrderAnswer], None]]] = []

    def check(
        self,
        operation: Operation[Any, Any],
        po_number: str | None,
        asked: int,
        record: ConnectionRecord,
        reply: Any,
        now: float,
        attempt: Attempt | None = None,
    ) -> None:
        """Check that an answer can belong to its request, and let its connection serve again.

        Args:
            operation: What was asked.
            po_number: The poNumber asked with, where there is one.
            asked: The order id asked for, 0 for none.
            record: The connection it came on.
            reply: What was answered.
            now: A monotonic time.
            attempt: Receives the orders that are in doubt now.

        Raises:
            ReplyLostError: It belongs to another request, so the answer to this one is lost.
        """
        if operation.names_order:
            if reply.order_id <= 0:  # no order has such an id, so this is no success
                record.close()
                return
            stray = self._seen.check(record, reply.order_id, po_number, now, asked=asked)
            if stray is not None:
                if attempt is not None:
                    attempt.doubted = stray.doubted
                self._tell(stray.doubted, po_number)
                raise ReplyLostError(f"the answer is the one to another request: it names {stray.names}")
        if operation.effect is EffectClass.UNKEYED:
            record.close()  # nothing in the next answer would show that it belongs to another request
        else:
            record.served()

    @contextmanager
    def telling_doubts(self, listener: Callable[[OrderAnswer], None]) -> Generator[None]:
        """Call a listener with each order that comes into doubt while the block runs, whichever call finds that out.

        Args:
            listener: Called with each order.
        """
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def distrust(self, order_id: int, po_number: str) -> None:
        """Close the connection that named an order, because that answer cannot belong to its request.

        The other orders that it has named are in doubt as well; the listeners are called with them.

        Args:
            order_id: The order.
            po_number: The poNumber asked with.
        """
        record = self._seen.record_of(order_id)
        if record is not None:
            self.taint(record, po_number)

    def taint(self, record: ConnectionRecord, po_number: str) -> tuple[OrderAnswer, ...]:
        """Close a connection whose answer cannot belong to its request; tell the listeners what is in doubt.

        Args:
            record: The connection.
            po_number: The poNumber of that request.

        Returns:
            The orders that it has named; they are in doubt.
        """
        doubted = record.taint()
        self._tell(doubted, po_number)
        return doubted

    def _tell(self, doubted: Sequence[OrderAnswer], po_number: str | None) -> None:
        for answer in doubted:
            if answer.po_number != po_number:
                reason = f"order {answer.order_id} was answered on a connection whose answers were not in step"
                self._doubt(answer.po_number, reason)
                for listener in self._listeners:
                    listener(answer)
