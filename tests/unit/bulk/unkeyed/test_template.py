"""Templates of points, links and mails: what is in them, and that they go back in."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import python_calamine

from xoxo_async.bulk import LinkLine, MailLine, OrderLine, PointsLine, read_rows, write_rows_template
from xoxo_async.errors import ConfigError, PlanError

KINDS: list[tuple[Any, str, str, list[str]]] = [
    (PointsLine, "Points", "recipients", ["key", "email", "name", "amount", "citation"]),
    (LinkLine, "Links", "rows of links", ["key", "quantity"]),
    (MailLine, "Mails", "addresses", ["key", "email"]),
]


@pytest.mark.parametrize("ending", [".xlsx", ".csv"])
@pytest.mark.parametrize(("line", "_title", "many", "_headings"), KINDS)
def test_a_template_has_no_rows_itself(
    tmp_path: Path, line: type[msgspec.Struct], _title: str, many: str, _headings: list[str], ending: str
) -> None:
    """Its headings are read without a word, and its example is left out and said."""
    path = tmp_path / f"people{ending}"
    write_rows_template(path, line)
    with pytest.raises(PlanError, match=f"there are no {many} in it, only the template's example"):
        list(read_rows(path, line))


@pytest.mark.parametrize(("line", "title", "_many", "headings"), KINDS)
def test_a_workbook_has_the_headings(
    tmp_path: Path, line: type[msgspec.Struct], title: str, _many: str, headings: list[str]
) -> None:
    """One sheet, with the headings first and the example below them."""
    write_rows_template(tmp_path / "t.xlsx", line)
    book = python_calamine.load_workbook(str(tmp_path / "t.xlsx"))
    assert book.sheet_names == [title]
    rows = book.get_sheet_by_name(title).to_python()
    assert (rows[0], len(rows)) == (headings, 2)


def test_the_page_tells_the_headings() -> None:
    """Its table has a field more than the template: the phone is read, and never sent."""
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "points-by-file.md").read_text()
    table, after = page.split("| field | usual names |", 1)[1].split("\n\n", 1)
    fields = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    (_line, _title, _many, headings), *_others = KINDS
    assert fields == [*headings, "phone"]
    assert "writes an empty file with these headings (without `phone`)" in after.split("\n\n", 1)[0]


def test_rows_below_the_example_are_read(tmp_path: Path) -> None:
    """A column of the caller's own may stand beside the template's."""
    path = tmp_path / "people.csv"
    write_rows_template(path, PointsLine)
    head, example = path.read_text().splitlines()
    path.write_text(f"{head},Team\n{example},\n007,ann@example.com,Ann,500,Thanks,Sales\n")
    rows = read_rows(path, PointsLine, keep=["Team"])
    assert [(one.key, one.amount, one.kept) for one in rows] == [("007", 500, {"Team": "Sales"})]
    assert "the template's example in row 2 left out, 1 row" in rows.recognised()


def test_other_lines_have_no_template_here(tmp_path: Path) -> None:
    """Orders have one of their own, with the products of the catalog."""
    with pytest.raises(ConfigError, match="must be PointsLine, LinkLine or MailLine, not OrderLine"):
        write_rows_template(tmp_path / "t.csv", OrderLine)
    assert list(tmp_path.iterdir()) == []
