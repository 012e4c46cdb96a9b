"""`reading`: a field is taken as the vendor takes it, text for number and number for text, or refused by error id."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.sandbox.reading import Refusal, codes, dates, digits, ids, money, number, page_of, text, whole


@pytest.mark.parametrize(
    ("value", "read"),
    [("a", "a"), (7, "7"), (Decimal("2.50"), "2.50"), (True, "1"), (False, "0"), (None, ""), ([], ""), ({}, "")],
)
def test_a_text_may_come_as_a_number(value: object, read: str) -> None:
    """What is neither is none: no list or object becomes a poNumber."""
    assert text({"field": value}, "field") == read
    assert text({}, "field") == ""


@pytest.mark.parametrize(("value", "read"), [(7, 7), ("7", 7), (" 7 ", 7), ("-7", -7), (True, 1)])
def test_a_whole_number_may_come_as_text(value: object, read: int) -> None:
    """PHP clients send their numbers as strings."""
    assert whole({"field": value}, "field", "PLE10001") == read


@pytest.mark.parametrize("value", ["x", "1.0", Decimal("1.5"), "1e3", [1], {"id": 1}, None, "", "-", "1" * 16])
def test_what_is_no_whole_number_is_refused_as_the_caller_says(value: object) -> None:
    """Each operation has an error id of its own for it."""
    with pytest.raises(Refusal) as caught:
        whole({"field": value}, "field", "PLE10033")
    assert caught.value.error_id == "PLE10033"


def test_a_missing_number_may_have_a_default_and_a_wrong_one_never() -> None:
    """`limit: "all"` is not the ten that no limit means."""
    assert whole({}, "limit", "PLE10033", 10) == 10
    assert whole({"limit": None}, "limit", "PLE10033", 10) == 10
    with pytest.raises(Refusal):
        whole({"limit": "all"}, "limit", "PLE10033", 10)


@pytest.mark.parametrize("value", [100, "100", " 100.00 ", Decimal(100)])
def test_a_value_is_exact_in_any_form(value: object) -> None:
    """Number or text, never through a float."""
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
def test_no_number_is_a_bad_payload_and_a_number_out_of_bounds_a_bad_denomination(value: object, error_id: str) -> None:
    """A client tells the two apart by their error ids."""
    with pytest.raises(Refusal) as caught:
        money({"denomination": value}, "denomination")
    assert caught.value.error_id == error_id


@pytest.mark.parametrize(("given", "read"), [("a, b,,a ", {"a", "b"}), ("", set()), (None, set()), (7, {"7"})])
def test_a_comma_list_is_a_set_of_words(given: object, read: set[str]) -> None:
    """Blanks and empty parts do not count."""
    assert codes({"field": given}, "field") == read


@pytest.mark.parametrize(("given", "read"), [("1, 2,x,,2", {1, 2}), ("9" * 15, set()), (31, {31}), (None, set())])
def test_a_comma_list_of_ids_skips_what_is_none(given: object, read: set[int]) -> None:
    """The vendor ignores what it cannot read there."""
    assert ids({"field": given}, "field") == read


@pytest.mark.parametrize(
    ("given", "read"), [("491700000000012", 491700000000012), ("-1", None), ("\u00b2", None), ("", None)]
)
def test_digits_are_those_of_a_number(given: str, read: int | None) -> None:
    """As long as the longest phone number, without a sign."""
    assert digits(given) == read


def test_a_page_is_cut_out_of_the_rows() -> None:
    """Pages count from 1; a page beyond the end is empty; a limit of 0 is no limit."""
    rows = list("abcde")
    assert page_of({"limit": 2, "page": 1}, rows) == ["a", "b"]
    assert page_of({"limit": "2", "page": "3"}, rows) == ["e"]
    assert page_of({"limit": 2, "page": 4}, rows) == []
    assert page_of({"limit": 2, "page": 0}, rows) == ["a", "b"]
    assert page_of({"limit": 0}, rows) == rows
    assert page_of({}, list(range(11))) == list(range(10))


@pytest.mark.parametrize("wrong", [{"limit": "x"}, {"page": "x"}, {"limit": "1.5"}])
def test_a_page_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    """PLE10032, the history's word for it."""
    with pytest.raises(Refusal, match="PLE10032"):
        page_of({"limit": 2, "page": 1, **wrong}, [1])


def test_two_days_are_read_and_anything_else_refused() -> None:
    """Both are needed."""
    assert dates({"startDate": "2026-03-01", "endDate": "2026-03-31"}) == ("2026-03-01", "2026-03-31")
    for wrong in ({"startDate": "2026-03-01"}, {"startDate": "01.03.2026", "endDate": "2026-03-31"}):
        with pytest.raises(Refusal, match="PLE10032"):
            dates(wrong)


def test_an_amount_without_a_fraction_is_written_without_one() -> None:
    """`500`, not `500.0`; `0.5` where there is one."""
    assert [repr(number(Decimal(value))) for value in ("500", "500.00", "0.50")] == ["500", "500", "0.5"]


def test_a_refusal_has_the_vendors_status_and_words() -> None:
    """Unless it is told another status; an error id of nobody's is an error of the server."""
    refusal = Refusal("PLE10004")
    assert (refusal.error_id, refusal.status, refusal.text) == ("PLE10004", 422, "externalOrderId failed validation")
    assert Refusal("PLE10004", status=400).status == 400
    assert Refusal("PLE99999").status == 502
