"""`integrations.delivery`: what an event says, in every form, and what has been handled."""

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
    keys_of,
    known_by,
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
    """The documented event, with fields of its data changed; None takes one away."""
    data = {**DOCUMENTED["data"], **changes}  # type: ignore[dict-item]
    return json.dumps({**DOCUMENTED, "data": {k: v for k, v in data.items() if v is not None}}).encode()


def test_the_documented_event_is_read() -> None:
    """Every field of the vendor's page, the long id without a digit lost."""
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
    """The vendor's pages differ in case and spelling; a new word is no error."""
    assert parse_delivery(event(deliveryStatus=written)).claimed_status == read


@pytest.mark.parametrize("order_id", [6000001, "6000001", 6000001.0])
def test_ids_come_as_numbers_and_as_texts(order_id: object) -> None:
    """Both forms of an id are one."""
    assert parse_delivery(event(orderId=order_id)).order_id == 6000001


def test_missing_fields_and_zero_dates_are_blank() -> None:
    """Only order and status are needed: a field that goes missing must not switch the hook off."""
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
    """Whatever is no event of an order ends as one of our errors."""
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
def test_any_value_in_any_field_decodes_or_is_a_decode_error(where: str, value: object) -> None:
    """No value anywhere in an event raises anything else."""
    body = json.loads(event())
    (body if where in body else body["data"])[where] = value
    with contextlib.suppress(errors.DecodeError):
        parse_delivery(json.dumps(body).encode())


def handled(delivery: Delivery, later: Delivery, *, by_event: bool = True) -> bool:
    """Whether an event that comes later counts as known."""
    return not set(keys_of(delivery, by_event=by_event)).isdisjoint(known_by(later, by_event=by_event))


def test_an_event_is_known_by_its_id_and_by_its_order() -> None:
    """Posted again it has the same id, made again the same order and status; another order's id is another event."""
    first, other = parse_delivery(event()), parse_delivery(event(orderId=2))
    assert handled(first, parse_delivery(event(deliveryStatus="DELIVERED")))
    assert handled(first, replace(first, event_id="9"))
    assert handled(first, replace(first, claimed_status=DeliveryStatus.CANCELLED))
    assert not handled(first, replace(first, event_id="9", claimed_status=DeliveryStatus.CANCELLED))
    assert not handled(first, other)
    assert not handled(first, replace(first, claimed_status=DeliveryStatus.CANCELLED), by_event=False)


def test_an_event_without_a_po_number_hides_none_that_has_one() -> None:
    """The other way round it tells nothing new."""
    with_one = parse_delivery(event())
    without = replace(with_one, po_number="", event_id="9")
    assert not handled(without, with_one)
    assert handled(with_one, without)


def test_an_event_that_was_not_borne_out_is_not_known_by_its_id() -> None:
    """Read back as pending, it is new when it is posted again."""
    claimed = parse_delivery(event())
    pending = replace(claimed, order=Order(order_id=6000001), delivery_status=DeliveryStatus.PENDING)
    assert not handled(pending, claimed)
    assert handled(replace(pending, delivery_status=DeliveryStatus.DELIVERED), claimed)


@pytest.mark.anyio
async def test_memory_of_events_is_bounded() -> None:
    """Beyond its bound the oldest is forgotten; what was asked about last stays."""
    seen = MemorySeenStore(max_keys=2)
    await seen.add(("a", "b"))
    assert await seen.contains(("a",))
    await seen.add(("c",))
    assert [await seen.contains((key,)) for key in "abc"] == [True, False, True]
    assert len(seen) == 2


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "9", float("nan")])
def test_a_senseless_bound_is_refused(bound: object) -> None:
    """A memory of nothing would hand every event out again."""
    with pytest.raises(errors.ConfigError, match="max_keys"):
        MemorySeenStore(bound)  # type: ignore[arg-type]
