"""Lines from any source as one stream of checked rows: from a file, from an iterable, from an async iterable."""

import itertools
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

import anyio
import anyio.to_thread
import msgspec

from xoxo_async.bulk.intake.halting import Halt
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows_file import RowsFile
from xoxo_async.bulk.intake.tables import FileRow

__all__ = ["Intake", "Rows", "stream"]

RowT = TypeVar("RowT")
LineT = TypeVar("LineT", bound=msgspec.Struct)

_CHUNK: Final = 500


class Intake(Protocol[RowT]):
    """Checks one row after another, and compares each with the rows before it. One kind of rows has one."""

    @property
    def many(self) -> str:
        """What the rows are, for messages: `orders`."""
        ...

    @property
    def problems(self) -> Problems:
        """The bad rows."""
        ...

    @property
    def warnings(self) -> Problems:
        """Rows that are sent, and that a person should look at."""
        ...

    def from_file(self, row: FileRow, /) -> RowT | None:
        """Check a row of a file; None for a bad one, which is noted."""
        ...

    def from_python(self, number: int, line: object, /) -> RowT | None:
        """Check an item of an iterable; any object may stand there."""
        ...

    def is_new(self, row: RowT, /) -> bool:
        """Return whether a row repeats no earlier row; note what it repeats."""
        ...


class Rows(Generic[RowT]):
    """A stream of checked rows. A bad row goes to `problems`, and the stream goes on.

    Attributes:
        source: What is read, for messages.
        problems: The bad rows.
        warnings: Rows that are sent, and that a person should look at.
    """

    def __init__(self, source: str, rows: AsyncIterator[RowT], problems: Problems, warnings: Problems) -> None:
        self.source: Final[str] = source
        self.problems: Final[Problems] = problems
        self.warnings: Final[Problems] = warnings
        self._rows: Final = rows

    def __aiter__(self) -> AsyncIterator[RowT]:
        return self._rows


def stream(lines: RowsFile[LineT] | Iterable[LineT] | AsyncIterable[LineT], intake: Intake[RowT]) -> Rows[RowT]:
    """Return any source of lines as one stream of checked rows.

    A thread reads files and other iterables, a chunk at a time, so that the event loop stays free.

    Args:
        lines: A file, or a sync or async iterable of lines.
        intake: Checks the rows.
    """
    source = intake.many
    if isinstance(lines, AsyncIterable):
        rows = _streamed(lines, intake)
    elif isinstance(lines, RowsFile):
        source = lines.source
        halt = Halt()
        rows = _in_thread(_new(map(intake.from_file, lines.rows(intake.problems, halt)), intake), halt)
    else:
        rows = _in_thread(_new(itertools.starmap(intake.from_python, enumerate(lines, 1)), intake))
    return Rows(source, rows, intake.problems, intake.warnings)


def _new(rows: Iterable[RowT | None], intake: Intake[RowT]) -> Iterator[RowT]:
    """Yield the good rows that repeat no earlier row."""
    for row in rows:
        if row is not None and intake.is_new(row):
            yield row


async def _streamed(lines: AsyncIterable[object], intake: Intake[RowT]) -> AsyncIterator[RowT]:
    """Yield the good rows of an async iterable."""
    number = 0
    async for line in lines:
        number += 1
        for row in _new((intake.from_python(number, line),), intake):
            yield row


async def _in_thread(rows: Iterator[RowT], halt: Halt | None = None) -> AsyncIterator[RowT]:
    """Yield the rows; with `halt`, a cancelled reader ends the thread and waits for no more of the input."""
    idle = threading.Event()

    def chunk() -> list[RowT]:
        idle.clear()
        try:
            return list(itertools.islice(rows, _CHUNK))
        finally:
            idle.set()

    idle.set()
    try:
        while batch := await anyio.to_thread.run_sync(chunk, abandon_on_cancel=halt is not None):
            for row in batch:
                yield row
    except anyio.get_cancelled_exc_class():
        if halt is not None:
            halt.halt()
            # The thread notes problems into files that the caller closes.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(idle.wait)
        raise
