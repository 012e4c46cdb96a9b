"""The ledger's files: who holds them, what they are, and that nobody else can read them."""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.errors import LedgerError, LedgerLockedError

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "FileLock",
    "Header",
    "create_private",
    "publish",
    "read_header",
    "sidecar",
]

APPLICATION_ID: Final = 0x584F584F  # "XOXO"
SCHEMA_VERSION: Final = 2
MODE: Final = 0o600

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65536
_WAL_AT: Final = 32
"""Where in the lock file the length of the `-wal` stands, behind the holder's pid."""


def sidecar(path: Path, suffix: str) -> Path:
    """Return the file beside a ledger: `-wal`, `-shm`, `.lock`."""
    return path.with_name(path.name + suffix)


class FileLock:
    """The one holder of a ledger: a kernel lock, gone the moment its process is, however it dies.

    The lock file stays: removing it would let two processes lock two different files of one name.

    Args:
        path: The ledger.

    Attributes:
        wal_bytes: Once taken: how long the `-wal` was after the last commit of a holder that did not end cleanly.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._fd: int | None = None
        self.wal_bytes: int = 0

    def take(self) -> None:
        """Take the lock, and write down who has it.

        Raises:
            LedgerLockedError: When another process has it, or this one has it already.
            LedgerError: When the lock file cannot be made.
        """
        lock = sidecar(self._path, ".lock")
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        except OSError as error:
            raise LedgerError(f"{lock} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(fd, MODE)
            self.wal_bytes = _number_in(fd, _WAL_AT) or 0
            os.pwrite(fd, f"{os.getpid():<{_WAL_AT - 1}}\n".encode(), 0)
        except BlockingIOError:
            holder = _number_in(fd, 0)
            os.close(fd)
            raise LedgerLockedError(self._refusal(holder), holder_pid=holder) from None
        except OSError as error:
            os.close(fd)
            raise LedgerError(f"{lock} cannot be locked: {error.strerror}") from error
        self._fd = fd

    def note_wal(self, size: int) -> None:
        """Write down how long the `-wal` is after a commit; a shorter one has lost orders.

        Synced only when it is emptied: so a power cut can make the note too small, which says nothing, never too great.

        Args:
            size: In bytes; 0 before it is emptied.
        """
        if self._fd is not None:
            with suppress(OSError):
                os.pwrite(self._fd, f"{size:<{_WAL_AT - 1}}\n".encode(), _WAL_AT)
                if not size:
                    os.fdatasync(self._fd)

    def release(self, *, clean: bool = True) -> None:
        """Let the next one in.

        Args:
            clean: Whether the ledger is whole without what was noted.
        """
        if self._fd is not None:
            with suppress(OSError):
                if clean:
                    os.ftruncate(self._fd, 0)
                else:
                    os.pwrite(self._fd, b" " * _WAL_AT, 0)
            os.close(self._fd)
            self._fd = None

    def _refusal(self, holder: int | None) -> str:
        if holder == os.getpid():
            return f"{self._path} is open already, in this process"
        return f"{self._path} is in use by process {holder or 'unknown'}"


def _number_in(fd: int, at: int) -> int | None:
    text = os.pread(fd, _WAL_AT, at).strip()
    return int(text) if text.isdigit() else None


class Header:
    """What the first bytes of a ledger say, read before SQLite touches the file.

    Attributes:
        size: Of the file, in bytes.
        complete: Whether the file is as long as it says.
    """

    def __init__(self, raw: bytes, size: int) -> None:
        page = int.from_bytes(raw[16:18], "big")
        pages = int.from_bytes(raw[28:32], "big")
        self.size: Final = size
        self.complete: Final = size >= (page if page > 1 else _LARGEST_PAGE) * pages
        self.version: Final = int.from_bytes(raw[60:64], "big")
        self.application: Final = int.from_bytes(raw[68:72], "big")
        self.is_sqlite: Final = raw.startswith(_MAGIC)


def read_header(path: Path) -> Header | None:
    """Read what a file is, and refuse what is no ledger of ours.

    Args:
        path: The file.

    Returns:
        Its header; None when there is no file.

    Raises:
        LedgerError: When it is anything but a ledger this version can use; says what it is.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            what = "a directory" if stat.S_ISDIR(info.st_mode) else "not a regular file"
            raise LedgerError(f"{path} is {what}, not a ledger")
        header = Header(os.pread(fd, _HEADER_BYTES, 0), info.st_size)
        _refuse_foreign(path, header)
        if stat.S_IMODE(info.st_mode) & 0o077:
            # Restored from a backup or copied: it holds codes, so nobody else reads it from here on.
            os.fchmod(fd, MODE)
    except OSError as error:
        raise LedgerError(f"{path} cannot be used: {error.strerror}") from error
    finally:
        os.close(fd)
    return header


def _refuse_foreign(path: Path, header: Header) -> None:
    if header.size == 0:
        raise LedgerError(f"{path} is empty: a ledger never is, so this one was cut off or is another file")
    if not header.is_sqlite:
        raise LedgerError(f"{path} is not a ledger, and no SQLite file either")
    if header.size < _HEADER_BYTES:
        raise LedgerError(f"{path} is cut off: {header.size} bytes are left of it")
    if header.application != APPLICATION_ID:
        raise LedgerError(f"{path} is an SQLite file of another program, not a ledger")
    if header.version > SCHEMA_VERSION:
        raise LedgerError(
            f"{path} was written by a newer xoxo-async (schema {header.version}, this one knows {SCHEMA_VERSION})"
        )
    if header.version != SCHEMA_VERSION:
        raise LedgerError(f"{path} has schema {header.version}, which no release has written")


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
