"""The SQL of what groups the lines of a job for its report: their tag, and the columns that ride along."""

# ruff: noqa: S608 - the only names put into SQL are this package's own; those of columns are bound

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.facts import KEPT_NAMES
from xoxo_async.bulk.ledger.kept import names_of
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.overview import LABELS_SHOWN, Label, LabelGroup
from xoxo_async.bulk.ledger.postgres.facts import get_fact
from xoxo_async.postgres.driver import DatabaseConnection, Row

__all__ = ["read_labels"]

_SAMPLE: Final = 5000
"""Kept columns with too many values here are no groups: that saves the pass over all lines."""

_HAS_TAG: Final = 'SELECT EXISTS (SELECT FROM xoxo.line WHERE job = $1 AND strpos(body, \'"tag":"\') > 0)'
# Every line; of a shared order, each gets its part of what that was charged.
_EVERY: Final = (
    "(SELECT key, body, state, currency, amount_charged, 1 AS pieces, 1::bigint AS whole FROM xoxo.line"
    " WHERE job = $1 AND lines = 1 UNION ALL SELECT p.key, p.body, o.state, o.currency, o.amount_charged, p.pieces,"
    " (SELECT sum(q.pieces) FROM xoxo.packed_line AS q WHERE q.pack = p.pack AND NOT q.unpacked)"
    " FROM xoxo.packed_line AS p JOIN xoxo.line AS o ON o.id = p.pack WHERE p.job = $1 AND NOT p.unpacked) AS one"
)
_ALIKE: Final = "state, currency, amount_charged, pieces, whole"
_TAGS: Final = (
    f"SELECT coalesce(body::json ->> 'tag', '') AS value, {_ALIKE}, count(*) AS lines FROM {_EVERY}"
    f" GROUP BY 1, {_ALIKE} ORDER BY 1, 2"
)
_COLUMN: Final = (
    f"SELECT coalesce(k.value::json ->> $2, '') AS value, {_ALIKE}, count(*) AS lines FROM {_EVERY}"
    f" LEFT JOIN xoxo.kept AS k ON k.job = $1 AND k.key = one.key GROUP BY 1, {_ALIKE} ORDER BY 1, 2"
)
_IN_SAMPLE: Final = (
    "SELECT count(DISTINCT coalesce(value::json ->> $2, '')) FROM"
    f" (SELECT value FROM xoxo.kept WHERE job = $1 ORDER BY key LIMIT {_SAMPLE}) AS first_ones"
)


async def read_labels(connection: DatabaseConnection, job: int) -> list[Label]:
    """Return what groups the lines; reads all lines once for the tag, and once for each kept column with few values.

    Args:
        connection: To read with.
        job: The job's number.
    """
    labels: list[Label] = []
    if await connection.fetchval(_HAS_TAG, job):
        labels.append(_label("tag", await connection.fetch(_TAGS, job)))
    for name in names_of(await get_fact(connection, job, KEPT_NAMES)):
        sampled = int(await connection.fetchval(_IN_SAMPLE, job, name))
        if sampled <= LABELS_SHOWN:
            labels.append(_label(name, await connection.fetch(_COLUMN, job, name)))
        else:
            labels.append(Label(name, sampled, []))
    return labels


def _label(name: str, rows: Sequence[Row]) -> Label:
    groups = [
        LabelGroup(
            row["value"],
            LineState(row["state"]),
            row["currency"],
            _part(row["amount_charged"], row["pieces"], row["whole"]),
            row["lines"],
        )
        for row in rows
    ]
    values = len({group.value for group in groups})
    return Label(name, values, groups if values <= LABELS_SHOWN else [])


def _part(charged: Decimal | None, pieces: int, whole: int) -> Decimal | None:
    return None if charged is None else charged * pieces / int(whole)
