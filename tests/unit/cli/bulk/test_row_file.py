"""`row_file`: a private file that replaces an older one of its kind, and no other."""

import resource
from pathlib import Path
from typing import TextIO

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
    """The file that is there cannot be read, or a new one cannot be made: with the file and the system's reason."""
    missing = tmp_path / "none" / "x.csv"
    for path, why in (
        (tmp_path, f"{tmp_path} is there and cannot be read (Is a directory), so it is not overwritten"),
        (missing, f"{missing} cannot be written: No such file or directory"),
    ):
        with pytest.raises(ConfigError) as caught, row_file(path, b"key".__eq__, "keys"):
            pass
        assert caught.value.message == why


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """While rows are written, the draft is what fails."""
    path = tmp_path / "rows.csv"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(file: TextIO) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
        try:
            file.write("x" * 1_000_000)  # more than any buffer: Python 3.14 has one of 128 KiB
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with pytest.raises(ConfigError) as caught, row_file(path, b"key".__eq__, "keys") as file:
        fill(file)
    assert caught.value.message == f"{path} cannot be written: File too large"
    assert list(tmp_path.iterdir()) == []


def test_the_error_of_another_file_is_its_own(tmp_path: Path) -> None:
    """What the rows come from may fail, too: that is no reason to look at the file that they go to."""
    for error in (PermissionError(13, "Permission denied", "march.db"), ConnectionResetError(104, "reset")):
        with pytest.raises(type(error)) as caught, row_file(tmp_path / "rows.csv", b"key".__eq__, "keys"):
            raise error
        assert caught.value is error


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
