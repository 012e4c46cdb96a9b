"""`sqlite.schema`: a ledger's database keeps what was planned and what happened, whoever writes to it."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import one_placed
from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.refusals import read_header
from xoxo_async.bulk.ledger.sqlite.schema import build, connect, copy_to

pytestmark = pytest.mark.anyio


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    """Yield a connection to a ledger with one placed line."""
    await one_placed(tmp_path / "march.db")
    connection = connect(tmp_path / "march.db")
    yield connection
    connection.close()


def add(connection: sqlite3.Connection, key: str, po_number: str = "", order_id: int | None = None) -> None:
    """Add a line by hand."""
    connection.execute(
        "INSERT INTO lines (key, po_number, digest, body, row, state, order_id) VALUES (?, ?, '', '', 1, '', ?)",
        (key, po_number or key, order_id),
    )


FIXED = {
    "a line's key": ("UPDATE lines SET key = 'other'", "what was planned never changes"),
    "a line's poNumber": ("UPDATE lines SET po_number = 'other'", "what was planned never changes"),
    "a line's request": ("UPDATE lines SET body = '{}'", "what was planned never changes"),
    "a line": ("DELETE FROM lines", "lines are kept"),
    "a packed line's share": ("UPDATE packed_lines SET pieces = 2", "what was packed never changes"),
    "a packed line": ("DELETE FROM packed_lines", "lines are kept"),
    "the journal's past": ("UPDATE journal SET reason = 'other'", "the journal is append-only"),
    "the journal": ("DELETE FROM journal", "the journal is append-only"),
}


@pytest.mark.parametrize(("sql", "says"), FIXED.values(), ids=list(FIXED))
async def test_what_must_not_change_cannot(connection: sqlite3.Connection, sql: str, says: str) -> None:
    """Also not by hand: the database itself refuses."""
    connection.execute(
        "INSERT INTO packed_lines (pack, first, pieces, key, po_number, digest, body, row)"
        " VALUES (1, 0, 1, 'p', 'p', 'd', '{}', 1)"
    )
    with pytest.raises(sqlite3.IntegrityError, match=says):
        connection.execute(sql)


async def test_an_order_id_belongs_to_one_line(connection: sqlite3.Connection) -> None:
    """Lines without an order are many, lines of one order are one."""
    add(connection, "b")
    add(connection, "c")
    with pytest.raises(sqlite3.IntegrityError, match="order_id"):
        add(connection, "d", order_id=7)


@pytest.mark.parametrize("twice", ["key", "po_number"])
async def test_keys_and_po_numbers_are_unique(connection: sqlite3.Connection, twice: str) -> None:
    """Two lines of one poNumber would be one order for the vendor."""
    facts = {"key": "b", "po_number": "b"} | {twice: "k1" if twice == "key" else "po1"}
    with pytest.raises(sqlite3.IntegrityError, match=twice):
        add(connection, **facts)


def test_a_built_file_is_a_complete_ledger(tmp_path: Path) -> None:
    """It is given its name only afterwards, and nothing beside it goes with it."""
    path = tmp_path / "new"
    path.touch(0o600)
    build(path)
    assert [file.name for file in tmp_path.iterdir()] == ["new"]
    header = read_header(path)
    assert header is not None
    assert header.complete


def test_every_commit_is_on_disk(tmp_path: Path) -> None:
    """FULL: a power cut must not forget an intent whose request has left."""
    create_private(tmp_path / "l.db")
    build(tmp_path / "l.db")
    connection = connect(tmp_path / "l.db")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    finally:
        connection.close()


def test_nothing_is_written_outside_the_ledger_s_folder(tmp_path: Path) -> None:
    """On a read-only root, as pods have it, there is no place for temporary files of SQLite's; freed space is wiped."""
    create_private(tmp_path / "l.db")
    build(tmp_path / "l.db")
    for query_only in (False, True):
        connection = connect(tmp_path / "l.db", query_only=query_only)
        try:
            assert connection.execute("PRAGMA temp_store").fetchone() == (2,)
            assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
        finally:
            connection.close()


def test_no_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    """What was opened before must not be replaced by something empty."""
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connect(tmp_path / "l.db")
    assert not list(tmp_path.iterdir())


def test_a_copy_has_the_whole_ledger(tmp_path: Path) -> None:
    """With what is in its `-wal` still; the new file is private, and complete by itself."""
    create_private(tmp_path / "l.db")
    build(tmp_path / "l.db")
    connection = connect(tmp_path / "l.db")
    try:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        copy_to(connection, tmp_path / "copy.db")
        assert not (tmp_path / "copy.db-wal").exists()
    finally:
        connection.close()
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = connect(tmp_path / "copy.db")
    try:
        assert copy.execute("SELECT value FROM meta WHERE name = 'a'").fetchone() == ("b",)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        copy.close()


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A mistake in a query changes nothing."""
    await one_placed(tmp_path / "march.db")
    reader = connect(tmp_path / "march.db", query_only=True)
    try:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM meta")
    finally:
        reader.close()


def test_what_is_no_database_is_not_left_open(tmp_path: Path) -> None:
    """An error while opening closes what was opened."""
    (tmp_path / "text").write_bytes(b"key,product_id" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        connect(tmp_path / "text")
