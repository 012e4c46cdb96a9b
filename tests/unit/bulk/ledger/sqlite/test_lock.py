"""`sqlite.lock`: one holder of one file, whatever its names are, and notes that the next holder compares."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import HOLDER, each, line
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.lock import BLANK, FileLock, Notes, held_here, holder_of, read_notes
from xoxo_async.errors import LedgerError, LedgerLockedError

pytestmark = pytest.mark.anyio


async def test_a_second_process_waits_for_the_holders_death(tmp_path: Path) -> None:
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
        assert await ledger.get_fact("a") == "b"


async def test_the_same_process_cannot_open_a_ledger_twice(tmp_path: Path) -> None:
    """Also not by another name of the same file."""
    path, alias = tmp_path / "march.db", tmp_path / "alias.db"
    async with SqliteLedger(path):
        alias.symlink_to(path)
        with pytest.raises(LedgerLockedError, match="in this process"):
            await SqliteLedger(alias).open()


def test_the_file_itself_is_locked_not_its_name(tmp_path: Path) -> None:
    """A process that uses another name with its own lock file, as through a bind mount, is refused."""
    path = tmp_path / "march.db"
    path.write_bytes(b"x")
    lock = FileLock(path)
    lock.take()
    assert lock.hold_file() == lock.file
    assert held_here(path)
    (tmp_path / "march.db.lock").unlink()
    other = f"""
import sys
from pathlib import Path
from xoxo_async.bulk.ledger.sqlite.lock import FileLock
lock = FileLock(Path({str(path)!r}))
lock.take()
try:
    lock.hold_file()
except Exception as error:
    print(type(error).__name__, error)
"""
    told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True).stdout
    assert told.startswith("LedgerLockedError")
    assert "under another name" in told
    lock.release()
    assert not held_here(path)
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True).stdout == ""


async def test_a_process_opens_its_own_ledger_once(tmp_path: Path) -> None:
    """Closing a second descriptor would release SQLite's locks on the first one."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.set_fact("a", "b")
        path.with_name("march.db.lock").unlink()
        with pytest.raises(LedgerLockedError, match="in this process"):
            await SqliteLedger(path).open()
        # A stranger that is the last to close a ledger takes its -wal away: SQLite's own lock must still stand.
        subprocess.run([sys.executable, "-c", TOUCH, str(path)], check=True)  # noqa: ASYNC221
        assert (tmp_path / "march.db-wal").exists()
        await ledger.set_fact("a", "c")


TOUCH = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM meta").fetchone()
connection.close()
"""


async def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    """Two runs held one ledger by two hard links, and bought everything twice; the error says how to part them."""
    path, other = tmp_path / "march.db", tmp_path / "other.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
    other.hardlink_to(path)
    for name in (path, other):
        for read_only in (False, True):
            with pytest.raises(LedgerError, match=r"2 names \(hard links\).*`ln`.*backup tool.*Remove.*cp") as refused:
                await SqliteLedger(name, read_only=read_only).open()
            assert not isinstance(refused.value, LedgerLockedError)
    other.unlink()
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).rows == 1


def test_a_removed_lock_file_is_locked_anew(tmp_path: Path) -> None:
    """A process with a removed lock file locks the new one instead."""
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
        patch.setattr("xoxo_async.bulk.ledger.sqlite.lock.os.open", late)
        second.take()
    assert holder_of(path) == os.getpid()
    with pytest.raises(LedgerLockedError):
        FileLock(path).take()
    second.release()
    assert holder_of(path) is None


async def test_a_forked_child_keeps_no_lock(tmp_path: Path) -> None:
    """It has copies of the descriptors, and may live longer than its parent has the ledger open."""
    path = tmp_path / "march.db"
    script = f"""
import asyncio, os, signal
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
async def main():
    async with SqliteLedger({str(path)!r}) as ledger:
        await ledger.set_fact("a", "b")
        child = os.fork()
        if child == 0:
            signal.pause()
    try:
        async with SqliteLedger({str(path)!r}) as ledger:
            print(await ledger.get_fact("a"))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert (done.stdout, done.returncode) == ("b\n", 0), done.stderr


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


async def test_looking_who_holds_a_ledger_makes_no_file(tmp_path: Path) -> None:
    """No file is made if there is none, and none if the holder is gone."""
    path = tmp_path / "march.db"
    assert (holder_of(path), read_notes(path)) == (None, BLANK)
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
    lock = FileLock(path)
    lock.take()
    assert holder_of(path) == os.getpid()
    lock.release()
    assert holder_of(path) is None


@pytest.mark.parametrize("ended", ["cleanly", "in a failure", "killed", "without a write"])
def test_the_next_holder_reads_what_was_noted(tmp_path: Path, ended: str) -> None:
    """The notes have the last journal row, the ledger's name, and whether its holder ended cleanly."""
    path = tmp_path / "march.db"
    lock = FileLock(path)
    lock.take()
    lock.begin("ledger-1", 0)
    lock.note_journal(41)
    lock.note_journal(7)
    lock.note_base("base-1")
    left = (tmp_path / "march.db.lock").read_bytes()
    lock.release(clean=ended == "cleanly")
    if ended == "killed":
        (tmp_path / "march.db.lock").write_bytes(left)
    if ended == "without a write":
        idle = FileLock(path)
        idle.take()
        idle.release()
    noted = Notes(clean=ended == "cleanly", journal=7, base="base-1", ledger="ledger-1")
    assert read_notes(path) == noted
    assert holder_of(path) is None  # a number alone is no holder
    following = FileLock(path)
    following.take()
    assert following.notes == noted
    following.release()


def test_notes_about_another_ledger_are_removed(tmp_path: Path) -> None:
    """A new ledger beside an old lock file is not compared with the old notes."""
    path = tmp_path / "march.db"
    lock = FileLock(path)
    lock.take()
    lock.begin("ledger-1", 100)
    lock.note_base("base-1")
    lock.release()
    lock.take()
    lock.begin("ledger-2", 3)
    lock.release()
    assert read_notes(path) == Notes(clean=False, journal=3, base="", ledger="ledger-2")


def test_a_lock_file_link_is_not_followed(tmp_path: Path) -> None:
    """A link beside the ledger must not cause a write to another file."""
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / "march.db.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(LedgerError, match="cannot be opened"):
        FileLock(tmp_path / "march.db").take()
    assert (tmp_path / "victim").read_bytes() == b"untouched"
