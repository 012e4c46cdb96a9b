"""What a delivery event says, and which events have been handled; the pure part of the webhook."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from xoxo_async.config import check_count
from xoxo_async.errors import DecodeError
from xoxo_async.services.orders import Order
from xoxo_async.wire import DeliveryStatus, ReplyDecoder, parse_datetime

__all__ = ["MAX_BODY_BYTES", "Delivery", "MemorySeenStore", "SeenStore", "keys_of", "known_by", "parse_delivery"]

MAX_BODY_BYTES: Final = 64 * 1024
"""The largest body read. A real one has about 200 bytes."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An order was delivered, or cancelled.

    Attributes:
        event_id: The vendor's id of this event, as text: it may have 20 digits.
        order_id: The order.
        po_number: Your poNumber; empty where the event has none, or after a read-back one that cannot be looked up.
        delivery_status: The order's own status, as read back through the API. None where nobody read it back, or the
            API says none: then nothing is known.
        claimed_status: What the event claims. Anyone can write an event: never act on this alone.
        order_date: When it was placed, without a zone (most likely IST).
        created_at: When the event was made, likewise.
        order: The order with its codes, as read back; None where the receiver has no `orders`, and then nothing of
            this is verified.
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
    """Read the body of a delivery event. It proves nothing: anyone can write one.

    Ids are taken as numbers or texts, statuses in any case and spelling, dates in every form the vendor writes.

    Args:
        body: The request's body.

    Returns:
        What it claims; its `delivery_status` is None, since nothing of it is verified.

    Raises:
        DecodeError: It is too large, no JSON, or no event of an order.
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
    """Remembers what has been handled. With one in a database, several processes handle each event once."""

    async def contains(self, keys: Sequence[str], /) -> bool:
        """Return whether any of the keys was added before."""
        ...

    async def add(self, keys: Sequence[str], /) -> None:
        """Remember the keys."""
        ...


class MemorySeenStore:
    """Remembers the latest keys of this process, and forgets the oldest beyond a bound.

    Args:
        max_keys: How many to remember; an event has three at most.

    Raises:
        ConfigError: When that is less than one.
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


def keys_of(delivery: Delivery, *, by_event: bool) -> tuple[str, ...]:
    """Return what a handled event is remembered by.

    An order is remembered with its status, and once more with the poNumber that it was handed out with. So an event
    that names no poNumber never hides the next one, which does. An event is remembered by its id as well, but not where
    a read-back does not bear it out: what it claims may yet come true.

    Args:
        delivery: The event as it was handed out.
        by_event: Whether its id counts. Anyone can make up an id.
    """
    order = _order_key(delivery)
    keys = (order, f"{order}:{delivery.po_number}") if delivery.po_number else (order,)
    confirmed = delivery.order is None or delivery.delivery_status == delivery.claimed_status
    return (*keys, *_event_key(delivery)) if by_event and confirmed else keys


def known_by(delivery: Delivery, *, by_event: bool) -> tuple[str, ...]:
    """Return what shows that an event has been handled: one of these is remembered.

    Args:
        delivery: The event, as claimed or as read back.
        by_event: Whether its id counts.
    """
    order = _order_key(delivery)
    key = f"{order}:{delivery.po_number}" if delivery.po_number else order
    return (key, *_event_key(delivery)) if by_event else (key,)


def _order_key(delivery: Delivery) -> str:
    status = delivery.claimed_status if delivery.order is None else delivery.delivery_status or ""
    return f"order:{delivery.order_id}:{status}"


def _event_key(delivery: Delivery) -> tuple[str, ...]:
    # With the order: an event of one order must not hide those of another.
    return (f"event:{delivery.event_id}:{delivery.order_id}",) if delivery.event_id else ()
