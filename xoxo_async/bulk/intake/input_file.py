"""Open a file or standard input, see what kind of file it is, and notice when it changes while it is read."""

import errno
import hashlib
import io
import os
import stat
import sys
from pathlib import Path, PurePath
from typing import Final

from xoxo_async.bulk.intake.halting import Halt, open_haltable
from xoxo_async.errors import PlanError

__all__ = ["InputFile", "is_lasting", "kind_of", "misnamed"]

_KINDS: Final = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3\0", "a database (SQLite), maybe a ledger"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"\xfd7zXZ\0", "a compressed file (xz)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (Zstandard)"),
    (b"Rar!\x1a\x07", "a compressed file (RAR)"),
    (b"\x7fELF", "a program"),
)
_ENDINGS: Final = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "CSV"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "JSONL"),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".xlsm", ".xlsb", ".xltx", ".xlt", ".ots"), "workbook"),
    ".txt": "text",
}
"""What files with these endings are."""
_BLOCK: Final = 2**20


class InputFile:
    """A file that is open for reading, or standard input.

    Attributes:
        source: Its name, for messages.
        file: Its bytes.
        halt: Ends the reading.

    Args:
        path: The file; None is standard input.
        source: Its name, for messages.
        halt: Ends the reading from another thread; None where nobody does.

    Raises:
        PlanError: It cannot be opened.
    """

    def __init__(self, path: Path | None, source: str, halt: Halt | None = None) -> None:
        self.source: Final = source
        self.halt: Final = halt or Halt()
        try:
            # A copy of standard input: closing it leaves the process its own.
            opened = open_haltable(_standard_input() if path is None else path, self.halt)
        except OSError as error:
            raise PlanError(f"{source}: cannot be read ({error.strerror})") from None
        self.file: Final[io.BufferedReader] = opened
        self._at_first: Final = self._state()

    def head(self) -> bytes:
        """Return the first bytes, which are read again later."""
        return self.file.peek(4096)[:4096]

    def hash(self) -> str:
        """Return a hash of the whole file; empty for what cannot be read twice, such as a pipe.

        It is of what is read afterwards if `check_unchanged` raises no error at the end.
        """
        if self._at_first is None:
            return ""
        hashed, at, fd = hashlib.sha256(), 0, self.file.fileno()
        while block := os.pread(fd, _BLOCK, at):
            self.halt.check()
            hashed.update(block)
            at += len(block)
        return hashed.hexdigest()

    def check_unchanged(self) -> None:
        """Raise `PlanError` where the file has changed since it was opened: half of its rows may be of another file."""
        if self._state() != self._at_first:
            raise PlanError(f"{self.source}: it changed while it was read; nothing was sent")

    def _state(self) -> tuple[int, int] | None:
        """Return the size and the time of the last change; None for what has neither, such as a pipe."""
        state = os.fstat(self.file.fileno())
        return (state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None


def is_lasting(path: Path | None) -> bool:
    """Return whether a path is a file that can be read twice. To open a pipe and not read it ends its writer.

    Args:
        path: The path; None is standard input.
    """
    try:
        return path is not None and stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # opening it says what is wrong


def kind_of(head: bytes) -> str:
    """Return what a file is by its first bytes, empty for what may be a table: `a PDF document`.

    Args:
        head: Its first bytes.
    """
    return next((what for mark, what in _KINDS if head.startswith(mark)), "")


def misnamed(source: str, kind: str) -> str:
    """Return what a file is where its name says another thing, as a note: `JSONL, although its name ends in .csv`.

    Args:
        source: Its name.
        kind: What it is: `CSV`, `JSONL`, `workbook`.
    """
    ending = PurePath(source).suffix.lower()
    said = _ENDINGS.get(ending, kind)
    if said == kind or (said == "text" and kind != "workbook"):
        return ""
    return f"{'a workbook' if kind == 'workbook' else kind}, although its name ends in {ending}"


def _standard_input() -> int:
    if sys.stdin is None or sys.stdin.closed:
        raise OSError(errno.EBADF, "it is closed")
    return os.dup(sys.stdin.fileno())
