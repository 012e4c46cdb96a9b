"""`problems`: every problem of a plan in a private file, in the order of rows, each beside its row."""

import csv
import os
import stat
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from xoxo_async.bulk.exporting.problems import ProblemsFile
from xoxo_async.bulk.intake.problems import RowProblem
from xoxo_async.errors import ConfigError, PlanError

GIVEN = {"key": "=A", "row": "x", "kept": {"Dept": "R&D"}, "quantity": 2, "notify_admin": True, "tag": None}


def problem(row: int, **other: object) -> RowProblem:
    """Return a problem of a row."""
    return RowProblem(**{"row": row, "column": "key", "value": "=A", "reason": "is bad", "given": GIVEN, **other})


def cells(path: Path) -> list[list[str]]:
    """Read a CSV file."""
    return list(csv.reader(path.read_text().splitlines()))


def test_problems_stand_in_order_beside_their_rows(tmp_path: Path) -> None:
    """Those found late among the others; no cell is a formula, and the file is private."""
    path = tmp_path / "bad.csv"
    with ProblemsFile(path) as file:
        for row in (7, 3):
            file.add(problem(row))
        file.add(problem(3, column="", value=Decimal("1.50"), given={"": "half a line"}))
        assert not path.exists()
    assert cells(path) == [
        ["row", "column", "value", "reason", "input", "key", "row (input)", "Dept", "quantity", "notify_admin", "tag"],
        ["3", "key", "'=A", "is bad", "", "'=A", "x", "R&D", "2", "yes", ""],
        ["3", "", "1.50", "is bad", "half a line", "", "", "", "", "", ""],
        ["7", "key", "'=A", "is bad", "", "'=A", "x", "R&D", "2", "yes", ""],
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (file.total, file.rows, os.listdir(tmp_path)) == (3, 2, ["bad.csv"])


def test_a_workbook_has_text_cells_alone(tmp_path: Path) -> None:
    """A formula stays the text that it is, and characters that no sheet can hold do not break it."""
    path = tmp_path / "BAD.XLSX"
    with ProblemsFile(path) as file:
        file.add(problem(7, value="=1+1", reason="a\x00b"))
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert all(f"<t>{text}</t>" in sheet for text in ("=1+1", "R&amp;D", "reason"))
    assert '<c r="A2"><v>7</v></c>' in sheet
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["<r><broken></r>", "<r><t>another</t></r>"])
def test_a_workbook_takes_no_xml_from_a_row(tmp_path: Path, text: str) -> None:
    """XlsxWriter writes a text that looks like its own rich text as it stands; a row may hold such a text."""
    path = tmp_path / "bad.xlsx"
    with ProblemsFile(path) as file:
        file.add(problem(7, value=text))
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<r>" not in sheet
    assert text.replace("<", "&lt;").replace(">", "&gt;") in sheet


@pytest.mark.parametrize("name", ["bad.csv", "bad.xlsx"])
def test_an_older_file_of_problems_is_replaced(tmp_path: Path, name: str) -> None:
    """By one without problems as well: it has its headings, so that nobody corrects the same rows again."""
    for count in (1, 0):
        with ProblemsFile(tmp_path / name) as file:
            for row in range(count):
                file.add(problem(row))
    assert (file.total, os.listdir(tmp_path)) == (0, [name])
    if name == "bad.csv":
        assert cells(tmp_path / name) == [["row", "column", "value", "reason"]]


def test_a_sheet_that_is_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workbook holds a million rows, and no more."""
    monkeypatch.setattr("xoxo_async.bulk.exporting.problems._MOST_ROWS", 4)
    with ProblemsFile(tmp_path / "bad.xlsx") as file:
        for row in range(9):
            file.add(problem(row))
    with zipfile.ZipFile(tmp_path / "bad.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row") == 4
    assert "… and 7 more: write them to a .csv file" in sheet


def other_workbook(path: Path) -> None:
    """Write a workbook of another program."""
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("docProps/core.xml", "<x/>")


@pytest.mark.parametrize("name", ["bad.csv", "bad.xlsx"])
@pytest.mark.parametrize("content", [b"key,product_id\nA,1\n", b"PK\x03\x04\x00", b"\xff\xfe", None])
def test_any_other_file_is_left_alone(tmp_path: Path, name: str, content: bytes | None) -> None:
    """The orders most of all, also in a workbook."""
    path = tmp_path / name
    if content is None:
        other_workbook(path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is there already and is no file of problems"):
        ProblemsFile(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("error", "kept"), [(PlanError("rows are bad"), False), (ConfigError("no token"), True)])
def test_an_error_may_leave_the_older_file(tmp_path: Path, error: Exception, kept: bool) -> None:
    """Refused rows are all in the new one. After any other error rows are left that nobody has checked."""
    path = tmp_path / "bad.csv"
    path.write_text("row,column,value,reason\nolder\n")

    def refuse() -> None:
        with ProblemsFile(path) as file:
            file.add(problem(1))
            raise error

    with pytest.raises(type(error)):
        refuse()
    assert ("older" in path.read_text()) is kept
    assert os.listdir(tmp_path) == ["bad.csv"]


def test_a_file_has_one_of_two_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workbook needs the extra; the error names it."""
    with pytest.raises(ConfigError, match=r"must end in \.csv or \.xlsx, not \.txt"):
        ProblemsFile(tmp_path / "bad.txt")
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[files\]'"):
        ProblemsFile(tmp_path / "bad.xlsx")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Before a row is read."""
    with pytest.raises(ConfigError, match=r"bad\.csv cannot be written"), ProblemsFile(tmp_path / "no" / "bad.csv"):
        pytest.fail("it was opened")


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A wrong cell may hold a hundred thousand characters, half ones among them."""
    with ProblemsFile(tmp_path / "bad.csv") as file:
        file.add(problem(1, value="v" * 9_000, given={"x": "\ud800", "y": object()}))
    _header, row = cells(tmp_path / "bad.csv")
    assert (len(row[2]), row[4:]) == (2_001, ["?", "object"])
