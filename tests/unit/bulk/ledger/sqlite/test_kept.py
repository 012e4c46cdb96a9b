"""`sqlite.kept`: the table of the columns that ride along, also in files of an earlier version."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import connected, each, line
from xoxo_async.bulk import SqliteLedger
from xoxo_async.bulk.ledger.kept import encode_kept
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.sqlite.kept import insert_kept, read_kept


def riding(number: int) -> PlannedLine:
    """Return a line with a column that rides along."""
    return msgspec.structs.replace(line(number), kept=encode_kept({"Name": f"n{number}"}))


@pytest.mark.anyio
async def test_an_earlier_file_gets_the_table(tmp_path: Path) -> None:
    """It is read without the table, and the first plan that needs the table makes it; what is kept never changes."""
    path = tmp_path / "l.db"
    async with SqliteLedger(path) as ledger:
        await ledger.plan("march", each([line(1)]))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE kept")
    async with SqliteLedger(path, read_only=True) as ledger:
        assert (await ledger.kept(["k1"]), await ledger.kept_names()) == ({}, [])
    async with SqliteLedger(path) as ledger:
        assert (await ledger.kept(["k1"]), await ledger.kept_names()) == ({}, [])
        await ledger.plan("march", each([line(1), riding(2)]))
        assert (await ledger.kept(["k1", "k2"]), await ledger.kept_names()) == ({"k2": {"Name": "n2"}}, ["Name"])
    with closing(sqlite3.connect(path)) as connection:
        for statement in ("UPDATE kept SET value = ''", "DELETE FROM kept"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_lines_without_columns_write_nothing(tmp_path: Path) -> None:
    """Nor do they change what is there."""
    for connection in connected(tmp_path / "l.db"):
        assert insert_kept(connection, [riding(1)]) == [riding(1).kept]
        changes = connection.total_changes
        assert insert_kept(connection, [line(2), line(3)]) == []
        assert connection.total_changes == changes
        assert read_kept(connection, ["k1", "k2"]) == {"k1": {"Name": "n1"}}
