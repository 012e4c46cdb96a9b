"""Read a file, a pipe or a terminal in a thread that another thread can halt at any time, also while nothing comes."""

import io
import os
import select
import stat
import sys
from threading import Event
from typing import Any, Final

__all__ = ["Halt", "HaltableFile", "HaltedError", "open_haltable"]

_LOOK_MS: Final = 100
"""How often a reader that waits looks whether it was halted."""


class HaltedError(Exception):
    """The reading was halted: nobody wants the rest. Only the thread that reads sees it."""


class Halt:
    """Ends a reading from another thread. A process waits for its threads, and a blocking `read` may never end."""

    def __init__(self) -> None:
        self._halted: Final = Event()

    def halt(self) -> None:
        """End the reading within a tenth of a second."""
        self._halted.set()

    def check(self) -> None:
        """Raise `HaltedError` where the reading was halted."""
        if self._halted.is_set():
            raise HaltedError


class HaltableFile(io.RawIOBase):
    """The bytes of an open file. Before each read it looks whether it was halted; for a pipe or a terminal it waits.

    Args:
        fd: The file's descriptor; closed with this object.
        halt: Ends the reading.
    """

    def __init__(self, fd: int, halt: Halt) -> None:
        super().__init__()
        self._fd: Final = fd
        self._halt: Final = halt
        self._poll: Final = _poll_of(fd)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; 0 at the end.

        Raises:
            HaltedError: The reading was halted.
        """
        view = memoryview(buffer).cast("B")
        while True:
            self._halt.check()
            if self._poll is not None and not self._poll.poll(_LOOK_MS):
                continue
            try:
                data = os.read(self._fd, len(view))
            except BlockingIOError:  # another reader of the pipe was faster
                continue
            view[: len(data)] = data
            return len(data)

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            super().close()
            os.close(self._fd)


def open_haltable(path: str | os.PathLike[str] | int, halt: Halt) -> io.BufferedReader:
    """Open a file for reading; opening a pipe does not wait for its writer, which reading does.

    Args:
        path: The file, or a descriptor, which is closed with what is returned.
        halt: Ends the reading.

    Raises:
        OSError: It cannot be opened, or is a folder.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    fd = path if isinstance(path, int) else os.open(path, flags)
    try:
        # It refuses a folder, and leaves the descriptor open.
        io.FileIO(fd, "rb", closefd=False).close()
        return io.BufferedReader(HaltableFile(fd, halt))
    except BaseException:
        os.close(fd)
        raise


if sys.platform == "win32":  # it waits for sockets alone

    def _poll_of(fd: int) -> None: ...

else:

    def _poll_of(fd: int) -> "select.poll | None":
        """Return what waits for a descriptor; None for a file, which has its bytes at hand."""
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return poll
