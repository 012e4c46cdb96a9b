"""`keys_file`: the keys of any table, each once."""

from pathlib import Path

import pytest

from xoxo_async.bulk.intake.keys_file import read_keys
from xoxo_async.errors import PlanError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("key,row,state,why\nB,3,manual,lost\nA,2,manual,\nB,3,manual,lost\n", ["B", "A"]),
        ("Employee ID;Points\nE-1;1,5\n'-2;\n", ["E-1", "-2"]),
        ('{"key": "A"}\n{"key": "B"}\n', ["A", "B"]),
        ('{"row": 2, "key": "B", "state": "manual", "at": {"key": "C"}}\n{"key": "A", "row": 3}\n', ["B", "A"]),
    ],
)
def test_keys_come_in_their_order(tmp_path: Path, text: str, keys: list[str]) -> None:
    """Other columns are ignored, and the apostrophe of a spreadsheet is no part of a key."""
    path = tmp_path / "rows"
    path.write_text(text)
    assert read_keys(path) == keys


def test_a_row_without_a_key_is_named(tmp_path: Path) -> None:
    """So is a file without the column."""
    path = tmp_path / "rows.csv"
    path.write_text("key,row\nA,2\n,3\n")
    with pytest.raises(PlanError, match="row 3, column key: is missing"):
        read_keys(path)
    path.write_text("name,row\nA,2\n")
    with pytest.raises(PlanError, match="key"):
        read_keys(path)


@pytest.mark.parametrize("line", ['{"key": "A", "row": 2, "key": "B"}', '{"row": 2}'])
def test_a_json_row_has_one_key(tmp_path: Path, line: str) -> None:
    """Other names do not matter, and the key does."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(PlanError, match="row 1, column key"):
        read_keys(path)
