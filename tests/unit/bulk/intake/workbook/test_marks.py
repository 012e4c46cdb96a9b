"""Marks of cells: names, bounds, and merged ranges."""

import pytest

from xoxo_async.bulk.intake.workbook.marks import Marks, cell_name, column_name, zeros_of
from xoxo_async.bulk.intake.workbook.refusing import RefusedError
from xoxo_async.bulk.intake.workbook.values import rows_of


@pytest.mark.parametrize(
    ("code", "digits"),
    [
        ("00000", 5), ("00000;@", 5), ("00000_)", 5), ("00000;[Red]-00000", 5), ("0", 0), ("0" * 16, 0),
        ("#,##0", 0), ("00.00", 0), ('"EMP-"0000', 0), ("000-000", 0), ("[<=999]000;0000", 0), ("General", 0),
    ],
)  # fmt: skip
def test_a_format_shows_zeros(code: str, digits: int) -> None:
    """What stands after the first section is for other numbers, and a blank as wide as a bracket shows no digit."""
    assert zeros_of(code) == digits


@pytest.mark.parametrize(
    ("column", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")]
)
def test_columns_have_their_letters(column: int, name: str) -> None:
    """A message names a cell as the program does."""
    assert column_name(column) == name
    assert cell_name(9, column) == f"{name}10"


def test_of_merged_cells_the_first_has_the_value() -> None:
    """The others are refused where their row has anything in it; a title over the header is none of them."""
    marks = Marks()
    marks.merge([((0, 0), (0, 3)), ((1, 0), (3, 0))], first=1, last=3)
    cells = [["title", ""], ["A", "1"], ["", "2"], ["", ""]]
    rows = list(rows_of(iter(cells), 0, marks))
    assert rows[1] == (2, ["A", "1"])
    assert rows[2][1][0] == ["bad", "is part of the merged cells A2:A4, which have one value; unmerge them"]
    assert len(rows) == 3


def test_a_merged_range_without_end_is_bounded() -> None:
    """A range to the end of the sheet marks the rows with values, and too many ranges are refused."""
    marks = Marks()
    marks.merge([((1, 0), (1048575, 1))], first=1, last=3)
    assert sorted(marks.bad) == [1, 2, 3]
    with pytest.raises(RefusedError, match="merged"):
        marks.merge([((1, 0), (5000, 16383))] * 3, first=1, last=5000)


def test_values_are_within_a_rectangle() -> None:
    """Two readers of one sheet agree on it, or the sheet is not trusted."""
    marks = Marks()
    assert not marks.holds(0, 0, 0, 0)
    marks.cover(1, 1, 3, 4)
    marks.cover(2, 0, 2, 0)
    assert marks.holds(1, 0, 3, 4)
    assert not marks.holds(1, 0, 3, 5)
    assert (marks.cells, marks.first, marks.last) == (15, 1, 3)
