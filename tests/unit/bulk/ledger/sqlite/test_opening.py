"""`sqlite.opening`: a file that is no good ledger is refused with a reason, and stays as it was."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, killed, line, one_placed, spoil
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.errors import LedgerError, LedgerLockedError, PlanError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("directory", "is a directory"),
        ("other program", "another program"),
        ("text", "is not a ledger"),
        ("empty", "is empty"),
        ("cut", "is cut off"),
        ("stub", "is cut off"),
        ("page", "damaged"),
        ("newer", "newer xoxo-async"),
    ],
)
async def test_a_damaged_ledger_is_refused_and_left_alone(tmp_path: Path, how: str, says: str) -> None:
    """The error has the reason; the file is unchanged, and its lock is released."""
    path = tmp_path / "march.db"
    await one_placed(path)
    spoil(path, how)
    before = path.read_bytes() if path.is_file() else b""
    for _ in range(2):
        with pytest.raises(LedgerError, match=says) as refused:
            await SqliteLedger(path).open()
        assert not isinstance(refused.value, LedgerLockedError)
    assert (path.read_bytes() if path.is_file() else b"") == before


async def test_a_ledger_that_must_exist_is_never_made(tmp_path: Path) -> None:
    """Nothing is made, not even its lock."""
    with pytest.raises(LedgerError, match="no ledger"):
        await SqliteLedger(tmp_path / "march.db", must_exist=True).open()
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240


async def test_a_copy_needs_its_wal(tmp_path: Path) -> None:
    """The latest orders are in the -wal; a backup of the main file alone must not pass for the ledger."""
    path = tmp_path / "march.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
        await ledger.claim(1)
        (tmp_path / "half").mkdir()
        (tmp_path / "whole").mkdir()
        for name in ("march.db", "march.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "whole" / name)
        shutil.copy(path, tmp_path / "half" / "march.db")
    with pytest.raises(LedgerError, match="incomplete"):
        await SqliteLedger(tmp_path / "half" / "march.db").open()
    async with SqliteLedger(tmp_path / "whole" / "march.db") as ledger:
        assert await ledger.recover() == 1


async def test_a_wal_without_its_ledger_is_refused(tmp_path: Path) -> None:
    """SQLite would replay the old WAL into the new file."""
    (tmp_path / "march.db-wal").write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError, match="is gone"):
        await SqliteLedger(tmp_path / "march.db").open()


@pytest.mark.parametrize("left", ["half", "nothing", "gone"])
async def test_a_wal_that_lost_its_end_is_refused(tmp_path: Path, left: str) -> None:
    """SQLite accepts a shortened WAL, and the lost orders would be placed again."""
    path, wal = tmp_path / "l.db", tmp_path / "l.db-wal"
    killed(path)
    size = wal.stat().st_size
    if left == "gone":
        wal.unlink()
    else:
        os.truncate(wal, size // 2 if left == "half" else 0)
    with pytest.raises(LedgerError, match="torn"):
        async with SqliteLedger(path):
            pass
    with pytest.raises(LedgerError, match=r"torn|incomplete"):
        await SqliteLedger(path, read_only=True).open()
    with pytest.raises(LedgerError, match="torn"):  # and it stays refused
        async with SqliteLedger(path):
            pass


async def test_a_wal_left_by_kill_9_is_whole(tmp_path: Path) -> None:
    """All commits are there, and a later opening after the next clean end succeeds."""
    path = tmp_path / "l.db"
    killed(path)
    for _ in range(2):
        async with SqliteLedger(path) as ledger:
            assert (await ledger.counts()).issued == 8
    path.unlink()
    async with SqliteLedger(path) as ledger:  # a new ledger beside the old one's lock file
        assert (await ledger.counts()).rows == 0


def marked(path: Path, *, flushed: bool) -> None:
    """Leave a ledger as kill -9 leaves it between the mark of a checkpoint and its removal."""
    other = path.with_name("other.db")
    killed(other)
    with closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'yes' WHERE name = 'wal_needed'")
        if flushed:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        for suffix in ("", "-wal"):
            shutil.copy(f"{other}{suffix}", f"{path}{suffix}")
    assert bool(path.with_name(f"{path.name}-wal").stat().st_size) == (not flushed)


OPENINGS: dict[str, Callable[[Path], SqliteLedger]] = {
    "another job": lambda path: SqliteLedger(path, job="april"),
    "nothing to write": SqliteLedger,
    "a reader": lambda path: SqliteLedger(path, read_only=True),
}


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("first", OPENINGS)
async def test_an_opening_keeps_a_marked_ledger(tmp_path: Path, first: str, flushed: bool) -> None:
    """It writes nothing, and SQLite removes the -wal at its end: all rows are in the file, and it still opens."""
    path = tmp_path / "march.db"
    marked(path, flushed=flushed)
    with suppress(LedgerError):
        async with OPENINGS[first](path):
            pass
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).issued == 8


async def test_a_full_disk_keeps_a_marked_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark cannot be removed then. The ledger opens as soon as the disk has room."""
    path = tmp_path / "march.db"
    marked(path, flushed=True)
    real = sqlite3.connect

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as full:
        full.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
        with pytest.raises(LedgerError, match="full"):
            await SqliteLedger(path).open()
    async with SqliteLedger(path) as ledger:
        assert (await ledger.counts()).issued == 8


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_failed_opening_keeps_a_marked_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushed: bool
) -> None:
    """Whichever statement fails, SQLite removes the -wal as it closes the file; the next opening has all rows."""
    real, left = sqlite3.connect, 0

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            nonlocal left
            left -= 1
            if not left:
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *args)  # type: ignore[arg-type]

    kept = tmp_path / "kept.db"
    marked(kept, flushed=flushed)
    for statement in count(1):
        path = tmp_path / f"{statement}.db"
        for suffix in ("", "-wal"):
            shutil.copy(f"{kept}{suffix}", f"{path}{suffix}")
        left = statement
        with monkeypatch.context() as broken, suppress(LedgerError):
            broken.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=Disk, **kwargs))
            async with SqliteLedger(path):
                pass
        ended, left = left, 0
        async with SqliteLedger(path) as ledger:
            assert (await ledger.counts()).issued == 8, statement
        if ended > 0:
            break
    assert statement > 20


async def test_an_unused_ledger_is_removed_on_demand(tmp_path: Path) -> None:
    """A ledger made for a plan that was refused leaves nothing behind; one that was there, or has lines, stays."""
    path = tmp_path / "march.db"

    async def refused() -> AsyncIterator[PlannedLine]:
        yield line(1)
        raise PlanError("bad row")

    async with SqliteLedger(path, keep_unused=False) as ledger:
        with pytest.raises(PlanError):
            await ledger.plan("march", refused())
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
    async with SqliteLedger(path):
        pass
    async with SqliteLedger(path, keep_unused=False):
        pass
    assert path.exists()
    path.unlink()
    async with SqliteLedger(path, keep_unused=False) as ledger:
        await ledger.plan("march", each([line(1)]))
    async with SqliteLedger(path, must_exist=True) as ledger:
        assert (await ledger.counts()).rows == 1


async def test_a_writer_that_cannot_start_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without free threads closes everything that it has opened."""
    path = tmp_path / "l.db"

    def refuse(*_args: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("xoxo_async.bulk.ledger.sqlite.writer.LedgerWriter", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            await SqliteLedger(path).open()
    assert not (tmp_path / "l.db.lock").exists()
    async with SqliteLedger(path) as ledger:
        await ledger.set_fact("a", "b")


async def test_a_full_disk_keeps_no_half_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that cannot be made leaves no file behind: it would take the room that is missing."""

    def fill(path: Path) -> None:
        (path.parent / f"{path.name}-wal").write_bytes(b"half")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("xoxo_async.bulk.ledger.sqlite.opening.build", fill)
    with pytest.raises(LedgerError, match="disk is full"):
        await SqliteLedger(tmp_path / "l.db").open()
    assert os.listdir(tmp_path) == []
