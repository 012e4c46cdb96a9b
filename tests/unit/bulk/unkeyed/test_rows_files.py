"""`rows_files`: files of recipients, of links and of addresses, in every form that orders may have."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from xoxo_async import errors
from xoxo_async.bulk import LinkLine, MailLine, OrderLine, PointsLine
from xoxo_async.bulk.unkeyed.rows_files import read_rows

ANN = PointsLine(key="E-1", email="ann@example.com", name="Ann", amount=Decimal(1500), citation="Thanks")


def test_csv_of_a_german_spreadsheet(tmp_path: Path) -> None:
    """Semicolons, a decimal comma and Windows-1252 are recognised, and kept columns ride along."""
    path = tmp_path / "leute.csv"
    path.write_bytes(
        "Staff No.;E-Mail;Name;Points;Reason;Büro\nE-1;ann@example.com;Änn;1.500,50;Danke;Köln\n".encode("cp1252")
    )
    file = read_rows(path, PointsLine, keep=["Büro"])
    (line,) = file
    assert line == PointsLine(
        key="E-1",
        email="ann@example.com",
        name="Änn",
        amount=Decimal("1500.50"),
        citation="Danke",
        kept={"Büro": "Köln"},
    )
    assert "semicolons, decimal comma, Windows-1252" in file.recognised()


def test_jsonl_names_its_fields(tmp_path: Path) -> None:
    """One object a line, with kept columns besides."""
    path = tmp_path / "people.jsonl"
    row = {"key": "E-1", "email": "ann@example.com", "name": "Ann", "amount": 1500, "citation": "Thanks"}
    path.write_text(json.dumps({**row, "kept": {"Team": 7}}))
    (line,) = read_rows(path, PointsLine)
    assert (line.amount, line.kept) == (1500, {"Team": "7"})


@pytest.mark.parametrize(("choices", "header"), [
    ({"columns": {"Who": "email", "No": "key"}}, "No|Who"),
    ({"columns": {"No": "key"}, "delimiter": "|"}, "No|email"),
])  # fmt: skip
def test_a_person_says_which_column_is_which(tmp_path: Path, choices: dict[str, Any], header: str) -> None:
    """The same choices as for orders."""
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nA|ann@example.com\n")
    assert list(read_rows(path, MailLine, **choices)) == [MailLine(key="A", email="ann@example.com")]


def test_rows_of_links_may_lack_a_number(tmp_path: Path) -> None:
    """A list of names is enough."""
    path = tmp_path / "rows.csv"
    path.write_text("key,quantity\nA,\nB,3.0\n")
    assert list(read_rows(path, LinkLine)) == [LinkLine(key="A"), LinkLine(key="B", quantity=3)]


def test_points_have_no_currency(tmp_path: Path) -> None:
    """An amount with a sign is money, and points are not."""
    path = tmp_path / "people.csv"
    path.write_text("key,email,name,amount\nA,ann@example.com,Ann,€500\n")
    with pytest.raises(errors.PlanError, match="row 2, column amount: must be a number, not '€500'"):
        list(read_rows(path, PointsLine))


def test_bad_rows_are_all_named(tmp_path: Path) -> None:
    """The rows that can be lines come, and the error names the others. What texts hold is left to the job."""
    path = tmp_path / "people.csv"
    path.write_text("key,email,name,amount\nA,ann,Ann,5\n,bob,Bob,x\n")
    read: list[str | None] = []
    with pytest.raises(errors.PlanError) as caught:
        read.extend(line.email for line in read_rows(path, PointsLine))
    assert read == ["ann"]
    assert caught.value.problems == (
        "row 3, column key: is missing",
        "row 3, column amount: must be a number, not 'x'",
    )


def test_another_line_has_no_file() -> None:
    """The error names the kinds, and where orders are read."""
    with pytest.raises(errors.ConfigError, match="line must be PointsLine, LinkLine or MailLine, not OrderLine"):
        read_rows("orders.csv", OrderLine)
