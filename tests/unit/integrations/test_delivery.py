"""`integrations.delivery`: what an event says, in every form, and which events were handled before."""

import contextlib
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from xoxo_async import Order, errors
from xoxo_async.integrations.delivery import (
    MAX_BODY_BYTES,
    Delivery,
    MemorySeenStore,
    keys_to_find,
    keys_to_remember,
    parse_delivery,
)
from xoxo_async.wire import DeliveryStatus

# As the vendor documents it: https://developers.xoxoday.com, order delivery webhook. The id has 20 digits.
DOCUMENTED = {
    "id": 12345678901234567890,
    "data": {
        "orderId": 6000001,
        "poNumber": "PO-1",
        "orderDate": "2026-03-01 10:11:12",
        "deliveryStatus": "delivered",
    },
    "createdAt": "2026-03-01 10:12:13",
}


def event(**changes: object) -> bytes:
    """Return the documented event with some fields of its data changed; None removes a field."""
    data = {**DOCUMENTED["data"], **changes}  # type: ignore[dict-item]
    return json.dumps({**DOCUMENTED, "data": {k: v for k, v in data.items() if v is not None}}).encode()


def test_the_documented_event_is_read() -> None:
    """Every field of the vendor's page is read, and the long id keeps all of its digits."""
    delivery = parse_delivery(event())
    assert delivery.event_id == "12345678901234567890"
    assert (delivery.order_id, delivery.po_number) == (6000001, "PO-1")
    assert (delivery.claimed_status, delivery.delivery_status) == ("delivered", None)
    assert delivery.order_date == datetime(2026, 3, 1, 10, 11, 12)  # noqa: DTZ001 - naive, as the vendor writes it
    assert delivery.created_at == datetime(2026, 3, 1, 10, 12, 13)  # noqa: DTZ001
    assert delivery.order is None


@pytest.mark.parametrize(
    ("written", "read"),
    [("Delivered", "delivered"), ("canceled", "cancelled"), ("CANCELLED", "cancelled"), ("on its way", "on its way")],
)
def test_statuses_are_folded_and_unknown_ones_kept(written: str, read: str) -> None:
    """Case and spelling differ on the vendor's pages, and a new word is not an error."""
    assert parse_delivery(event(deliveryStatus=written)).claimed_status == read


@pytest.mark.parametrize("order_id", [6000001, "6000001", 6000001.0])
def test_ids_come_as_numbers_and_as_texts(order_id: object) -> None:
    """A number and a text with the same digits are one id."""
    assert parse_delivery(event(orderId=order_id)).order_id == 6000001


def test_missing_fields_and_zero_dates_are_blank() -> None:
    """Only order and status are needed: a missing field must not lead the vendor to switch the hook off."""
    delivery = parse_delivery(b'{"data":{"orderId":1,"deliveryStatus":"delivered","orderDate":"0000-00-00 00:00:00"}}')
    assert (delivery.event_id, delivery.po_number, delivery.order_date, delivery.created_at) == ("", "", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"\xff",
        b'{"data": []}',
        b'{"data": null}',
        b'{"data": {"orderId": 0, "deliveryStatus": "delivered"}}',
        b'{"data": {"orderId": -1, "deliveryStatus": "delivered"}}',
        b'{"data": {"orderId": 1}}',
        b'{"data": {"orderId": 1, "deliveryStatus": " "}}',
        b'{"data": {"orderId": {}, "deliveryStatus": "delivered"}}',
        b"[" * 50_000,
        event() + b" " * MAX_BODY_BYTES,
    ],
)
def test_rubbish_is_a_decode_error(body: bytes) -> None:
    """A body that is not an event of an order raises DecodeError."""
    with pytest.raises(errors.DecodeError):
        parse_delivery(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    where=st.sampled_from(["id", "createdAt", "data", "orderId", "poNumber", "orderDate", "deliveryStatus"]), value=JSON
)
def test_any_value_decodes_or_is_a_decodeerror(where: str, value: object) -> None:
    """No value in any field of an event raises another error."""
    body = json.loads(event())
    (body if where in body else body["data"])[where] = value
    with contextlib.suppress(errors.DecodeError):
        parse_delivery(json.dumps(body).encode())


def handled(delivery: Delivery, later: Delivery, *, by_event: bool = True) -> bool:
    """Return whether a later event counts as known."""
    return not set(keys_to_remember(delivery, by_event=by_event)).isdisjoint(keys_to_find(later, by_event=by_event))


def test_an_event_is_keys_to_find_either_key() -> None:
    """An event is known by its id, and by its order with the status; another order's event is new."""
    first, other = parse_delivery(event()), parse_delivery(event(orderId=2))
    assert handled(first, parse_delivery(event(deliveryStatus="DELIVERED")))
    assert handled(first, replace(first, event_id="9"))
    assert handled(first, replace(first, claimed_status=DeliveryStatus.CANCELLED))
    assert not handled(first, replace(first, event_id="9", claimed_status=DeliveryStatus.CANCELLED))
    assert not handled(first, other)
    assert not handled(first, replace(first, claimed_status=DeliveryStatus.CANCELLED), by_event=False)


def test_an_event_without_po_number_hides_none() -> None:
    """It does not hide a later event of the same order that names the poNumber."""
    with_one = parse_delivery(event())
    without = replace(with_one, po_number="", event_id="9")
    assert not handled(without, with_one)
    assert handled(with_one, without)


def test_an_unconfirmed_event_is_not_known() -> None:
    """An event whose read-back says pending is new when it is posted again."""
    claimed = parse_delivery(event())
    pending = replace(claimed, order=Order(order_id=6000001), delivery_status=DeliveryStatus.PENDING)
    assert not handled(pending, claimed)
    assert handled(replace(pending, delivery_status=DeliveryStatus.DELIVERED), claimed)


@pytest.mark.anyio
async def test_memory_of_events_is_bounded() -> None:
    """Beyond the bound the oldest key is removed, and a key that was looked up lately stays."""
    seen = MemorySeenStore(max_keys=2)
    await seen.add(("a", "b"))
    assert await seen.contains(("a",))
    await seen.add(("c",))
    assert [await seen.contains((key,)) for key in "abc"] == [True, False, True]
    assert len(seen) == 2


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "9", float("nan")])
def test_an_invalid_bound_is_refused(bound: object) -> None:
    """A bound below 1 is refused: without memory every event would be handed out again."""
    with pytest.raises(errors.ConfigError, match="max_keys"):
        MemorySeenStore(bound)  # type: ignore[arg-type]
