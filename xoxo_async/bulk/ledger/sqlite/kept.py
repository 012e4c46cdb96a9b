"""The SQL of the columns that ride along with lines: a table that older ledgers get with their first such line."""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from xoxo_async.bulk.ledger.kept import decode_kept
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.sqlite.passing import as_json

__all__ = ["insert_kept", "read_kept"]

_MAKE: Final = (
    "CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TRIGGER kept_fixed BEFORE UPDATE ON kept BEGIN SELECT raise(ABORT, 'what was planned never changes'); END",
    "CREATE TRIGGER kept_kept BEFORE DELETE ON kept BEGIN SELECT raise(ABORT, 'lines are kept'); END",
)
_IS_MADE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'kept'"
_KEEP: Final = (
    "INSERT INTO kept (key, value) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)"
    " WHERE true ON CONFLICT DO NOTHING"
)
_READ: Final = "SELECT key, value FROM kept WHERE key IN (SELECT value FROM json_each(?))"


def insert_kept(connection: sqlite3.Connection, lines: Iterable[PlannedLine]) -> list[str]:
    """Keep the columns that ride along with some lines; of a key that has some already, the first ones stay.

    Args:
        connection: In a transaction.
        lines: The lines.

    Returns:
        What was given of each line that has such columns.
    """
    rows = [(line.key, line.kept) for line in lines if line.kept]
    if not rows:
        return []
    # A file of an earlier version has no such table. It is made in the transaction that needs it, and not on opening:
    # so an opening still writes nothing before it knows whether the file is a copy.
    if connection.execute(_IS_MADE).fetchone() is None:
        for statement in _MAKE:
            connection.execute(statement)
    connection.execute(_KEEP, (as_json(rows),))
    return [kept for _, kept in rows]


def read_kept(connection: sqlite3.Connection, keys: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the columns that ride along with some lines, by key.

    Args:
        connection: To read with.
        keys: The keys.
    """
    if connection.execute(_IS_MADE).fetchone() is None:
        return {}
    return {key: decode_kept(value) for key, value in connection.execute(_READ, (as_json(list(keys)),))}
