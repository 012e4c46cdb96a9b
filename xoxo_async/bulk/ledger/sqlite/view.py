"""Read a ledger that another process may be writing to: without a lock, and without changing a byte of it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from xoxo_async.bulk.ledger.sqlite.failures import failure
from xoxo_async.bulk.ledger.sqlite.files import sidecar
from xoxo_async.bulk.ledger.sqlite.holding import is_copy
from xoxo_async.bulk.ledger.sqlite.journal import last_row
from xoxo_async.bulk.ledger.sqlite.lock import held_here, holder_of, read_notes
from xoxo_async.bulk.ledger.sqlite.meta import get_meta
from xoxo_async.bulk.ledger.sqlite.refusals import (
    read_header,
    refuse_incomplete,
    refuse_links,
    refuse_mixed,
    refuse_torn,
)
from xoxo_async.bulk.ledger.sqlite.schema import show_views
from xoxo_async.bulk.ledger.sqlite.wal import base_of
from xoxo_async.bulk.ledger.sqlite.watch import place_of
from xoxo_async.errors import LedgerError

__all__ = ["LedgerView"]

T = TypeVar("T")

_TURNS: Final = 5
_BUSY_S: Final = 5.0


class LedgerView:
    """Opens a ledger's file anew for each read: between two reads its holder may write, end, or begin.

    Args:
        path: As the caller named it, for messages.
        file: With links resolved.

    Attributes:
        copied: Whether the file may be an older or another copy of the ledger, once `job` was called.
    """

    def __init__(self, path: Path, file: Path) -> None:
        self._path: Final = path
        self._file: Final = file
        self._wal: Final = sidecar(file, "-wal")
        self.copied = False

    def job(self) -> str | None:
        """Return the job the ledger holds; blocks, so call it in a thread.

        Raises:
            LedgerError: When the file is no ledger, or cannot be read.
        """
        with suppress(OSError):  # read_header gives the better error
            refuse_links(self._path, self._file.stat())
        # Closing a file releases all locks of this process on it (POSIX), also those of its own open ledger.
        if held_here(self._file):
            place = place_of(self._file)
        elif read_header(self._file, mend=False) is None:
            raise LedgerError(f"there is no ledger at {self._path}")
        else:
            with self._file.open("rb") as file:
                place = place_of(file.fileno())
        # Read these before the ledger, which only grows.
        notes, holder = read_notes(self._file), holder_of(self._file)
        if holder is None and not notes.clean and self._wal.exists() and self._wal.stat().st_size:
            base = base_of(self._file)
            if base is not None:
                refuse_mixed(self._path, self._file, base, notes.base)

        def read(connection: sqlite3.Connection) -> str | None:
            if holder is None and not notes.clean and notes.ledger == get_meta(connection, "ledger"):
                refuse_torn(self._path, self._file, last_row(connection), notes.journal)
            self.copied = is_copy(connection, place, notes)
            return get_meta(connection, "job")

        return self.read(read)

    def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read on one snapshot; blocks, so call it in a thread.

        Args:
            run: The read.

        Raises:
            LedgerError: When the file cannot be read.
        """
        for turn in range(_TURNS):
            # Without a `-wal` the file is complete, and SQLite must not make one to read it.
            at_rest = not self._wal.exists()
            try:
                found = self._once(run, at_rest=at_rest)
            except (sqlite3.Error, msgspec.MsgspecError, LedgerError) as error:
                if at_rest == self._wal.exists() and turn < _TURNS - 1:
                    continue  # a holder began, or ended, during the read
                raise failure(self._path, error) from error
            if not at_rest or not self._wal.exists():
                return found
        raise LedgerError(f"{self._path} failed: it is opened and closed too often to be read")

    def _once(self, run: Callable[[sqlite3.Connection], T], *, at_rest: bool) -> T:
        address = f"file:{quote(os.fsencode(self._file))}?mode=ro{'&immutable=1' if at_rest else ''}"
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")  # the only place to write may be the ledger's folder
            if at_rest:
                refuse_incomplete(self._path, self._file, get_meta(connection, "wal_needed"))
            show_views(connection)
            return run(connection)
        finally:
            connection.close()
