"""The SQL of a ledger in groups, for its report.

SQLite sorts all rows for a GROUP BY. With few groups it is much faster to count in a small table that is kept in
memory: a million lines take a second instead of six. Each is one statement, since a call per row would wait for the
interpreter's lock.
"""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.counting import OrderGroup
from xoxo_async.bulk.ledger.facts import KEPT_NAMES, PAUSED
from xoxo_async.bulk.ledger.kept import names_of
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import (
    OPEN_SHOWN,
    OPEN_STATES,
    Beat,
    LineGroup,
    Overview,
    PauseMark,
    Receivers,
    Refused,
    beat_width,
    bought,
    receivers_of,
)
from xoxo_async.bulk.ledger.sqlite.labels import read_labels
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta
from xoxo_async.bulk.ledger.sqlite.statements import read_lines, read_state
from xoxo_async.bulk.ledger.sqlite.sums import count_groups

__all__ = ["read_overview"]

_KINDS: Final = (
    "thing", "domain", "mailed", "state", "delivery", "evidence", "error_id", "currency", "charged", "worth", "single",
)  # fmt: skip
_ADD: Final = "orders = orders + excluded.orders, lines = lines + excluded.lines, pieces = pieces + excluded.pieces"
_ALIKE: Final = (
    f"CREATE TEMP TABLE alike ({', '.join(_KINDS)}, orders INTEGER, lines INTEGER, pieces INTEGER,"
    f" PRIMARY KEY ({', '.join(_KINDS)})) WITHOUT ROWID"
)
# The request is canonical: product, quantity and denomination come first, and a quote within a text is escaped.
_HAS_EMAIL: Final = 'instr(body, \'"email":"\') > 0'
_HAS_PHONE: Final = 'instr(body, \'"contact":"\') > 0'
_IS_MAILED: Final = "instr(body, '\"notifyReceiverEmail\":1') > 0"
_IS_ALONE: Final = "lines = 1"
_TRAVELS: Final = "(SELECT {} FROM packed_lines AS p WHERE p.pack = orders.seq AND p.unpacked = 0)"
_FILL_ALIKE: Final = (
    "INSERT INTO temp.alike SELECT substr(body, 1, coalesce(nullif(instr(body, '\"poNumber\"'), 0) - 1, length(body))),"
    f" CASE WHEN state <> 'placed' THEN '' WHEN {_HAS_EMAIL} THEN"
    " lower(substr(body, instr(body, '@') + 1, instr(substr(body, instr(body, '@')), '\"') - 2))"
    f" WHEN {_HAS_PHONE} THEN '#' ELSE '' END,"
    f" state = 'placed' AND {_IS_MAILED}, state, delivery, evidence, error_id,"
    f" currency, coalesce(amount_charged, ''), coalesce(worth, ''), {_IS_ALONE}, 1,"
    f" CASE WHEN {_IS_ALONE} THEN 1 ELSE {_TRAVELS.format('count(*)')} END,"
    f" CASE WHEN {_IS_ALONE} THEN 0 ELSE {_TRAVELS.format('coalesce(sum(p.pieces), 0)')} END"
    f" FROM orders WHERE true ON CONFLICT DO UPDATE SET {_ADD}"
)
_GROUPED: Final = ("thing", *_KINDS[3:])
_GROUPS: Final = (
    f"SELECT {', '.join(_GROUPED)}, sum(orders), sum(lines), sum(pieces) FROM temp.alike GROUP BY {', '.join(_GROUPED)}"
)
_RECEIVERS: Final = (
    "SELECT domain, mailed, sum(lines) FROM temp.alike WHERE state = 'placed' GROUP BY domain, mailed"
    " HAVING sum(lines) > 0 ORDER BY 3 DESC, 1"
)
_SPAN: Final = "SELECT min(first_sent_at), max(first_sent_at) FROM lines"
_BEAT: Final = "CREATE TEMP TABLE beat (at, state, ms, orders, PRIMARY KEY (at, state, ms)) WITHOUT ROWID"
# When an answer places an order that was sent once, it is the last thing known of the send.
_TOOK_S: Final = "max(last_sent_at - first_sent_at, 0)"
_ANSWERED: Final = "state = 'placed' AND evidence = 'answered_placed' AND suspect = 0"
_FILL_BEAT: Final = (
    f"INSERT INTO temp.beat SELECT CAST(first_sent_at / ?1 AS INTEGER) * ?1, state, CASE WHEN NOT ({_ANSWERED}) THEN -1"
    f" WHEN {_TOOK_S} < 1 THEN CAST({_TOOK_S} * 100 AS INTEGER) * 10"
    f" WHEN {_TOOK_S} < 10 THEN CAST({_TOOK_S} * 10 AS INTEGER) * 100 ELSE CAST({_TOOK_S} AS INTEGER) * 1000 END, 1"
    " FROM lines WHERE first_sent_at IS NOT NULL ON CONFLICT DO UPDATE SET orders = orders + 1"
)
_BEATS: Final = "SELECT at, state, ms, orders FROM temp.beat ORDER BY at, state, ms"
_REFUSED: Final = (
    "SELECT state, error_id, max(error), sum(lines), min(row) FROM lines"
    " WHERE state IN ('rejected', 'unknown', 'conflict', 'manual')"
    " AND (lines = 1 OR state <> 'rejected' OR evidence <> 'refused_no_order')"  # such a pack gave its lines back
    " GROUP BY state, error_id ORDER BY 4 DESC, 1, 2"
)
_WAITING: Final = "SELECT seq FROM lines WHERE state = 'placed' AND delivery <> 'delivered' ORDER BY seq LIMIT ?"
_PAUSES: Final = (
    "SELECT at, evidence = 'paused', reason FROM journal WHERE seq = 0 AND evidence IN ('paused', 'unpaused')"
)


def read_overview(connection: sqlite3.Connection) -> Overview:
    """Return the ledger in groups, from one snapshot; reads every line twice.

    Args:
        connection: To read with, outside a transaction.
    """
    with _counting(connection):
        groups = _read_groups(connection)
        first_at, last_at = connection.execute(_SPAN).fetchone()
        width_s = beat_width(first_at, last_at)
        connection.execute(_BEAT)
        connection.execute(_FILL_BEAT, (width_s,))
        receivers, domains = _read_receivers(connection)
        orders = [
            OrderGroup(one.state, one.delivery, one.currency, one.charged, one.single, one.orders) for one in groups
        ]
        return Overview(
            counts=count_groups(connection, orders, has_packs=not all(one.single for one in groups)),
            groups=groups,
            receivers=receivers,
            domains=domains,
            width_s=width_s,
            beats=[
                Beat(float(at), LineState(state), None if ms < 0 else ms, orders)
                for at, state, ms, orders in connection.execute(_BEATS)
            ],
            refused=[Refused(LineState(state), *row) for state, *row in connection.execute(_REFUSED)],
            labels=read_labels(connection, names_of(get_meta(connection, fact(KEPT_NAMES)))),
            pauses=_read_pauses(connection),
            open=_read_open(connection, groups),
        )


@contextmanager
def _counting(connection: sqlite3.Connection) -> Generator[None]:
    """Begin a snapshot in which temporary tables can be made; they are gone at its end."""
    reads_only = bool(connection.execute("PRAGMA query_only").fetchone()[0])
    connection.execute("PRAGMA query_only = 0")
    try:
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    finally:
        connection.execute(f"PRAGMA query_only = {int(reads_only)}")


def _read_groups(connection: sqlite3.Connection) -> list[LineGroup]:
    connection.execute(_ALIKE)
    connection.execute(_FILL_ALIKE)
    groups: list[LineGroup] = []
    for row in connection.execute(_GROUPS):
        thing, state, delivery, evidence, error_id, currency, charged, worth, single, orders, lines, pieces = row
        product_id, denomination, quantity = bought(thing)
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


def _read_receivers(connection: sqlite3.Connection) -> tuple[list[Receivers], int]:
    found = [(domain, bool(mailed), lines) for domain, mailed, lines in connection.execute(_RECEIVERS)]
    return receivers_of(found), len({domain for domain, _, _ in found} - {"", "#"})


def _read_pauses(connection: sqlite3.Connection) -> list[PauseMark]:
    if get_meta(connection, fact(PAUSED)) is None:
        return []  # it was never paused; the journal is long
    return [PauseMark(at, bool(paused), reason) for at, paused, reason in connection.execute(_PAUSES)]


def _read_open(connection: sqlite3.Connection, groups: list[LineGroup]) -> list[LedgerLine]:
    lines = [line for state in OPEN_STATES for line in read_state(connection, (state,), 0, OPEN_SHOWN)]
    if any(one.state is LineState.PLACED and one.delivery is not Delivery.DELIVERED for one in groups):
        seqs = [seq for (seq,) in connection.execute(_WAITING, (OPEN_SHOWN,))]
        lines += sorted(read_lines(connection, seqs), key=lambda line: line.seq)
    return lines
