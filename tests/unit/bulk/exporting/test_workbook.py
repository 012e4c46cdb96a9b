"""`workbook`: other programs read every code to the digit, and no cell is a formula."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
import python_calamine

from tests.unit.bulk.exporting.exports import ORDERS, row
from xoxo_async.bulk.exporting import workbook
from xoxo_async.bulk.exporting.columns import ExportRow
from xoxo_async.bulk.exporting.rows import Made
from xoxo_async.bulk.exporting.workbook import check_installed, workbook_writer
from xoxo_async.errors import ConfigError

CODES = ["0012", "1234567890123456", "00000000000000000000", "=1+1", "1E5", "12-05", "TRUE", "+1", "<r><f>1</f></r>",
         "a&b<c", "_x0041_", " a ", "a\nb", "'x", "ü€😀", "https://x.example/?a=1&b=2"]  # fmt: skip


def make(path: Path, rows: Iterable[Made], kept: list[str] | None = None) -> dict[str, list[list[object]]]:
    """Write a workbook, and return its sheets as another program reads them."""
    with path.open("wb") as file, workbook_writer(file, path.parent, ORDERS, kept or []) as write:
        for made in rows:
            write(made)
    book = python_calamine.CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def with_code(code: str) -> Made:
    return Made(row(code=code, pin="0000", amount="500.50", valid_to="2027-03-31"), "")


def test_every_code_comes_back(tmp_path: Path) -> None:
    """Leading zeros, sixteen digits and more, formulas, markup and blanks."""
    sheets = make(tmp_path / "c.xlsx", map(with_code, CODES))
    assert sheets["codes"][0] == list(ORDERS.names)
    at = ORDERS.names.index("code")
    assert [cells[at] for cells in sheets["codes"][1:]] == CODES
    cells = dict(zip(ORDERS.names, sheets["codes"][1], strict=True))
    assert (cells["pin"], cells["order_id"], cells["amount"]) == ("0000", "7", 500.5)
    assert cells["valid_to"] == date(2027, 3, 31)
    with zipfile.ZipFile(tmp_path / "c.xlsx") as book:
        assert b"<f>" not in b"".join(map(book.read, book.namelist()))
    assert os.listdir(tmp_path) == ["c.xlsx"]


def test_what_is_missing_has_its_sheet(tmp_path: Path) -> None:
    """With its reason; a row of which some codes are here is in both, and a top-up lacks nothing."""
    rows = [
        Made(row(key="A", code="1", kept={"why": "x"}), "the vendor gave 1 of 2 codes"),
        Made(row(key="B", state="rejected"), "it is rejected: no"),
        Made(row(key="C"), ""),
    ]
    sheets = make(tmp_path / "c.xlsx", rows, ["why"])
    assert [cells[0] for cells in sheets["codes"]] == ["key", "A", "C"]
    assert sheets["missing"][0][-2:] == ["why (kept)", "why"]
    assert [(cells[0], *cells[-2:]) for cells in sheets["missing"][1:]] == [
        ("A", "x", "the vendor gave 1 of 2 codes"),
        ("B", "", "it is rejected: no"),
    ]


def test_a_heading_is_no_xml(tmp_path: Path) -> None:
    """A kept column may have any name."""
    name = "<r><broken></r>"
    sheets = make(tmp_path / "c.xlsx", [Made(row(key="A", code="1", kept={name: "2"}), "")], [name])
    assert [str(cell).strip() for cell in sheets["codes"][0]][-1] == name


def test_full_sheets_have_successors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its headings and its own filter; only one sheet is selected."""
    monkeypatch.setattr(workbook, "_MOST_ROWS", 3)
    rows = [Made(row(key=str(number), code="1"), "why") for number in range(5)]
    sheets = make(tmp_path / "c.xlsx", rows)
    assert list(sheets) == ["codes", "codes 2", "codes 3", "missing", "missing 2", "missing 3"]
    for kind in ("codes", "missing"):
        names = [name for name in sheets if name.startswith(kind)]
        assert [[cells[0] for cells in sheets[name][1:]] for name in names] == [["0", "1"], ["2", "3"], ["4"]]
    with zipfile.ZipFile(tmp_path / "c.xlsx") as book:
        parts = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in range(1, 7)]
    assert ["tabSelected" in part for part in parts] == [True, False, False, False, False, False]
    assert [re.findall(r'<autoFilter ref="([^"]+)', part) for part in parts][:3] == [["A1:P3"], ["A1:P3"], ["A1:P2"]]
    assert all('state="frozen"' in part for part in parts)


def test_a_sheet_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a workbook has less than 2 GB: a sheet with more goes on in the next one, and no row is lost."""
    monkeypatch.setattr(workbook, "_MOST_BYTES", 5_000)
    monkeypatch.setattr(workbook, "_AT_ONCE", 1_000)
    sheets = make(tmp_path / "c.xlsx", [with_code(str(number)) for number in range(40)])
    names = [name for name in sheets if name.startswith("codes")]
    assert len(names) > 2
    code = sheets["codes"][0].index("code")
    assert [cells[code] for name in names for cells in sheets[name][1:]] == [str(number) for number in range(40)]


def test_a_failure_leaves_nothing_open(tmp_path: Path) -> None:
    """The error comes through, and no temporary file stays."""

    def rows() -> Iterable[Made]:
        yield with_code("1")
        raise KeyError("gone")

    with pytest.raises(KeyError):
        make(tmp_path / "c.xlsx", rows())
    with pytest.raises(ConfigError, match="columns at most"):
        make(tmp_path / "c.xlsx", (), [str(number) for number in range(16_384)])
    assert os.listdir(tmp_path) == ["c.xlsx"]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it."""
    check_installed()
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[files\]'"):
        check_installed()


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_reads_every_code(tmp_path: Path) -> None:
    """It opens the workbook, and writes the same codes into CSV."""
    make(tmp_path / "c.xlsx", map(with_code, CODES))
    to_csv = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    command = [
        "soffice",
        home,
        "--headless",
        "--convert-to",
        to_csv,
        "--outdir",
        str(tmp_path),
        str(tmp_path / "c.xlsx"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (told,) = tmp_path.glob("*.csv")
    rows: list[ExportRow] = list(csv.DictReader(io.StringIO(told.read_bytes().decode(), newline="")))  # type: ignore[arg-type]
    assert [one["code"] for one in rows] == CODES  # type: ignore[index]
