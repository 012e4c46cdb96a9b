"""`private_files`: a file that holds codes is nobody else's, from its first byte."""

import os
import stat
from pathlib import Path

import pytest

from xoxo_async.private_files import ReservedFile, create, replacement, sync_folder, write_whole


def test_a_file_is_private_while_it_is_written_and_after(tmp_path: Path) -> None:
    """The file is 0600 under any umask from its first byte, and takes its name only when it is whole."""
    target = tmp_path / "codes.csv"
    before = os.umask(0)
    try:
        with replacement(target) as file:
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
        with replacement(target) as file:
            file.write("half")
            raise KeyError("export")

    with pytest.raises(KeyError):
        fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("where", "error"), [(".", IsADirectoryError), ("no/such/codes.csv", FileNotFoundError)])
def test_a_place_that_takes_no_file_is_said(tmp_path: Path, where: str, error: type[OSError]) -> None:
    """A directory, and a folder that is not there, raise the system's own error; no draft is left."""
    with pytest.raises(error), replacement(tmp_path / where) as file:
        file.write("code")
    assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.parent.glob(".*")) == []


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
def test_a_new_file_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """Under any umask: 0600, neither more nor less."""
    before = os.umask(umask)
    try:
        descriptor = create(tmp_path / "pair.json")
    finally:
        os.umask(before)
    write_whole(descriptor, b"pair")
    assert stat.S_IMODE((tmp_path / "pair.json").stat().st_mode) == 0o600
    assert (tmp_path / "pair.json").read_bytes() == b"pair"


def test_a_name_that_is_taken_makes_no_file(tmp_path: Path) -> None:
    """Neither a file nor a link that leads nowhere is followed."""
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_written_over_the_room_it_has(tmp_path: Path) -> None:
    """Room that was taken before, and is not needed, goes."""
    path = tmp_path / "pair.json"
    path.write_bytes(bytes(64))
    write_whole(os.open(path, os.O_WRONLY), b"pair")
    sync_folder(tmp_path)
    assert path.read_bytes() == b"pair"


def test_a_reserved_file_is_there_before_its_contents(tmp_path: Path) -> None:
    """Private from the start; kept once something is written, removed where nothing was."""
    kept, empty = ReservedFile(tmp_path / "kept"), ReservedFile(tmp_path / "empty")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    kept.write("link\n")
    kept.close()
    empty.close()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.path.read_text() == "link\n"
    with pytest.raises(FileExistsError):
        ReservedFile(kept.path)
