"""The `-wal` beside a ledger: keep it short, and leave marks that show when it is missing."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.bulk.ledger.sqlite.lock import FileLock
from xoxo_async.bulk.ledger.sqlite.meta import get_meta, set_metas
from xoxo_async.private_files import MODE

__all__ = ["Wal", "base_of", "leave_wal", "unmark"]

_LONG: Final = 8 * 1024 * 1024
_SOON: Final = 64 * 1024
_MANY: Final = 8000
"""After so many changed rows a `-wal` is long, whatever the size of its file: an overwritten one does not grow."""
_FEW: Final = 500
"""So few changed rows do not make a `-wal` long. Until then nobody asks for its size: with each question the thread
gives up the interpreter lock, and waits for it again."""
_BASE_BYTES: Final = 15


def base_of(file: Path) -> str | None:
    """Return the name in a ledger's file itself, without its `-wal`; None if it cannot be read.

    Args:
        file: The ledger, with links resolved.
    """
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            return get_meta(connection, "base") or ""
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # a checkpoint was cut off; the `-wal` still has the missing pages


class Wal:
    """Moves a long `-wal` into the file, and keeps marks that show when the `-wal` is missing.

    Args:
        path: The ledger.
        lock: Keeps the note of the file that the `-wal` goes on from.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._wal: Final = sidecar(path, "-wal")
        self._lock: Final = lock
        self._try_at = 0
        self._must_empty = True  # an earlier run may have ended before it cut off what was in clear
        # Of the connection: how many rows it had changed.
        self._begun_at = 0
        self._asked_at = 0

    def committed(self, connection: sqlite3.Connection, row: int) -> None:
        """Note how far the journal goes, and shorten the `-wal` if that is due.

        Args:
            connection: The writer's, in no transaction.
            row: The last journal row of the transaction; 0 if it moved no line.

        Raises:
            sqlite3.Error: When the file cannot be written.
            OSError: When the status of the `-wal` cannot be read.
        """
        if row:
            self._lock.note_journal(row)
        changed = connection.total_changes
        if 0 <= changed - self._asked_at < _FEW and not self._must_empty:
            return
        self._asked_at = changed
        if changed - self._begun_at >= _MANY or self._wal.stat().st_size > self._try_at:
            self.check_point(connection)

    def check_point(self, connection: sqlite3.Connection, *, empty: bool = False) -> None:
        """Bring everything into the file, with a mark that later transactions are in the `-wal`.

        The first transaction of the new `-wal` removes the mark. So a file with the mark and without a `-wal` was
        copied without its latest transactions. A checkpoint by another program copies the removal into the file, too.
        It is no error if another program is reading: the next try is made when the `-wal` has grown.

        Later transactions overwrite the `-wal` from its start: a file that does not grow needs no new blocks, so a sync
        costs less. A very long one is cut off.

        Args:
            connection: The writer's, in no transaction.
            empty: Whether it must be cut off, because it holds what must not stay. While another program reads, that
                waits for a later checkpoint.

        Raises:
            sqlite3.Error: When the file cannot be written.
        """
        base = os.urandom(_BASE_BYTES).hex()
        try:
            self._lock.remove_base()
        except OSError as error:
            raise sqlite3.OperationalError(f"its lock file cannot be written: {error.strerror}") from error
        _mark(connection, {"wal_needed": "yes", "base": base})
        self._must_empty |= empty
        whole = self.flush(connection, empty=self._must_empty or self._wal.stat().st_size > 2 * _LONG)
        if whole:
            self._must_empty = False
            self._lock.note_base(base)
        unmark(connection)
        size = self._wal.stat().st_size
        self._try_at = max(_LONG, size) if whole else size + _SOON

    def flush(self, connection: sqlite3.Connection, *, empty: bool = True) -> bool:
        """Bring everything to the file, and the file to disk; does not wait for readers.

        After a failed fsync Linux takes the pages for written although they are not. Only writing them again helps.

        Args:
            connection: The writer's, in no transaction.
            empty: Whether to cut off the `-wal` as well; otherwise it is overwritten from its start.

        Returns:
            Whether that was possible: it is not while another program reads an earlier state.
        """
        waits: int = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute("PRAGMA busy_timeout = 0").fetchone()
        try:
            mode = "TRUNCATE" if empty else "RESTART"
            busy: int = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        finally:
            connection.execute(f"PRAGMA busy_timeout = {waits}").fetchone()
        self._begun_at = self._asked_at = connection.total_changes
        return not busy


def unmark(connection: sqlite3.Connection) -> None:
    """Remove the mark that a `-wal` is needed; in the `-wal`, so that a file without its `-wal` keeps the mark.

    Args:
        connection: One that may write, in no transaction.

    Raises:
        sqlite3.Error: When the `-wal` cannot be written.
    """
    _mark(connection, {"wal_needed": ""})


def leave_wal(file: Path) -> None:
    """Leave an empty `-wal` beside a ledger that did not end cleanly.

    The file may still have its mark; the empty `-wal` shows that the file is complete.

    Args:
        file: The ledger, with links resolved, closed.
    """
    with suppress(OSError):
        os.close(os.open(sidecar(file, "-wal"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))


def _mark(connection: sqlite3.Connection, facts: dict[str, str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    set_metas(connection, facts)
    connection.execute("COMMIT")
