"""What each connection has answered: an answer to another request is recognised, and not believed.

HTTP answers bear no name of their request: whatever comes next on a connection is read as the answer to the request
that is under way. An answer that comes twice moves all later ones by one, and each caller gets its neighbour's order.
"""

import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["Attempt", "ConnectionRecord", "OrderAnswer", "Records", "SeenOrders", "Stray"]

_MOST_ORDERS: Final = 100
"""How many orders one connection may answer. If one answer turns out to be another request's, all of them are looked up
again; at the vendor's 200 look-ups a minute, that takes half a minute at most."""

_SEEN_AT_MOST: Final = 10_000
_SEEN_FOR_S: Final = 3600.0
"""How many order ids a client remembers, and for how long: longer than any connection to the vendor is kept."""


class OrderAnswer(NamedTuple):
    """An order that a connection has named in an answer.

    Attributes:
        po_number: The poNumber it was asked with.
        order_id: The order id in the answer.
    """

    po_number: str
    order_id: int


class Stray(NamedTuple):
    """An answer that is the one to another request.

    Attributes:
        names: What it names that this request's answer cannot.
        doubted: What the connections concerned have named before; they are closed.
    """

    names: str
    doubted: tuple[OrderAnswer, ...]


class ConnectionRecord:
    """What one connection has answered, and whether it may serve again.

    A connection serves again only after an answer that was a clean success of its operation. After anything else it is
    closed: what arrives on it later is then read by nobody.

    Args:
        protocol: The connection's end inside aiohttp; not kept alive by this.

    Attributes:
        ready: Whether another request may be written on it: it is open, and its last answer was a clean success.
        closed: Whether it was closed by this record.
        tainted: Whether it gave an answer that cannot be to its request.
    """

    __slots__ = ("__weakref__", "_answered", "_orders", "_protocol", "closed", "ready", "tainted")

    def __init__(self, protocol: "ResponseHandler") -> None:
        self._protocol: Final = weakref.ref(protocol)
        self._orders: Final[dict[int, str]] = {}
        self._answered = 0
        self.ready: bool = True
        self.closed: bool = False
        self.tainted: bool = False

    def served(self) -> None:
        """Say that its answer was a clean success: another request may be written, unless it has served long enough."""
        if self._answered >= _MOST_ORDERS:
            self.close()
        elif not self.closed:
            self.ready = True

    def close(self) -> None:
        """Close the connection; nothing that arrives on it from now on is read."""
        self._shut(at_once=False)

    def note(self, order_id: int, po_number: str) -> bool:
        """Remember that it named an order.

        Args:
            order_id: The order.
            po_number: The poNumber asked with.

        Returns:
            Whether this can be: not if it has named the same order for another poNumber.
        """
        self._answered += 1
        known = self._orders.setdefault(order_id, po_number)
        return known == po_number or _folded(known) == _folded(po_number)

    def taint(self) -> tuple[OrderAnswer, ...]:
        """Say that it gave an answer that cannot be to its request: close it, and tell what is in doubt with that.

        It is closed at once. A request that is under way on it ends as `ReplyLostError`.

        Returns:
            The orders it has named, the earliest first, without those that are proven (see `proven`). The caller's own
            is among them if the connection named it. So is its first answer, although nothing was asked before that
            one: a proxy may have mixed up the connections behind it, and a look-up costs little. A second call returns
            nothing.
        """
        self.tainted = True
        self._shut(at_once=True)
        answered = tuple(OrderAnswer(po_number, order_id) for order_id, po_number in self._orders.items())
        self._orders.clear()
        return answered

    def proven(self, po_number: str) -> None:
        """Say that an answer was right: a look-up over another connection names the same order for this poNumber.

        It and everything answered before it are in doubt no longer: an answer too many moves all those after it, so
        where one is in its place, those before it were.

        Args:
            po_number: The poNumber.
        """
        orders = list(self._orders.items())
        for place, (_, asked) in enumerate(orders):
            if asked == po_number:
                for order_id, _ in orders[: place + 1]:
                    del self._orders[order_id]
                return

    def _shut(self, *, at_once: bool) -> None:
        self.ready = False
        self.closed = True
        protocol = self._protocol()
        if protocol is not None:
            # Closed with grace, it would still send what waits to be written.
            (protocol.abort if at_once else protocol.close)()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "ready" if self.ready else "busy"
        return f"ConnectionRecord({state}, answered={self._answered})"


class Attempt:
    """What one attempt tells a caller with books of its own, beside the reply; given to `Dispatcher.once`.

    Args:
        po_number: The poNumber asked with; needed where the request is already encoded and does not tell it.

    Attributes:
        connection: The connection the answer came on, None where none came. Its `taint` is for a caller whose books
            show that the answer cannot be to its request; its `proven` is for one whose look-up over another
            connection has found an order that it named.
        doubted: Set when the answer named an order that another poNumber has: the orders that the connections
            concerned have named before, which are in doubt now. The connections are closed already.
    """

    __slots__ = ("connection", "doubted", "po_number")

    def __init__(self, po_number: str = "") -> None:
        self.po_number: Final = po_number
        self.connection: ConnectionRecord | None = None
        self.doubted: tuple[OrderAnswer, ...] = ()


class Records:
    """The record of each connection that is open."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: Final[weakref.WeakKeyDictionary[Any, ConnectionRecord]] = weakref.WeakKeyDictionary()

    def of(self, protocol: "ResponseHandler") -> ConnectionRecord:
        """Return a connection's record, a new one at its first use.

        Args:
            protocol: The connection's end inside aiohttp.
        """
        record = self._of.get(protocol)
        if record is None:
            record = self._of[protocol] = ConnectionRecord(protocol)
        return record


class SeenOrders:
    """The order ids that a client has met of late, and the poNumber each was answered for, over all its connections."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: Final[OrderedDict[int, tuple[str, float, ConnectionRecord]]] = OrderedDict()

    def check(
        self, record: ConnectionRecord, order_id: int, po_number: str | None, now: float, *, asked: int = 0
    ) -> Stray | None:
        """Check that an answer that names an order can be to its request, and remember it.

        Args:
            record: The connection it came on; closed at once where it cannot be.
            order_id: The order it names.
            po_number: The poNumber asked with, where there is one.
            now: A monotonic time.
            asked: The order id asked with, 0 for none.

        Returns:
            What is wrong, None where nothing is.
        """
        if asked and order_id != asked:
            return Stray(f"order {order_id}, not {asked}", record.taint())
        if not po_number:
            return None
        possible = record.note(order_id, po_number)
        other = self.note(order_id, po_number, record, now)
        if possible and other is None:
            return None
        doubted = record.taint()
        if other is not None:
            doubted = other.taint() + doubted
        return Stray(f"order {order_id}, which another poNumber has", doubted)

    def note(self, order_id: int, po_number: str, record: ConnectionRecord, now: float) -> ConnectionRecord | None:
        """Remember an order; forget what is old.

        Args:
            order_id: The order.
            po_number: The poNumber asked with.
            record: The connection it came on.
            now: A monotonic time.

        Returns:
            The connection that has named the same order for another poNumber: one of the two claims is wrong. None
            where there is no such contradiction. What a tainted connection has named is no claim.
        """
        seen = self._seen
        known = seen.get(order_id)
        # Whether case and blanks tell poNumbers apart is not documented.
        if known is not None and not known[2].tainted:
            return None if _folded(known[0]) == _folded(po_number) else known[2]
        seen[order_id] = (po_number, now, record)
        oldest = next(iter(seen))
        if len(seen) > _SEEN_AT_MOST or seen[oldest][1] < now - _SEEN_FOR_S:
            del seen[oldest]
        return None

    def record_of(self, order_id: int) -> ConnectionRecord | None:
        """Return the connection that has named an order; None where that is not known (any more)."""
        known = self._seen.get(order_id)
        return known[2] if known is not None else None


def _folded(po_number: str) -> str:
    return po_number.strip().casefold()
