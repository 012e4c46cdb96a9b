"""The ledger's tables; open, make and copy its database."""

# ruff: noqa: S608 - the only words put into SQL are this package's own

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.refusals import APPLICATION_ID, OLDEST_VERSION, SCHEMA_VERSION
from xoxo_async.bulk.ledger.sqlite.statements import DIGEST, IS_OPEN

__all__ = ["build", "connect", "copy_to", "make_tables", "show_views", "upgrade"]

_BUSY_S: Final = 30.0
_CACHE_KIB: Final = 8 * 1024
_WAL_BYTES: Final = 64 * 1024 * 1024
_NAME_BYTES: Final = 15

_SCHEMA: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {OLDEST_VERSION};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lines (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    po_number TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    row INTEGER NOT NULL,
    lines INTEGER NOT NULL DEFAULT 1,
    worth INTEGER,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    lookups INTEGER NOT NULL DEFAULT 0,
    delivery TEXT NOT NULL DEFAULT '',
    first_sent_at REAL,
    last_sent_at REAL,
    last_lookup_at REAL,
    order_id INTEGER,
    amount_charged TEXT,
    currency TEXT NOT NULL DEFAULT '',
    error_id TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    evidence TEXT NOT NULL DEFAULT '',
    held INTEGER NOT NULL DEFAULT 0,
    foreign_sender INTEGER NOT NULL DEFAULT 0,
    last_sent_tick REAL,
    unwanted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE packed_lines (
    pack INTEGER NOT NULL REFERENCES lines (seq),
    first INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    po_number TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    row INTEGER NOT NULL,
    worth INTEGER,
    unpacked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pack, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lines_by_state ON lines (state);
CREATE UNIQUE INDEX lines_by_order ON lines (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    transition TEXT NOT NULL,
    evidence TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    order_id INTEGER,
    error_id TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX journal_alarms ON journal (seq) WHERE transition = '!';
CREATE TABLE codes (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE code_marks (mark INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
CREATE TRIGGER lines_fixed BEFORE UPDATE OF key, po_number, digest, body, lines ON lines
    BEGIN SELECT raise(ABORT, 'what was planned never changes'); END;
CREATE TRIGGER packed_fixed BEFORE UPDATE OF pack, first, pieces, key, po_number, digest, body ON packed_lines
    BEGIN SELECT raise(ABORT, 'what was packed never changes'); END;
CREATE TRIGGER packed_kept BEFORE DELETE ON packed_lines BEGIN SELECT raise(ABORT, 'lines are kept'); END;
CREATE TRIGGER lines_kept BEFORE DELETE ON lines BEGIN SELECT raise(ABORT, 'lines are kept'); END;
CREATE TRIGGER kept_fixed BEFORE UPDATE ON kept
    BEGIN SELECT raise(ABORT, 'what was planned never changes'); END;
CREATE TRIGGER kept_kept BEFORE DELETE ON kept BEGIN SELECT raise(ABORT, 'lines are kept'); END;
CREATE TRIGGER journal_fixed BEFORE UPDATE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_kept BEFORE DELETE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
"""


_UPGRADE: Final = (
    # What most requests of a job have in common, with a hole for the poNumber and one for the receiver.
    "CREATE TABLE shapes (shape INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT",
    "ALTER TABLE lines ADD COLUMN shape INTEGER REFERENCES shapes (shape)",  # NULL: `body` is the whole request
    "ALTER TABLE lines ADD COLUMN hash BLOB",  # the digest, where `digest` is empty
    # What many entries of the journal have in common.
    (
        "CREATE TABLE kinds (kind INTEGER PRIMARY KEY, from_state TEXT NOT NULL, to_state TEXT NOT NULL,"
        " transition TEXT NOT NULL, evidence TEXT NOT NULL, UNIQUE (from_state, to_state, transition, evidence)) STRICT"
    ),
    "ALTER TABLE journal ADD COLUMN kind INTEGER REFERENCES kinds (kind)",  # NULL: the entry has its own texts
    # An entry of several lines, whose numbers follow each other, stands for one entry of each. It has the last of their
    # ids, so that the ids before it are taken.
    "ALTER TABLE journal ADD COLUMN lines INTEGER NOT NULL DEFAULT 1",
    # The short list: a job that has ended has nothing in it.
    "DROP INDEX lines_by_state",
    f"CREATE INDEX lines_open ON lines (state) WHERE {IS_OPEN}",
    "DROP TRIGGER lines_fixed",
    (
        "CREATE TRIGGER lines_fixed BEFORE UPDATE OF key, po_number, digest, body, lines, shape, hash ON lines"
        " BEGIN SELECT raise(ABORT, 'what was planned never changes'); END"
    ),
    *(
        f"CREATE TRIGGER {table}_{what} BEFORE {event} ON {table}"
        f" BEGIN SELECT raise(ABORT, 'what was planned never changes'); END"
        for table in ("shapes", "kinds")
        for what, event in (("fixed", "UPDATE"), ("kept", "DELETE"))
    ),
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
"""What makes the present form of an older one. Rows that are there stay as they are: both forms are read."""

_LINE: Final = (
    "seq, key, po_number, row, lines, worth, state, attempts, suspect, epoch, lookups, delivery, first_sent_at,"
    " last_sent_at, last_lookup_at, order_id, amount_charged, currency, error_id, error, evidence, held,"
    " foreign_sender, last_sent_tick, unwanted"
)
_ENTRY: Final = "id, seq, at, attempts, epoch, order_id, error_id, reason"
_VIEWS: Final = {
    OLDEST_VERSION: (
        f"CREATE TEMP VIEW orders AS SELECT {_LINE}, digest, body FROM main.lines",
        (
            f"CREATE TEMP VIEW entries AS SELECT {_ENTRY}, from_state, to_state, transition, evidence, 1 AS lines"
            " FROM main.journal"
        ),
    ),
    SCHEMA_VERSION: (
        (
            f"CREATE TEMP VIEW orders AS SELECT {_LINE},"
            f" {DIGEST} AS digest,"
            " CASE WHEN shape IS NULL THEN body ELSE replace(replace((SELECT s.body FROM main.shapes AS s"
            " WHERE s.shape = one.shape), char(1), po_number), char(2), body) END AS body FROM main.lines AS one"
        ),
        (
            f"CREATE TEMP VIEW entries AS SELECT {_ENTRY}, coalesce(k.from_state, j.from_state) AS from_state,"
            " coalesce(k.to_state, j.to_state) AS to_state, coalesce(k.transition, j.transition) AS transition,"
            " coalesce(k.evidence, j.evidence) AS evidence, lines"
            " FROM main.journal AS j LEFT JOIN main.kinds AS k ON k.kind = j.kind"
        ),
    ),
}
"""What is read of lines and journal, whatever form the file has."""
_SHOWN: Final = "SELECT sql FROM temp.sqlite_master WHERE name = 'orders'"


def connect(path: Path, *, query_only: bool = False) -> sqlite3.Connection:
    """Open a ledger's database for one thread at a time.

    Args:
        path: The file, which exists; it is never made, so that no new file replaces the one that was opened.
        query_only: Whether this connection only reads.
    """
    address = f"file:{quote(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        # In a container, often only the ledger's folder is writable: then SQLite has no place for temporary files.
        connection.execute("PRAGMA temp_store = MEMORY")
        # Overwrite freed space with zeros: otherwise codes in clear would stay in the file after they are sealed.
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        # With NORMAL, a power cut may lose an intent whose request has left already.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchone()
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchone()  # the writer checkpoints, with a note
        show_views(connection)
        connection.execute(f"PRAGMA query_only = {int(query_only)}")
    except BaseException:
        connection.close()
        raise
    return connection


def build(path: Path) -> None:
    """Make the schema in an empty file, durably, and give the ledger a name of its own.

    Args:
        path: The file; when this returns, it is complete without side files.
    """
    connection = connect(path)
    try:
        make_tables(connection)
        connection.execute("INSERT INTO meta VALUES ('ledger', ?)", (os.urandom(_NAME_BYTES).hex(),))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the schema in an empty database, in a transaction that the caller commits.

    Args:
        connection: To that database.
    """
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
    upgrade(connection)


def upgrade(connection: sqlite3.Connection) -> bool:
    """Bring a ledger of an older form to the present one; return whether there was anything to do.

    It adds columns and tables, and changes no row, so that it is as short for a million lines as for one. Only the
    short list is made anew.

    Args:
        connection: In a transaction that writes.
    """
    if _version(connection) == SCHEMA_VERSION:
        return False
    for statement in _UPGRADE:
        connection.execute(statement)
    show_views(connection)
    return True


def show_views(connection: sqlite3.Connection) -> None:
    """Make the views `orders` and `entries`, which show lines and journal whatever form the file has.

    They are temporary: a ledger of an older form is read as it is, without a change to its file.

    Args:
        connection: A connection to a ledger. It may be one that only reads; then its holder may have changed the form.
    """
    version = _version(connection)
    if version not in _VIEWS or connection.execute(_SHOWN).fetchone() == (_VIEWS[version][0].replace("TEMP ", ""),):
        return
    reads_only = bool(connection.execute("PRAGMA query_only").fetchone()[0])
    if reads_only:
        connection.execute("PRAGMA query_only = 0")
    for view in ("orders", "entries"):
        connection.execute(f"DROP VIEW IF EXISTS temp.{view}")
    for statement in _VIEWS[version]:
        connection.execute(statement)
    if reads_only:
        connection.execute("PRAGMA query_only = 1")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def copy_to(connection: sqlite3.Connection, path: Path) -> None:
    """Write the whole state of a connection into a new file.

    Args:
        connection: Of the ledger.
        path: The new file; one of that name is replaced.

    Raises:
        LedgerError: When the file cannot be made.
        sqlite3.Error: When it cannot be written.
    """
    create_private(path)
    copy = connect(path)
    try:
        connection.backup(copy)
    finally:
        copy.close()
