"""The SQL of what groups the lines of a job for its report: their tag, and the columns that ride along."""

# ruff: noqa: S608 - the only names put into SQL are this package's own; those of columns are bound

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.overview import LABELS_SHOWN, Label, LabelGroup

__all__ = ["read_kept_labels", "read_shared_tags"]

_SAMPLE: Final = 5000
"""Kept columns with too many values here are no groups: that saves the pass over all lines."""

_HAS_TAG: Final = 'SELECT 1 FROM orders WHERE instr(body, \'"tag":"\') > 0 LIMIT 1'
# Every line; of a shared order, each gets its part of what that was charged.
_EVERY: Final = (
    "(SELECT key, {0} AS body, state, currency, coalesce(amount_charged, '') AS charged, 1 AS pieces, 1 AS whole"
    " FROM {1} WHERE lines = 1 UNION ALL"
    " SELECT p.key, p.body, o.state, o.currency, coalesce(o.amount_charged, ''), p.pieces,"
    " (SELECT sum(q.pieces) FROM packed_lines AS q WHERE q.pack = p.pack AND q.unpacked = 0)"
    " FROM packed_lines AS p JOIN lines AS o ON o.seq = p.pack WHERE p.unpacked = 0) AS one"
)
_ALIKE: Final = ("state", "currency", "charged", "pieces", "whole")
_MAKE: Final = (
    f"CREATE TEMP TABLE label (value, {', '.join(_ALIKE)}, lines, PRIMARY KEY (value, {', '.join(_ALIKE)}))"
    " WITHOUT ROWID"
)
_COUNT: Final = "WHERE true ON CONFLICT DO UPDATE SET lines = lines + 1"
_TAGS: Final = (
    f"INSERT INTO temp.label SELECT coalesce(json_extract(body, '$.tag'), ''), {', '.join(_ALIKE)}, 1"
    f" FROM {_EVERY.format('body', 'orders')} {_COUNT}"
)
_COLUMNS: Final = f"INSERT INTO temp.label SELECT json_array({{}}), {', '.join(_ALIKE)}, 1 FROM "
_OF_KEY: Final = _EVERY.format("''", "lines")  # a request takes its time to be put together
_JOINED: Final = f" LEFT JOIN kept AS k ON k.key = one.key {_COUNT}"
# A JSON path cannot name a member with a quote in it.
_MEMBER: Final = "coalesce((SELECT j.value FROM json_each(k.value) AS j WHERE j.key = ?), '')"
_IN_SAMPLE: Final = f"SELECT count(DISTINCT {_MEMBER}) FROM (SELECT value FROM kept ORDER BY key LIMIT {_SAMPLE}) AS k"
_GROUPS: Final = (
    f"SELECT {{value}} AS value, {', '.join(_ALIKE)}, sum(lines) FROM temp.label GROUP BY 1, {', '.join(_ALIKE)}"
    " ORDER BY 1, 2"
)


def read_shared_tags(connection: sqlite3.Connection) -> list[Label]:
    """Return the lines by tag where some of them share orders, if any has a tag; reads all lines once.

    Args:
        connection: To read with, in a transaction that may make temporary tables.
    """
    if connection.execute(_HAS_TAG).fetchone() is None:
        return []
    connection.execute(_MAKE)
    connection.execute(_TAGS)
    label = _label(connection, "tag", "value")
    connection.execute("DROP TABLE temp.label")
    return [label]


def read_kept_labels(connection: sqlite3.Connection, names: Sequence[str]) -> list[Label]:
    """Return the lines by the columns that ride along; reads all lines once.

    Args:
        connection: To read with, in a transaction that may make temporary tables.
        names: The names of the columns.
    """
    sampled = {name: int(connection.execute(_IN_SAMPLE, (name,)).fetchone()[0]) for name in names}
    few = [name for name in names if sampled[name] <= LABELS_SHOWN]
    found = {name: Label(name, sampled[name], []) for name in names}
    if few:
        connection.execute(_MAKE)
        connection.execute(_COLUMNS.format(", ".join([_MEMBER] * len(few))) + _OF_KEY + _JOINED, few)
        for place, name in enumerate(few):
            found[name] = _label(connection, name, f"json_extract(value, '$[{place}]')")
    return [found[name] for name in names]


def _label(connection: sqlite3.Connection, name: str, value: str) -> Label:
    groups = [
        LabelGroup(value, LineState(state), currency, _part(charged, pieces, whole), lines)
        for value, state, currency, charged, pieces, whole, lines in connection.execute(_GROUPS.format(value=value))
    ]
    values = len({group.value for group in groups})
    return Label(name, values, groups if values <= LABELS_SHOWN else [])


def _part(charged: str, pieces: int, whole: int) -> Decimal | None:
    return None if charged == "" else Decimal(charged) * pieces / whole
