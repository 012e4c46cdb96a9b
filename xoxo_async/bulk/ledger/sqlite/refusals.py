"""Refuse files that are no good ledgers, with the reason, before a byte of them is changed."""

import os
import stat
from pathlib import Path
from typing import Final

from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.errors import LedgerError
from xoxo_async.private_files import MODE

__all__ = [
    "APPLICATION_ID",
    "OLDEST_VERSION",
    "SCHEMA_VERSION",
    "Header",
    "read_header",
    "refuse_incomplete",
    "refuse_links",
    "refuse_mixed",
    "refuse_torn",
    "several_names",
]

APPLICATION_ID: Final = 0x584F584F  # "XOXO"
OLDEST_VERSION: Final = 3
"""A ledger of this version is read as it is, and brought to `SCHEMA_VERSION` by the first holder that writes to it."""
SCHEMA_VERSION: Final = 4

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65536


class Header:
    """The first bytes of a ledger, read before SQLite touches the file.

    Attributes:
        size: Of the file, in bytes.
        complete: Whether the file is as long as its header states.
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
    """Read a file's header, and refuse a file that is no ledger.

    Args:
        path: The file.
        fd: Its descriptor, if it is open; otherwise it is opened and closed.
        mend: Whether to make a file private that others can read.

    Returns:
        Its header; None when there is no file.

    Raises:
        LedgerError: When it is no ledger that this version can use; the message has the reason.
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
            # A restored or copied file may be readable by others. It holds codes, so make it private.
            os.fchmod(fd, MODE)
    except OSError as error:
        raise LedgerError(f"{path} cannot be used: {error.strerror}") from error
    return header


def _refuse_foreign(path: Path, header: Header) -> None:
    if header.size == 0:
        raise LedgerError(f"{path} is empty, and a ledger never is: it was cut off, or is another file")
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
    if header.version < OLDEST_VERSION:
        raise LedgerError(f"{path} has schema {header.version}, which no release has written")


def refuse_incomplete(path: Path, file: Path, wal_needed: str | None) -> None:
    """Refuse a ledger whose mark says that its latest orders are in a `-wal`, if there is none.

    Args:
        path: The ledger, for the message.
        file: With links resolved.
        wal_needed: The ledger's mark.

    Raises:
        LedgerError: When the mark is set.
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
        file: With links resolved.
        row: The last journal row it has.
        noted: The last journal row that it surely had.

    Raises:
        LedgerError: When entries are missing.
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
        file: With links resolved.
        base: The name that the file itself has.
        noted: The name of the file that the `-wal` goes on from; empty if that is not known.

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
    """Refuse a file that has a second name: its `-wal` is beside one name only, so the other name shows an old state.

    Args:
        path: The ledger.
        info: Its status.

    Raises:
        LedgerError: When it has several names.
    """
    if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
        raise LedgerError(several_names(path, info.st_nlink))


def several_names(path: Path, links: int) -> str:
    """Return the message for a file that has several names.

    Args:
        path: The ledger.
        links: How many names it has.
    """
    return (
        f"{path} has {links} names (hard links), so two runs could hold it and buy everything twice. `ln` or `cp -l`"
        " made the other name, or a backup tool that saves space in this way. Remove the other name (`find / -xdev"
        f" -samefile {path.name}` finds it), or make this one a file of its own: `cp {path.name} {path.name}.own && mv"
        f" {path.name}.own {path.name}`"
    )
