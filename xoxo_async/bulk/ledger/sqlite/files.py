"""The files of a ledger: their names, and how they are made, named and removed. Nobody else can read them."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.errors import LedgerError

__all__ = ["MODE", "create_private", "publish", "remove", "sidecar"]

MODE: Final = 0o600


def sidecar(path: Path, suffix: str) -> Path:
    """Return the file beside a ledger: `-wal`, `-shm`, `.lock`."""
    return path.with_name(path.name + suffix)


def remove(path: Path) -> None:
    """Remove a ledger's file and what SQLite keeps beside it. The lock is held.

    Args:
        path: The ledger.
    """
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            sidecar(path, suffix).unlink()


def create_private(path: Path) -> None:
    """Make an empty file that is 0600 before anything is in it, whatever the umask.

    Args:
        path: The file; one left over there is replaced.

    Raises:
        LedgerError: When that cannot be done.
    """
    try:
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        try:
            os.fchmod(fd, MODE)
        finally:
            os.close(fd)
    except OSError as error:
        raise LedgerError(f"{path} cannot be made: {error.strerror}") from error


def publish(built: Path, path: Path) -> None:
    """Give a finished new ledger its name, durably. The lock is held, so nothing else takes the name meanwhile.

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
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LedgerError(f"{path} cannot be made: {error.strerror}") from error
