"""The error for a database that failed, with the system's reason: SQLite's errors seldom have it."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.errors import BulkError, LedgerError

__all__ = ["failure"]

_FILES: Final = 10
"""Descriptors that an opening ledger needs: two locks, two connections with `-wal` and `-shm`, the folder.

When the reason is looked for, the descriptors of the failed opening are closed again.
"""

_PRIMARY: Final = 0xFF
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FILE_TROUBLE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR})


def failure(path: Path, error: Exception) -> BulkError:
    """Return the error with the ledger, the failure, and the system's reason if there is one.

    Args:
        path: The ledger.
        error: What the storage raised.
    """
    if isinstance(error, BulkError):
        return error
    why = _why(path, error) if isinstance(error, sqlite3.Error) else ""
    return LedgerError(f"{path} failed: {error}{f': {why}' if why else ''}")


def _why(path: Path, error: sqlite3.Error) -> str:
    """Return the system's reason, a moment after the failure; empty if it has none."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in _BUSY:
        return "another program keeps writing to it (or it is on a network file system, where locks do not work)"
    if code == sqlite3.SQLITE_FULL:
        return f"no space is left in {path.parent}, or a quota is used up"
    if code not in _FILE_TROUBLE:
        return ""
    try:
        _open_some(path)
        if os.statvfs(path.parent).f_bavail == 0:
            return f"no space is left in {path.parent}"
    except OSError as trouble:
        return f"{trouble.strerror}" + (f" ({trouble.filename})" if trouble.filename else "")
    return ""


def _open_some(path: Path) -> None:
    """Open as many files as a ledger needs, and check that its folder and its file can be written.

    The ledger's own files are not opened here: closing them would give up the locks that SQLite has on them.

    Raises:
        OSError: The reason of the failure.
    """
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) for _ in range(_FILES))
        for file in (path, path.parent):
            _writable(file)
    finally:
        for fd in opened:
            with suppress(OSError):
                os.close(fd)


def _writable(file: Path) -> None:
    file.stat()
    if not os.access(file, os.W_OK):
        reason = errno.EROFS if os.statvfs(file).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(reason, os.strerror(reason), str(file))
