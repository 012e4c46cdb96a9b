"""What an .ods says beside its values."""

import re

import pytest

from tests.unit.bulk.intake.workbook.books import FILES, changed, result
from xoxo_async.bulk.intake.workbook.refusing import RefusedError

ODS = (FILES / "libreoffice.ods").read_bytes()


def edited(old: bytes, new: bytes) -> bytes:
    def edit(xml: bytes) -> bytes:
        after, count = re.subn(old, new, xml, count=1)
        assert count
        return after

    return changed(ODS, {"content.xml": edit})


def test_an_ods_gives_the_rows_of_the_xlsx() -> None:
    """Ids with zeros that a format shows, numbers, dates and the hidden row too; a flag is a number there."""
    ods, xlsx = result(ODS), result((FILES / "orders.xlsx").read_bytes())
    assert [[int(c) if c is True or c is False else c for c in row] for _, row in xlsx.rows] == [r for _, r in ods.rows]
    assert (ods.hidden, ods.about["sheet"]) == (1, "Gifts")


def test_an_error_in_an_ods_is_refused() -> None:
    """LibreOffice marks it in its own attribute, and shows a text."""
    value = rb'office:value-type="float" office:value="250.5" calcext:value-type="float"'
    rows = result(edited(value, b'office:value-type="string" calcext:value-type="error"')).rows
    assert rows[1][1][2] == ["bad", "has an error of a formula"]


def test_a_formula_without_value_is_refused() -> None:
    """Programs that do not calculate write it so."""
    value = rb'office:value-type="float" office:value="250.5" calcext:value-type="float"'
    rows = result(edited(value, b'table:formula="of:=250.5"')).rows
    assert "without a value" in rows[1][1][2][1]


def test_merged_cells_of_an_ods_are_refused() -> None:
    """All but the first: they have no value of their own."""
    value = rb'office:value-type="string" calcext:value-type="string"><text:p>EMP-001'
    rows = result(edited(value, b'table:number-rows-spanned="2" ' + value)).rows
    assert rows[1][1][0] == "EMP-001"
    assert "merged cells A2:A3" in rows[2][1][0][1]


def test_repeated_rows_are_counted_before_reading() -> None:
    """One element may stand for a million rows."""
    with pytest.raises(RefusedError, match="cells down to row"):
        result(edited(rb"<table:table-row ", b'<table:table-row table:number-rows-repeated="1048576" '))


@pytest.mark.parametrize(("part", "content", "why"), [
    ("META-INF/manifest.xml", b"<m:encryption-data/>", "has a password"),
    ("mimetype", b"application/vnd.oasis.opendocument.text", "a text document"),
])  # fmt: skip
def test_other_documents_are_named(part: str, content: bytes, why: str) -> None:
    """A person reads what the file is."""
    with pytest.raises(RefusedError, match=why):
        result(changed(ODS, {part: content}))
