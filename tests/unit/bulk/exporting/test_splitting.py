"""`splitting`: rows wait by value, in a file without a name, and a column is found or named."""

import os
from pathlib import Path

import pytest

from tests.unit.bulk.exporting.exports import ORDERS, row
from xoxo_async.bulk.exporting.columns import ExportRow
from xoxo_async.bulk.exporting.rows import Made
from xoxo_async.bulk.exporting.splitting import MOST_FILES, Parts, splitting_by
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Dept", "R/D"),
        ("dept", "R/D"),
        (" DEPT ", "R/D"),
        ("state (kept)", "Goa"),
        ("state", "placed"),
        ("order_id", ""),
    ],
)
def test_a_column_is_found(column: str, value: str) -> None:
    """By its heading in the export, whatever its case."""
    value_of = splitting_by(column, ORDERS, ["Dept", "state"])
    assert value_of(row(kept={"Dept": "R/D", "state": "Goa"}, order_id=None)) == value


@pytest.mark.parametrize("column", ["Team", "code", "pin", "error", "dePT"])
def test_another_column_is_refused(column: str) -> None:
    """The columns that are there are named; no code becomes the name of a file."""
    with pytest.raises(ConfigError, match=r"cannot be split by '.*: Dept, DEPT, key, po_number, .*, currency, tag$"):
        splitting_by(column, ORDERS, ["Dept", "DEPT"])


def test_rows_come_back_by_value(tmp_path: Path) -> None:
    """In their order; a value without its blanks is the same one. No file is seen."""
    parts = Parts(tmp_path, "tag", lambda one: one.tag, ExportRow)
    try:
        for key, tag in (("A", "x"), ("B", ""), ("C", " x "), ("D", " ")):
            parts.add(Made(row(key=key, tag=tag, code="0012"), key))
        assert {value: [made.row.key for made in parts.rows(value)] for value in parts.values} == {
            "": ["B", "D"],
            "x": ["A", "C"],
        }
        assert next(parts.rows("x")) == Made(row(key="A", tag="x", code="0012"), "A")
        assert os.listdir(tmp_path) == []
    finally:
        parts.close()


def test_there_are_not_too_many_files(tmp_path: Path) -> None:
    """A column such as the key would make one for each row."""
    parts = Parts(tmp_path, "key", lambda one: one.key, ExportRow)
    try:
        for number in range(MOST_FILES):
            parts.add(Made(row(key=str(number)), ""))
        parts.add(Made(row(key="0"), ""))
        with pytest.raises(ConfigError, match=r"'key' has more than 1,000 values"):
            parts.add(Made(row(key="one more"), ""))
    finally:
        parts.close()
