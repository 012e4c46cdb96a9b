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
    "holder_of",
    "noted_wal",
    "publish",
    "read_header",
    "refuse_incomplete",
    "refuse_torn",
    "remove",
    "sidecar",
]

APPLICATION_ID: Final = 0x584F584F  # "XOXO"
SCHEMA_VERSION: Final = 3
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

    The lock file stays with its ledger. Where it is removed, a process that waits at the old one notices, and takes the
    new one: two must never hold two files of one name.

    Args:
        path: The ledger.

    Attributes:
        wal_bytes: Once taken: how long the `-wal` was after the last commit of a holder that did not end cleanly.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._fd: int | None = None
        self._remove = False
        self.wal_bytes: int = 0

    def take(self) -> None:
        """Take the lock, and write down who has it.

        Raises:
            LedgerLockedError: When another process has it, or this one has it already.
            LedgerError: When the lock file cannot be made.
        """
        while not self._took(sidecar(self._path, ".lock")):
            pass

    def _took(self, lock: Path) -> bool:
        """Take the lock; return whether the file still is the one of that name."""
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        except OSError as error:
            raise LedgerError(f"{lock} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_named(fd, lock):
                os.close(fd)
                return False
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
        return True

    def note_wal(self, size: int) -> None:
        """Write down how long the `-wal` is after a commit; a shorter one has lost orders.

        What fails here, or is lost in a power cut, can only leave the note too small, and then it says nothing.

        Args:
            size: In bytes.
        """
        if self._fd is not None:
            with suppress(OSError):
                os.pwrite(self._fd, _noted(size), _WAL_AT)

    def empty_note(self) -> None:
        """Take the note back, durably, before the `-wal` is emptied; too great a note would refuse a sound ledger.

        Raises:
            OSError: The note stands: the `-wal` must stay as it is.
        """
        if self._fd is not None:
            os.pwrite(self._fd, _noted(0), _WAL_AT)
            os.fdatasync(self._fd)

    def end_note(self) -> None:
        """Take the note back before the ledger is closed; where that fails, the lock file goes with its holder."""
        try:
            self.empty_note()
        except OSError:
            self._remove = True

    def release(self, *, clean: bool = True, remove: bool = False) -> None:
        """Let the next one in.

        Args:
            clean: Whether the ledger is whole without what was noted.
            remove: Whether the lock file goes, too: with a ledger that is gone.
        """
        if self._fd is not None:
            with suppress(OSError):
                if clean:
                    os.ftruncate(self._fd, 0)
                else:
                    os.pwrite(self._fd, b" " * _WAL_AT, 0)
            with suppress(OSError):
                if remove or self._remove:
                    sidecar(self._path, ".lock").unlink()
            os.close(self._fd)
            self._fd = None

    def _refusal(self, holder: int | None) -> str:
        if holder == os.getpid():
            return f"{self._path} is open already, in this process"
        return f"{self._path} is in use by process {holder or 'unknown'}"


def holder_of(path: Path) -> int | None:
    """Return which process holds a ledger, None when none does; holds nothing and makes no file.

    Args:
        path: The ledger, as it really is.
    """
    try:
        fd = os.open(sidecar(path, ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        pid = _number_in(fd, 0)
        # A number alone proves little: whoever had it may be dead, and another process have it now.
        return pid if pid is not None and _is_alive(pid) and _is_locked(fd) else None
    finally:
        os.close(fd)


def noted_wal(path: Path) -> int:
    """Return how long a ledger's `-wal` was after the last commit of a holder that did not end cleanly.

    Args:
        path: The ledger, as it really is.
    """
    try:
        fd = os.open(sidecar(path, ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        return _number_in(fd, _WAL_AT) or 0
    finally:
        os.close(fd)


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


def _noted(size: int) -> bytes:
    return f"{size:<{_WAL_AT - 1}}\n".encode()


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


def read_header(path: Path, *, mend: bool = True) -> Header | None:
    """Read what a file is, and refuse what is no ledger of ours.

    Args:
        path: The file.
        mend: Whether to keep others from reading it where they could.

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
        if mend and stat.S_IMODE(info.st_mode) & 0o077:
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


def refuse_incomplete(path: Path, file: Path, wal_needed: str | None) -> None:
    """Refuse a ledger that says its latest orders are in a `-wal`, where there is none.

    Args:
        path: The ledger, for the message.
        file: As it really is.
        wal_needed: What it says.

    Raises:
        LedgerError: When it says so.
    """
    if wal_needed:
        raise LedgerError(
            f"{path} is incomplete: it was copied, or left by a crash, without its {file.name}-wal,"
            " which holds the latest orders"
        )


def refuse_torn(path: Path, file: Path, expected: int) -> None:
    """Refuse a ledger whose `-wal` lost its end: SQLite would take what is left for all there was.

    Args:
        path: The ledger, for the message.
        file: As it really is.
        expected: How long the `-wal` was.

    Raises:
        LedgerError: When it is shorter.
    """
    wal = sidecar(file, "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size < expected:
        raise LedgerError(
            f"{path} is torn: its {wal.name} has {size} bytes, and had {expected}. The latest orders are"
            f" not in it, and would be placed again: bring the right file back"
            f" (or, if nothing was sent since, remove {sidecar(file, '.lock').name})"
        )


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
