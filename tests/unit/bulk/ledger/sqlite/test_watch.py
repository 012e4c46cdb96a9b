"""`sqlite.watch`: a copy and a renamed file differ, and changes of an open file are detected."""

import os
import re
import shutil
from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.sqlite.watch import FileWatch, is_same_place, place_of


class Watched:
    """A file that is open, as a ledger is, with what SQLite keeps beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "march.db"
        for name in ("march.db", "march.db-wal", "march.db-shm"):
            (folder / name).write_bytes(b"x")
        self.fd = os.open(self.path, os.O_RDWR)
        self.watch = FileWatch(self.path, self.fd)


def test_a_file_left_alone_is_no_trouble(tmp_path: Path) -> None:
    """Writing to it, and to what is beside it, changes nothing."""
    watched = Watched(tmp_path)
    for name in ("march.db", "march.db-wal"):
        (tmp_path / name).write_bytes(b"longer")
    assert (watched.watch.trouble(), watched.watch.is_named, watched.watch.gone) == ("", True, False)
    os.close(watched.fd)


TROUBLES = {
    "deleted": lambda path: path.unlink(),
    "folder deleted": lambda path: shutil.rmtree(path.parent),
    "renamed": lambda path: path.rename(path.with_name("april.db")),
    "replaced": lambda path: [path.with_name("new").write_bytes(b"y"), path.with_name("new").rename(path)],
    "kept and replaced": lambda path: [path.rename(path.with_name("april.db")), path.write_bytes(b"y")],
    "linked away": lambda path: [path.rename(path.with_name("april.db")), path.symlink_to(path.with_name("april.db"))],
    "hard link": lambda path: path.with_name("other.db").hardlink_to(path),
    "-wal deleted": lambda path: path.with_name("march.db-wal").unlink(),
    "-shm replaced": lambda path: [
        path.with_name("new").write_bytes(b"y"),
        path.with_name("new").rename(path.with_name("march.db-shm")),
    ],
}
SAID = {
    "deleted": r"was deleted while it was open; nothing more is sent.*written to march\.db\.rescued-\d+",
    "folder deleted": "was deleted",
    "renamed": "was renamed while it was open.*Give the file its name back",
    "replaced": "was replaced by another file.*is written to march",
    "kept and replaced": "was replaced by another file.*Bring the file back that was opened",
    "linked away": "was replaced by another file",
    "hard link": r"has 2 names \(hard links\)",
    "-wal deleted": r"march\.db-wal was deleted or replaced",
    "-shm replaced": r"march\.db-shm was deleted or replaced",
}


@pytest.mark.parametrize("what", TROUBLES)
def test_a_change_of_an_open_file_is_reported(tmp_path: Path, what: str) -> None:
    """The text says what to do, and `gone` whether the file is lost when it is closed."""
    (tmp_path / "ledgers").mkdir()
    watched = Watched(tmp_path / "ledgers")
    TROUBLES[what](watched.path)
    assert re.search(SAID[what], watched.watch.trouble())
    assert watched.watch.gone == (what in {"deleted", "folder deleted", "replaced"})
    assert watched.watch.is_named == (what in {"hard link", "-wal deleted", "-shm replaced"})
    os.close(watched.fd)


def test_a_copy_has_another_place_than_its_original(tmp_path: Path) -> None:
    """So a ledger can tell that it was copied, or restored from a backup."""
    path = tmp_path / "march.db"
    path.write_bytes(b"x")

    def place(file: Path) -> str:
        with file.open("rb") as opened:
            return place_of(opened.fileno())

    first = place(path)
    shutil.copy2(path, tmp_path / "copy.db")
    assert not is_same_place(place(tmp_path / "copy.db"), first)
    assert is_same_place(place(path.rename(tmp_path / "april.db")), first)
    assert is_same_place(place_of(tmp_path / "april.db"), first)
    (tmp_path / "april.db").unlink()
    assert not is_same_place(place(Path(shutil.copy2(tmp_path / "copy.db", path))), first)
