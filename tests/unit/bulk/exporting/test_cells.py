"""`cells`: no spreadsheet runs a cell, and what was written can be read again exactly."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.exporting.cells import (
    changes_in_excel,
    csv_line,
    is_formula,
    kept_as_text,
    plain_line,
    shown,
)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff201"]
)
def test_formulas_stand_behind_an_apostrophe(text: str) -> None:
    """Every sign that begins a formula, full-width ones and line ends included."""
    assert is_formula(text)
    assert shown(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "EMP-1", "a@b.example", "1+1", "2026-01-01", "\u2212 5"])
def test_any_other_text_is_written_as_it_is(text: str) -> None:
    """A sign inside a text is no formula."""
    assert shown(text) == text


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_a_line_is_read_as_it_was_written(cells: list[str]) -> None:
    """With the csv module, and one apostrophe taken from each cell that begins with one."""
    line = csv_line(shown(cell) for cell in cells)
    (read,) = csv.reader(io.StringIO(line, newline=""))
    assert [cell.removeprefix("'") for cell in read] == cells


@pytest.mark.parametrize("cell", ["a;=1", "a|=1", "a\t=1", "a,=1", 'a"=1', "a\n=1"])
def test_a_cell_with_another_separator_is_quoted(cell: str) -> None:
    """A spreadsheet set to semicolons would make a formula of the second half."""
    assert csv_line([cell]) == '"' + cell.replace('"', '""') + '"\r\n'


@pytest.mark.parametrize(
    "text",
    ["0012", "1234567890123456", "1E5", "12-05", "1/2", "12:30 PM", "MAR12", "3-Okt-2027", "50%", "₹500", "5 kr",
     "TRUE", "१२३", "12 मार्च", "1,000.5"],
)  # fmt: skip
def test_excel_would_change_these(text: str) -> None:
    """Numbers, dates, times, amounts and truth values, in one language or another; in doubt, yes."""
    assert changes_in_excel(text)
    assert kept_as_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "EMP-17", "SBX-AAAA-0001", "a1@example.com", "Zürich 8", "Sales", "March"])
def test_excel_leaves_these(text: str) -> None:
    """Texts with a word that is part of no number and no date, and texts without a digit."""
    assert not changes_in_excel(text)
    assert kept_as_text(text) == text


@given(st.lists(st.text("ab,\"'=;|\t\r\n\x1f-@+ 0"), min_size=1, max_size=4))
def test_a_plain_line_needs_no_care(cells: list[str]) -> None:
    """It is what the careful way writes, or None."""
    line = plain_line(cells)
    assert line is None or line == csv_line(map(shown, cells))


@pytest.mark.parametrize("sign", [",", '"', ";", "|", "\t", "\r", "\n", "\x1f"])
def test_a_sign_that_splits_a_line_is_seen(sign: str) -> None:
    """Wherever it stands: a cell that is split moves every code after it into another column."""
    for cell in (sign, f"a{sign}", f"{sign}a", f"a{sign}b"):
        assert plain_line(["EMP-1", cell, "0012"]) is None


def test_most_lines_are_plain() -> None:
    """The fast way is taken."""
    assert plain_line(["EMP-1", "", "0012"]) == "EMP-1,,0012\r\n"
    assert plain_line(["EMP-1", "=1"]) is None
