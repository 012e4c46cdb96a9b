"""Values of cells: exact numbers, no lost digits, no blank rows."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from xoxo_async.bulk.intake.workbook.marks import Marks
from xoxo_async.bulk.intake.workbook.values import rows_of


def value(cell: Any) -> Any:
    rows = list(rows_of(iter([[cell]]), 0, Marks()))
    return rows[0][1][0] if rows else None


@pytest.mark.parametrize(("cell", "is_"), [
    (1000.0, 1000),
    (919876543210.0, 919876543210),
    (999999999999999.0, 999999999999999),
    (-3.0, -3),
    (0.1, ["number", "0.1"]),
    (250.5, ["number", "250.5"]),
    (1100.0000000000002, ["number", "1100"]),
    (0.1 + 0.2, ["number", "0.3"]),
    (123456.789, ["number", "123456.789"]),
    (7, 7),
    (True, True),
    ("0042", "0042"),
    (date(2026, 3, 4), ["day", "2026-03-04"]),
    (datetime.fromisoformat("2026-03-04T05:00"), ["time", "2026-03-04T05:00:00"]),
])  # fmt: skip
def test_a_value_is_what_the_program_shows(cell: Any, is_: object) -> None:
    """A program shows 15 digits of a number, and so does a row."""
    assert value(cell) == is_
    assert type(value(cell)) is type(is_)


@pytest.mark.parametrize(("cell", "why"), [
    (1e15, "15 digits"),
    (1234567890123456789.0, "is 1.23456789012346e+18: a number in a workbook has 15 digits"),
    (10**15, "15 digits"),
    (float("inf"), "no number"),
    (float("nan"), "no number"),
    (time(3, 4), "time of day"),
    (timedelta(1), "length of time"),
    ("x" * 40_000, "40,000 characters"),
    (object(), "unknown kind"),
])  # fmt: skip
def test_a_value_that_is_lost_is_refused(cell: Any, why: str) -> None:
    """Excel has put zeros in the place of the digits after the fifteenth."""
    kind, text = value(cell)
    assert (kind, why in text) == ("bad", True)


def test_blank_rows_and_ends_are_left_out() -> None:
    """Rows keep the numbers that the sheet shows; cells keep their columns."""
    cells = [["", ""], ["a", ""], ["", ""], ["", "b"]]
    assert list(rows_of(iter(cells), 1, Marks())) == [(2, [None, "a"]), (4, [None, "", "b"])]
