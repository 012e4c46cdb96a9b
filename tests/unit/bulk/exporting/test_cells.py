"""`cells`: no spreadsheet runs a cell, and what was written can be read again exactly."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.exporting.cells import csv_line, is_formula, shown


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
