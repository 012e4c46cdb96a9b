"""Files that hold codes: nobody else's to read from their first byte, and whole or not there."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from xoxo_async.errors import ConfigError

__all__ = ["ReservedFile", "private_file"]


@contextmanager
def private_file(path: Path) -> Generator[TextIO]:
    """Open a new file, 0600 whatever the umask, that takes its name only when all of it is written and on disk.

    Args:
        path: Its name; an older file of that name is replaced at the end.

    Raises:
        ConfigError: When it cannot be made or written; a file of that name is then as it was.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a directory, not a file to write to")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(fd, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor, not a path
                os.fchmod(fd, 0o600)
                yield file
                file.flush()
                os.fsync(fd)
            draft.replace(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


class ReservedFile:
    """A new file, 0600, made before what it is for: what can be had only once must not meet a name that is taken.

    Args:
        path: Its name.

    Raises:
        ConfigError: When there is such a file already, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd: Final = os.open(path, flags, 0o600)
            os.fchmod(self._fd, 0o600)
        except FileExistsError:
            raise ConfigError(f"{path} is there already, and is never overwritten; nothing was sent") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}; nothing was sent") from error

    def write(self, text: str) -> None:
        """Write all of it, and see it on disk.

        Args:
            text: What to write.

        Raises:
            OSError: When that fails; the file may then hold a part of it.
        """
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.fsync(self._fd)

    def close(self) -> None:
        """Close it, and take it away again where nothing was written."""
        with suppress(OSError):
            if not os.fstat(self._fd).st_size:
                self.path.unlink()
        with suppress(OSError):
            os.close(self._fd)
