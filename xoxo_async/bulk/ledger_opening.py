"""How a ledger's file is opened: its lock taken, its contents checked or made, its writer started."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import msgspec

from xoxo_async.bulk.ledger_codes import CodeBox
from xoxo_async.bulk.ledger_files import (
    FileLock,
    create_private,
    publish,
    read_header,
    refuse_incomplete,
    refuse_torn,
    remove,
    sidecar,
)
from xoxo_async.bulk.ledger_marks import CodeMarks
from xoxo_async.bulk.ledger_schema import build, connect
from xoxo_async.bulk.ledger_session import LedgerSession
from xoxo_async.bulk.ledger_store import get_meta, last_seq
from xoxo_async.bulk.ledger_writer import LedgerWriter, failure
from xoxo_async.errors import LedgerError

__all__ = ["LedgerFile", "Opened"]

_OLDEST_SQLITE: Final = (3, 37, 0)  # STRICT tables
_CHECK_BELOW: Final = 16 * 1024 * 1024
"""Files up to this size are checked at every open (some tens of milliseconds); larger ones after an unclean end."""


class Opened(msgspec.Struct):
    """What an open ledger has.

    Attributes:
        writer: The one thread that writes.
        reader: A connection that only reads.
        lock: Keeps other processes out.
        reading: Keeps readers of this process apart.
        job: The job it holds, None before its first plan.
        made: Whether the file was made by this opening.
    """

    writer: LedgerWriter
    reader: sqlite3.Connection
    lock: FileLock
    reading: anyio.Lock
    job: str | None
    made: bool


class LedgerFile:
    """A ledger's file on disk.

    Args:
        path: As the caller named it, for messages.
        file: As it really is.
        box: Seals voucher codes; None keeps none.
        marks: Recognises voucher codes.
        must_exist: Whether a missing file is an error.
    """

    def __init__(self, path: Path, file: Path, box: CodeBox | None, marks: CodeMarks, *, must_exist: bool) -> None:
        self._path: Final = path
        self._file: Final = file
        self._box: Final = box
        self._marks: Final = marks
        self._must_exist: Final = must_exist

    def open(self, clock: Callable[[], float], loop: asyncio.AbstractEventLoop) -> Opened:
        """Take the lock, check the file (or make it), and start its writer; blocks, so call it in a thread.

        Args:
            clock: The time in epoch seconds.
            loop: Where those who ask the writer wait.

        Raises:
            LedgerLockedError: When another process holds the ledger, or this one has it open already.
            LedgerError: When the file cannot be used; the message says what it is.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise LedgerError(f"SQLite {sqlite3.sqlite_version} is too old for a ledger: 3.37 is needed")
        if self._must_exist and not self._file.exists():
            raise LedgerError(f"there is no ledger at {self._path}")
        lock, had_lock = FileLock(self._file), sidecar(self._file, ".lock").exists()
        lock.take()
        connections: list[sqlite3.Connection] = []
        try:
            made = not self._file.exists()
            had_wal = self._make_or_check(lock.wal_bytes)
            connections.append(connect(self._file))
            self._check_contents(connections[0], had_wal=had_wal)
            connections.append(connect(self._file, query_only=True))
            job = get_meta(connections[1], "job")
        except BaseException as error:
            for connection in connections:
                connection.close()
            lock.release(clean=False, remove=not had_lock)  # beside what is no ledger there is no use for one
            if isinstance(error, sqlite3.OperationalError):  # the disk, not the contents
                raise failure(self._path, error) from error
            if isinstance(error, sqlite3.Error | ValueError):
                raise LedgerError(f"{self._path} is damaged: {error}") from error
            raise
        session = LedgerSession(connections[0], self._box, self._marks, clock)
        writer = LedgerWriter(self._file, session, lock, loop)
        return Opened(writer=writer, reader=connections[1], lock=lock, reading=anyio.Lock(), job=job, made=made)

    def close(self, opened: Opened, *, keep_unused: bool) -> None:
        """Let the next holder in, once the writer has ended; blocks, so call it in a thread.

        Args:
            opened: What `open` gave.
            keep_unused: Whether a ledger that it made stays where nothing was ever planned in it.
        """
        clean = opened.writer.ended_cleanly
        unused = clean and opened.made and not keep_unused and self._is_unused()
        if unused:
            remove(self._file)
        opened.lock.release(clean=clean, remove=unused)

    def _is_unused(self) -> bool:
        try:
            connection = connect(self._file, query_only=True)
            try:
                return get_meta(connection, "job") is None and last_seq(connection) == 0
            finally:
                connection.close()
        except sqlite3.Error:
            return False

    def _make_or_check(self, wal_bytes: int) -> bool:
        """Make the file, or refuse what it is; return whether a `-wal` was there."""
        header = read_header(self._file)
        wal = sidecar(self._file, "-wal")
        had_wal = wal.exists()
        if header is not None:
            if not header.complete and not had_wal:
                raise LedgerError(f"{self._path} is cut off: it is shorter than its own header says")
            refuse_torn(self._path, self._file, wal_bytes)
            return had_wal
        if self._must_exist:
            raise LedgerError(f"there is no ledger at {self._path}")
        if had_wal:
            raise LedgerError(
                f"{self._path} is gone, and its {wal.name} is still here: bring the ledger back, or move both"
            )
        built = sidecar(self._file, ".new")
        create_private(built)
        build(built)
        publish(built, self._file)
        return False

    def _check_contents(self, connection: sqlite3.Connection, *, had_wal: bool) -> None:
        if not had_wal:
            refuse_incomplete(self._path, self._file, get_meta(connection, "wal_needed"))
        unclean = bool(get_meta(connection, "holder"))
        if unclean or self._file.stat().st_size <= _CHECK_BELOW:
            verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise LedgerError(f"{self._path} is damaged: {verdict}")
        if self._box is not None:
            self._box.require(get_meta(connection, "key_check") or "")
