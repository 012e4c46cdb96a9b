"""`sqlite.reading`: reads of one connection, one at a time."""

import sqlite3
from pathlib import Path

import anyio
import pytest

from xoxo_async.bulk.ledger.sqlite.reading import LedgerReader
from xoxo_async.errors import LedgerError

pytestmark = pytest.mark.anyio


def reader() -> LedgerReader:
    """Return a reader of an empty database."""
    return LedgerReader(Path("march.db"), sqlite3.connect(":memory:", check_same_thread=False))


async def test_reads_wait_for_each_other() -> None:
    """A connection serves one thread at a time."""
    one, active, most = reader(), 0, 0

    def read(connection: sqlite3.Connection) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        connection.execute("SELECT 1").fetchone()
        active -= 1

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one.read, read)
    assert most == 1
    one.close()


async def test_a_read_that_fails_names_the_ledger() -> None:
    """A database's error never reaches the caller as it is; a closed ledger fails the same way."""
    one = reader()
    with pytest.raises(LedgerError, match=r"march\.db failed: no such table"):
        await one.read(lambda connection: connection.execute("SELECT * FROM missing"))
    one.close()
    with pytest.raises(LedgerError, match=r"march\.db failed"):
        await one.read(lambda connection: connection.execute("SELECT 1"))
