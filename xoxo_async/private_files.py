"""Write files that hold codes, links or tokens: they are 0600 from their first byte, and whole or absent.

This module raises the system's own errors. Its callers turn them into messages that name the file.
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
        path: The name of the file; no file and no link may have it.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be made.
    """
    # With O_EXCL and O_NOFOLLOW, another user cannot prepare a file or a link of that name and read what comes into it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
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
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def replacement(path: Path) -> Generator[TextIO]:
    """Open a draft of a file. At the end of the block the draft is synced, and then replaces an older file.

    Args:
        path: The name of the file. An error in the block, or at its end, leaves the older file as it was and no draft.

    Raises:
        OSError: The draft cannot be made or written, or it cannot take the name.
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
