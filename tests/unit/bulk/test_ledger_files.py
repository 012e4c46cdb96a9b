"""`ledger_files`: one holder at a time, files nobody else can read, and a `-wal` that is known to be whole."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.bulk.ledgers import HOLDER, each, line, one_placed
from xoxo_async.bulk.ledger_files import FileLock, create_private, holder_of, noted_wal, publish, refuse_torn, remove
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.errors import LedgerError, LedgerLockedError

pytestmark = pytest.mark.anyio


async def test_a_second_process_is_refused_with_the_holder_s_pid_until_the_holder_dies(tmp_path: Path) -> None:
    """The lock names who has it, and a killed holder leaves it free."""
    path = tmp_path / "march.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LedgerLockedError, match=str(holder.pid)) as refused:
            await SqliteLedger(path).open()
        assert refused.value.holder_pid == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with SqliteLedger(path) as ledger:
        assert await ledger.get_meta("a") == "b"


async def test_the_same_process_cannot_open_a_ledger_twice(tmp_path: Path) -> None:
    """Also not by another name of the same file."""
    path, alias = tmp_path / "march.db", tmp_path / "alias.db"
    async with SqliteLedger(path):
        alias.symlink_to(path)
        with pytest.raises(LedgerLockedError, match="in this process"):
            await SqliteLedger(alias).open()


def test_a_lock_whose_file_is_gone_is_taken_at_the_new_one(tmp_path: Path) -> None:
    """Who opened the lock file before it was removed with its ledger never holds the removed one."""
    path = tmp_path / "march.db"
    first, second = FileLock(path), FileLock(path)
    first.take()
    old = os.open(f"{path}.lock", os.O_RDWR)
    first.release(remove=True)
    real_open = os.open
    opened = iter([old])

    def late(*arguments: object, **options: object) -> int:
        return next(opened, None) or real_open(*arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xoxo_async.bulk.ledger_files.os.open", late)
        second.take()
    assert holder_of(path) == os.getpid()
    with pytest.raises(LedgerLockedError):
        FileLock(path).take()
    second.release()
    assert holder_of(path) is None


@pytest.mark.parametrize("umask", [0o000, 0o277])
async def test_every_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Database, WAL, shared memory and lock are 0600 while they are in use."""
    before = os.umask(umask)
    try:
        async with SqliteLedger(tmp_path / "march.db") as ledger:
            await ledger.plan("march", each([line(1)]))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in list(tmp_path.iterdir())}  # noqa: ASYNC240
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["march.db", "march.db-wal", "march.db-shm", "march.db.lock"], 0o600)


async def test_a_file_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    """A ledger restored from a backup with open permissions is closed to others."""
    path = tmp_path / "march.db"
    await one_placed(path)
    path.chmod(0o644)
    async with SqliteLedger(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_looking_who_holds_a_ledger_makes_no_file(tmp_path: Path) -> None:
    """Neither where there is none, nor where nobody has it any more."""
    path = tmp_path / "march.db"
    assert (holder_of(path), noted_wal(path)) == (None, 0)
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
    lock = FileLock(path)
    lock.take()
    assert holder_of(path) == os.getpid()
    lock.release()
    assert holder_of(path) is None


@pytest.mark.parametrize(("ended", "known"), [("cleanly", 0), ("emptied", 0), ("in a failure", 4096), ("killed", 4096)])
def test_the_length_of_the_wal_is_known_to_the_next_holder_after_an_unclean_end(
    tmp_path: Path, ended: str, known: int
) -> None:
    """After a clean one, and while the `-wal` is being emptied, the note says nothing."""
    path = tmp_path / "march.db"
    lock = FileLock(path)
    lock.take()
    lock.note_wal(8192)
    lock.note_wal(4096)
    if ended == "emptied":
        lock.empty_note()
    left = (tmp_path / "march.db.lock").read_bytes()
    lock.release(clean=ended == "cleanly")
    if ended == "killed":
        (tmp_path / "march.db.lock").write_bytes(left)
    assert noted_wal(path) == known
    assert holder_of(path) is None  # a number alone is no holder
    following = FileLock(path)
    following.take()
    assert following.wal_bytes == known
    following.release()


def test_a_wal_is_torn_where_it_is_shorter_than_it_was(tmp_path: Path) -> None:
    """Longer is no harm: what came after the note was committed, too."""
    path, wal = tmp_path / "march.db", tmp_path / "march.db-wal"
    refuse_torn(path, path, 0)
    wal.write_bytes(b"x" * 100)
    for noted in (0, 99, 100):
        refuse_torn(path, path, noted)
    with pytest.raises(LedgerError, match="has 100 bytes, and had 101"):
        refuse_torn(path, path, 101)
    wal.unlink()
    with pytest.raises(LedgerError, match="has 0 bytes, and had 1"):
        refuse_torn(path, path, 1)


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


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write beside the ledger must not have another file written to."""
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / "march.db.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(LedgerError, match="cannot be opened"):
        FileLock(tmp_path / "march.db").take()
    assert (tmp_path / "victim").read_bytes() == b"untouched"
