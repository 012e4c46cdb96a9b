"""JSON that `json.dumps` cannot write: huge exponents, very long numbers, bytes that are not UTF-8, deep brackets."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.shapes import SHAPES, places, replaced, touch
from xoxo_async.errors import DecodeError, DenominationError, XoxoError
from xoxo_async.integrations.delivery import keys_to_remember, parse_delivery
from xoxo_async.operation import EffectClass, Operation
from xoxo_async.services import orders
from xoxo_async.wire.refusal import recognise

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
    """Return the shape with raw bytes at one place, and with an unknown field of that value there."""
    written = [json.dumps(replaced(shape, at, MARK))]
    inner = copy.deepcopy(shape)
    for key in at:
        inner = inner[key]  # type: ignore[index]
    if isinstance(inner, dict):
        written.append(json.dumps(replaced(shape, at, {**inner, "zzz": MARK})))
        written.append(json.dumps(replaced(shape, at, {**inner, "#raw": MARK})))
    return [text.encode().replace(json.dumps(MARK).encode(), raw) for text in written]


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
def test_raw_json_anywhere_decodes_or_raises_decodeerror(name: str, data: st.DataObject) -> None:
    """Any value in a known or unknown field of a reply decodes, or raises DecodeError at once or when it is read."""
    operation, shape = SHAPES[name]
    at = data.draw(st.sampled_from(places(shape)))
    for body in odd_bodies(shape, at, data.draw(st.sampled_from(ODD))):
        try:
            reply = operation.read(body)
        except DecodeError:
            continue
        touch(reply)


@pytest.mark.parametrize("raw", ODD)
def test_an_unreadable_unknown_field_raises_in_extra(raw: bytes) -> None:
    """An order with such a field is still an order; only reading its `extra` raises DecodeError."""
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


def test_a_field_named_raw_is_ignored() -> None:
    """A field called `#raw` does not break an order and does not replace the bytes of the answer."""
    for value in (b'{"a": 1}', b'"x"', b"null", b"5"):
        body = b'{"data":{"placeOrder":{"status":1,"data":{"orderId":900,"#raw":%s}}}}' % value
        order = orders.PLACE_ORDER.read(body)
        assert order is not None
        assert order.raw is not None
        assert order.raw.reveal() == body


@given(raw=st.sampled_from(ODD), status=st.sampled_from([200, 400, 401, 404, 422, 429, 500, 502, 503]), data=st.data())
def test_raw_json_in_an_error_is_recognised(raw: bytes, status: int, data: st.DataObject) -> None:
    """An odd value in any field of an error shape still raises an error of the SDK."""
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
    at = data.draw(st.sampled_from(places(shape)))
    for body in odd_bodies(shape, at, raw):
        for effect in EffectClass:
            error = recognise(body, status, changes_nothing=effect is EffectClass.READ)
            assert isinstance(error, XoxoError)
            assert str(error).isprintable()


@given(raw=st.sampled_from(ODD), data=st.data())
def test_raw_json_in_an_event_is_handled(raw: bytes, data: st.DataObject) -> None:
    """The body of a webhook decodes or raises DecodeError, with any value in it."""
    event = {"id": 1, "data": {"orderId": 5, "poNumber": "P", "deliveryStatus": "delivered"}, "createdAt": "x"}
    at = data.draw(st.sampled_from(places(event)))
    for body in odd_bodies(event, at, raw):
        try:
            delivery = parse_delivery(body)
        except DecodeError:
            continue
        assert keys_to_remember(delivery, by_event=True)
        assert isinstance(delivery, msgspec.Struct)
        repr(delivery)


LENIENT = {
    "half a surrogate pair": (b'"a\\ud83d"', "a\ufffd"),
    "the other half": (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
    "a whole pair": (b'"\\ud83d\\ude00\x01"', "\U0001f600\x01"),
    "a line break": (b'"a\nb"', "a\nb"),
    "a control character": (b'"a\x01b"', "a\x01b"),
    "Latin-1": (b'"caf\xe9"', "caf\ufffd"),
    "a coded surrogate": (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
}


def order_body(field: bytes, value: bytes) -> bytes:
    """Return a placeOrder answer with one field of that value."""
    voucher = b'{"productId":1001,"voucherCode":"CODE"%s}' % (b"" if field != b"pin" else b',"pin":' + value)
    more = b"" if field == b"pin" else b',"%s":%s' % (field, value)
    return b'{"data":{"placeOrder":{"status":1,"data":{"orderId":900,"vouchers":[%s]%s}}}}' % (voucher, more)


@pytest.mark.parametrize("name", LENIENT)
@pytest.mark.parametrize("field", [b"tag", b"zzz"])
def test_one_odd_character_keeps_the_order_readable(name: str, field: bytes) -> None:
    """An order that was paid for is not lost because of one odd character in a name."""
    raw, read = LENIENT[name]
    order = orders.PLACE_ORDER.read(order_body(field, raw))
    assert order is not None
    assert (order.order_id, order.vouchers[0].code.reveal()) == (900, "CODE")
    assert (order.tag if field == b"tag" else order.extra["zzz"]) == read
    json.dumps(read).encode()


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_is_none_is_no_money(raw: bytes) -> None:
    """NaN is ignored in a field that nobody reads, and is a DecodeError in an amount, an id or a count."""
    order = orders.PLACE_ORDER.read(order_body(b"zzz", raw))
    assert order is not None
    assert order.order_id == 900
    for field in (b"amountCharged", b"orderTotal", b"quantity"):
        with pytest.raises(DecodeError):
            orders.PLACE_ORDER.read(order_body(field, raw))
    order = orders.PLACE_ORDER.read(order_body(b"orderDiscount", raw))
    assert order is not None
    with pytest.raises(DecodeError):
        _ = order.order_discount


def test_nan_is_refused_in_a_callers_operation() -> None:
    """NaN in a float field of a caller's reply is refused, because it would look like a value."""

    class Points(msgspec.Struct):
        value: float

    operation = Operation("ask", query="q", request=Points, reply=Points, effect=EffectClass.READ)
    with pytest.raises(DecodeError):
        operation.read(b'{"data":{"ask":{"status":1,"data":{"value":NaN}}}}')


@pytest.mark.parametrize("raw", [b'"1\xe9"', b'"1\\ud83d"'])
def test_a_lost_character_of_a_code_shows(raw: bytes) -> None:
    """A code with an invalid byte is readable and can be encoded; `raw` has the bytes themselves."""
    body = order_body(b"pin", raw)
    order = orders.PLACE_ORDER.read(body)
    assert order is not None
    assert order.vouchers[0].pin.reveal() == "1\ufffd"
    assert order.raw is not None
    assert order.raw.reveal() == body


def test_a_byte_order_mark_is_skipped() -> None:
    """Some back ends write a byte order mark, and it is skipped."""
    order = orders.PLACE_ORDER.read(b"\xef\xbb\xbf" + order_body(b"tag", b'"x"'))
    assert order is not None
    assert order.order_id == 900


@pytest.mark.parametrize("raw", [b"NaN", b'"a\x01b"', b'"\\ud83d"'])
def test_an_error_with_odd_characters_keeps_its_class(raw: bytes) -> None:
    """An odd character in a refusal does not turn it into doubt."""
    body = b'{"errorId":"PLE10018","errorInfo":%s}' % raw
    error = recognise(body, 400)
    assert (type(error), error.effect) == (DenominationError, "none")
    assert str(error).isprintable()
