"""`wire.decoder`: any answer is its type or a DecodeError, whichever road it takes, and never anything else."""

import contextlib
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.things import DECODER, Part, Thing, decode, decode_text
from xoxo_async.errors import ConfigError, DecodeError
from xoxo_async.wire import DeliveryStatus, ReplyDecoder, Secret


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8.7917", "8.7917"),
        ("5870.02", "5870.02"),
        ('"0.35"', "0.35"),
        ('" 3 "', "3"),
        ("10", "10"),
        ("10.00", "10.00"),
        ("-5.5", "-5.5"),
        ("1E+2", "1E+2"),
        ("0.1000000000000000000000000001", "0.1000000000000000000000000001"),
    ],
)
def test_money_is_read_from_the_raw_text(text: str, amount: str) -> None:
    """Numbers and numeric strings become the exact Decimal, never by way of a float."""
    assert str(decode_text(f'{{"amount": {text}}}').amount) == amount


@pytest.mark.parametrize("name", ["amount", "price"])
@pytest.mark.parametrize(
    "text",
    ['"NaN"', '"sNaN"', '"-Infinity"', "1e999999999", '"1e-99999999"', "1" * 40, "1" * 5000, '"' + "1" * 40 + '"'],
)
def test_money_no_account_has_is_refused(name: str, text: str) -> None:
    """Writing out 1E+999999999 would fill the memory, comparing with NaN raises: neither gets past the decoder."""
    with pytest.raises(DecodeError):
        decode_text(f'{{"{name}": {text}}}')


@pytest.mark.parametrize("where", ['{"parts":[{},{"cost":"NaN"}]}', '{"part":{"cost":1e31}}'])
def test_money_inside_is_checked_too(where: str) -> None:
    """The check reaches into lists and objects."""
    with pytest.raises(DecodeError, match="cost"):
        decode_text(where)


def test_unknown_fields_are_ignored() -> None:
    """Fields came and went between 2021 and 2026."""
    assert decode(brandNew={"deep": [1]}, number=1).number == 1


def test_one_odd_field_costs_no_other() -> None:
    """The slow road gives the same values as the fast one."""
    fields: dict[str, object] = {"price": "2.50", "count": "3", "text": "t", "status": "Delivered", "code": "c"}
    fast, slow = decode(**fields), decode(**fields, parts="")
    assert fast == slow


def test_a_callers_own_types_are_read_on_both_roads() -> None:
    """An operation of the caller's own may use any msgspec type."""
    assert decode(table={"a": 1}).table == {"a": 1}
    assert decode(table={"a": "1"}, parts="").table == {"a": 1}


@pytest.mark.parametrize("kind", [Part | Thing, "Nonsense"], ids=["two structs", "no type"])
def test_a_type_no_answer_can_have_is_a_config_error(kind: Any) -> None:
    """Found where the operation is written, not when its first answer comes."""
    with pytest.raises(ConfigError, match="cannot be read as"):
        ReplyDecoder(kind)


@pytest.mark.parametrize("field", ["amount", "number", "flag", "parts", "part", "table"])
def test_no_value_is_in_a_message(field: str) -> None:
    """Whatever is wrong where, the message and its chain hold no content."""
    with pytest.raises(DecodeError) as caught:
        decode(**{field: ["HUNTER-2"]})
    assert "HUNTER" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"number": 1',
        b'{"anything": ' + b"[" * 200_000,
        b'{"anything": ' + b'{"a":' * 200_000,
        b'{"parts": "", "anything": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"number": ' + b"9" * 10_000 + b"}",
        b'{"parts": "", "count": ' + b"9" * 10_000 + b"}",
        b"[]x",
        b"NaN",
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_broken_bodies_are_decode_errors(body: bytes) -> None:
    """HTML, cut JSON, deep nesting, huge numbers: one error, which is ours and keeps no other, which may hold codes."""
    with pytest.raises(DecodeError) as caught:
        DECODER.decode(body)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("body", [bytearray(b'{"count":"1"}'), memoryview(b'{"count":"1","parts":""}')])
def test_any_buffer_will_do(body: Any) -> None:
    """Bytes are not copied to be read."""
    assert DECODER.decode(body).count == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "0", "1", "true", "NaN", "1e99", "Infinity", "0000-00-00", "IN,US", "[]", "12.5"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "cost", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(Thing.__struct_fields__), JSON))
def test_any_json_decodes_or_is_a_decode_error(fields: dict[str, object]) -> None:
    """Any value in any field gives a well-typed struct or DecodeError, and nothing else ever."""
    try:
        thing = decode(**fields)
    except DecodeError:
        return
    assert thing.amount is None or (type(thing.amount) is Decimal and thing.amount.is_finite())
    assert type(thing.price) is Decimal
    assert type(thing.count) is int
    assert type(thing.text) is str
    assert type(thing.flag) is bool
    assert isinstance(thing.status, DeliveryStatus)
    assert isinstance(thing.code, Secret)
    assert all(isinstance(part, Part) for part in thing.parts)
    assert all(type(word) is str for word in thing.words)
    assert all(type(number) is int for number in thing.ids)


@given(st.binary(max_size=40))
def test_any_bytes_decode_or_are_a_decode_error(body: bytes) -> None:
    """No body makes the decoder raise anything foreign."""
    with contextlib.suppress(DecodeError):
        DECODER.decode(body)


def test_the_decoder_leaves_the_recursion_limit_alone() -> None:
    """Deep JSON is refused without touching the interpreter's settings."""
    limit = sys.getrecursionlimit()
    with pytest.raises(DecodeError):
        DECODER.decode(b'{"anything": ' + b"[" * 100_000)
    assert sys.getrecursionlimit() == limit
