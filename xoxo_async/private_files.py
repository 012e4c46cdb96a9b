"""Files that hold codes, links or tokens: 0600 from their first byte, and whole or not there.

This module raises the system's own errors. Its callers say in words which file failed, and what that means.
"""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

__all__ = ["MODE", "ReservedFile", "create", "replacement", "sync_folder", "write_whole"]

MODE: Final = 0o600


def create(path: Path) -> int:
    """Make a new file that only its owner can read, and return its descriptor, open to write.

    Args:
        path: Its name; it must not exist, also not as a link.

    Raises:
        FileExistsError: When the name is taken.
        OSError: When the file cannot be made.
    """
    # O_EXCL and O_NOFOLLOW: nobody else can prepare a file or a link of that name and read what is written to it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        os.fchmod(descriptor, MODE)  # a umask of 0o277, say, would keep the owner out
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_whole(descriptor: int, content: bytes) -> None:
    """Replace the contents of an open file, wait until they are on disk, and close it.

    Args:
        descriptor: The file, open to write; its position is at the start.
        content: All that the file is to hold.

    Raises:
        OSError: When that fails; the file may then hold a part of it.
    """
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        file.truncate()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk: without it, a power cut may bring an older file back.

    Args:
        path: The folder.

    Raises:
        OSError: When that fails.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def replacement(path: Path) -> Generator[TextIO]:
    """Open a draft that takes its name, and replaces an older file, once all of it is written and on disk.

    Args:
        path: The name. An error in the block, or at its end, leaves the older file as it was and no draft.

    Raises:
        OSError: When the draft cannot be made or written, or the name cannot be taken.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = create(draft)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor, not a path
            yield file
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


class ReservedFile:
    """A new file that is made before its contents exist: for what can be had only once, and needs a place to go to.

    Args:
        path: Its name.

    Attributes:
        path: The same.

    Raises:
        FileExistsError: When the name is taken.
        OSError: When the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final[Path] = path
        self._descriptor: Final = create(path)

    def write(self, text: str) -> None:
        """Write all of a text, and wait until it is on disk.

        Args:
            text: The contents.

        Raises:
            OSError: When that fails; the file may then hold a part of it.
        """
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; remove it where nothing was written."""
        with suppress(OSError):
            if not os.fstat(self._descriptor).st_size:
                self.path.unlink()
        with suppress(OSError):
            os.close(self._descriptor)
