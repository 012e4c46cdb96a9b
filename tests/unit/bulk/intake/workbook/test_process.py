"""The process that reads: which sheet, and what its messages are."""

import io
from typing import Any

import pytest

from tests.unit.bulk.intake.workbook.books import FILES, book, changed, result
from xoxo_async.bulk.intake.workbook.marks import Marks
from xoxo_async.bulk.intake.workbook.process import read
from xoxo_async.bulk.intake.workbook.refusing import RefusedError
from xoxo_async.bulk.intake.workbook.xlsx import Xlsx


def with_sheets(book: Any, sheet: Any) -> None:
    book.add_worksheet("Old").hide()
    book.add_worksheet("New").write(0, 0, "key")


def test_the_first_sheet_is_read_and_said() -> None:
    """The others are named: the rows may be in one of them."""
    about = result(book(more=with_sheets)).about
    assert about == {
        "sheet": "Gifts",
        "among": "the first of 3 sheets (the others: Old (hidden), New)",
        "notes": [],
        "wide": [],
    }
    assert result(book()).about == {"sheet": "Gifts", "among": "", "notes": [], "wide": []}


def test_a_hidden_sheet_is_not_the_first() -> None:
    """A person does not see it; by its name it is read."""

    def hide(book: Any, sheet: Any) -> None:
        book.add_worksheet("New").activate()
        sheet.hide()

    data = book(more=hide)
    assert result(data).about["sheet"] == "New"
    assert result(data, " gifts").about == {"sheet": "Gifts", "among": "", "notes": ["a hidden sheet"], "wide": []}


def test_an_unknown_sheet_is_refused_with_the_names() -> None:
    """The message lists what is there."""
    with pytest.raises(RefusedError, match=r"no sheet Mai \(found: Gifts, Old \(hidden\), New\)"):
        result(book(more=with_sheets), "Mai")


def test_a_sheet_of_charts_has_no_cells() -> None:
    """A workbook of charts alone is refused."""

    def make(xml: bytes) -> bytes:
        return xml.replace(b"relationships/worksheet", b"relationships/chartsheet").replace(
            b"worksheets/sheet1", b"chartsheets/sheet1"
        )

    data = changed(book(), {"workbook.xml.rels": make, "xl/chartsheets/sheet1.xml": b"<chartsheet/>"})
    with pytest.raises(RefusedError, match=r"no sheet of this workbook has cells \(found: Gifts \(a chart\)\)"):
        result(data)


def with_chart(book: Any, sheet: Any) -> None:
    page, chart = book.add_chartsheet("Fig"), book.add_chart({"type": "bar"})
    chart.add_series({"values": "=Gifts!$B$2:$B$2"})
    page.set_chart(chart)
    book.worksheets_objs.reverse()


def test_a_chart_in_front_is_said() -> None:
    """A person sees it as the first sheet. Asked for by its name it is refused."""
    data = book(("A", 1001, 500), more=with_chart)
    assert result(data).about["among"] == "the first of 2 sheets (the other: Fig (a chart))"
    with pytest.raises(RefusedError, match=r"sheet Fig has no cells \(found: Fig \(a chart\), Gifts\)"):
        result(data, "fig")


def test_a_missing_member_is_damage() -> None:
    """The message says what is missing."""
    with pytest.raises(RefusedError, match="damaged"):
        result(changed(book(), {"sheet1.xml": None}))


def test_cells_stay_in_their_columns() -> None:
    """A table that begins in column B has an empty column before it: a message can name the sheet's column."""

    def move(xml: bytes) -> bytes:
        return xml.replace(b'r="C', b'r="E')

    assert result(changed(book(("A", 1001, 500)), {"sheet1.xml": move})).rows[1] == (2, ["A", 1001, "", "", 500])


def test_two_readers_have_to_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an error could be noted for another cell than the one that has it."""
    monkeypatch.setattr(Xlsx, "marks", lambda _self, _sheet: Marks())
    with pytest.raises(RefusedError, match="where its cells are"):
        result(book(("A", 1001, 500)))


def test_messages_are_batches_between_two_facts() -> None:
    """The first names the sheet, the last has what is known in the end."""
    first, *batches, last = read(io.BytesIO((FILES / "orders.xlsx").read_bytes()), "")
    assert first["sheet"] == "Gifts"  # type: ignore[index]
    assert [len(batch) for batch in batches] == [13]  # type: ignore[arg-type]
    assert last == {"hidden_rows": 1}
