"""Detect whether a ledger's file is a copy, and whether its name still stands for the file that was opened."""

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.bulk.ledger.sqlite.refusals import several_names
from xoxo_async.file_locks import fcntl

__all__ = ["FileWatch", "is_same_place", "place_of"]

_GET_GENERATION: Final = 0x80000000 | struct.calcsize("l") << 16 | ord("v") << 8 | 1
"""Linux's FS_IOC_GETVERSION; other systems refuse the number."""


def place_of(file: int | Path) -> str:
    """Return the place of a file, as a ledger keeps it: a copy or a restored backup has another place.

    Args:
        file: Its descriptor. Its path is not enough, see `is_same_place`.
    """
    info = os.fstat(file) if isinstance(file, int) else file.stat()
    place = f"{info.st_dev}:{info.st_ino}"
    if isinstance(file, int):
        # ext4 reuses the inode number of a deleted file: after `rm` and `cp`, only the generation differs.
        generation = bytearray(struct.calcsize("l"))
        with suppress(OSError):  # not every file system has generations
            fcntl.ioctl(file, _GET_GENERATION, generation)
            place += f":{struct.unpack_from('=I', generation)[0]}"
    return place


def is_same_place(one: str, other: str) -> bool:
    """Return whether two places are the same, by the parts that both have.

    Args:
        one: See `place_of`.
        other: See `place_of`.
    """
    return all(a == b for a, b in zip(one.split(":"), other.split(":"), strict=False))


class FileWatch:
    """Detects that a ledger's name no longer stands for the file that was opened.

    SQLite goes on writing to its open file and to the `-wal` beside it, also after they were renamed or deleted.

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
        """Whether the file was deleted: its contents are lost when it is closed."""
        return os.fstat(self._fd).st_nlink == 0

    @property
    def is_named(self) -> bool:
        """Whether the ledger's name still stands for the file."""
        try:
            return _pair(self._path.stat(follow_symlinks=False)) == self._place
        except OSError:
            return False

    def trouble(self) -> str:
        """Return what happened to the file, in words; empty if it is in place."""
        try:
            named = self._path.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return self._lost("deleted" if self.gone else "renamed")
        except OSError as error:
            return f"{self._path} cannot be checked: {error.strerror}; nothing more is sent"
        if _pair(named) != self._place:
            return self._lost("replaced by another file")
        if named.st_nlink > 1:
            return several_names(self._path, named.st_nlink)
        for side, place in self._beside.items():
            try:
                same = _pair(side.stat(follow_symlinks=False)) == place
            except OSError:
                same = False
            if not same:
                return (
                    f"{side} was deleted or replaced while the ledger was open; nothing more is sent. Its contents are"
                    f" written into {self._path.name} when the ledger is closed"
                )
        return ""

    def _lost(self, how: str) -> str:
        event = f"{self._path} was {how} while it was open; nothing more is sent"
        if self.gone:
            return f"{event}. When the ledger is closed, what it holds is written to {self.rescue.name} beside it"
        if how == "renamed":
            return f"{event}. Give the file its name back, and go on"
        return f"{event}. Bring the file back that was opened here, and go on with that one"

    @property
    def rescue(self) -> Path:
        """The file that gets the contents of a deleted ledger."""
        return sidecar(self._path, f".rescued-{os.getpid()}")


def _pair(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino
