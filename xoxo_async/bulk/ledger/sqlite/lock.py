"""The locks of a ledger: one on its file, and one on a file beside it that names the holder and keeps its notes.

The lock on the file itself keeps out a process that opens the same file by another name. The file beside it can be
locked before there is a ledger, and names the holder.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.bulk.ledger.sqlite.refusals import refuse_links
from xoxo_async.errors import LedgerError, LedgerLockedError
from xoxo_async.file_locks import fcntl
from xoxo_async.private_files import MODE

__all__ = ["BLANK", "FileLock", "Notes", "held_here", "holder_of", "read_notes"]

T = TypeVar("T")

_FIELD: Final = 32
_PID, _ENDED, _JOURNAL, _BASE, _LEDGER = range(0, 5 * _FIELD, _FIELD)
_CLEAN: Final = "clean"
# On Linux, flock is independent of SQLite's byte locks. On other systems they are one kind of lock and exclude each
# other.
_CAN_LOCK_FILE: Final = sys.platform == "linux"

_held_here: Final[set[tuple[int, int]]] = set()
"""Device and inode of every ledger that this process has open to write.

Closing any descriptor of a file releases all byte locks of the process on it (POSIX). So such a file is never opened a
second time to read it: SQLite would lose its locks.
"""


class Notes(NamedTuple):
    """The notes of the last holders beside a ledger, to be compared with the ledger itself.

    Attributes:
        clean: Whether the last holder ended cleanly.
        journal: The last journal row that was committed; a ledger without it is torn.
        base: A name that the file itself has had since the last checkpoint; empty if it is not known.
        ledger: The ledger's own name, made once and at random.
    """

    clean: bool
    journal: int
    base: str
    ledger: str


BLANK: Final = Notes(clean=True, journal=0, base="", ledger="")
"""No notes."""


class FileLock:
    """The locks of a ledger's one holder. The kernel releases them when the process ends, in any way.

    The lock file stays beside its ledger. If it is removed, a process with the old file notices that and locks the new
    one: two processes must never hold two files of one name.

    Args:
        path: The ledger, with links resolved.

    Attributes:
        notes: The notes of earlier holders, once the lock is taken.
        file: The ledger's descriptor, once `hold_file` was called.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._fd: int | None = None
        self._place: tuple[int, int] | None = None
        self.file: int | None = None
        self.notes: Notes = BLANK

    def take(self) -> None:
        """Take the lock of the ledger's name, and note this process in it.

        Raises:
            LedgerLockedError: When another process has it, or this one has it already.
            LedgerError: When the lock file cannot be made.
        """
        while not self._try_take(sidecar(self._path, ".lock")):
            pass

    def _try_take(self, lock: Path) -> bool:
        """Take the lock; return whether the file still has that name."""
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        except FileNotFoundError as error:
            raise LedgerError(f"{self._path} cannot be made: there is no folder {self._path.parent}") from error
        except OSError as error:
            raise LedgerError(f"{lock} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_named(fd, lock):
                os.close(fd)
                return False
            os.fchmod(fd, MODE)
            self.notes = _notes_in(fd)
            os.pwrite(fd, _field(os.getpid()), _PID)
        except BlockingIOError:
            holder = _number_in(fd, _PID)
            os.close(fd)
            raise LedgerLockedError(self._refusal(holder), holder_pid=holder) from None
        except OSError as error:
            os.close(fd)
            raise LedgerError(f"{lock} cannot be locked: {error.strerror}") from error
        self._fd = fd
        return True

    def hold_file(self) -> int | None:
        """Open the ledger's file and lock it against other names of the file; its descriptor stays open.

        Returns:
            The descriptor; None when there is no file.

        Raises:
            LedgerLockedError: When another process holds the file under another name.
            LedgerError: When the file has several names, or cannot be opened.
        """
        try:
            named = self._path.stat(follow_symlinks=False)
            refuse_links(self._path, named)
            if (named.st_dev, named.st_ino) in _held_here:
                raise LedgerLockedError(self._refusal(os.getpid()), holder_pid=os.getpid())
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise LedgerError(f"{self._path} is a directory, not a ledger") from None
        except OSError as error:
            raise LedgerError(f"{self._path} cannot be opened: {error.strerror}") from error
        try:
            if _CAN_LOCK_FILE:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise LedgerLockedError(
                f"{self._path} is in use by another process, under another name of the same file"
            ) from None
        except OSError as error:
            os.close(fd)
            raise LedgerError(f"{self._path} cannot be locked: {error.strerror}") from error
        info = os.fstat(fd)
        self.file, self._place = fd, (info.st_dev, info.st_ino)
        _held_here.add(self._place)
        return fd

    def begin(self, ledger: str, row: int) -> None:
        """Note that the ledger is in use, which one it is, and how far its journal goes.

        Args:
            ledger: Its own name.
            row: The last journal row.
        """
        if ledger != self.notes.ledger:
            self._write(_BASE, "")  # the notes are about another ledger
        self._write(_JOURNAL, row)
        self._write(_LEDGER, ledger)
        self._write(_ENDED, "")

    def note_journal(self, row: int) -> None:
        """Note the last committed journal row; a ledger without it has lost orders.

        A write that fails, or is lost in a power cut, leaves a smaller number. A smaller number refuses no ledger.

        Args:
            row: Its number.
        """
        self._write(_JOURNAL, row)

    def note_base(self, base: str) -> None:
        """Note the name in the file itself, once the file surely has it.

        Args:
            base: The name.
        """
        self._write(_BASE, base)

    def remove_base(self) -> None:
        """Remove the name, durably, before the file gets another one: a stale name would make a good ledger look mixed.

        Raises:
            OSError: When the note is still there; then the file must keep its name.
        """
        if self._fd is not None:
            os.pwrite(self._fd, _field(""), _BASE)
            os.fdatasync(self._fd)

    def _write(self, at: int, value: object) -> None:
        if self._fd is not None:
            with suppress(OSError):
                os.pwrite(self._fd, _field(value), at)

    def release(self, *, clean: bool = False, remove: bool = False) -> None:
        """Release the locks.

        Args:
            clean: Whether the holder wrote to the ledger and ended in order; otherwise the earlier notes stay.
            remove: Whether to remove the lock file as well, since the ledger is gone.
        """
        if self._place is not None:
            _held_here.discard(self._place)
        self._write(_PID, "")
        if clean:
            self._write(_ENDED, _CLEAN)
        if remove and self._fd is not None:
            with suppress(OSError):
                sidecar(self._path, ".lock").unlink()
        for fd in (self.file, self._fd):
            if fd is not None:
                with suppress(OSError):
                    fcntl.flock(fd, fcntl.LOCK_UN)  # a forked child may have a copy of the descriptor
                os.close(fd)
        self.file = self._fd = self._place = None

    def _refusal(self, holder: int | None) -> str:
        if holder == os.getpid():
            return f"{self._path} is open already, in this process"
        return f"{self._path} is in use by process {holder or 'unknown'}"


def holder_of(path: Path) -> int | None:
    """Return the process that holds a ledger, None when none does; takes no lock and makes no file.

    Args:
        path: The ledger, with links resolved.
    """

    def holder(fd: int) -> int | None:
        pid = _number_in(fd, _PID)
        # The number alone is no proof: its process may be dead, and another one may have the number now.
        return pid if pid is not None and _is_alive(pid) and _is_locked(fd) else None

    return _in_lock_file(path, holder, None)


def read_notes(path: Path) -> Notes:
    """Return the notes beside a ledger, `BLANK` if there are none.

    Args:
        path: The ledger, with links resolved.
    """
    return _in_lock_file(path, _notes_in, BLANK)


def _in_lock_file(path: Path, read: Callable[[int], T], default: T) -> T:
    try:
        fd = os.open(sidecar(path, ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return default
    try:
        return read(fd)
    finally:
        os.close(fd)


def held_here(path: Path) -> bool:
    """Return whether this process has a file open as its ledger, under any name.

    Args:
        path: The file.
    """
    try:
        info = path.stat()
    except OSError:
        return False
    return (info.st_dev, info.st_ino) in _held_here


def _notes_in(fd: int) -> Notes:
    return Notes(
        clean=_text_in(fd, _ENDED) == _CLEAN,
        journal=_number_in(fd, _JOURNAL) or 0,
        base=_text_in(fd, _BASE),
        ledger=_text_in(fd, _LEDGER),
    )


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _is_named(fd: int, path: Path) -> bool:
    try:
        named = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), named)


def _field(value: object) -> bytes:
    return f"{value:<{_FIELD - 1}}\n".encode()


def _text_in(fd: int, at: int) -> str:
    return os.pread(fd, _FIELD, at).decode("ascii", errors="replace").strip()


def _number_in(fd: int, at: int) -> int | None:
    text = _text_in(fd, at)
    return int(text) if text.isascii() and text.isdigit() else None
