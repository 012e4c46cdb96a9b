"""The overview of a file: it reads a snapshot, and leaves nothing behind."""

import sqlite3
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from xoxo_async.bulk.ledger.sqlite.overview import read_overview
from xoxo_async.bulk.ledger.sqlite.schema import connect

pytestmark = pytest.mark.anyio


async def test_an_overview_leaves_a_connection_as_it_was(tmp_path: Path) -> None:
    """Its tables are gone, the connection still only reads, and the file is byte for byte the same."""
    path = tmp_path / "march.db"
    await one_placed(path)
    connection = connect(path, query_only=True)
    try:
        before = path.read_bytes()
        assert read_overview(connection) == read_overview(connection)
        assert {name for (name,) in connection.execute("SELECT name FROM sqlite_temp_master")} == {"orders", "entries"}
        assert not connection.in_transaction
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("CREATE TEMP TABLE t (x)")
    finally:
        connection.close()
    assert path.read_bytes() == before
