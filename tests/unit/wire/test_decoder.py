"""`wire.decoder`, and the tolerant road behind it: every documented quirk by name, and DecodeError for what is none."""

import contextlib
import json
import pickle
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.errors import DecodeError
from xoxo_async.wire import (
    DeliveryStatus,
    ReplyDecoder,
    Secret,
    to_decimal,
)


class Part(msgspec.Struct, frozen=True):
    name: str = ""
    cost: Decimal | None = None


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    amount: Decimal | None = None
    price: Decimal = Decimal(1)
    number: int | None = None
    count: int = 0
    text: str = ""
    note: str | None = None
    flag: bool = False
    status: DeliveryStatus = DeliveryStatus.NONE
    code: Secret = Secret("")
    parts: tuple[Part, ...] = ()
    part: Part | None = None
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    anything: Any = None
    table: dict[str, int] | None = None


DECODER = ReplyDecoder(Thing)


def decode(**fields: object) -> Thing:
    return DECODER.decode(json.dumps(fields).encode())


def decode_text(text: str) -> Thing:
    return DECODER.decode(text.encode())


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


@pytest.mark.parametrize("blank", ["", " ", None])
def test_blank_money_is_none(blank: object) -> None:
    """`orderDiscount` is "" in real answers, `exchangeRate` null: that is no amount."""
    assert decode(amount=blank).amount is None
    assert to_decimal(blank) is None


@pytest.mark.parametrize("blank", ['""', "[]", "{}"])
def test_blank_money_that_must_be_there_is_an_error(blank: str) -> None:
    """A balance of "" is no balance: the attribute is never None where its type says Decimal."""
    with pytest.raises(DecodeError, match=r"\$\.price"):
        decode_text(f'{{"price": {blank}}}')


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


@pytest.mark.parametrize("value", [7, "7", 7.0, "7.0", " 7 "])
def test_ids_come_as_numbers_and_as_strings(value: object) -> None:
    """`campaignId` is a number in one answer and a string in the next; PHP makes integers of floats."""
    assert decode(number=value).number == 7
    assert decode(count=value).count == 7


def test_ids_beyond_64_bits_are_kept() -> None:
    """A webhook id has up to 20 digits."""
    assert decode(number=12345678901234567890).number == 12345678901234567890


@pytest.mark.parametrize("value", [1.5, "x", [1], {"a": 1}, True])
def test_what_is_no_id_is_refused(value: object) -> None:
    """Half an id is none; the message says where, and what was expected."""
    with pytest.raises(DecodeError, match=r"\$\.number: expected"):
        decode(number=value)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (5, "5"), (5.5, "5.5"), (True, "true"), (False, "false"), (None, "")]
)
def test_texts_come_as_other_scalars_too(value: object, text: str) -> None:
    """A number or null where a text is documented."""
    assert decode(text=value).text == text


def test_an_optional_text_keeps_blank_and_null_apart() -> None:
    """`tag` is null in the history and "" in an order."""
    assert decode(note="", amount="").note == ""
    assert decode(note=None, amount="").note is None


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
        ("true", True),
        ("false", False),
        ("", False),
        (True, True),
        (None, False),
    ],
)
def test_flags_come_in_every_form(value: object, flag: bool) -> None:
    """`isRecommended` is 1, `isPhoneNumberMandatory` false, `isCommon` "0" or ""."""
    assert decode(flag=value).flag is flag


@pytest.mark.parametrize("value", [None, "", []])
def test_lists_are_absent_null_blank_or_empty(value: object) -> None:
    """`vouchers` is [], null or absent for merchandise, top-ups and pending orders."""
    assert decode(parts=value).parts == ()
    assert decode().parts == ()


@pytest.mark.parametrize("value", [None, "", []])
def test_an_empty_object_may_be_a_list(value: object) -> None:
    """PHP back ends write an empty object as []."""
    assert decode(part=value).part is None
    assert decode(part={}).part == Part()


def test_a_comma_string_is_a_list() -> None:
    """`country` is "IN,US"."""
    assert decode(words="IN, US,").words == ("IN", "US")
    assert decode(ids="1,2").ids == (1, 2)


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


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        ("delivered", DeliveryStatus.DELIVERED),
        ("Pending", DeliveryStatus.PENDING),
        ("DELIVERED ", DeliveryStatus.DELIVERED),
        ("canceled", DeliveryStatus.CANCELLED),
        ("Cancelled", DeliveryStatus.CANCELLED),
        ("", DeliveryStatus.NONE),
        (None, DeliveryStatus.NONE),
    ],
)
def test_statuses_are_case_folded_and_spelled_one_way(wire: object, status: DeliveryStatus) -> None:
    """History writes `Pending`, the webhook `canceled` and `Canceled`."""
    assert decode(status=wire).status is status


def test_an_unknown_status_is_kept() -> None:
    """A word never seen before is no error; it can be read, compared and copied."""
    status = decode(status="On_Hold").status
    assert status == "on_hold"
    assert status.value == "on_hold"
    assert pickle.loads(pickle.dumps(status)) == status  # noqa: S301 - our own bytes
    assert "on_hold" not in list(DeliveryStatus)


@pytest.mark.parametrize(
    ("text", "code"), [('"0012"', "0012"), ("1234", "1234"), ("12.50", "12.50"), ('""', ""), ("null", "")]
)
def test_codes_keep_their_digits(text: str, code: str) -> None:
    """A numeric code is its raw text, leading zeros of a string included; `pin` is "" or null where there is none."""
    assert decode_text(f'{{"code": {text}}}').code.reveal() == code


@pytest.mark.parametrize("value", [[], {}, ["HUNTER-2"], {"x": "HUNTER-2"}])
def test_an_odd_code_is_not_in_the_message(value: object) -> None:
    """Voucher codes are cash: an error names the place and the kind, never the value."""
    with pytest.raises(DecodeError, match="code") as caught:
        decode(code=value)
    assert "HUNTER" not in str(caught.value)


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
        b'{"text": "\xff\xfe"}',
        b'{"text": "\\ud800"}',
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
    """HTML, cut JSON, bad UTF-8, deep nesting, huge numbers: one error, which is ours."""
    with pytest.raises(DecodeError):
        DECODER.decode(body)


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
