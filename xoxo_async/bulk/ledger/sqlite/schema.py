"""The ledger's tables; open, make and copy its database."""

import os
import secrets
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from xoxo_async.bulk.ledger.sqlite.files import create_private
from xoxo_async.bulk.ledger.sqlite.refusals import APPLICATION_ID, SCHEMA_VERSION

__all__ = ["build", "connect", "copy_to"]

_BUSY_S: Final = 30.0
_CACHE_KIB: Final = 8 * 1024
_WAL_BYTES: Final = 64 * 1024 * 1024
_NAME_BYTES: Final = 15

_SCHEMA: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
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
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        connection.execute("INSERT INTO meta VALUES ('ledger', ?)", (secrets.token_hex(_NAME_BYTES),))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()


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
