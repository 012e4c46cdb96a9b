"""`reading`: a field is read as the vendor reads it, number for text and text for number, or refused by error id."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.sandbox.reading import (
    Refusal,
    addresses,
    codes,
    dates,
    digits,
    ids,
    money,
    number,
    page_of,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("value", "read"),
    [("a", "a"), (7, "7"), (Decimal("2.50"), "2.50"), (True, "1"), (False, "0"), (None, ""), ([], ""), ({}, "")],
)
def test_a_text_may_come_as_a_number(value: object, read: str) -> None:
    """A number is read as text; a list or an object is read as an empty text."""
    assert text({"field": value}, "field") == read
    assert text({}, "field") == ""


@pytest.mark.parametrize(("value", "read"), [(7, 7), ("7", 7), (" 7 ", 7), ("-7", -7), (True, 1)])
def test_a_whole_number_may_come_as_text(value: object, read: int) -> None:
    """A number is also read from text, since PHP clients send strings."""
    assert whole({"field": value}, "field", "PLE10001") == read


@pytest.mark.parametrize("value", ["x", "1.0", Decimal("1.5"), "1e3", [1], {"id": 1}, None, "", "-", "1" * 16])
def test_an_invalid_whole_number_is_refused(value: object) -> None:
    """The refusal has the error id that the operation gives."""
    with pytest.raises(Refusal) as caught:
        whole({"field": value}, "field", "PLE10033")
    assert caught.value.error_id == "PLE10033"


def test_only_a_missing_number_gets_the_default() -> None:
    """`limit: "all"` is refused, and does not mean the default of ten."""
    assert whole({}, "limit", "PLE10033", 10) == 10
    assert whole({"limit": None}, "limit", "PLE10033", 10) == 10
    with pytest.raises(Refusal):
        whole({"limit": "all"}, "limit", "PLE10033", 10)


@pytest.mark.parametrize("value", [100, "100", " 100.00 ", Decimal(100)])
def test_a_value_is_exact_in_any_form(value: object) -> None:
    """A number or a text gives the exact value, never through a float."""
    assert money({"denomination": value}, "denomination") == Decimal(100)


@pytest.mark.parametrize(
    ("value", "error_id"),
    [
        (None, "PLE10001"),
        ("cheap", "PLE10001"),
        ([100], "PLE10001"),
        (0, "PLE10018"),
        (-5, "PLE10018"),
        ("NaN", "PLE10001"),
        ("Infinity", "PLE10001"),
        ("1e9", "PLE10018"),
    ],
)
def test_a_bad_value_has_two_error_ids(value: object, error_id: str) -> None:
    """A text that is not a number is a bad payload; a number out of bounds is a bad denomination."""
    with pytest.raises(Refusal) as caught:
        money({"denomination": value}, "denomination")
    assert caught.value.error_id == error_id


@pytest.mark.parametrize(("given", "read"), [("a, b,,a ", {"a", "b"}), ("", set()), (None, set()), (7, {"7"})])
def test_a_comma_list_is_a_set_of_words(given: object, read: set[str]) -> None:
    """Blanks and empty parts do not count."""
    assert codes({"field": given}, "field") == read


@pytest.mark.parametrize(("given", "read"), [("1, 2,x,,2", {1, 2}), ("9" * 15, set()), (31, {31}), (None, set())])
def test_a_list_of_ids_skips_other_text(given: object, read: set[int]) -> None:
    """A part that is not an id is ignored, as the vendor ignores it."""
    assert ids({"field": given}, "field") == read


@pytest.mark.parametrize(
    ("given", "read"), [("491700000000012", 491700000000012), ("-1", None), ("\u00b2", None), ("", None)]
)
def test_digits_are_those_of_a_number(given: str, read: int | None) -> None:
    """Up to 15 digits are read, without a sign: the longest phone number has 15."""
    assert digits(given) == read


def test_a_page_is_cut_out_of_the_rows() -> None:
    """Pages count from 1, a page after the end is empty, and a limit of 0 means no limit."""
    rows = list("abcde")
    assert page_of({"limit": 2, "page": 1}, rows) == ["a", "b"]
    assert page_of({"limit": "2", "page": "3"}, rows) == ["e"]
    assert page_of({"limit": 2, "page": 4}, rows) == []
    assert page_of({"limit": 2, "page": 0}, rows) == ["a", "b"]
    assert page_of({"limit": 0}, rows) == rows
    assert page_of({}, list(range(11))) == list(range(10))


@pytest.mark.parametrize("wrong", [{"limit": "x"}, {"page": "x"}, {"limit": "1.5"}])
def test_an_invalid_page_is_refused(wrong: dict[str, Any]) -> None:
    """The refusal is PLE10032, as in the order history."""
    with pytest.raises(Refusal, match="PLE10032"):
        page_of({"limit": 2, "page": 1, **wrong}, [1])


def test_a_range_needs_two_iso_days() -> None:
    """A missing day and a day in another format are refused."""
    assert dates({"startDate": "2026-03-01", "endDate": "2026-03-31"}) == ("2026-03-01", "2026-03-31")
    for wrong in ({"startDate": "2026-03-01"}, {"startDate": "01.03.2026", "endDate": "2026-03-31"}):
        with pytest.raises(Refusal, match="PLE10032"):
            dates(wrong)


def test_a_whole_amount_has_no_fraction() -> None:
    """`500` is written for 500.00, and `0.5` keeps its fraction."""
    assert [repr(number(Decimal(value))) for value in ("500", "500.00", "0.50")] == ["500", "500", "0.5"]


def test_a_refusal_has_the_vendors_status_and_words() -> None:
    """The status can be overridden, and an unknown error id is a 502."""
    refusal = Refusal("PLE10004")
    assert (refusal.error_id, refusal.status, refusal.text) == ("PLE10004", 422, "externalOrderId failed validation")
    assert Refusal("PLE10004", status=400).status == 400
    assert Refusal("PLE99999").status == 502


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"email": "Ada@b.example"}, {"ada@b.example"}),
        ({"recipients": [{"to_email": "ada@b.example"}, {"to_email": " bob@b.example "}, {}, "eve", None]}, None),
        ({"email_ids": "ada@b.example, Bob@b.example,"}, None),
        ({"email": None, "recipients": {"to_email": "x"}, "email_ids": ""}, set()),
        ({}, set()),
    ],
)
def test_addresses_are_found_wherever_they_stand(data: dict[str, object], named: set[str] | None) -> None:
    """The receivers of an order, of points and of links, in small letters and without blanks."""
    assert addresses(data) == ({"ada@b.example", "bob@b.example"} if named is None else named)
