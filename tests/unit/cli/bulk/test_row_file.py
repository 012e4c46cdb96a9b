"""`row_file`: a private file that replaces an older one of its kind, and no other."""

from pathlib import Path

import pytest

from xoxo_async.cli.bulk.row_file import row_file
from xoxo_async.errors import ConfigError


def test_an_older_file_of_its_kind_is_replaced(tmp_path: Path) -> None:
    """And only once the new one is whole."""
    path = tmp_path / "rows.csv"
    for text in ("key\nA\n", "key\nB\n"):
        with row_file(path, b"key".__eq__, "keys") as file:
            file.write(text)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (text, 0o600)
    with pytest.raises(ConfigError, match="has no names"), row_file(path, b"name".__eq__, "names"):
        pass
    assert (path.read_text(), list(tmp_path.iterdir())) == ("key\nB\n", [path])


def test_what_the_system_refuses_is_named(tmp_path: Path) -> None:
    """The file cannot be read, or its folder is missing."""
    for path in (tmp_path, tmp_path / "none" / "x.csv"):
        with pytest.raises(ConfigError, match="cannot be written"), row_file(path, b"key".__eq__, "keys"):
            pass


def test_an_empty_file_is_replaced(tmp_path: Path) -> None:
    """There is nothing in it to lose; a blank line may be followed by something."""
    path = tmp_path / "rows.csv"
    path.touch()
    with row_file(path, b"key".__eq__, "keys") as file:
        file.write("key\nA\n")
    path.write_text("\nmine\n")
    with pytest.raises(ConfigError, match="has no keys"), row_file(path, b"key".__eq__, "keys"):
        pass
    assert path.read_text() == "\nmine\n"
