"""The SQL of orders that are alike: one pass over all lines for the groups, the receivers and the tags of a report.

SQLite sorts all rows for a GROUP BY. With few groups it is much faster to count in a small table that is kept in
memory. A pass is one statement, since a call per row would wait for the interpreter's lock. Most of a request is in its
shape (`shapes.py`), so that is looked at once a shape, and of each line only what is its own.
"""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import re
import sqlite3
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.lines import Delivery, LineState
from xoxo_async.bulk.ledger.overview import LabelGroup, LineGroup, Receivers, bought, receivers_of
from xoxo_async.bulk.ledger.sqlite.refusals import SCHEMA_VERSION

__all__ = ["count_alike", "read_groups", "read_receivers", "read_tags", "sample_tags"]

_SAMPLE: Final = 5000
"""Tags with too many values here are no groups: they are not counted."""
_KINDS: Final = (
    "thing", "domain", "mailed", "tag", "state", "delivery", "evidence", "error_id", "currency", "charged", "worth",
    "single",
)  # fmt: skip
_ADD: Final = "orders = orders + excluded.orders, lines = lines + excluded.lines, pieces = pieces + excluded.pieces"
_ALIKE: Final = (
    f"CREATE TEMP TABLE alike ({', '.join(_KINDS)}, orders INTEGER, lines INTEGER, pieces INTEGER,"
    f" PRIMARY KEY ({', '.join(_KINDS)})) WITHOUT ROWID"
)
# What a shape says: `front` stands before the hole of what is a line's own, and has the name of that field. The domain
# and the tag are those of a request in which they are not its own.
_SHAPED: Final = "CREATE TEMP TABLE shaped (number INTEGER PRIMARY KEY, begins, front, is_email, receiver, asks, label)"
_FRONT: Final = re.compile(r'("\w+":")\x02')

# The request is canonical: product, quantity and denomination come first, and a quote within a text is escaped.
_THING: Final = "substr({0}, 1, coalesce(nullif(instr({0}, '\"poNumber\"'), 0) - 1, length({0})))"
_DOMAIN: Final = "lower(substr({0}, instr({0}, '@') + 1, instr(substr({0}, instr({0}, '@')), '\"') - 2))"
_RECEIVER: Final = (
    f'CASE WHEN instr({{0}}, \'"email":"\') > 0 THEN {_DOMAIN}'
    " WHEN instr({0}, '\"contact\":\"') > 0 THEN '#' ELSE '' END"
)
_IS_MAILED: Final = "instr({0}, '\"notifyReceiverEmail\":1') > 0"
_TAG: Final = "coalesce(json_extract({0}, '$.tag'), '')"
_WHOLE: Final = "replace(replace(body, char(1), ''), char(2), '')"
_FILL_SHAPED: Final = (
    f'INSERT INTO temp.shaped SELECT shape, {_THING.format("body")}, ?2, ?2 = \'"email":"\','
    f" {_RECEIVER.format('body')}, {_IS_MAILED.format('body')}, {_TAG.format(_WHOLE)} FROM shapes WHERE shape = ?1"
)
# An address ends where the text of its field ends, with a quote.
_OWN: Final = "(body || '\"')"
_OWN_TAG: Final = (
    "CASE WHEN number IS NULL THEN {} WHEN front = '' THEN label WHEN front = '\"tag\":\"' OR instr(body, '\"tag\":\"')"
    " > 0 THEN {} ELSE '' END"
).format(_TAG.format("body"), _TAG.format("('{' || front || body || '\"}')"))
_IS_ALONE: Final = "lines = 1"
_TRAVELS: Final = "(SELECT {} FROM packed_lines AS p WHERE p.pack = one.seq AND p.unpacked = 0)"
_FILL_ALIKE: Final = (
    f"INSERT INTO temp.alike SELECT coalesce(number, {_THING.format('body')}),"
    f" CASE WHEN state <> 'placed' THEN '' WHEN number IS NULL THEN {_RECEIVER.format('body')}"
    f" WHEN is_email THEN {_DOMAIN.format(_OWN)} ELSE receiver END,"
    f" state = 'placed' AND coalesce(asks, {_IS_MAILED.format('body')}), {{tag}}, state, delivery, evidence, error_id,"
    f" currency, coalesce(amount_charged, ''), coalesce(worth, ''), {_IS_ALONE}, 1,"
    f" CASE WHEN {_IS_ALONE} THEN 1 ELSE {_TRAVELS.format('count(*)')} END,"
    f" CASE WHEN {_IS_ALONE} THEN 0 ELSE {_TRAVELS.format('coalesce(sum(p.pieces), 0)')} END"
    f" FROM main.lines AS one LEFT JOIN temp.shaped ON number = {{shape}} WHERE true ON CONFLICT DO UPDATE SET {_ADD}"
)
_BEGINS: Final = "coalesce((SELECT begins FROM temp.shaped WHERE number = thing), thing)"
_GROUPED: Final = (_BEGINS, *_KINDS[4:])
_GROUPS: Final = (
    f"SELECT {', '.join(_GROUPED)}, sum(orders), sum(lines), sum(pieces) FROM temp.alike"
    f" GROUP BY 1, {', '.join(_KINDS[4:])}"
)
_RECEIVERS: Final = (
    "SELECT domain, mailed, sum(lines) FROM temp.alike WHERE state = 'placed' GROUP BY domain, mailed"
    " HAVING sum(lines) > 0 ORDER BY 3 DESC, 1"
)
_IN_SAMPLE: Final = f"SELECT count(DISTINCT {_TAG.format('body')}) FROM (SELECT body FROM orders LIMIT {_SAMPLE})"
_TAGS: Final = "SELECT tag, state, currency, charged, sum(lines) FROM temp.alike GROUP BY 1, 2, 3, 4 ORDER BY 1, 2"


def sample_tags(connection: sqlite3.Connection) -> int:
    """Return how many tags the first lines have; no tag is one of them.

    Args:
        connection: To read with.
    """
    return int(connection.execute(_IN_SAMPLE).fetchone()[0])


def count_alike(connection: sqlite3.Connection, *, tags: bool) -> None:
    """Count the orders that are alike, for the other functions; reads every line once.

    Args:
        connection: To read with, in a transaction that may make temporary tables.
        tags: Whether orders with different tags are different; there must be few tags.
    """
    connection.execute(_SHAPED)
    connection.execute(_ALIKE)
    has_shapes = int(connection.execute("PRAGMA user_version").fetchone()[0]) == SCHEMA_VERSION
    if has_shapes:
        shapes = connection.execute("SELECT shape, body FROM shapes").fetchall()
        fronts = [(shape, found[1] if (found := _FRONT.search(body)) else "") for shape, body in shapes]
        connection.executemany(_FILL_SHAPED, fronts)
    tag, shape = _OWN_TAG if tags else "''", "shape" if has_shapes else "NULL"
    connection.execute(_FILL_ALIKE.format(tag=tag, shape=shape))


def read_groups(connection: sqlite3.Connection) -> list[LineGroup]:
    """Return the orders by product, amount, state and proof, after `count_alike`.

    Args:
        connection: In the same transaction.
    """
    groups: list[LineGroup] = []
    for row in connection.execute(_GROUPS):
        begins, state, delivery, evidence, error_id, currency, charged, worth, single, orders, lines, pieces = row
        product_id, denomination, quantity = bought(begins)
        groups.append(
            LineGroup(
                product_id=product_id,
                denomination=denomination,
                state=LineState(state),
                delivery=Delivery(delivery),
                evidence=evidence,
                error_id=error_id,
                currency=currency,
                charged=None if charged == "" else Decimal(charged),
                worth=None if worth == "" else worth,
                single=bool(single),
                orders=orders,
                lines=lines,
                pieces=quantity * orders if single else pieces,
            )
        )
    return groups


def read_receivers(connection: sqlite3.Connection) -> tuple[list[Receivers], int]:
    """Return to whom placed lines were promised, and how many domains of addresses there are, after `count_alike`.

    Args:
        connection: In the same transaction.
    """
    found = [(domain, bool(mailed), lines) for domain, mailed, lines in connection.execute(_RECEIVERS)]
    return receivers_of(found), len({domain for domain, _, _ in found} - {"", "#"})


def read_tags(connection: sqlite3.Connection) -> list[LabelGroup]:
    """Return the lines by tag, after `count_alike` with tags, where no order is shared; none where no line has a tag.

    Args:
        connection: In the same transaction.
    """
    groups = [
        LabelGroup(tag, LineState(state), currency, None if charged == "" else Decimal(charged), lines)
        for tag, state, currency, charged, lines in connection.execute(_TAGS)
    ]
    return groups if any(group.value for group in groups) else []
