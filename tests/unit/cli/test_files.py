"""`files`: a file that holds codes is nobody else's, from its first byte."""

import os
import stat
from pathlib import Path

import pytest

from xoxo_async.cli.files import private_file
from xoxo_async.errors import ConfigError


def test_a_file_is_private_while_it_is_written_and_after(tmp_path: Path) -> None:
    """The file is 0600 under any umask from its first byte, and takes its name only when it is whole."""
    target = tmp_path / "codes.csv"
    before = os.umask(0)
    try:
        with private_file(target) as file:
            file.write("code")
            (draft,) = tmp_path.iterdir()
            assert draft.name != target.name
            assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert target.read_text() == "code"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_older_file_and_no_draft(tmp_path: Path) -> None:
    """When writing fails, what was there before is untouched, and nothing half-written stays."""
    target = tmp_path / "codes.csv"
    target.write_text("before")

    def fail() -> None:
        with private_file(target) as file:
            file.write("half")
            raise KeyError("export")

    with pytest.raises(KeyError):
        fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("where", [".", "no/such/folder/codes.csv"])
def test_a_place_that_takes_no_file_is_said(tmp_path: Path, where: str) -> None:
    """A directory, and a folder that is not there, are one clear error."""
    with pytest.raises(ConfigError), private_file(tmp_path / where):
        pass
