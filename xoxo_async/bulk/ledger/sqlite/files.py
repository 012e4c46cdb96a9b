"""Make, name and remove the files of a ledger. Other users cannot read them."""

import os
from contextlib import suppress
from pathlib import Path

from xoxo_async.errors import LedgerError
from xoxo_async.private_files import create, sync_folder

__all__ = ["create_private", "publish", "remove", "sidecar"]


def sidecar(path: Path, suffix: str) -> Path:
    """Return the file beside a ledger: `-wal`, `-shm`, `.lock`."""
    return path.with_name(path.name + suffix)


def remove(path: Path) -> None:
    """Remove a ledger's file and SQLite's files beside it. The caller holds the lock.

    Args:
        path: The ledger.
    """
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            sidecar(path, suffix).unlink()


def create_private(path: Path) -> None:
    """Make an empty file with mode 0600 from the start, with any umask.

    Args:
        path: The file; a file that was left over there is replaced.

    Raises:
        LedgerError: When that cannot be done.
    """
    try:
        path.unlink(missing_ok=True)
        os.close(create(path))
    except OSError as error:
        raise LedgerError(f"{path} cannot be made: {error.strerror}") from error


def publish(built: Path, path: Path) -> None:
    """Give a finished new ledger its name, durably. The caller holds the lock, so no other process takes the name.

    Args:
        built: The finished file.
        path: Its name from here on.

    Raises:
        LedgerError: When that cannot be done.
    """
    try:
        fd = os.open(built, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        built.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise LedgerError(f"{path} cannot be made: {error.strerror}") from error
