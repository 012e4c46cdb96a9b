"""Open and close a ledger's file: take its locks, and check its contents or make them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xoxo_async.bulk.ledger.clock import Boot
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.marks import CodeMarks
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.failures import failure
from xoxo_async.bulk.ledger.sqlite.files import create_private, publish, remove, sidecar
from xoxo_async.bulk.ledger.sqlite.holding import Holding
from xoxo_async.bulk.ledger.sqlite.journal import last_row
from xoxo_async.bulk.ledger.sqlite.lock import FileLock
from xoxo_async.bulk.ledger.sqlite.meta import get_meta, read_identity, read_kind
from xoxo_async.bulk.ledger.sqlite.reading import LedgerReader
from xoxo_async.bulk.ledger.sqlite.refusals import read_header, refuse_incomplete, refuse_mixed, refuse_torn
from xoxo_async.bulk.ledger.sqlite.schema import build, connect
from xoxo_async.bulk.ledger.sqlite.session import LedgerSession
from xoxo_async.bulk.ledger.sqlite.statements import last_seq
from xoxo_async.bulk.ledger.sqlite.wal import base_of, leave_wal, unmark
from xoxo_async.bulk.ledger.sqlite.watch import FileWatch
from xoxo_async.bulk.ledger.terms import Identity
from xoxo_async.errors import LedgerError

__all__ = ["LedgerFile", "Opened"]

W = TypeVar("W")

_OLDEST_SQLITE: Final = (3, 37, 0)  # STRICT tables
_CHECK_BELOW: Final = 16 * 1024 * 1024
"""Files up to this size are checked at every open (some tens of milliseconds); larger ones after an unclean end."""


class Opened(msgspec.Struct):
    """The parts of an open ledger.

    Attributes:
        session: Does the work of a transaction, on the connection that writes.
        reader: Reads, while the session writes.
        lock: Keeps other processes out.
        watch: Detects that the file is no longer the one that was opened.
        holding: Writes the first transaction.
        job: The job it holds, None before its first plan.
        kind: What that job is of.
        identity: Its account and address, None before they are set.
        made: Whether the file was made by this opening.
    """

    session: LedgerSession
    reader: LedgerReader
    lock: FileLock
    watch: FileWatch
    holding: Holding
    job: str | None
    kind: JobKind | None
    identity: Identity | None
    made: bool


class LedgerFile:
    """A ledger's file on disk.

    Args:
        path: As the caller named it, for messages.
        file: With links resolved.
        box: Seals voucher codes; None keeps none.
        marks: Recognises voucher codes.
        must_exist: Whether a missing file is an error.
        wall: The wall clock, in epoch seconds.
        boot: The clock of the machine.
    """

    def __init__(
        self,
        path: Path,
        file: Path,
        box: CodeBox | None,
        marks: CodeMarks,
        *,
        must_exist: bool,
        wall: Callable[[], float],
        boot: Callable[[], Boot],
    ) -> None:
        self._path: Final = path
        self._file: Final = file
        self._box: Final = box
        self._marks: Final = marks
        self._must_exist: Final = must_exist
        self._wall: Final = wall
        self._boot: Final = boot

    def open(self, start: Callable[[Opened], W]) -> tuple[Opened, W]:
        """Take the locks, check the file (or make it), and start its writer; blocks, so call it in a thread.

        Args:
            start: Starts the writer. If it raises an error, everything that was opened is closed.

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
        had_wal = sidecar(self._file, "-wal").exists()
        connections: list[sqlite3.Connection] = []
        try:
            opened = self._open(lock, connections)
            return opened, start(opened)
        except BaseException as error:
            for connection in connections:
                connection.close()
            if had_wal:
                # SQLite removed it, after it had brought everything to the file. The file may still have the mark of a
                # holder that was killed, see `_check_contents`.
                leave_wal(self._file)
            lock.release(remove=not had_lock)  # leave no new lock file beside a file that is no ledger
            if isinstance(error, sqlite3.OperationalError):  # from the disk, not from the contents
                raise failure(self._path, error) from error
            if isinstance(error, sqlite3.Error | ValueError):
                raise LedgerError(f"{self._path} is damaged: {error}") from error
            raise

    def _open(self, lock: FileLock, connections: list[sqlite3.Connection]) -> Opened:
        held = lock.hold_file()
        had_wal = self._make_or_check(lock, held)
        descriptor = lock.hold_file() if held is None else held
        if descriptor is None:
            raise LedgerError(f"{self._path} was removed while it was opened")
        connections.append(connect(self._file))
        self._check_contents(connections[0], lock, had_wal=had_wal)
        connections.append(connect(self._file, query_only=True))
        job = get_meta(connections[1], "job")
        holding = Holding(connections[1], self._box, descriptor, lock.notes, self._wall, self._boot)
        session = LedgerSession(connections[0], self._box, self._marks, holding.clock)
        watch = FileWatch(self._file, descriptor)
        if trouble := watch.trouble():
            raise LedgerError(trouble)
        return Opened(
            session=session,
            reader=LedgerReader(self._path, connections[1]),
            lock=lock,
            watch=watch,
            holding=holding,
            job=job,
            kind=read_kind(connections[1]),
            identity=read_identity(connections[1]),
            made=held is None,
        )

    def close(self, opened: Opened, *, clean: bool, has_written: bool, keep_unused: bool) -> None:
        """Close the files and release the lock, after the writer has ended; blocks, so call it in a thread.

        Args:
            opened: The result of `open`.
            clean: Whether everything is in the file, see `LedgerWriter.ended_cleanly`.
            has_written: Whether this holder has left its mark in the file.
            keep_unused: Whether a ledger that it made stays if nothing was ever planned in it.
        """
        # SQLite removes the `-wal` when the last connection closes. So close the reader only after the writer has
        # ended.
        opened.reader.close()
        if not clean and opened.watch.is_named:
            leave_wal(self._file)
        # Another file may have the ledger's name now; it must not be removed.
        removable = clean and opened.made and not keep_unused and opened.watch.is_named
        unused = removable and self._is_unused()
        if unused:
            remove(self._file)
        wal = sidecar(self._file, "-wal")
        if clean and not (wal.exists() and wal.stat().st_size):
            opened.lock.note_base("")  # without a `-wal`, no other file can be mixed with it
        opened.lock.release(clean=clean and has_written, remove=unused)

    def _is_unused(self) -> bool:
        try:
            connection = connect(self._file, query_only=True)
            try:
                return get_meta(connection, "job") is None and last_seq(connection) == 0
            finally:
                connection.close()
        except sqlite3.Error:
            return False

    def _make_or_check(self, lock: FileLock, descriptor: int | None) -> bool:
        """Make the file, or check the one that is there; return whether a `-wal` was there."""
        wal = sidecar(self._file, "-wal")
        had_wal = wal.exists()
        header = None if descriptor is None else read_header(self._file, fd=descriptor)
        if header is not None:
            if not header.complete and not had_wal:
                raise LedgerError(f"{self._path} is cut off: it is shorter than its header states")
            base = base_of(self._file) if had_wal and wal.stat().st_size else None
            if base is not None:
                refuse_mixed(self._path, self._file, base, lock.notes.base)
            return had_wal
        if self._must_exist:
            raise LedgerError(f"there is no ledger at {self._path}")
        if had_wal:
            raise LedgerError(
                f"{self._path} is gone, and its {wal.name} is still here: bring the ledger back, or move both"
            )
        built = sidecar(self._file, ".new")
        create_private(built)
        try:
            build(built)
            publish(built, self._file)
        except BaseException:
            remove(built)  # on a full disk, what has no use must not take room
            raise
        return False

    def _check_contents(self, connection: sqlite3.Connection, lock: FileLock, *, had_wal: bool) -> None:
        notes = lock.notes
        if not notes.clean and notes.ledger == get_meta(connection, "ledger"):
            refuse_torn(self._path, self._file, last_row(connection), notes.journal)
        if not had_wal:
            refuse_incomplete(self._path, self._file, get_meta(connection, "wal_needed"))
        unclean = bool(get_meta(connection, "holder"))
        if unclean or self._file.stat().st_size <= _CHECK_BELOW:
            verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise LedgerError(f"{self._path} is damaged: {verdict}")
        if had_wal and get_meta(connection, "wal_needed"):
            # A holder was killed between setting the mark and removing it. SQLite removes the `-wal` when the last
            # connection closes, also if nothing was written, and a marked file without a `-wal` would be refused.
            unmark(connection)
        if self._box is not None:
            self._box.require(get_meta(connection, "key_check") or "")
