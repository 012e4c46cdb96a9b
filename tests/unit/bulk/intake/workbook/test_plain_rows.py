"""`plain_rows`: rows that are taken out before the XML is parsed leave the same facts as if they were parsed."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bulk.intake.workbook.books import FILES, book, result, with_rows
from xoxo_async.bulk.intake.workbook.archive import Archive
from xoxo_async.bulk.intake.workbook.formats import Format
from xoxo_async.bulk.intake.workbook.marks import Marks, column_name
from xoxo_async.bulk.intake.workbook.plain_rows import PlainRows
from xoxo_async.bulk.intake.workbook.refusing import RefusedError
from xoxo_async.bulk.intake.workbook.xlsx import Xlsx, _SheetScan, scan_sheet

FORMATS = {"2": Format("00000"), "3": Format("0%")}
STYLES = 5


class Pieces:
    """The chunks of one member of a workbook."""

    def __init__(self, xml: bytes, size: int) -> None:
        self._xml, self._size = xml, size

    def chunks(self, _: str) -> Iterator[bytes]:
        for at in range(0, len(self._xml), self._size):
            yield self._xml[at : at + self._size]


def facts(marks: Marks) -> list[Any]:
    """Return everything that marks say."""
    cells = [(row, column, id(how)) for row in range(marks.last + 2) for column, how in marks.shown(row)]
    return [marks.bad, marks.hidden, marks.notes, marks.first, marks.last, marks.cells, sorted(cells)]


def scanned(xml: bytes, *, size: int = 2**16, take: bool = True, formats: dict[str, Format] = FORMATS) -> Any:
    """Return what a sheet says, or why it is refused."""
    pieces: Any = Pieces(xml, size)
    try:
        if take:
            return facts(scan_sheet(pieces, "sheet1.xml", formats, PlainRows(formats, STYLES), stale=True))
        return facts(_SheetScan(formats, None, stale=True).read(pieces, "sheet1.xml"))
    except RefusedError as error:
        return str(error)


VALUES = st.sampled_from([
    "<v>1</v>", "<v></v>", "<v>é</v>", "<v>a&amp;b</v>", "<v>0</v>", "<is><t>x</t></is>", "<f>A1</f><v>1</v>",
    "<f>A1</f>", '<f aca="false">1+1</f><v>0</v>', "<is><t>é</t></is>", "", "<v><!-- x -->1</v>", "<v>]]></v>",
])  # fmt: skip
ATTRIBUTES = st.sampled_from([
    "", ' t="n"', ' t="s"', ' t="str"', ' t="b"', ' t="inlineStr"', ' t="e"', ' s="1"', ' s="2"', ' s="3" t="n"',
    ' s="2" t="s"', ' t="s" s="2"', " t='s'", ' t="&#101;"',
])  # fmt: skip
CELLS = st.lists(st.tuples(st.integers(0, 60), ATTRIBUTES, VALUES), max_size=5, unique_by=lambda cell: cell[0])
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", ' spans="1:8"', ' hidden="1"', ' hidden="false"', ' hidden="true"', ' x:y="0.25"',
                         ' hidden="&#49;"']),
        CELLS,
    ),
    max_size=8,
)  # fmt: skip


def sheet(rows: list[tuple[str, list[tuple[int, str, str]]]], gap: int) -> bytes:
    """Return the XML of a sheet with rows, and so many rows between two of them."""
    xml = ""
    for at, (attributes, cells) in enumerate(rows):
        number = 1 + at * (gap + 1)
        inside = "".join(
            f'<c r="{column_name(column)}{number}"{how}' + (f">{value}</c>" if value else "/>")
            for column, how, value in sorted(cells)
        )  # fmt: skip
        xml += f'<row r="{number}"{attributes}>{inside}</row>'
    return (
        f'<?xml version="1.0"?><worksheet xmlns:x="y"><cols><col min="3" max="4" hidden="1"/></cols><sheetData>{xml}'
        "</sheetData></worksheet>"
    ).encode()


@settings(max_examples=300, deadline=None)
@given(rows=ROWS, gap=st.integers(0, 3), size=st.sampled_from([1, 7, 50, 333, 2**16]), formats=st.booleans())
def test_plain_rows_leave_the_same_facts(
    rows: list[tuple[str, list[tuple[int, str, str]]]], gap: int, size: int, formats: bool
) -> None:
    """Whatever stands in the sheet, and wherever a piece of it ends."""
    xml, known = sheet(rows, gap), FORMATS if formats else {}
    assert scanned(xml, size=size, formats=known) == scanned(xml, take=False, formats=known)


@pytest.mark.parametrize("name", [path.name for path in sorted(FILES.glob("*.xlsx"))])
def test_real_workbooks_have_the_same_facts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other programs too."""

    def read() -> list[list[Any]]:
        with (FILES / name).open("rb") as file:
            parts = Xlsx(Archive(file))
            return [facts(parts.marks(sheet))[:-1] for sheet in parts.sheets]

    taken = read()
    monkeypatch.setattr(PlainRows, "others", lambda _, chunks: chunks)
    assert taken == read()


def test_the_parser_gets_the_rest_alone() -> None:
    """A sheet of plain rows has hardly anything else."""
    xml = sheet([("", [(0, ' t="s"', "<v>1</v>"), (1, "", "<v>5</v>")])] * 500, 0)
    plain = PlainRows({}, 1)
    assert b"".join(plain.others([xml])) == re.sub(rb"<row.*</row>", b'<row r="500"/>', xml)
    assert (plain.top, plain.bottom, plain.left, plain.right) == (0, 499, 0, 1)


ODD = [
    '<row r="9"><c r="A9" t="str"><v>x</v></c></row><row><c t="e"><v>#N/A</v></c></row>',  # the row has no number
    '<row r="9"><c r="A9"/></row><row><c t="e"><v>#N/A</v></c></row>',
    '<row r="9"><c r="A9"/></row><row ht="15"><c t="str"><v>K1</v></c><c><f>C1*2</f></c></row>',
    '<row r="9"><c r="A9"/></row><row r=" 3"><c><f>C1*2</f></c></row>',
    '<row r="9"><c r="B9"><v>1</v></c><c r="Z9"><v>1</v></c><c r="A9"><v>1</v></c><c r="C9"><v>1</v></c></row>',
    '<row r="9"><c r="B9"><v>1</v></c><c r="ZZZ9"><v>1</v></c><c r="C9"><v>1</v></c></row>',
    '<!-- <row r="99"><c r="Z99"><v>1</v></c></row> -->',
    '<row r="9"><c r="A9"><v>1</v></c><c r="B9"><v><![CDATA[<row r="99"><c r="Z99"><v>1</v></c></row>]]></v></c></row>',
    '<?x <row r="99"><c r="Z99"><v>1</v></c></row> ?>',
    '<row r="9"><c r="D9"><v>1</v></c></row><c><v>1</v></c>',
    '<row r="8"><c r="A8" s="2"><v>1</v></c></row><row r="9"><c r="D9"><v>1</v></c></row><row r="12"><v>1</v></row>',
    '<row r="8"><c r="A8"><f>1</f></c></row><row r="9"><c r="D9"><v>1</v></c></row><row r="12"><f>1</f></row>',
    '<row r="9"><c r="D9"><v>1</v></c></row>text<row r="10"><c r="F10"><v>1</v></c></row>',
    '<row r="9" r="10"><c r="A9"><v>1</v></c></row>',
    '<row r="9" s="1" s="2"><c r="A9"><v>1</v></c></row>',
    '<row r="9" 1s="1"><c r="A9"><v>1</v></c></row>',
    '<row r="9" s="\x01"><c r="A9"><v>1</v></c></row>',
    '<row r="9"><c r="A9"><v>\uffff</v></c></row>',
    '</sheetData></worksheet><row r="9"><c r="A9"><v>1</v></c></row>',
    '<row r="8"><c r="A8"><f>1</f><v></v></c></row><row r="9"><c r="D9"/></row></sheetData><t>Page 1</t><sheetData>',
    '<row r="9"><c r="D9"><v>1</v></c></row></sheetData><x:f>A1</x:f><x:c><x:v>1</x:v></x:c><sheetData>',
    '<row r="9"><c r="D9"><v>1</v></c></row></sheetData><sheetData><row r="10"><c r="E10"><v>1</v></c></row>',
    '<row r="9"/>\n<row r="10"><c r="E10"><v>1</v></c></row>\r\n\t<row r="11"><c r="A11" t="e"><v>#N/A</v></c></row>\n',
]


@pytest.mark.parametrize("size", [1, 40, 2**16])
@pytest.mark.parametrize("odd", ODD)
def test_odd_sheets_are_parsed_as_before(odd: str, size: int) -> None:
    """Whatever programs do not write: no row is misnumbered, nothing is found that is no cell, nothing is refused."""
    plain = [("", [(0, ' t="s"', "<v>1</v>")]), ("", [(1, "", "")])]
    xml = sheet(plain, 1).replace(b"</sheetData>", odd.encode() + b"</sheetData>")
    assert scanned(xml, size=size) == scanned(xml, take=False)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "us-ascii", "utf-16"])
def test_other_encodings_are_parsed_as_before(encoding: str) -> None:
    """Bytes are letters by the encoding."""
    xml = sheet([("", [(0, ' t="str"', "<v>\u00e9</v>")])], 0).replace(b"?>", f' encoding="{encoding}"?>'.encode(), 1)
    assert scanned(xml) == scanned(xml, take=False)


def test_a_formula_below_an_unnumbered_row_is_refused() -> None:
    """A row without its number stands below the one before it, also where that one has no values."""
    first = b'<row r="3"><c r="A3"/></row><row><c t="str"><v>K1</v></c><c><f>C1*2</f></c></row>'
    last = b'<row r="5"><c r="A5" t="str"><v>K2</v></c></row>'
    rows = result(with_rows(first + last)).rows
    assert [number for number, _ in rows] == [1, 2, 4, 5]
    assert "formula without a value" in str(rows[2])


def test_cells_out_of_order_are_read() -> None:
    """No row has to begin with its first column."""
    cells = b'<row r="3"><c r="B3"><v>1001</v></c><c r="A3" t="str"><v>K</v></c><c r="C3"><v>5</v></c></row>'
    assert len(result(with_rows(cells)).rows) == 3
    wide = b'<row r="3"><c r="B3"><v>1</v></c><c r="A3" t="str"><v>K</v></c><c r="E3"><v>5</v></c><c r="D3"/></row>'
    assert len(result(with_rows(wide)).rows) == 3


def test_a_large_sheet_counts_once() -> None:
    """To parse a sheet again unpacks it again, and the bound is for what is in the workbook."""
    archive = Archive(io.BytesIO(book(("A", 1001, 500))))
    before = archive._left
    once = sum(map(len, archive.chunks("xl/worksheets/sheet1.xml")))
    assert sum(map(len, archive.chunks("xl/worksheets/sheet1.xml"))) == once == before - archive._left


def test_bytes_that_are_no_text_are_damage() -> None:
    """The parser finds them: a row with such bytes is not taken out."""
    xml = sheet([("", [(0, ' t="str"', "<v>x</v>")])], 0).replace(b"<v>x", b"<v>\xff")
    assert "damaged workbook" in scanned(xml)


def test_a_long_row_is_parsed_as_it_comes() -> None:
    """Nothing holds a row of many megabytes."""
    cell = b'<c r="A1" t="str"><v>%s</v></c>' % (b"x" * 3 * 2**20)
    xml = sheet([("", [])], 0).replace(b"</row>", cell + b"</row>")
    plain = PlainRows({}, 1)
    assert not max(map(len, plain.others(Pieces(xml, 2**16).chunks("")))) > 2**20 + 2**17
    assert scanned(xml) == scanned(xml, take=False)
