"""What an .xlsx says beside its values: formulas, errors, hidden rows, zeros that only a format shows."""

import re
from typing import Any

import pytest

from tests.unit.bulk.intake.workbook.books import FILES, book, changed, result, with_rows
from xoxo_async.bulk.intake.workbook.refusing import RefusedError


def formula(value: object) -> bytes:
    return book(("A", 1001), more=lambda _, sheet: sheet.write_formula(1, 2, "=250*2", None, value))


def test_a_formula_gives_its_value() -> None:
    """It is the value that the program last stored, and never the formula."""
    assert result(formula(500)).rows[1] == (2, ["A", 1001, 500])


@pytest.mark.parametrize(("cell", "why"), [
    (b'<c r="C3"><f>1+1</f></c>', "a formula without a value"),
    (b'<c r="C3"><f>1+1</f><v></v></c>', "a formula without a value"),
    (b'<c r="C3" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "has the error #DIV/0!"),
    (b'<c r="C3" t="e"><v>#REF!</v></c>', "has the error #REF!"),
])  # fmt: skip
def test_cells_without_a_value_are_refused(cell: bytes, why: str) -> None:
    """The reader of workbooks gives nothing for them; an empty cell would look the same."""
    number, cells = result(with_rows(b'<row r="3"><c r="A3" t="str"><v>B</v></c>' + cell + b"</row>")).rows[2]
    assert (number, cells[0], cells[2][0]) == (3, "B", "bad")
    assert why in cells[2][1]


def test_a_formula_may_give_an_empty_text() -> None:
    """`=IF(A2="","",500)` in a row that is not filled in is no value, and no fault."""
    row = b'<row r="3"><c r="C3" t="str"><f>IF(A3="","",1)</f><v></v></c></row>'
    assert len(result(with_rows(row)).rows) == 2


def test_a_formula_that_was_never_calculated_is_refused() -> None:
    """Programs that write formulas and do not calculate them store 0, and ask the next program to calculate."""
    assert result(formula(0)).rows[1][1][2][0] == "bad"


def test_an_error_alone_is_no_blank_row() -> None:
    """Nothing is left out silently."""
    assert result(with_rows(b'<row r="9"><c r="B9" t="e"><v>#N/A</v></c></row>')).rows[2][0] == 9


def test_hidden_rows_are_counted_and_read() -> None:
    """A filter hides rows too. A hidden row without values does not count."""

    def hide(_: Any, sheet: Any) -> None:
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_row(7, None, None, {"hidden": True})
        sheet.set_column(3, 4, None, None, {"hidden": True})

    done = result(book(("A", 1001, 500), ("B", 1001, 500), more=hide))
    assert (done.hidden, len(done.rows)) == (1, 3)
    assert "2 hidden columns" in done.about["notes"]


def test_zeros_of_a_format_belong_to_ids() -> None:
    """`00042` in the sheet is 42 in the file; the same sheet as CSV has 00042, and that is the row's key."""

    def pad(book: Any, sheet: Any) -> None:
        sheet.write_number(1, 0, 42, book.add_format({"num_format": "00000"}))
        sheet.write_number(2, 0, 42, book.add_format({"num_format": "0.00"}))

    assert [cells[0] for _, cells in result(book(("A", 1001, 500), ("B", 1001, 500), more=pad)).rows[1:]] == [
        ["shown", "42", "00042", "", "", ""],
        42,
    ]


def test_names_may_have_a_prefix() -> None:
    """Some programs write `x:row`, and leave out where a cell is."""

    def prefixed(xml: bytes) -> bytes:
        xml = re.sub(rb"<(/?)(?=[a-z])", rb"<\1x:", xml).replace(b"xmlns=", b"xmlns:x=")
        return xml.replace(
            b"</x:sheetData>", b'<x:row r="3"><x:c r="A3" t="e"><x:v>#N/A</x:v></x:c></x:row></x:sheetData>'
        )

    assert result(changed(book(("A", 1001, 500)), {"sheet1.xml": prefixed})).rows[2][1][0][0] == "bad"


def test_macros_and_links_are_said() -> None:
    """Neither is run or followed."""
    parts = {"xl/vbaProject.bin": b"x", "xl/externalLinks/externalLink1.xml": b"<x/>"}
    assert len(result(changed(book(("A", 1001, 500)), parts)).about["notes"]) == 2


@pytest.mark.parametrize(("xml", "why"), [
    (b'<row r="5"><c r="XFD5"><v>1</v></c></row>', "column XFD"),
    (b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>', "cells down to row 1,048,576"),
    (b'<row r="5"><c r="5A"><v>1</v></c></row>', "has no place"),
    (b'<row r="5">' + b"<c><v>1</v></c>" * 2000 + b"</row>", "2,000 columns"),
])  # fmt: skip
def test_sheets_without_bounds_are_refused_first(xml: bytes, why: str) -> None:
    """The reader of workbooks would take memory for every cell of the rectangle."""
    with pytest.raises(RefusedError, match=why):
        result(with_rows(xml))


def test_blank_cells_with_a_format_do_not_count() -> None:
    """A sheet that is coloured to its end has the columns that are filled in."""
    xml = b'<row r="1048576"><c r="XFD1048576" s="0"/></row>'
    assert len(result(with_rows(xml)).rows) == 2


def test_a_workbook_of_libreoffice_is_read() -> None:
    """What it writes as .xlsx gives the same rows as the workbook that it has read."""
    written, original = (result((FILES / name).read_bytes()) for name in ("libreoffice.xlsx", "orders.xlsx"))
    assert written.rows == original.rows
    assert (written.hidden, original.hidden) == (1, 1)
