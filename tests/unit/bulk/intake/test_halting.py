"""`halting`: a thread that reads can be ended, also while it waits for a pipe."""

import os
import threading
from pathlib import Path

import pytest

from xoxo_async.bulk.intake.halting import Halt, HaltedError, open_haltable

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """In pieces and at once, and it is closed with its object."""
    path = tmp_path / "o.csv"
    path.write_bytes(b"ab\n" * 100_000)
    with open_haltable(path, Halt()) as file:
        assert file.peek(2)[:2] == b"ab"
        assert file.read(3) + file.readline() == b"ab\nab\n"
        assert len(file.read()) == 299_994
        fd = file.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_folder_is_refused_as_by_open(tmp_path: Path) -> None:
    """Its descriptor is not left open."""
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(IsADirectoryError):
        open_haltable(tmp_path, Halt())
    assert len(os.listdir("/dev/fd")) == before


def test_a_halted_file_gives_no_more(tmp_path: Path) -> None:
    """Bytes that are there are not read either."""
    path = tmp_path / "o.csv"
    path.write_bytes(b"a")
    halt = Halt()
    with open_haltable(path, halt) as file:
        halt.halt()
        with pytest.raises(HaltedError):
            file.read(1)


@pytest.mark.parametrize("written", [b"", b"half a li"])
def test_a_reader_that_waits_is_ended(tmp_path: Path, written: bytes) -> None:
    """Of a named pipe without a writer, and of one whose writer is silent."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    halt, ended, seen = Halt(), [], threading.Event()

    def read() -> None:
        try:
            with open_haltable(path, halt) as file:
                seen.set()
                file.readline()
        except HaltedError as error:
            ended.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert seen.wait(10)
    writer = os.open(path, os.O_WRONLY) if written else None
    try:
        if writer is not None:
            os.write(writer, written)
        halt.halt()
        reader.join(10)
        assert len(ended) == 1
    finally:
        if writer is not None:
            os.close(writer)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """The reader waits for a writer that comes late, and stops when the writer has closed it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with open_haltable(path, Halt()) as file:
        writer = threading.Thread(target=path.write_bytes, args=(b"x" * 200_000,), daemon=True)
        writer.start()
        assert file.read() == b"x" * 200_000
        writer.join(10)
