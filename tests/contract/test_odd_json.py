"""JSON that `json.dumps` cannot write: huge exponents, endless numbers, no UTF-8, abysses of brackets."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.errors import DecodeError, XoxoError
from xoxo_async.integrations.delivery import keys_of, parse_delivery
from xoxo_async.operation import EffectClass
from xoxo_async.refusal import recognise
from xoxo_async.services import orders

_spec = importlib.util.spec_from_file_location("replies", Path(__file__).with_name("test_replies.py"))
assert _spec is not None
assert _spec.loader is not None
replies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(replies)

ODD = [
    b"1e400",
    b"-1e400",
    b"1e99999999999999999999",
    b'"1e99999999999999999999"',
    b'"NaN"',
    b'"sNaN"',
    b"7" * 5000,
    b'"' + b"7" * 5000 + b'"',
    b'"\xff\xfe"',
    b'{"\xff":1}',
    b'["\xff"]',
    b'"\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\\u0000"',
    b"[1e99999999999999999999]",
    b'{"deep":' + b"7" * 5000 + b"}",
    b"[" * 2000 + b"]" * 2000,
    b'{"deep":' * 2000 + b"1" + b"}" * 2000,
    b"NaN",
    b"-Infinity",
    b"",
    b"18446744073709551616",
    b'"9999-12-31T23:59:59-23:59"',
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999999999999"',
    '"١٢٣"'.encode(),
    b'"+5"',
    b'"1_000"',
    b"\xef\xbb\xbf1",
]
MARK = "@@here@@"


def odd_bodies(shape: object, at: tuple[Any, ...], raw: bytes) -> list[bytes]:
    """The shape with raw bytes at one place, and with an unknown field of that value there."""
    written = [json.dumps(replies.replaced(shape, at, MARK))]
    inner = copy.deepcopy(shape)
    for key in at:
        inner = inner[key]  # type: ignore[index]
    if isinstance(inner, dict):
        written.append(json.dumps(replies.replaced(shape, at, {**inner, "zzz": MARK})))
        written.append(json.dumps(replies.replaced(shape, at, {**inner, "#raw": MARK})))
    return [text.encode().replace(json.dumps(MARK).encode(), raw) for text in written]


@pytest.mark.parametrize("name", replies.SHAPES)
@given(data=st.data())
def test_raw_json_anywhere_decodes_or_is_a_decode_error(name: str, data: st.DataObject) -> None:
    """Whatever stands in a known or unknown field of any reply: DecodeError, at once or when it is read."""
    operation, shape = replies.SHAPES[name]
    at = data.draw(st.sampled_from(replies.places(shape)))
    for body in odd_bodies(shape, at, data.draw(st.sampled_from(ODD))):
        try:
            reply = operation.read(body)
        except DecodeError:
            continue
        replies.touch(reply)


@pytest.mark.parametrize("raw", ODD)
def test_unknown_fields_that_cannot_be_read_are_a_decode_error(raw: bytes) -> None:
    """An order with an unreadable unknown field is an order; only asking for its `extra` says that it is unreadable."""
    body = b'{"data":{"placeOrder":{"status":1,"data":{"orderId":900,"zzz":%s}}}}' % raw
    try:
        order = orders.PLACE_ORDER.read(body)
    except DecodeError:
        return
    assert order is not None
    assert order.order_id == 900
    try:
        extra = order.extra
    except DecodeError:
        return
    assert "zzz" in extra


def test_a_field_of_the_answers_own_name_for_itself_is_ignored() -> None:
    """A field called `#raw` neither breaks an order nor takes the place of the answer's bytes."""
    for value in (b'{"a": 1}', b'"x"', b"null", b"5"):
        body = b'{"data":{"placeOrder":{"status":1,"data":{"orderId":900,"#raw":%s}}}}' % value
        order = orders.PLACE_ORDER.read(body)
        assert order is not None
        assert order.raw is not None
        assert order.raw.reveal() == body


@given(raw=st.sampled_from(ODD), status=st.sampled_from([200, 400, 401, 404, 422, 429, 500, 502, 503]), data=st.data())
def test_raw_json_in_an_error_is_one_of_our_errors(raw: bytes, status: int, data: st.DataObject) -> None:
    """No odd value in any field of an error shape makes recognising it fail."""
    shape = data.draw(
        st.sampled_from(
            [
                {"code": 404, "errorId": "PLE10016", "errorInfo": "x", "error": "x"},
                {"error": "invalid_token", "error_description": "x"},
                {"errors": [{"message": "x", "penaltySeconds": 60}]},
                {"data": {"placeOrder": {"success": 0, "message": "x", "data": None}}},
            ]
        )
    )
    at = data.draw(st.sampled_from(replies.places(shape)))
    for body in odd_bodies(shape, at, raw):
        for effect in EffectClass:
            error = recognise(body, status, effect=effect)
            assert isinstance(error, XoxoError)
            assert str(error).isprintable()


@given(raw=st.sampled_from(ODD), data=st.data())
def test_raw_json_in_a_delivery_event_is_a_decode_error(raw: bytes, data: st.DataObject) -> None:
    """A webhook's body decodes or raises DecodeError, whatever is in it."""
    event = {"id": 1, "data": {"orderId": 5, "poNumber": "P", "deliveryStatus": "delivered"}, "createdAt": "x"}
    at = data.draw(st.sampled_from(replies.places(event)))
    for body in odd_bodies(event, at, raw):
        try:
            delivery = parse_delivery(body)
        except DecodeError:
            continue
        assert keys_of(delivery, by_event=True)
        assert isinstance(delivery, msgspec.Struct)
        repr(delivery)
