"""`wire.tolerant`: every documented quirk by name, and DecodeError with the place, not the value, for what is none."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.things import DECODER, Part, Thing, decode, decode_text
from xoxo_async.errors import DecodeError
from xoxo_async.wire import DeliveryStatus, read_untyped, to_decimal
from xoxo_async.wire.tolerant import fit


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


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_list_or_object_is_no_text(empty: object) -> None:
    """PHP back ends write it where there is nothing; it must not cost the whole reply."""
    thing = decode(text=empty, note=empty, status=empty)
    assert (thing.text, thing.note, thing.status) == ("", None, DeliveryStatus.NONE)


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


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"amount": "ten"}, r"\$\.amount: "),
        ({"parts": [{}, {"cost": "ten"}]}, r"\$\.parts\[1\]\.cost: "),
        ({"part": {"cost": {"x": 1}}}, r"\$\.part\.cost: "),
        ({"parts": 5}, r"\$\.parts: expected list, got int"),
        ({"parts": [5]}, r"\$\.parts\[0\]: expected object, got int"),
        ({"part": 5}, r"\$\.part: expected object, got int"),
        ({"ids": [1, "x"]}, r"\$\.ids\[1\]: "),
        ({"flag": "perhaps"}, r"\$\.flag: expected yes or no, got str"),
        ([], None),
        (5, r"\$: expected object, got int"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_by_its_place(value: object, place: str | None) -> None:
    """From the top of the answer down; an answer of `[]` is an empty object."""
    if place is None:
        assert fit(value, Thing, "$") == Thing()
        return
    with pytest.raises(DecodeError, match=place):
        fit(value, Thing, "$")


class Needy(msgspec.Struct, frozen=True):
    order_id: int = msgspec.field(name="orderId")
    tag: str = "none"


def test_a_field_that_must_be_there_is_missed_by_its_name_on_the_wire() -> None:
    """Another one that is null is as good as absent."""
    with pytest.raises(DecodeError, match=r"lacks \$\.orderId"):
        fit({"order_id": 1}, Needy, "$")
    assert fit({"orderId": "1", "tag": None}, Needy, "$") == Needy(1)


def test_a_field_of_two_kinds_is_the_first_that_fits() -> None:
    """A number or a list of them, as `tatInDays` or `pin` may be; where neither fits, the last one says why."""
    assert fit("3", int | tuple[int, ...], "$") == 3
    assert fit([3, "4"], int | tuple[int, ...], "$") == (3, 4)
    assert fit([], tuple[int, ...] | None, "$") == ()
    assert fit("", tuple[int, ...] | None, "$") is None
    with pytest.raises(DecodeError, match="expected list, got dict"):
        fit({"a": 1}, int | tuple[int, ...], "$")


def test_a_pair_has_as_many_as_it_says() -> None:
    """Each fits its own kind."""
    assert fit(["1", 2], tuple[int, str], "$") == (1, "2")
    for value in ([1], [1, "2", 3], "12", None):
        with pytest.raises(DecodeError, match="expected list of 2"):
            fit(value, tuple[int, str], "$")


def test_odd_money_in_one_item_is_found_though_the_others_are_taken_as_declared() -> None:
    """Each item of a list goes the way it needs."""
    good = [{"name": "a", "cost": 1}, {"name": 5, "cost": "2.50"}, {"name": "c", "cost": ""}]
    assert fit(good, tuple[Part, ...], "$") == (Part("a", Decimal(1)), Part("5", Decimal("2.50")), Part("c", None))
    with pytest.raises(DecodeError, match=r"\$\[1\]\.cost"):
        fit([good[0], {"cost": "NaN"}], tuple[Part, ...], "$")


def test_what_has_no_kind_is_kept_as_it_came() -> None:
    """For a property to read."""
    odd = {"a": [None, "", 1]}
    assert fit(odd, Any, "$") is odd
    assert fit(odd, object, "$") is odd


@pytest.mark.parametrize("written", [10**31 + 1, "1" * 32, f" -{'1' * 32} "])
def test_a_whole_number_may_have_any_number_of_digits(written: object) -> None:
    """Some ids are long; only money has a magnitude that would be absurd."""
    assert fit(written, int, "$") == int(str(written))


@pytest.mark.parametrize("written", ["", "x", "1.5", "NaN", None, [], "9" * 5000])
def test_what_is_no_whole_number_is_called_that(written: object) -> None:
    """Not an amount of money: it may be an id."""
    with pytest.raises(DecodeError, match=r"^\$\.id: expected whole number"):
        fit(written, int, "$.id")


USUAL = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.none() | st.integers(-(10**9), 10**9) | st.decimals(0, 10**6, places=2).map(str),
        "price": st.integers(0, 10**6) | st.sampled_from(["1.50", "0"]),
        "number": st.none() | st.integers(-(2**63), 2**64) | st.integers(0, 10**20).map(str),
        "count": st.integers(-(2**63), 2**64),
        "text": st.text(max_size=9),
        "note": st.none() | st.text(min_size=1, max_size=9),
        "flag": st.sampled_from([True, False, 0, 1, "0", "1", "true", "false"]),
        "status": st.sampled_from(["delivered", "Pending", "canceled", "other", ""]),
        "code": st.text(max_size=9),
        "parts": st.lists(st.fixed_dictionaries({"name": st.text(max_size=4), "cost": st.none() | st.integers(0, 9)})),
        "part": st.none() | st.fixed_dictionaries({}, optional={"name": st.text(max_size=4)}),
        "words": st.lists(st.text(max_size=4), max_size=3),
        "ids": st.lists(st.integers(0, 99), max_size=3),
    },
)


@given(USUAL)
def test_both_roads_read_a_usual_answer_alike(fields: dict[str, object]) -> None:
    """One odd field elsewhere must not change what the others say."""
    body = msgspec.json.encode(fields)
    assert fit(read_untyped(body), Thing, "$") == DECODER.decode(body)
