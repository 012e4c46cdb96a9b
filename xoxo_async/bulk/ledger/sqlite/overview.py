"""The SQL of a ledger in groups, for its report; `alike.py` counts what takes most of the time."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from xoxo_async.bulk.ledger.counting import OrderGroup
from xoxo_async.bulk.ledger.facts import KEPT_NAMES, PAUSED
from xoxo_async.bulk.ledger.kept import names_of
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import (
    LABELS_SHOWN,
    OPEN_SHOWN,
    OPEN_STATES,
    Beat,
    Label,
    LineGroup,
    Overview,
    PauseMark,
    Refused,
    beat_width,
)
from xoxo_async.bulk.ledger.sqlite.alike import count_alike, read_groups, read_receivers, read_tags, sample_tags
from xoxo_async.bulk.ledger.sqlite.labels import read_kept_labels, read_shared_tags
from xoxo_async.bulk.ledger.sqlite.meta import fact, get_meta
from xoxo_async.bulk.ledger.sqlite.packs import has_packs
from xoxo_async.bulk.ledger.sqlite.statements import read_lines, read_state
from xoxo_async.bulk.ledger.sqlite.sums import count_groups

__all__ = ["read_overview"]

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
    "SELECT state, error_id, max(error), sum(lines), min(row), evidence = 'person_rejected' FROM lines"
    " WHERE state IN ('rejected', 'unknown', 'conflict', 'manual')"
    " AND (lines = 1 OR state <> 'rejected' OR evidence <> 'refused_no_order')"  # such a pack gave its lines back
    " GROUP BY state, error_id, 6 ORDER BY 4 DESC, 1, 2, 6"
)
# What was cancelled comes last: a thousand such rows must not hide one whose cancellation is in doubt.
_WAITING: Final = (
    "SELECT seq FROM lines WHERE state = 'placed' AND delivery <> 'delivered'"
    " ORDER BY delivery = 'cancelled', seq LIMIT ?"
)
_PAUSES: Final = (
    "SELECT at, evidence = 'paused', reason FROM journal WHERE seq = 0 AND evidence IN ('paused', 'unpaused')"
)


def read_overview(connection: sqlite3.Connection) -> Overview:
    """Return the ledger in groups, from one snapshot; reads every line twice.

    Args:
        connection: To read with, outside a transaction.
    """
    with _counting(connection):
        packed = has_packs(connection)
        sampled = 0 if packed else sample_tags(connection)
        count_alike(connection, tags=0 < sampled <= LABELS_SHOWN)
        groups = read_groups(connection)
        first_at, last_at = connection.execute(_SPAN).fetchone()
        width_s = beat_width(first_at, last_at)
        connection.execute(_BEAT)
        connection.execute(_FILL_BEAT, (width_s,))
        names = names_of(get_meta(connection, fact(KEPT_NAMES)))
        receivers, domains = read_receivers(connection)
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
            refused=[
                Refused(LineState(state), error_id, error, lines, row, by_person=bool(by_person))
                for state, error_id, error, lines, row, by_person in connection.execute(_REFUSED)
            ],
            labels=_read_tags(connection, sampled, packed=packed) + read_kept_labels(connection, names),
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


def _read_tags(connection: sqlite3.Connection, sampled: int, *, packed: bool) -> list[Label]:
    if packed:
        return read_shared_tags(connection)
    if sampled > LABELS_SHOWN:
        return [Label("tag", sampled, [])]
    groups = read_tags(connection)
    values = len({group.value for group in groups})
    return [Label("tag", values, groups if values <= LABELS_SHOWN else [])] if groups else []


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
