"""`ledger_files`: files nobody else can read, of one name, that stay what was opened."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from xoxo_async.bulk.ledger.sqlite.files import (
    FileWatch,
    create_private,
    is_same_place,
    place_of,
    publish,
    read_header,
    refuse_mixed,
    refuse_torn,
    remove,
)
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


async def test_a_file_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    """A ledger restored from a backup with open permissions is closed to others."""
    path = tmp_path / "march.db"
    await one_placed(path)
    path.chmod(0o644)
    async with SqliteLedger(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_header_is_read_from_an_open_file_as_well(tmp_path: Path) -> None:
    """And its descriptor stays open."""
    path = tmp_path / "march.db"
    await one_placed(path)
    fd = os.open(path, os.O_RDWR)
    try:
        by_fd, by_name = read_header(path, fd=fd), read_header(path)
        assert by_fd is not None
        assert by_name is not None
        assert (by_fd.size, by_fd.version) == (by_name.size, by_name.version)
        os.fstat(fd)
    finally:
        os.close(fd)


def test_a_ledger_is_torn_where_it_has_less_than_was_written(tmp_path: Path) -> None:
    """More is no harm: what came after the note was committed, too. The error says what to do."""
    path = tmp_path / "march.db"
    for noted in (0, 99, 100):
        refuse_torn(path, path, 100, noted)
    with pytest.raises(
        LedgerError, match=r"torn.*ends at entry 100, and 101 .*march\.db-wal back.*remove march\.db\.lo"
    ):
        refuse_torn(path, path, 100, 101)


def test_a_wal_of_another_file_is_refused(tmp_path: Path) -> None:
    """Where nothing is noted, nothing is refused."""
    path = tmp_path / "march.db"
    refuse_mixed(path, path, "one", "one")
    refuse_mixed(path, path, "one", "")
    with pytest.raises(LedgerError, match=r"replaced.*march\.db-wal holds orders.*remove march\.db\.lock"):
        refuse_mixed(path, path, "one", "two")


class Watched:
    """A file that is open, as a ledger is, with what SQLite keeps beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "march.db"
        for name in ("march.db", "march.db-wal", "march.db-shm"):
            (folder / name).write_bytes(b"x")
        self.fd = os.open(self.path, os.O_RDWR)
        self.watch = FileWatch(self.path, self.fd)


def test_a_file_that_is_left_alone_is_no_trouble(tmp_path: Path) -> None:
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
def test_what_happens_to_an_open_file_is_told(tmp_path: Path, what: str) -> None:
    """In words that say what to do, and it is known whether the file is lost when it is closed."""
    (tmp_path / "ledgers").mkdir()
    watched = Watched(tmp_path / "ledgers")
    TROUBLES[what](watched.path)
    assert re.search(SAID[what], watched.watch.trouble())
    assert watched.watch.gone == (what in {"deleted", "folder deleted", "replaced"})
    assert watched.watch.is_named == (what in {"hard link", "-wal deleted", "-shm replaced"})
    os.close(watched.fd)


def test_a_copy_lies_in_another_place_and_a_renamed_file_does_not(tmp_path: Path) -> None:
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


def test_a_new_file_is_private_and_empty_whatever_was_there(tmp_path: Path) -> None:
    """A leftover of a killed process is replaced, not continued; a folder that is missing is named."""
    path = tmp_path / "march.db.new"
    path.write_bytes(b"half a ledger")
    path.chmod(0o666)
    create_private(path)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o600)
    publish(path, tmp_path / "march.db")
    assert [file.name for file in tmp_path.iterdir()] == ["march.db"]
    with pytest.raises(LedgerError, match=r"nowhere.*cannot be made"):
        create_private(tmp_path / "nowhere" / "march.db")
    with pytest.raises(LedgerError, match=r"march\.db cannot be made"):
        publish(tmp_path / "gone", tmp_path / "march.db")


def test_a_removed_ledger_takes_its_own_files_and_no_other(tmp_path: Path) -> None:
    """The lock stays with its holder, and a neighbour's files are its own."""
    for name in ("march.db", "march.db-wal", "march.db-shm", "march.db.lock", "march.db2", "march.csv"):
        (tmp_path / name).touch()
    remove(tmp_path / "march.db")
    remove(tmp_path / "march.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["march.csv", "march.db.lock", "march.db2"]
