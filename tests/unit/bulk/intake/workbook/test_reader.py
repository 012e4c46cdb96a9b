"""Workbooks as orders: another process reads them, and whatever happens to it is one clear line."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import xlsxwriter

from tests.unit.bulk.intake.workbook.books import FILES, book, changed
from xoxo_async.bulk import read_orders
from xoxo_async.bulk.intake.workbook import reader
from xoxo_async.errors import ConfigError, PlanError


def refusal(path: Path, **choices: Any) -> str:
    with pytest.raises(PlanError) as caught:
        list(read_orders(path, **choices))
    return str(caught.value)


def written(folder: Path, data: bytes, name: str = "orders.xlsx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["libreoffice.xlsx", "libreoffice.ods", "libreoffice.xls"])
def test_a_workbook_of_another_program_goes_in(name: str) -> None:
    """Its columns are recognised, numbers are exact, and a phone number is its digits."""
    orders = read_orders(FILES / name, keep=["Joined"])
    lines = list(orders)
    assert [(line.key, line.denomination, line.contact, line.notify_receiver) for line in lines[:3]] == [
        ("EMP-001", Decimal("250.5"), "919876543201", True),
        ("EMP-002", 1000, "919876543202", False),
        ("00003", 500, "919876543203", True),
    ]
    assert lines[0].kept == {"Joined": date(2024, 1, 1).isoformat()}
    assert orders.recognised().startswith(
        "sheet Gifts, the first of 2 sheets (the other: Notes (hidden)), 1 hidden row, 12 rows; Employee ID is key"
    )


def test_the_content_decides_what_a_file_is(tmp_path: Path) -> None:
    """A workbook that is called .csv is read, and the name is said."""
    orders = read_orders(written(tmp_path, book(("A", 1001, 500)), "orders.csv"))
    assert [line.key for line in orders] == ["A"]
    assert "a workbook, although its name ends in .csv" in orders.recognised()


@pytest.mark.parametrize(("content", "name", "why"), [
    (b"<html><table></table></html>", "a.xls", "a web page (HTML), although its name ends in .xls"),
    (b'{"key": "A", "product_id": 1001, "denomination": 5}', "a.xlsx", "this is JSON"),
    (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "a.xls", "XML (a workbook of Excel 2003)"),
    (b"MIME-Version: 1.0\n", "a.xls", "a web archive"),
    (b"", "a.ods", "empty"),
])  # fmt: skip
def test_a_file_with_a_wrong_name_is_named(tmp_path: Path, content: bytes, name: str, why: str) -> None:
    """Web sites call their tables .xls."""
    assert why in refusal(written(tmp_path, content, name))


ORDERS = (FILES / "orders.xlsx").read_bytes()


@pytest.mark.parametrize(("content", "name"), [
    (b"QQQQ" + ORDERS[4:], "a.xlsx"),
    (b"QQQQ" + ORDERS[4:], "a.csv"),
    (b"QQQQ" + ORDERS[4:], "a"),
    (ORDERS[1:], "a.xlsx"),
    (bytes(3000), "a.xls"),
    (b"QQQQ" + (FILES / "libreoffice.xls").read_bytes()[4:], "a.xls"),
    (b"QQQQ" + (FILES / "libreoffice.ods").read_bytes()[4:], "a.csv"),
    (Random(1).randbytes(3000), "a.ods"),
    (Random(2).randbytes(3000), "a.xls"),
])  # fmt: skip
def test_a_workbook_without_its_beginning_is_damaged(tmp_path: Path, content: bytes, name: str) -> None:
    """It is no text in some encoding, whatever its name is."""
    text = refusal(written(tmp_path, content, name))
    assert "this is a damaged workbook (its first bytes are not those of one)" in text
    assert "encoding" not in text


def test_bad_cells_are_problems_of_their_rows(tmp_path: Path) -> None:
    """Each is named by row and column, with its cause."""

    def fill(book: Any, sheet: Any) -> None:
        sheet.write_datetime(1, 2, date(2026, 3, 4), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_datetime(2, 0, date(2026, 3, 4), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_number(3, 0, 1234567890123456)
        sheet.write_formula(4, 2, "=1/0", None, "#DIV/0!")

    rows = [("A", 1001, 0), ("", 1001, 500), ("", 1001, 500), ("D", 1001, 0)]
    lines = refusal(written(tmp_path, book(*rows, more=fill))).splitlines()[1:]
    assert [line.strip()[:75] for line in lines] == [
        "row 2, column denomination: is a date (2026-03-04), not a number",
        "row 3, column key: is a date (2026-03-04), not a text: programs make dates ",
        "row 4, column key: is 1.23456789012346e+15: a number in a workbook has 15 d",
        "row 5, column denomination: has the error #DIV/0!",
    ]


def test_rows_above_the_header_are_left_out(tmp_path: Path) -> None:
    """A title is no header, and the row that has the known names is."""

    def title(xml: bytes) -> bytes:
        head = b'<row r="1"><c r="A1" t="inlineStr"><is><t>Gifts of March</t></is></c></row>'
        return re.sub(rb'r="([A-Z]?)([12])"', lambda at: b'r="%s%d"' % (at[1], int(at[2]) + 2), xml).replace(
            b"<sheetData>", b"<sheetData>" + head
        )

    orders = read_orders(written(tmp_path, changed(book(("A", 1001, 500)), {"sheet1.xml": title})))
    assert [line.key for line in orders] == ["A"]
    assert orders.recognised() == "sheet Gifts, the header in row 3 (the row above it is left out), 1 row"


def test_an_empty_sheet_is_said(tmp_path: Path) -> None:
    """So are the other sheets: the rows may be there."""
    data = changed(book(more=lambda workbook, _: workbook.add_worksheet("New")), {"sheet1.xml": b"<worksheet/>"})
    why = "sheet Gifts is empty; it is the first of 2 sheets (the other: New): to read another one, add --sheet NAME"
    assert why in refusal(written(tmp_path, data))


WRONG_SHEETS = {
    "a title alone": (("hello",), ()),
    "only a header": (("key", "product_id", "denomination"), ()),
    "a bad row": (("key", "product_id", "denomination"), ("A", "x", 5)),
    "an unknown column": (("key", "product_id", "denomination", "x"), ("A", 1001, 5, 1)),
}


@pytest.mark.parametrize("rows", WRONG_SHEETS.values(), ids=list(WRONG_SHEETS))
def test_a_wrong_first_sheet_is_said(tmp_path: Path, rows: tuple[tuple[object, ...], ...]) -> None:
    """The error names the sheet that was read and the others, unless a person has named it or it is the only one."""
    for more, named, says in ((True, None, True), (True, "Intro", False), (False, None, False)):
        path = tmp_path / "orders.xlsx"
        with xlsxwriter.Workbook(path) as workbook:
            sheet = workbook.add_worksheet("Intro")
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
            if more:
                workbook.add_worksheet("Gifts").write_row(0, 0, ("key", "product_id", "denomination"))
        with pytest.raises(PlanError) as caught:
            list(read_orders(path, sheet=named))
        hint = "; this is sheet Intro, the first of 2 sheets (the other: Gifts): to read another one, add --sheet NAME"
        assert (hint in str(caught.value)) == says


MERGED = [
    ("B1:C1", (0, 1, 0, 2), "; the header has merged cells (B1:C1): unmerge them, and give each column its name"),
    ("B1:B2", (0, 1, 1, 1), ""),
    ("B3:C3", (2, 1, 2, 2), ""),
]


@pytest.mark.parametrize(("name", "where", "hint"), MERGED, ids=[name for name, _, _ in MERGED])
def test_merged_names_of_columns_are_said(
    tmp_path: Path, name: str, where: tuple[int, int, int, int], hint: str
) -> None:
    """Nothing stands in the second of them, so a column is missing that a person sees."""
    path = tmp_path / "orders.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet("Gifts")
        sheet.write_row(0, 0, ("Employee ID", "Product ID"))
        sheet.write_row(3, 0, ("A", 1001, 500))
        sheet.merge_range(*where, "Product ID")
    text = refusal(path)
    assert "column denomination is missing (found: Employee ID, Product ID" in text
    assert text.endswith(hint) if hint else "merged cells" not in text


@pytest.mark.parametrize("kind", ["xls", "ods", "xlsx"])
def test_other_programs_merge_names_too(tmp_path: Path, kind: str) -> None:
    """Each kind of workbook says where its merged cells are."""
    text = refusal(FILES / f"merged.{kind}")
    assert "the header has merged cells (B1:C1)" in text


@pytest.mark.parametrize(("package", "name"), [("python_calamine", "orders.xlsx"), ("olefile", "libreoffice.xls")])
@pytest.mark.parametrize("fault", ["raise ImportError('no libc')", "import a_module_that_is_not_there"])
def test_a_broken_reader_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str, fault: str
) -> None:
    """The package is at fault, and not the file: the error says how to install it."""
    (tmp_path / f"{package}.py").write_text(fault)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"installed and does not load .* install it anew") as caught:
        list(read_orders(FILES / name))
    assert "damaged" not in str(caught.value)


def test_an_ended_reader_is_one_clear_line(tmp_path: Path) -> None:
    """A table of texts that says it has a billion makes the native reader abort: here it ends a process of its own."""
    data = changed(book(("A", 1001, 500)), {"sharedStrings.xml": lambda xml: xml.replace(b'"', b'"99999999', 6)})
    data = changed(data, {"sharedStrings.xml": b'<sst count="1" uniqueCount="999999999"><si><t>a</t></si></sst>'})
    assert "needs more than 190 MB of memory" in refusal(written(tmp_path, data))


def test_a_panic_of_the_reader_is_one_clear_line(tmp_path: Path) -> None:
    """An .xls whose end is cut off is beyond the native reader; Python's classes of errors do not have its panics."""
    path = written(tmp_path, (FILES / "libreoffice.xls").read_bytes()[:8004], "orders.xls")
    assert refusal(path) == f"{path}: this is a damaged workbook (its reader cannot go on); nothing was sent"


@pytest.mark.parametrize(("choices", "why"), [
    ({"delimiter": ";"}, "--delimiter does not fit"),
    ({"encoding": "utf-8"}, "--encoding does not fit"),
])  # fmt: skip
def test_choices_about_text_do_not_fit(tmp_path: Path, choices: dict[str, str], why: str) -> None:
    """They would be ignored."""
    with pytest.raises(ConfigError, match=why):
        list(read_orders(written(tmp_path, book(("A", 1001, 500))), **choices))  # type: ignore[arg-type]


def test_a_wrong_format_is_refused(tmp_path: Path) -> None:
    """In both directions."""
    path = written(tmp_path, book(("A", 1001, 500)))
    assert "this is a workbook, not CSV" in refusal(path, format="csv")
    path.write_text("key,product_id,denomination\n")
    assert "this is no workbook" in refusal(path, format="workbook")


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the package works without it."""
    monkeypatch.setattr(reader, "_NEEDED", ("no_such_module",))
    with pytest.raises(ConfigError, match=r"pip install 'xoxo-async\[files\]'"):
        list(read_orders(written(tmp_path, book(("A", 1001, 500)))))


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not copied whole."""
    monkeypatch.setattr(reader, "_LARGEST", 1000)
    assert "larger than 0 MB" in refusal(written(tmp_path, book(("A", 1001, 500))))


def test_the_process_gets_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs native code on files of strangers."""
    monkeypatch.setenv("XOXO_CLIENT_SECRET", "hunter2")
    seen: list[dict[str, str]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, env: dict[str, str], **more: Any) -> Any:
        seen.append(env)
        return popen(*arguments, env=env, **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    assert [line.key for line in read_orders(written(tmp_path, book(("A", 1001, 500))))] == ["A"]
    assert "hunter2" not in str(seen)
    assert set(seen[0]) <= {"PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


def children() -> set[str]:
    """Return the processes that this one has started, also those that nobody has waited for."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not list processes in /proc")
def test_the_process_ends_with_the_reading(tmp_path: Path) -> None:
    """Who stops after a row leaves no process behind."""
    before = children()
    lines = iter(read_orders(written(tmp_path, book(*((f"K{n}", 1001, 500) for n in range(3000))))))
    assert next(lines).key == "K0"
    assert len(children() - before) == 1
    lines.close()  # type: ignore[attr-defined]
    assert children() <= before


def test_a_workbook_may_come_from_standard_input(tmp_path: Path) -> None:
    """A pipe cannot be read twice; the workbook is copied first."""
    code = "from xoxo_async.bulk import read_orders; print([line.key for line in read_orders('-')])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=book(("A", 1001, 500)),
        capture_output=True,
        cwd=Path(reader.__file__).parents[4],
    )
    assert done.stdout.decode().strip() == "['A']", done.stderr.decode()
