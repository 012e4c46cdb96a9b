"""The ledger's files: what they are, that they stay what was opened, and that nobody else can read them."""

import fcntl
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.errors import LedgerError

__all__ = [
    "APPLICATION_ID",
    "MODE",
    "SCHEMA_VERSION",
    "FileWatch",
    "Header",
    "create_private",
    "is_same_place",
    "place_of",
    "publish",
    "read_header",
    "refuse_incomplete",
    "refuse_links",
    "refuse_mixed",
    "refuse_torn",
    "remove",
    "sidecar",
]

APPLICATION_ID: Final = 0x584F584F  # "XOXO"
SCHEMA_VERSION: Final = 3
MODE: Final = 0o600

_GET_GENERATION: Final = 0x80000000 | struct.calcsize("l") << 16 | ord("v") << 8 | 1
"""Linux's FS_IOC_GETVERSION; other systems refuse the number."""

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65536


def sidecar(path: Path, suffix: str) -> Path:
    """Return the file beside a ledger: `-wal`, `-shm`, `.lock`."""
    return path.with_name(path.name + suffix)


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


def read_header(path: Path, *, fd: int | None = None, mend: bool = True) -> Header | None:
    """Read what a file is, and refuse what is no ledger of ours.

    Args:
        path: The file.
        fd: Its descriptor, where it is open; otherwise it is opened and closed.
        mend: Whether to keep others from reading it where they could.

    Returns:
        Its header; None when there is no file.

    Raises:
        LedgerError: When it is anything but a ledger this version can use; says what it is.
    """
    if fd is not None:
        return _header_of(path, fd, mend=mend)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        return _header_of(path, opened, mend=mend)
    finally:
        os.close(opened)


def _header_of(path: Path, fd: int, *, mend: bool) -> Header:
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


def refuse_torn(path: Path, file: Path, row: int, noted: int) -> None:
    """Refuse a ledger that has lost its latest orders: they would be placed again.

    Args:
        path: The ledger, for the message.
        file: As it really is.
        row: The last journal row it has.
        noted: The last journal row that it surely had.

    Raises:
        LedgerError: When it has less than it had.
    """
    if row < noted:
        lock = sidecar(file, ".lock").name
        raise LedgerError(
            f"{path} is torn, or is an older copy: its journal ends at entry {row}, and {noted} entries were written"
            f" before the last run was cut off. The latest orders are not in it. Bring the right {file.name} and"
            f" {file.name}-wal back. To go on with this one instead, remove {lock}: every row that it has not sent is"
            " then looked up before it is sent"
        )


def refuse_mixed(path: Path, file: Path, base: str, noted: str) -> None:
    """Refuse a ledger whose `-wal` belongs to another file: SQLite would mix the two.

    Args:
        path: The ledger, for the message.
        file: As it really is.
        base: The name that the file itself has.
        noted: The name of the file that the `-wal` goes on from; empty where that is not known.

    Raises:
        LedgerError: When they differ.
    """
    if noted and base != noted:
        raise LedgerError(
            f"{path} was replaced by another file after a run was cut off, and its {file.name}-wal holds orders of the"
            f" file that was there before. Bring that file back. Where {file.name} and {file.name}-wal do belong"
            f" together, remove {sidecar(file, '.lock').name}"
        )


def refuse_links(path: Path, info: os.stat_result) -> None:
    """Refuse a file that has a second name: its `-wal` lies beside one name only, so the other name shows old books.

    Args:
        path: The ledger.
        info: What the system says of it.

    Raises:
        LedgerError: When it has several names.
    """
    if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
        raise LedgerError(f"{path} {_LINKED.format(links=info.st_nlink, name=path.name)}")


_LINKED: Final = (
    "has {links} names (hard links), so two runs could hold it and buy everything twice. `ln` or `cp -l` made the other"
    " name, or a backup tool that saves space in this way. Remove the other name (`find / -xdev -samefile {name}` finds"
    " it), or make this one a file of its own: `cp {name} {name}.own && mv {name}.own {name}`"
)


def place_of(file: int | Path) -> str:
    """Return which file this is, as a ledger keeps it: a copy or a restored backup has another place.

    Args:
        file: Its descriptor. A path tells less, see `is_same_place`.
    """
    info = os.fstat(file) if isinstance(file, int) else file.stat()
    place = f"{info.st_dev}:{info.st_ino}"
    if isinstance(file, int):
        # ext4 gives the number of a deleted file to the next one: after `rm` and `cp`, only the generation differs.
        generation = bytearray(struct.calcsize("l"))
        with suppress(OSError):  # not every file system has them
            fcntl.ioctl(file, _GET_GENERATION, generation)
            place += f":{struct.unpack_from('=I', generation)[0]}"
    return place


def is_same_place(one: str, other: str) -> bool:
    """Return whether two places are the same, as far as both tell.

    Args:
        one: See `place_of`.
        other: See `place_of`.
    """
    return all(a == b for a, b in zip(one.split(":"), other.split(":"), strict=False))


class FileWatch:
    """Tells when a ledger's name no longer stands for the file that was opened.

    SQLite goes on writing to the file that it has open, and to the `-wal` beside it, whatever becomes of their names.

    Args:
        path: The ledger.
        fd: The descriptor of its file.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path: Final = path
        self._fd: Final = fd
        self._place: Final = _pair(os.fstat(fd))
        self._beside: Final = {
            side: _pair(side.stat()) for side in (sidecar(path, "-wal"), sidecar(path, "-shm")) if side.exists()
        }

    @property
    def gone(self) -> bool:
        """Whether the file has no name any more: it is lost when it is closed."""
        return os.fstat(self._fd).st_nlink == 0

    @property
    def is_named(self) -> bool:
        """Whether the ledger's name still stands for the file."""
        try:
            return _pair(self._path.stat(follow_symlinks=False)) == self._place
        except OSError:
            return False

    def trouble(self) -> str:
        """Return what happened to the file, in words; empty when nothing did."""
        try:
            named = self._path.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return self._lost("deleted" if self.gone else "renamed")
        except OSError as error:
            return f"{self._path} cannot be looked at: {error.strerror}; nothing more is sent"
        if _pair(named) != self._place:
            return self._lost("replaced by another file")
        if named.st_nlink > 1:
            return f"{self._path} {_LINKED.format(links=named.st_nlink, name=self._path.name)}"
        for side, place in self._beside.items():
            try:
                same = _pair(side.stat(follow_symlinks=False)) == place
            except OSError:
                same = False
            if not same:
                return (
                    f"{side} was deleted or replaced while the ledger was open; nothing more is sent. What it held is"
                    f" written into {self._path.name} when the ledger is closed"
                )
        return ""

    def _lost(self, how: str) -> str:
        told = f"{self._path} was {how} while it was open; nothing more is sent"
        if self.gone:
            return f"{told}. When the ledger is closed, what it holds is written to {self.rescue.name} beside it"
        if how == "renamed":
            return f"{told}. Give the file its name back, and go on"
        return f"{told}. Bring the file back that was opened here, and go on with that one"

    @property
    def rescue(self) -> Path:
        """Where the contents of a deleted ledger are written to."""
        return sidecar(self._path, f".rescued-{os.getpid()}")


def _pair(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


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
