"""`sqlite.schema`: a ledger's database keeps what was planned and what happened, whoever writes to it."""

import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.bulk.ledger.ledgers import each, line, one_placed, placed
from xoxo_async.bulk.ledger.lines import Counts, JournalRow, LedgerLine, LineState
from xoxo_async.bulk.ledger.sqlite import schema
from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.sqlite.refusals import SCHEMA_VERSION, read_header
from xoxo_async.bulk.ledger.sqlite.schema import build, connect, copy_to
from xoxo_async.bulk.ledger.sqlite.statements import read_state
from xoxo_async.bulk.ledger.sqlite.sums import count_orders

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


def made_before(path: Path) -> None:
    """Make a ledger as the version before this one made it: with a placed line, a planned one and their journal."""
    create_private(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(schema._SCHEMA)
    connection.executescript(
        """
        PRAGMA journal_mode = WAL;
        INSERT INTO meta VALUES ('ledger', 'old'), ('job', 'march'), ('epoch', '2');
        INSERT INTO lines (key, po_number, digest, body, row, state) VALUES
            ('k1', 'po1', 'd1', '{"n":1}', 1, 'placed'), ('k2', 'po2', 'd2', '{"n":2}', 2, 'planned');
        UPDATE lines SET attempts = 1, epoch = 2, delivery = 'delivered', order_id = 7, amount_charged = '49.50',
            currency = 'INR', evidence = 'answered_placed' WHERE seq = 1;
        INSERT INTO journal (seq, at, from_state, to_state, transition, evidence, attempts, epoch, order_id) VALUES
            (1, 5, '', 'planned', 'T0', 'planned', 0, 0, NULL), (2, 5, '', 'planned', 'T0', 'planned', 0, 0, NULL),
            (1, 6, 'planned', 'sending', 'T1', 'slot_in_hand', 1, 2, NULL),
            (1, 7, 'sending', 'placed', 'T3', 'answered_placed', 1, 2, 7);
        INSERT INTO codes VALUES (1, '[{"code":"BEARER-CASH"}]');
        """
    )
    connection.close()


async def read(path: Path, *, read_only: bool) -> tuple[list[LedgerLine], list[JournalRow], Counts]:
    async with SqliteLedger(path, read_only=read_only) as ledger:
        lines = [line async for line in ledger.lines(with_codes=True)]
        return lines, [entry async for entry in ledger.journal()], await ledger.counts()


async def test_an_older_ledger_is_read_as_it_is(tmp_path: Path) -> None:
    """Without a change to its file."""
    path = tmp_path / "march.db"
    made_before(path)
    before = path.read_bytes()
    lines, journal, counts = await read(path, read_only=True)
    assert path.read_bytes() == before
    assert [(line.key, line.digest, line.body, line.order_id, line.codes) for line in lines] == [
        ("k1", "d1", '{"n":1}', 7, b'[{"code":"BEARER-CASH"}]'),
        ("k2", "d2", '{"n":2}', None, None),
    ]
    assert [(entry.id, entry.seq, entry.transition) for entry in journal] == [
        (1, 1, "T0"),
        (2, 2, "T0"),
        (3, 1, "T1"),
        (4, 1, "T3"),
    ]
    assert (counts.rows, counts.issued, counts.not_sent, counts.charged) == (2, 1, 1, {"INR": Decimal("49.50")})


async def test_an_older_ledger_takes_the_new_form(tmp_path: Path) -> None:
    """With its first new holder; what was written before reads the same afterwards, and no row has changed."""
    path = tmp_path / "march.db"
    made_before(path)
    before = await read(path, read_only=True)
    async with SqliteLedger(path) as ledger:
        await ledger.recover()
        during = [line async for line in ledger.lines(with_codes=True)]
        assert during == before[0]
        (second,) = await ledger.claim(5)
        await ledger.record([placed(second, 8)])
        await ledger.plan("march", each([line(1), line(2), line(3)]))
    lines, journal, counts = await read(path, read_only=True)
    assert lines[0] == before[0][0]
    assert journal[:4] == before[1]
    assert [(entry.id, entry.seq, entry.transition) for entry in journal[4:]] == [
        (5, 2, "T1"),
        (6, 2, "T3"),
        (7, 3, "T0"),
    ]
    assert (counts.rows, counts.issued, counts.not_sent, counts.charged) == (3, 2, 1, {"INR": Decimal("99.00")})
    header = read_header(path)
    assert header is not None
    assert header.version == SCHEMA_VERSION


async def test_a_reader_follows_the_form_of_the_file(tmp_path: Path) -> None:
    """Its holder may bring it to the new form while it is being watched."""
    path = tmp_path / "march.db"
    made_before(path)
    async with SqliteLedger(path, read_only=True) as watching:
        before = [entry async for entry in watching.journal()]
        async with SqliteLedger(path) as ledger:
            assert (await ledger.find("k2")) is not None  # the reader's connection saw the old form
            await ledger.claim(1)
            assert [line.state async for line in ledger.lines()] == ["placed", "sending"]
            after = [entry async for entry in watching.journal()]
    assert after[:4] == before
    assert len(after) == 5


async def test_the_short_list_answers_what_is_left(connection: sqlite3.Connection) -> None:
    """No query about lines that may yet move reads those that have ended."""
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    read_state(connection, (LineState.PLANNED, LineState.REJECTED), 0, 10)
    count_orders(connection, LineState.SENDING)
    connection.set_trace_callback(None)
    for query in asked:
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "USING INDEX lines_open" in plan or "USING COVERING INDEX lines_open" in plan, plan
