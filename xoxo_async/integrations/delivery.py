"""What a delivery event says, and which events were handled before: the part of the webhook without I/O."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from xoxo_async.config import check_count
from xoxo_async.errors import DecodeError
from xoxo_async.services.orders import Order
from xoxo_async.wire import DeliveryStatus, ReplyDecoder, parse_datetime

__all__ = [
    "MAX_BODY_BYTES",
    "Delivery",
    "MemorySeenStore",
    "SeenStore",
    "keys_to_find",
    "keys_to_remember",
    "parse_delivery",
]

MAX_BODY_BYTES: Final = 64 * 1024
"""The largest body that is read, in bytes. A real event has about 200."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the vendor's webhook: an order was delivered, or cancelled.

    Attributes:
        event_id: The vendor's id of this event. It is text, since it may have 20 digits.
        order_id: The order id.
        po_number: Your poNumber. It is empty if the event has none. After a read-back it is also empty if the event's
            poNumber cannot be looked up.
        delivery_status: The order's status, read back through the API. None if there was no read-back, or if the API
            gave no status: then the status is not known.
        claimed_status: The status that the event claims. Anyone can write an event, so never act on this alone.
        order_date: When the order was placed. The vendor gives no time zone; most likely it is IST.
        created_at: When the event was made, also without a time zone.
        order: The order with its codes, read back through the API. None if the receiver has no `orders`; then nothing
            of this event is verified.
    """

    event_id: str
    order_id: int
    po_number: str = ""
    delivery_status: DeliveryStatus | None = None
    claimed_status: DeliveryStatus = DeliveryStatus.NONE
    order_date: datetime | None = None
    created_at: datetime | None = None
    order: Order | None = None


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    order_id: int | None = None
    po_number: str | None = None
    order_date: Any = None
    delivery_status: DeliveryStatus = DeliveryStatus.NONE


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    id: str = ""
    data: _Data | None = None
    created_at: Any = None


_DECODER: Final = ReplyDecoder(_Body)


def parse_delivery(body: bytes) -> Delivery:
    """Read the body of a delivery event. The event proves nothing, since anyone can write one.

    Ids may be numbers or texts, statuses may have any case and spelling, and dates may have every form that the vendor
    writes.

    Args:
        body: The body of the request.

    Returns:
        What the event claims. Its `delivery_status` is None, since nothing of it is verified.

    Raises:
        DecodeError: The body is too large, is not JSON, or is not an event of an order.
    """
    if len(body) > MAX_BODY_BYTES:
        raise DecodeError(f"the event is larger than {MAX_BODY_BYTES} bytes")
    event = _DECODER.decode(body)
    if event.data is None or event.data.order_id is None or event.data.order_id <= 0:
        raise DecodeError("the event names no order")
    if not event.data.delivery_status:
        raise DecodeError("the event has no delivery status")
    return Delivery(
        event_id=event.id.strip(),
        order_id=event.data.order_id,
        po_number=(event.data.po_number or "").strip(),
        claimed_status=event.data.delivery_status,
        order_date=parse_datetime(event.data.order_date),
        created_at=parse_datetime(event.created_at),
    )


class SeenStore(Protocol):
    """Remembers which events were handled. With a store in a database, several processes handle each event once."""

    async def contains(self, keys: Sequence[str], /) -> bool:
        """Return whether any of the keys was added before."""
        ...

    async def add(self, keys: Sequence[str], /) -> None:
        """Remember the keys."""
        ...


class MemorySeenStore:
    """Remembers the keys of this process in memory. Beyond a bound it forgets the oldest ones.

    Args:
        max_keys: How many keys to remember. One event has three at most.

    Raises:
        ConfigError: `max_keys` is not a whole number from 1.
    """

    __slots__ = ("_keys", "_max_keys")

    def __init__(self, max_keys: int = 20_000) -> None:
        self._max_keys: Final = check_count("max_keys", max_keys)
        self._keys: Final[OrderedDict[str, None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    async def contains(self, keys: Sequence[str], /) -> bool:
        """Return whether any of the keys was added before."""
        found = [key for key in keys if key in self._keys]
        for key in found:
            self._keys.move_to_end(key)
        return bool(found)

    async def add(self, keys: Sequence[str], /) -> None:
        """Remember the keys."""
        for key in keys:
            self._keys[key] = None
            self._keys.move_to_end(key)
        while len(self._keys) > self._max_keys:
            self._keys.popitem(last=False)


def keys_to_remember(delivery: Delivery, *, by_event: bool) -> tuple[str, ...]:
    """Return the keys to store for an event that was handled.

    One key has the order and its status. A second one adds the poNumber, so that an event without a poNumber never
    hides a later one that has it. A third one has the event's id. It is left out if the read-back gave another status
    than the event claims: the claim may become true later, and then the same event is new.

    Args:
        delivery: The event as it was given to the callback.
        by_event: Whether the event's id counts. Without an API key anyone can invent an id.
    """
    order = _order_key(delivery)
    keys = (order, f"{order}:{delivery.po_number}") if delivery.po_number else (order,)
    confirmed = delivery.order is None or delivery.delivery_status == delivery.claimed_status
    return (*keys, *_event_key(delivery)) if by_event and confirmed else keys


def keys_to_find(delivery: Delivery, *, by_event: bool) -> tuple[str, ...]:
    """Return the keys to look up for an event: if one of them is stored, the event was handled before.

    Args:
        delivery: The event, as claimed or as read back.
        by_event: Whether the event's id counts.
    """
    order = _order_key(delivery)
    key = f"{order}:{delivery.po_number}" if delivery.po_number else order
    return (key, *_event_key(delivery)) if by_event else (key,)


def _order_key(delivery: Delivery) -> str:
    status = delivery.claimed_status if delivery.order is None else delivery.delivery_status or ""
    return f"order:{delivery.order_id}:{status}"


def _event_key(delivery: Delivery) -> tuple[str, ...]:
    # The order is part of the key, so that an id used twice does not hide the event of another order.
    return (f"event:{delivery.event_id}:{delivery.order_id}",) if delivery.event_id else ()
