"""`order_lines`: what one order line must be, and how what is wrong with many is told."""

from decimal import Decimal

import pytest

from xoxo_async import errors
from xoxo_async.bulk import OrderLine
from xoxo_async.bulk.intake.order_lines import Problems, checked

GOOD = OrderLine(key="good", product_id=1, denomination=Decimal(1))


def test_a_good_line_is_taken_as_it_is() -> None:
    """Nothing is noted, and where nothing is there, nothing is raised."""
    problems = Problems()
    assert checked(1, GOOD, problems) is GOOD
    problems.raise_if_any("orders")


def test_what_is_no_order_line_is_said_by_its_type() -> None:
    """A row of another kind is a problem of its own, without its value."""
    problems = Problems()
    assert checked(3, {"key": "HUNTER-2"}, problems) is None
    assert problems.shown() == ("row 3: is a dict, not an OrderLine",)


WRONG = {
    "key, a number": ({"key": 5}, "key"),
    "key, none": ({"key": None}, "key"),
    "key, empty": ({"key": ""}, "key"),
    "key, blank": ({"key": " "}, "key"),
    "key, half a character": ({"key": "\ud800"}, "key"),
    "key, zero byte": ({"key": "a\0b"}, "key"),
    "key, line end": ({"key": "a\nrow 7: b"}, "key"),
    "product, a list": ({"product_id": [1]}, "product_id"),
    "product, none": ({"product_id": None}, "product_id"),
    "product, negative": ({"product_id": -1}, "product_id"),
    "product, absurd": ({"product_id": 10**30}, "product_id"),
    "denomination, none": ({"denomination": None}, "denomination"),
    "denomination, in words": ({"denomination": "ten"}, "denomination"),
    "denomination, with underscore": ({"denomination": "1_0"}, "denomination"),
    "denomination, no number": ({"denomination": float("nan")}, "denomination"),
    "quantity, a text": ({"quantity": "2"}, "quantity"),
    "quantity, a flag": ({"quantity": True}, "quantity"),
    "quantity, too many": ({"quantity": 99999}, "quantity"),
    "email, a list": ({"email": ["a@b.c"]}, "email"),
    "email, none": ({"email": "nobody"}, "email"),
    "contact, long": ({"contact": "1" * 41}, "contact"),
    "contact, in words": ({"contact": "+91-98 (office)x"}, "contact"),
    "contact, from a spreadsheet": ({"contact": "9.19877E+11"}, "contact"),
    "key, from a spreadsheet": ({"key": "1.23457E+14"}, "key"),
    "key, unseen": ({"key": "EMP-1\u200b"}, "key"),
    "poNumber, from a spreadsheet": ({"po_number": "1.23457E+14"}, "po_number"),
    "tag, control character": ({"tag": "a\x07"}, "tag"),
    "tag, half a character": ({"tag": "\udfff"}, "tag"),
    "flag, a word": ({"notify_admin": "no"}, "notify_admin"),
    "mail to nobody": ({"notify_receiver": True}, "notify_receiver"),
    "poNumber, empty": ({"po_number": ""}, "po_number"),
    "poNumber, odd": ({"po_number": "PO;1"}, "po_number"),
    "currency, a number": ({"currency": 5}, "currency"),
}


@pytest.mark.parametrize(("fields", "column"), WRONG.values(), ids=list(WRONG))
def test_what_a_program_gives_is_checked_field_by_field(fields: dict[str, object], column: str) -> None:
    """Whatever stands in a field of an OrderLine, it is a problem of its row and column, once, and never a crash."""
    bad = OrderLine(**{"key": "bad", "product_id": 1, "denomination": Decimal(1), **fields})  # type: ignore[arg-type]
    problems = Problems()
    assert checked(2, bad, problems) is None
    assert problems.total == 1
    with pytest.raises(errors.PlanError, match=f"row 2, column {column}: "):
        problems.raise_if_any("orders")


@pytest.mark.parametrize("value", [10, "10", 10.0, Decimal(10)])
def test_a_denomination_may_be_any_exact_number(value: object) -> None:
    """Whole numbers, texts and floats are taken as the Decimal that they show."""
    line = OrderLine(key="k", product_id=1, denomination=value)  # type: ignore[arg-type]
    read = checked(1, line, Problems())
    assert read is not None
    assert isinstance(read.denomination, Decimal)
    assert read.denomination == 10


def test_the_first_problems_are_those_of_the_first_rows() -> None:
    """Rows found bad later than others stand in their order all the same, and each column counts once a row."""
    problems = Problems()
    for row in range(100, 130):
        problems.add(row, "x", column="quantity")
        problems.add(row, "y", column="quantity")
    for row in (7, 5, 6):
        problems.add(row, "z", column="product_id")
    assert problems.total == 33
    assert [text.split(",")[0] for text in problems.shown()[:4]] == ["row 5", "row 6", "row 7", "row 100"]
    assert len(problems.shown()) == 20


def test_rows_are_counted_beside_their_problems() -> None:
    """A row with two bad columns is one row; the error says what is shown and how many there are."""
    problems = Problems()
    for row in range(1, 31):
        problems.add(row, "x", column="quantity")
        problems.add(row, "y", column="email")
    assert (problems.rows, problems.total) == (30, 60)
    with pytest.raises(errors.PlanError, match="orders: 60 problems, nothing was sent") as caught:
        problems.raise_if_any("orders")
    assert (len(caught.value.problems), caught.value.total) == (20, 60)
    assert problems.listing().endswith("… and 40 more")


def test_a_problem_of_a_whole_row_names_its_key() -> None:
    """Where no column is to blame."""
    problems = Problems()
    problems.add(7, "stands in row 3 already", key="k7")
    assert problems.shown() == ("row 7 (key k7): stands in row 3 already",)
