"""The connection that reads an open ledger while its writer works."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import msgspec

from xoxo_async.bulk.ledger.sqlite.failures import failure
from xoxo_async.bulk.ledger.sqlite.schema import show_views

__all__ = ["LedgerReader"]

T = TypeVar("T")


class LedgerReader:
    """Reads one at a time, each in a thread.

    Args:
        path: As the caller named the ledger, for messages.
        connection: A connection that only reads; it belongs to the reader from here on.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path: Final = path
        self._connection: Final = connection
        # Readers wait for each other on the event loop. The thread needs its own lock as well: a read goes on for a
        # moment after its caller was cancelled.
        self._turn: Final = anyio.Lock()
        self._in_use: Final = threading.Lock()

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read.

        Args:
            run: The read.

        Raises:
            LedgerError: When the file cannot be read.
        """

        def in_thread() -> T:
            with self._in_use:
                show_views(self._connection)  # the holder may have brought the ledger to a newer form
                return run(self._connection)

        async with self._turn:
            try:
                return await anyio.to_thread.run_sync(in_thread)
            except (sqlite3.Error, msgspec.MsgspecError) as error:
                raise failure(self._path, error) from error

    def close(self) -> None:
        """Close the connection once no read is under way; blocks, so call it in a thread."""
        with self._in_use, suppress(sqlite3.Error):
            self._connection.close()
