"""The `-wal` beside a ledger: keep it short, and leave marks that tell when it is missing."""

import os
import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.bulk.ledger.sqlite.lock import FileLock
from xoxo_async.bulk.ledger.sqlite.meta import get_meta, set_metas
from xoxo_async.private_files import MODE

__all__ = ["Wal", "base_of", "leave_wal"]

_LONG: Final = 4 * 1024 * 1024
_SOON: Final = 64 * 1024
_BASE_BYTES: Final = 15


def base_of(file: Path) -> str | None:
    """Return the name that a ledger's file has by itself, without its `-wal`; None where it cannot be read.

    Args:
        file: The ledger, as it really is.
    """
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            return get_meta(connection, "base") or ""
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # a checkpoint was cut off half-way; the `-wal` still has what is missing


class Wal:
    """Moves the `-wal` into the file where it has become long, and keeps marks that tell when it is missing.

    Args:
        path: The ledger.
        lock: Where it is noted which file the `-wal` goes on from.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._wal: Final = sidecar(path, "-wal")
        self._lock: Final = lock
        self._try_at = 0

    def committed(self, connection: sqlite3.Connection, row: int) -> None:
        """Note how far the journal goes, and shorten the `-wal` where that is due.

        Args:
            connection: The writer's, in no transaction.
            row: The last journal row of what was committed; 0 where it moved no line.

        Raises:
            sqlite3.Error: When the file cannot be written.
            OSError: When the `-wal` cannot be looked at.
        """
        if row:
            self._lock.note_journal(row)
        if self._wal.stat().st_size > self._try_at:
            self.check_point(connection)

    def check_point(self, connection: sqlite3.Connection) -> None:
        """Bring everything into the file, with a mark there that what follows is in the `-wal`.

        The mark is taken back by the first transaction of the new `-wal`. So a file that has the mark, and no `-wal`
        beside it, was copied without its latest transactions; whoever else checkpoints it, copies the taking back too.
        Another program that reads just now is no error: it is tried again when the `-wal` has grown.

        Args:
            connection: The writer's, in no transaction.

        Raises:
            sqlite3.Error: When the file cannot be written.
        """
        base = secrets.token_hex(_BASE_BYTES)
        try:
            self._lock.forget_base()
        except OSError as error:
            raise sqlite3.OperationalError(f"its lock file cannot be written: {error.strerror}") from error
        _mark(connection, {"wal_needed": "yes", "base": base})
        whole = self.flush(connection)
        if whole:
            self._lock.note_base(base)
        self.unmark(connection)
        self._try_at = _LONG if whole else self._wal.stat().st_size + _SOON

    def unmark(self, connection: sqlite3.Connection) -> None:
        """Write that the file needs no `-wal`; into the `-wal`, so that only a reader that has it finds this.

        Args:
            connection: The writer's, in no transaction.
        """
        _mark(connection, {"wal_needed": ""})

    def flush(self, connection: sqlite3.Connection) -> bool:
        """Bring everything to the file, and the file to disk; waits for nobody.

        After a failed fsync the kernel forgets that pages were not written; only writing them again helps, and this
        does.

        Args:
            connection: The writer's, in no transaction.

        Returns:
            Whether that was possible: not while another program reads an earlier state.
        """
        waits: int = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute("PRAGMA busy_timeout = 0").fetchone()
        try:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            connection.execute(f"PRAGMA busy_timeout = {waits}").fetchone()
        return not busy


def leave_wal(file: Path) -> None:
    """Leave an empty `-wal` beside a ledger that could not be ended in order.

    The file may have its mark still, and the empty `-wal` says that it is complete.

    Args:
        file: The ledger, as it really is, closed.
    """
    with suppress(OSError):
        os.close(os.open(sidecar(file, "-wal"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))


def _mark(connection: sqlite3.Connection, facts: dict[str, str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    set_metas(connection, facts)
    connection.execute("COMMIT")
