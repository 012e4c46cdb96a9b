"""`private_files`: only its owner can read a file that holds codes, from its first byte."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from xoxo_async.private_files import Draft, ReservedFile, create, replacement, sync_folder, why_unwritten, write_whole


def test_a_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    """The file is 0600 under any umask, and takes its name only when it is whole."""
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


def test_a_failure_keeps_the_older_file(tmp_path: Path) -> None:
    """When writing fails, the older file is unchanged and no draft is left."""
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
def test_an_unusable_place_raises_the_systems_error(tmp_path: Path, where: str, error: type[OSError]) -> None:
    """A name that is a folder, or whose folder is missing, raises `OSError` and leaves no draft."""
    with pytest.raises(error), replacement(tmp_path / where) as file:
        file.write("code")
    assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.parent.glob(f".{tmp_path.name}.*")) == []


def test_an_error_names_no_draft(tmp_path: Path) -> None:
    """Whether the draft cannot be made or cannot take the name; an error of the block stays as it is."""
    folder = tmp_path / "codes.csv"
    folder.mkdir()
    for path, kind in ((folder, IsADirectoryError), (tmp_path / "none" / "codes.csv", FileNotFoundError)):
        with pytest.raises(kind) as caught, replacement(path):
            pass
        assert caught.value.filename == str(path)
        assert why_unwritten(caught.value, path) == caught.value.strerror
    for error in (PermissionError(13, "Permission denied", "march.db"), ConnectionResetError()):
        with pytest.raises(type(error)) as other, replacement(tmp_path / "x"):
            raise error
        assert why_unwritten(other.value, tmp_path / "x") is None


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
def test_a_new_file_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """A new file is 0600 under any umask."""
    before = os.umask(umask)
    try:
        descriptor = create(tmp_path / "pair.json")
    finally:
        os.umask(before)
    write_whole(descriptor, b"pair")
    assert stat.S_IMODE((tmp_path / "pair.json").stat().st_mode) == 0o600
    assert (tmp_path / "pair.json").read_bytes() == b"pair"


def test_a_name_that_is_taken_makes_no_file(tmp_path: Path) -> None:
    """An existing file or link raises `FileExistsError`, and no link is followed."""
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_a_shorter_content_truncates_the_file(tmp_path: Path) -> None:
    """A file that was reserved larger shrinks to its new contents."""
    path = tmp_path / "pair.json"
    path.write_bytes(bytes(64))
    write_whole(os.open(path, os.O_WRONLY), b"pair")
    sync_folder(tmp_path)
    assert path.read_bytes() == b"pair"


def test_a_reserved_file_is_there_before_its_contents(tmp_path: Path) -> None:
    """The file is private from the start, stays once something is written, and goes where nothing was."""
    kept, empty = ReservedFile(tmp_path / "kept"), ReservedFile(tmp_path / "empty")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    kept.write("link\n")
    kept.close()
    empty.close()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.path.read_text() == "link\n"
    with pytest.raises(FileExistsError):
        ReservedFile(kept.path)


def test_a_draft_waits_for_its_name(tmp_path: Path) -> None:
    """Several drafts can be whole before the first one takes its name; a placed one is not discarded."""
    drafts = [Draft(tmp_path / name) for name in ("a.csv", "b.csv")]
    for draft in drafts:
        draft.file.write("code")
        draft.finish()
    assert not (tmp_path / "a.csv").exists()
    drafts[0].place()
    for draft in drafts:
        draft.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_drafts_of_dead_processes_are_removed(tmp_path: Path) -> None:
    """They hold codes, and nobody sees their names. A file that is new, or of another name, stays."""
    target, stays = tmp_path / "codes.csv", [".codes.csv.swp", ".codes.csv.0123456789", ".codes.csv.89abcdef"]
    for name in [*stays, ".codes.csv.01234567", "codes.csv"]:
        (tmp_path / name).write_text("codes")
        if name != ".codes.csv.89abcdef":
            os.utime(tmp_path / name, (1, 1))
    with replacement(target) as file:
        file.write("code")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*stays, "codes.csv"])


WRITER = """
import sys
from pathlib import Path
from xoxo_async.private_files import Draft

draft = Draft(Path(sys.argv[1]))
draft.file.write("codes")
draft.file.flush()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_draft_being_written_is_never_removed(tmp_path: Path) -> None:
    """An export may write nothing for hours. Its draft goes once the process was killed, and not before."""
    target = tmp_path / "codes.csv"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == b"ready\n"
            (draft,) = tmp_path.iterdir()
            os.utime(draft, (1, 1))
            with replacement(target) as file:
                file.write("later")
            assert draft.read_text() == "codes"
        finally:
            writer.kill()
    with replacement(target) as file:
        file.write("last")
    assert list(tmp_path.iterdir()) == [target]


def test_a_slow_draft_still_takes_its_name(tmp_path: Path) -> None:
    """Neither before nor after it is finished does another draft of the same file remove it."""
    target = tmp_path / "codes.csv"
    slow = Draft(target)
    (draft,) = tmp_path.iterdir()
    for is_finished in (False, True):
        os.utime(draft, (1, 1))
        if is_finished:
            slow.finish()
        with replacement(target) as file:
            file.write("quick")
    slow.place()
    assert target.read_text() == ""
    assert list(tmp_path.iterdir()) == [target]


def test_a_draft_without_locks_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no locks, nobody knows whether a draft is being written."""

    def no_locks(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("xoxo_async.private_files.lock_now", no_locks)
    target, draft = tmp_path / "codes.csv", tmp_path / ".codes.csv.01234567"
    draft.write_text("codes")
    os.utime(draft, (1, 1))
    with replacement(target) as file:
        file.write("code")
    assert sorted(path.name for path in tmp_path.iterdir()) == [draft.name, "codes.csv"]
