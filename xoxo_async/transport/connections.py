"""What each connection has answered, so that an answer to another request is recognised.

An HTTP/1.1 answer does not name its request: aiohttp takes whatever comes next on a connection as the answer to the
request under way. If a server or a proxy sends one answer twice, every later answer on that connection belongs to the
request before it, and each caller gets the order of another caller.
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xoxo_async.public_names import LazyModule

if TYPE_CHECKING:
    from aiohttp import client_proto
else:
    client_proto = LazyModule("aiohttp.client_proto")  # a ledger's run loads no aiohttp

__all__ = ["Attempt", "ConnectionRecord", "OrderAnswer", "Records", "SeenOrders", "Stray"]

_MOST_ORDERS: Final = 200
"""How many orders one connection may answer. If one of its answers belongs to another request, all are looked up again.
At the vendor's 200 look-ups a minute, that takes a minute at most. A new connection costs the CPU time of five orders
on loopback, and more with TLS."""

_SEEN_AT_LEAST: Final = 10_000
_SEEN_FOR_S: Final = 3600.0
"""How many order ids a client remembers, or for how long: whichever ends first, and at most twice of both. No
connection to the vendor lives that long."""


class OrderAnswer(NamedTuple):
    """An order that a connection has named in an answer.

    Attributes:
        po_number: The poNumber it was asked with.
        order_id: The order id in the answer.
    """

    po_number: str
    order_id: int


class Stray(NamedTuple):
    """An answer that belongs to another request.

    Attributes:
        names: What it names that this request's answer cannot.
        doubted: What the connections concerned have named before; they are closed.
    """

    names: str
    doubted: tuple[OrderAnswer, ...]


class ConnectionRecord:
    """What one connection has answered, and whether it may serve again.

    A connection serves again only after a clean success. After any other answer it is closed, so that nothing which
    arrives later is read as an answer.

    Args:
        protocol: The connection's end inside aiohttp; not kept alive by this.

    Attributes:
        orders: The orders it has named: the poNumber of each order id. Empty once it is tainted.
        ready: Whether another request may be written on it: it is open, and its last answer was a clean success.
        closed: Whether it was closed by this record.
        tainted: Whether it gave an answer that cannot be to its request.
    """

    __slots__ = ("__weakref__", "_answered", "_protocol", "closed", "orders", "ready", "tainted")

    def __init__(self, protocol: "client_proto.ResponseHandler") -> None:
        self._protocol: Final = weakref.ref(protocol)
        self._answered = 0
        self.orders: Final[dict[int, str]] = {}
        self.ready: bool = True
        self.closed: bool = False
        self.tainted: bool = False

    def served(self) -> None:
        """Note a clean success: the connection may serve again, unless it has answered enough orders."""
        if self._answered >= _MOST_ORDERS:
            self.close()
        elif not self.closed:
            self.ready = True

    def close(self) -> None:
        """Close the connection. Nothing that arrives on it from now on is read."""
        self._shut(at_once=False)

    def note(self, order_id: int, po_number: str) -> bool:
        """Note an order that it named in an answer.

        Args:
            order_id: The order.
            po_number: The poNumber asked with.

        Returns:
            False where it has named the same order for another poNumber before: one of the two answers is wrong.
        """
        self._answered += 1
        known = self.orders.setdefault(order_id, po_number)
        return known == po_number or _same(known, po_number)

    def taint(self) -> tuple[OrderAnswer, ...]:
        """Close it at once, because an answer of its cannot be to the request; return the orders in doubt with that.

        A request that is under way on it ends as `ReplyLostError`.

        Returns:
            The orders it has named, the earliest first. The caller's own order is among them if the connection named
            it. Its first answer is among them too, although nothing was asked before it: a proxy may have mixed up the
            connections behind it, and a look-up costs little. A second call returns nothing.
        """
        self.tainted = True
        self._shut(at_once=True)
        answered = tuple(OrderAnswer(po_number, order_id) for order_id, po_number in self.orders.items())
        self.orders.clear()
        return answered

    def _shut(self, *, at_once: bool) -> None:
        self.ready = False
        self.closed = True
        protocol = self._protocol()
        if protocol is not None:
            # `close` still sends what waits to be written; after a stray answer nothing more may leave.
            (protocol.abort if at_once else protocol.close)()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "ready" if self.ready else "busy"
        return f"ConnectionRecord({state}, answered={self._answered})"


class Attempt:
    """What one attempt reports beside its reply, for a caller that keeps a ledger; given to `Dispatcher.once`.

    Args:
        po_number: The poNumber asked with; needed where the request is already encoded.
        may_leave: Asked right before the request is written, after the waits for a token and a connection: whether it
            may still leave. If not, the attempt ends with `ConnectError`, and nothing was sent. None: it always may.

    Attributes:
        connection: The connection the answer came on, None where none came. Call its `taint` when the ledger shows that
            the answer cannot be to its request.
        doubted: Set when the answer named an order of another poNumber: the orders that the connections concerned have
            named before. They are in doubt now, and the connections are closed already.
    """

    __slots__ = ("connection", "doubted", "may_leave", "po_number")

    def __init__(self, po_number: str = "", may_leave: Callable[[], bool] | None = None) -> None:
        self.po_number: Final = po_number
        self.may_leave: Final = may_leave
        self.connection: ConnectionRecord | None = None
        self.doubted: tuple[OrderAnswer, ...] = ()


class Records:
    """The record of each connection that is open."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: Final[weakref.WeakKeyDictionary[Any, ConnectionRecord]] = weakref.WeakKeyDictionary()

    def of(self, protocol: "client_proto.ResponseHandler") -> ConnectionRecord:
        """Return a connection's record, a new one at its first use.

        Args:
            protocol: The connection's end inside aiohttp.
        """
        record = self._of.get(protocol)
        if record is None:
            record = self._of[protocol] = ConnectionRecord(protocol)
        return record


class SeenOrders:
    """The order ids that a client has met lately, over all its connections.

    It keeps which connection named each of them; the record of that one has the poNumber. They are in two parts: when
    the newer one is full, or an hour old, the older one is forgotten. So an order costs an entry in a dictionary, no
    object of its own, and no search for the oldest one.
    """

    __slots__ = ("_newer", "_older", "_turn_at")

    def __init__(self) -> None:
        self._newer: dict[int, ConnectionRecord] = {}
        self._older: dict[int, ConnectionRecord] = {}
        self._turn_at = 0.0

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
            The stray answer; None where the answer can be to its request.
        """
        if asked and order_id != asked:
            return Stray(f"order {order_id}, not {asked}", record.taint())
        if not po_number:
            return None
        possible = record.note(order_id, po_number)
        other = self._note(order_id, po_number, record, now)
        if possible and other is None:
            return None
        doubted = record.taint()
        if other is not None:
            doubted = other.taint() + doubted
        return Stray(f"order {order_id}, which another poNumber has", doubted)

    def _note(self, order_id: int, po_number: str, record: ConnectionRecord, now: float) -> ConnectionRecord | None:
        """Note an order that its record has noted already, and forget old ones.

        Returns:
            The other connection that has named the same order for another poNumber, which means that one of the two
            answers is wrong; None without one. What a tainted connection has named does not count.
        """
        known = self._newer.get(order_id) or self._older.get(order_id)
        if known is record:
            return None
        if known is not None:
            named = known.orders.get(order_id)
            if named is not None:
                return None if _same(named, po_number) else known
        self._newer[order_id] = record
        if now > self._turn_at or len(self._newer) > _SEEN_AT_LEAST:
            self._newer, self._older, self._turn_at = {}, self._newer, now + _SEEN_FOR_S
        return None

    def record_of(self, order_id: int) -> ConnectionRecord | None:
        """Return the connection that has named an order; None where the client does not remember it."""
        return self._newer.get(order_id) or self._older.get(order_id)


def _same(one: str, other: str) -> bool:
    """Return whether two poNumbers may be one: the vendor does not document whether case and blanks tell them apart."""
    return one.strip().casefold() == other.strip().casefold()
