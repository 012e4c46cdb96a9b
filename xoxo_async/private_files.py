"""Write files that hold codes, links or tokens: they are 0600 from their first byte, and whole or absent.

This module raises the system's own errors. Its callers turn them into messages that name the file; `why_unwritten`
tells them from the errors of whatever the contents come from.
"""

import io
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from xoxo_async.file_locks import CLOSED_ON_EXEC, NO_LINK, NO_WAIT, POSIX, lock_now

__all__ = [
    "MODE",
    "Draft",
    "ReservedFile",
    "create",
    "remove_stale",
    "replacement",
    "sync_folder",
    "why_unwritten",
    "write_whole",
]

MODE: Final = 0o600

_STALE_S: Final = 3600.0
"""The age from which a draft without a lock is of a dead process. A live one gives it its name far sooner."""


def create(path: Path) -> int:
    """Make a new file that only its owner can read, and return its descriptor, open to write.

    Args:
        path: The name of the file; no file and no link may have it.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be made.
    """
    # With O_EXCL and O_NOFOLLOW, another user cannot prepare a file or a link of that name and read what comes into it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOSED_ON_EXEC | NO_LINK, MODE)
    try:
        if hasattr(os, "fchmod"):  # Windows has it since Python 3.13, and other rights
            os.fchmod(descriptor, MODE)  # a umask such as 0o277 takes rights from the owner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_whole(descriptor: int, content: bytes) -> None:
    """Replace the contents of an open file, wait until they are on disk, and close it.

    Args:
        descriptor: The file, open to write; its position is at the start.
        content: The new contents.

    Raises:
        OSError: The write fails; the file may then hold a part of the contents.
    """
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        file.truncate()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk. Without this, an older file may be back after a power cut.

    Args:
        path: The folder.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows opens no folder
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | CLOSED_ON_EXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_stale(folder: Path, name: re.Pattern[str], older_s: float) -> None:
    """Remove the files that processes left which were killed while they wrote: they hold codes or tokens.

    A file that a process has locked stays, whatever its age. So does every file where the file system has no locks.

    Args:
        folder: Where they are.
        name: What their whole names match.
        older_s: How many seconds ago they were written last, at least.

    Raises:
        OSError: The folder cannot be read.
    """
    for entry in folder.iterdir():
        if name.fullmatch(entry.name):
            with suppress(OSError):  # another process has removed it, writes it, or the next one removes it
                if _is_older(entry.lstat(), older_s):
                    _remove_unlocked(entry, older_s)


def _remove_unlocked(path: Path, older_s: float) -> None:
    """Remove an old file, unless a process has locked it.

    Raises:
        OSError: A process has locked it, or it cannot be removed.
    """
    if not POSIX:
        path.unlink()  # Windows removes no file that a process has open
        return
    descriptor = os.open(path, os.O_RDWR | CLOSED_ON_EXEC | NO_LINK | NO_WAIT)
    try:
        lock_now(descriptor)
        # Its process may have finished it, and released the lock, after its age was read.
        if _is_older(os.fstat(descriptor), older_s):
            path.unlink()
    finally:
        os.close(descriptor)


def _is_older(state: os.stat_result, older_s: float) -> bool:
    return time.time() - state.st_mtime > older_s


def why_unwritten(error: OSError, path: Path) -> str | None:
    """Return why a draft of a file failed, in the system's words; None if the error is of something else.

    Args:
        error: An error of a block that writes a draft, or of its end.
        path: The file.
    """
    return (error.strerror or str(error)) if error.filename == str(path) else None


class _DraftIO(io.FileIO):
    """The bytes of a draft. An error while they are written names the file, as the system's own error has no name."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path: Final = path

    def write(self, content: Any, /) -> int | None:  # type: ignore[override]
        with _naming(self._path):
            return super().write(content)


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """Have the errors of the block name a file, and not its draft."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


class Draft:
    """A file under another name beside its own, until it is whole. Then it takes its name, also from an older file.

    Call `finish`, then `place`; or `discard` after any error. A process that was killed does neither; the next draft of
    the same file removes what such a process left an hour ago or earlier. A draft is locked until it is finished, so
    that no other process removes it; from then on it has an hour to take its name.

    Args:
        path: The name that the file is to have.

    Attributes:
        path: That name.
        file: The file, open to write text. `file.buffer` takes bytes.

    Raises:
        OSError: The draft cannot be made. Every error of a draft has the name of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final[Path] = path
        self._draft: Final = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        with _naming(path):
            descriptor = create(self._draft)
        buffer = io.BufferedWriter(_DraftIO(descriptor, path))
        self.file: Final[TextIO] = io.TextIOWrapper(buffer, encoding="utf-8", newline="")
        if POSIX:
            # An export may write nothing for hours while it looks up codes. Where the file system has no locks, no
            # process removes a draft.
            with suppress(OSError):
                lock_now(self.file.fileno())
        with suppress(OSError):
            remove_stale(path.parent, re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}"), _STALE_S)

    def finish(self) -> None:
        """Wait until the contents are on disk, and close the draft.

        Raises:
            OSError: The contents cannot be written.
        """
        with _naming(self.path):
            self.file.flush()
            # The lock ends with the descriptor. A split export has too many drafts to keep all of them open, so their
            # age counts from here on.
            os.utime(self._draft)
            os.fsync(self.file.fileno())
            self.file.close()

    def place(self) -> None:
        """Give the file its name; an older file of that name is gone then.

        Raises:
            OSError: It cannot take the name.
        """
        with _naming(self.path):
            self._draft.replace(self.path)

    def discard(self) -> None:
        """Remove the draft, if it has not taken its name; an older file stays as it is."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._draft.unlink()


@contextmanager
def replacement(path: Path) -> Generator[TextIO]:
    """Open a draft of a file. At the end of the block the draft is synced, and then replaces an older file.

    Args:
        path: The name of the file. An error in the block, or at its end, leaves the older file as it was and no draft.

    Raises:
        OSError: The draft cannot be made or written, or it cannot take the name.
    """
    draft = Draft(path)
    try:
        yield draft.file
        draft.finish()
        draft.place()
    except BaseException:
        draft.discard()
        raise


class ReservedFile:
    """A new file that exists before its contents. It proves that contents which come only once can be stored.

    Args:
        path: The name of the file.

    Attributes:
        path: The name of the file.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final[Path] = path
        self._descriptor: Final = create(path)

    def write(self, text: str) -> None:
        """Write all of a text, and wait until it is on disk.

        Args:
            text: The contents.

        Raises:
            OSError: The write fails; the file may then hold a part of the text.
        """
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file, and remove it if nothing was written."""
        with suppress(OSError):
            if not os.fstat(self._descriptor).st_size:
                self.path.unlink()
        with suppress(OSError):
            os.close(self._descriptor)
