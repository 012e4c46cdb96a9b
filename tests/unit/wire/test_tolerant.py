"""`wire.tolerant`: every documented form of a value, and errors that name the place without the value."""

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
    """`orderDiscount` may be "" and `exchangeRate` null; both mean no amount."""
    assert decode(amount=blank).amount is None
    assert to_decimal(blank) is None


@pytest.mark.parametrize("blank", ['""', "[]", "{}"])
def test_required_money_may_not_be_blank(blank: str) -> None:
    """A balance of "" is an error, so an attribute of type Decimal is never None."""
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
    """The error names the place and the expected kind."""
    with pytest.raises(DecodeError, match=r"\$\.number: expected"):
        decode(number=value)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (5, "5"), (5.5, "5.5"), (True, "true"), (False, "false"), (None, "")]
)
def test_texts_come_as_other_scalars_too(value: object, text: str) -> None:
    """A number or null is read where a text is documented."""
    assert decode(text=value).text == text


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_list_or_object_is_no_text(empty: object) -> None:
    """PHP back ends write an empty list for no text; that does not fail the whole reply."""
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
    """A numeric code stays its text with leading zeros; `pin` is "" or null where there is none."""
    assert decode_text(f'{{"code": {text}}}').code.reveal() == code


@pytest.mark.parametrize("value", [[], {}, ["HUNTER-2"], {"x": "HUNTER-2"}])
def test_an_odd_code_is_not_in_the_message(value: object) -> None:
    """Voucher codes are cash, so an error names the place and the kind, never the value."""
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
def test_an_error_names_the_place(value: object, place: str | None) -> None:
    """The place is a path from the top of the answer; an answer of `[]` is an empty object."""
    if place is None:
        assert fit(value, Thing, "$") == Thing()
        return
    with pytest.raises(DecodeError, match=place):
        fit(value, Thing, "$")


class Needy(msgspec.Struct, frozen=True):
    order_id: int = msgspec.field(name="orderId")
    tag: str = "none"


def test_a_missing_field_has_its_wire_name() -> None:
    """A required field may not be absent; an optional field may be null."""
    with pytest.raises(DecodeError, match=r"lacks \$\.orderId"):
        fit({"order_id": 1}, Needy, "$")
    assert fit({"orderId": "1", "tag": None}, Needy, "$") == Needy(1)


def test_the_first_kind_that_fits_counts() -> None:
    """`tatInDays` and `pin` have several kinds; where none fits, the error is that of the last."""
    assert fit("3", int | tuple[int, ...], "$") == 3
    assert fit([3, "4"], int | tuple[int, ...], "$") == (3, 4)
    assert fit([], tuple[int, ...] | None, "$") == ()
    assert fit("", tuple[int, ...] | None, "$") is None
    with pytest.raises(DecodeError, match="expected list, got dict"):
        fit({"a": 1}, int | tuple[int, ...], "$")


def test_a_fixed_list_has_its_length() -> None:
    """Each item fits its own kind."""
    assert fit(["1", 2], tuple[int, str], "$") == (1, "2")
    for value in ([1], [1, "2", 3], "12", None):
        with pytest.raises(DecodeError, match="expected list of 2"):
            fit(value, tuple[int, str], "$")


def test_odd_money_in_one_item_is_found() -> None:
    """Each item of a list is read by itself, fast or with tolerance."""
    good = [{"name": "a", "cost": 1}, {"name": 5, "cost": "2.50"}, {"name": "c", "cost": ""}]
    assert fit(good, tuple[Part, ...], "$") == (Part("a", Decimal(1)), Part("5", Decimal("2.50")), Part("c", None))
    with pytest.raises(DecodeError, match=r"\$\[1\]\.cost"):
        fit([good[0], {"cost": "NaN"}], tuple[Part, ...], "$")


def test_a_value_without_kind_is_kept() -> None:
    """A property reads the raw value on demand."""
    odd = {"a": [None, "", 1]}
    assert fit(odd, Any, "$") is odd
    assert fit(odd, object, "$") is odd


@pytest.mark.parametrize("written", [10**31 + 1, "1" * 32, f" -{'1' * 32} "])
def test_a_whole_number_may_be_long(written: object) -> None:
    """Some ids are long; only money has an upper bound."""
    assert fit(written, int, "$") == int(str(written))


@pytest.mark.parametrize("written", ["", "x", "1.5", "NaN", None, [], "9" * 5000])
def test_what_is_no_whole_number_is_called_that(written: object) -> None:
    """The error does not call an id an amount of money."""
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
    """One odd field elsewhere does not change how the other fields are read."""
    body = msgspec.json.encode(fields)
    assert fit(read_untyped(body), Thing, "$") == DECODER.decode(body)
