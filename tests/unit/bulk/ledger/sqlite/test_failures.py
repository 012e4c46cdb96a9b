"""`sqlite.failures`: the error of a failed database has a reason that a person can act on."""

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from xoxo_async.bulk.ledger.sqlite.failures import failure
from xoxo_async.errors import BudgetError, LedgerError


def failed(code: int, message: str = "it failed") -> sqlite3.OperationalError:
    """Return an error as SQLite raises it."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


def test_a_failure_names_the_ledger_once() -> None:
    """An error of this package passes unchanged."""
    ours = BudgetError("too much")
    assert failure(Path("march.db"), ours) is ours
    theirs = failure(Path("march.db"), sqlite3.OperationalError("disk I/O error"))
    assert (type(theirs), str(theirs)) == (LedgerError, "march.db failed: disk I/O error")
    assert str(failure(Path("march.db"), ZeroDivisionError("a bug"))) == "march.db failed: a bug"


def descriptors_that_are_left() -> list[int]:
    """Open files until no descriptor is left."""
    opened: list[int] = []
    while True:
        try:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return opened


def test_too_few_descriptors_are_named(tmp_path: Path) -> None:
    """SQLite only says that it cannot open the file."""
    path = tmp_path / "l.db"
    path.touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    filled: list[int] = []
    try:
        filled += descriptors_that_are_left()
        told = str(failure(path, failed(sqlite3.SQLITE_CANTOPEN, "unable to open database file")))
    finally:
        for fd in filled:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert told.endswith("l.db failed: unable to open database file: Too many open files (/dev/null)")


@pytest.mark.parametrize("what", ["the file", "the folder"])
def test_what_may_not_be_written_is_named(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file or its folder, and whether a whole file system is read-only."""
    path = tmp_path / "l.db"
    path.touch()
    wrong = path if what == "the file" else tmp_path
    monkeypatch.setattr(os, "access", lambda file, _mode: Path(file) != wrong)
    code = sqlite3.SQLITE_READONLY if what == "the file" else sqlite3.SQLITE_CANTOPEN_ISDIR
    assert str(failure(path, failed(code))).endswith(f"it failed: Permission denied ({wrong})")
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _file: os.statvfs_result((*real[:8], os.ST_RDONLY, real[9])))
    assert str(failure(path, failed(code))).endswith(f"it failed: Read-only file system ({wrong})")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """The file was there when the ledger was opened."""
    told = str(failure(tmp_path / "l.db", failed(sqlite3.SQLITE_CANTOPEN)))
    assert told.endswith(f"it failed: No such file or directory ({tmp_path}/l.db)")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where SQLite calls it an I/O error."""
    path = tmp_path / "l.db"
    path.touch()
    assert f"no space is left in {tmp_path}, or a quota" in str(failure(path, failed(sqlite3.SQLITE_FULL)))
    assert str(failure(path, failed(sqlite3.SQLITE_IOERR_SHMSIZE))).endswith("l.db failed: it failed")
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _file: os.statvfs_result((*real[:4], 0, *real[5:10])))
    assert str(failure(path, failed(sqlite3.SQLITE_IOERR_SHMSIZE))).endswith(f"no space is left in {tmp_path}")


def test_another_writer_is_named(tmp_path: Path) -> None:
    """A lock that stays taken belongs to another program, or locks do not work on a network."""
    told = str(failure(tmp_path / "l.db", failed(sqlite3.SQLITE_BUSY_RECOVERY, "database is locked")))
    assert "database is locked: another program keeps writing" in told


EMFILE = """
import asyncio, os, resource, sys
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError
async def main():
    left = int(sys.argv[2])
    async with SqliteLedger(sys.argv[1]):
        pass
    filled = []
    highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, highest + 10))
    try:
        while True:
            filled.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for fd in filled[:left]:
        os.close(fd)
    try:
        async with SqliteLedger(sys.argv[1]):
            print("opened")
    except LedgerError as error:
        print(error)
asyncio.run(main())
"""


@pytest.mark.parametrize("left", range(8))
def test_missing_descriptors_are_named(tmp_path: Path, left: int) -> None:
    """The descriptors may run out at any step of the opening."""
    command = [sys.executable, "-c", EMFILE, str(tmp_path / "l.db"), str(left)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "Too many open files" in told.stdout or told.stdout == "opened\n"
    assert left > 3 or told.stdout != "opened\n"
