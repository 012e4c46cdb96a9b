"""The vendor's loose types: every documented quirk by name, and nothing but DecodeError for what is none."""

import contextlib
import copy
import json
import logging
import pickle
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.errors import DecodeError
from xoxo_async.wire import (
    DeliveryStatus,
    OrderStatus,
    RawReply,
    ReplyDecoder,
    Secret,
    VoucherType,
    extra_fields,
    parse_date,
    parse_datetime,
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


# Money


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


@pytest.mark.parametrize("value", [True, [], {}, "ten", "1,5"])
def test_what_is_no_money_is_refused(value: object) -> None:
    """A text or a list is no amount."""
    with pytest.raises(DecodeError):
        to_decimal(value)


# Ids, texts, flags


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


# Lists and objects


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


# Enums


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


def test_unknown_words_do_not_grow_memory() -> None:
    """Unknown values are not remembered by the enum."""
    before = len(DeliveryStatus._value2member_map_)
    for number in range(100):
        DeliveryStatus(f"odd-{number}")
    assert len(DeliveryStatus._value2member_map_) == before


def test_voucher_types_are_spelled_as_on_the_wire() -> None:
    """`codePin` is found by any spelling of its case."""
    assert VoucherType("codePin") is VoucherType.CODE_PIN
    assert VoucherType("CODEPIN") is VoucherType.CODE_PIN
    assert OrderStatus("Complete") is OrderStatus.COMPLETE


# Dates


def at(*fields: int) -> datetime:
    return datetime(*fields)  # type: ignore[misc,arg-type]  # noqa: DTZ001 - the vendor's times have no zone


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2028-02-14", date(2028, 2, 14)),
        ("31-12-2027", date(2027, 12, 31)),
        ("2024-02-07 12:25:45", date(2024, 2, 7)),
        ("07-02-2024 12:25:45", date(2024, 2, 7)),
        ("2024-02-07T12:25:45Z", date(2024, 2, 7)),
        (" 2028-02-14 ", date(2028, 2, 14)),
    ],
)
def test_dates_in_every_documented_form(text: str, day: date) -> None:
    """Vouchers write YYYY-MM-DD, links DD-MM-YYYY, orders a date and a time."""
    assert parse_date(text) == day


@pytest.mark.parametrize(
    "text", ["", " ", None, "0000-00-00", "0000-00-00 00:00:00", "00-00-0000", "No Expiry", "12", 20240101, []]
)
def test_zero_dates_and_blanks_are_none(text: object) -> None:
    """`created_date` may be 0000-00-00 00:00:00, `deliveryDate` is blank while pending."""
    assert parse_date(text) is None
    assert parse_datetime(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-07 12:25:45", at(2024, 2, 7, 12, 25, 45)),
        ("2024-02-07T12:25:45+05:30", at(2024, 2, 7, 6, 55, 45)),
        ("1718121000", at(2024, 6, 11, 15, 50)),
        ("1718121000000", at(2024, 6, 11, 15, 50)),
    ],
)
def test_times_never_have_a_zone(text: str, moment: datetime) -> None:
    """The vendor writes none; where one is there all the same, the time is in UTC, and any two can be compared."""
    assert parse_datetime(text) == moment
    assert parse_datetime("0001-01-01T00:00:00+14:00") is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    """No text makes the parser raise."""
    moment = parse_datetime(text)
    assert moment is None or moment.tzinfo is None


# Secrets


def test_a_secret_is_shown_by_reveal_alone(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, text, format, log record or traceback has the value."""
    secret = Secret("HUNTER-2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031
    logging.getLogger("test").warning("code %s", secret)
    assert not any("HUNTER" in text for text in (*shown, caplog.text))
    assert secret.reveal() == "HUNTER-2"


def test_a_secret_is_not_written_anywhere() -> None:
    """Pickle and the JSON encoders refuse it; copies are itself."""
    secret = Secret("HUNTER-2")
    with pytest.raises(TypeError, match="Secret cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_secrets_compare_by_value() -> None:
    """Equal codes are equal and hash alike; a Secret is no str, and an empty one is false."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800ü") == Secret("\ud800ü")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a")
    assert not Secret("")


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


# The decoder's edges


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
        b'{"parts": "", "anything": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
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


# Unknown fields


@pytest.mark.parametrize("wrap", [bytes, RawReply])
def test_unknown_fields_can_be_reached(wrap: Any) -> None:
    """What the struct does not know is read out of the raw answer on demand, numbers exactly."""
    body = b'{"data": {"op": {"known": 1, "new": 1.10}}}'
    assert extra_fields(wrap(body), ("data", "op"), frozenset({"known"})) == {"new": Decimal("1.10")}
    assert extra_fields(wrap(body), ("data", "other"), frozenset()) == {}
    assert extra_fields(None, (), frozenset()) == {}


def test_a_raw_reply_is_not_shown() -> None:
    """The raw answer holds codes: masked, not pickled, not encoded."""
    raw = RawReply(b"HUNTER-2")
    assert "HUNTER" not in f"{raw!r} {raw}"
    assert raw.reveal() == b"HUNTER-2"
    assert copy.deepcopy(raw) is copy.copy(raw) is raw
    with pytest.raises(TypeError):
        pickle.dumps(raw)
    with pytest.raises(TypeError):
        msgspec.json.encode(raw)


def test_the_decoder_leaves_the_recursion_limit_alone() -> None:
    """Deep JSON is refused without touching the interpreter's settings."""
    limit = sys.getrecursionlimit()
    with pytest.raises(DecodeError):
        DECODER.decode(b'{"anything": ' + b"[" * 100_000)
    assert sys.getrecursionlimit() == limit
