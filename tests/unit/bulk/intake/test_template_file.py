"""`template_file`: a template goes into a new file, whole or not at all."""

from pathlib import Path

import pytest

from xoxo_async.bulk.intake.template_file import Column, csv_of, new_template, write_new
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize("name", ["t.xls", "t", "t.xlsx.txt"])
def test_a_template_has_one_of_two_endings(tmp_path: Path, name: str) -> None:
    """Any other form would not be the one that its ending says."""
    with pytest.raises(ConfigError, match=r"a template ends in \.xlsx or \.csv, not"):
        new_template(tmp_path / name)


def test_a_template_replaces_no_file(tmp_path: Path) -> None:
    """Not even a link that leads nowhere, nor a file that appeared meanwhile."""
    path = tmp_path / "t.csv"
    assert new_template(path) == path
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is there already; a template never replaces a file"):
        new_template(path)
    with pytest.raises(ConfigError, match="is there already"):
        write_new(path, b"new")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(ConfigError, match="cannot be written"):
        write_new(tmp_path / "no" / "t.csv", b"new")


def test_csv_has_headings_and_example() -> None:
    """A comma in the example does not break it."""
    columns = [Column("key", 9, "a, b", is_text=True), Column("amount", 9, 5, is_text=False)]
    assert csv_of(columns) == b'key,amount\n"a, b",5\n'
