"""Locks on open files, which end with the process that holds them; and what is said where a system has none of POSIX's.

On POSIX a lock is flock's: it belongs to the open file and ends with it, also after `kill -9`. On Windows it is taken
by the library portalocker (msvcrt). Only the file of a shared allowance is locked there: a ledger and a token file have
to survive a crash of the machine, and what they need for that (durable names of files, flock, inodes) is POSIX's alone.
"""

import errno
import os
from types import ModuleType
from typing import Any, Final

__all__ = ["CLOSED_ON_EXEC", "NO_LINK", "NO_WAIT", "POSIX", "fcntl", "lock_now", "unlock"]


class _Missing:
    """Stands for `fcntl` where there is none; nothing in it can be used."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(errno.ENOSYS, "this system has no file locks of POSIX")


def _posix_locks() -> ModuleType | None:
    try:
        import fcntl as found  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    return found


_FOUND: Final = _posix_locks()

fcntl: Final[Any] = _FOUND if _FOUND is not None else _Missing()
"""The module of that name, or what explains its absence."""

POSIX: Final = _FOUND is not None
"""Whether the system has the locks that a ledger and a token file need."""

CLOSED_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open`: no process that is started later has the file, and Windows changes no byte of it."""

NO_LINK: Final[int] = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT: Final[int] = getattr(os, "O_NONBLOCK", 0)


def lock_now(descriptor: int) -> None:
    """Lock an open file, unless another process has.

    Args:
        descriptor: The file.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: The file system has no locks, or portalocker is missing where it is needed.
    """
    if not isinstance(fcntl, _Missing):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    portalocker = _portalocker()
    try:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.exceptions.AlreadyLocked:
        raise BlockingIOError from None
    except portalocker.exceptions.LockException as error:
        raise OSError(str(error)) from None


def unlock(descriptor: int) -> None:
    """Release the lock of an open file, also where a forked process has the file open.

    Args:
        descriptor: The file.

    Raises:
        OSError: The system fails.
    """
    if not isinstance(fcntl, _Missing):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return
    portalocker = _portalocker()
    try:
        portalocker.unlock(descriptor)
    except portalocker.exceptions.LockException as error:
        raise OSError(str(error)) from None


def _portalocker() -> Any:
    try:
        import portalocker  # noqa: PLC0415 - for Windows alone
    except ImportError:
        raise OSError(errno.ENOSYS, "a lock of a file needs pip install portalocker here") from None
    return portalocker
