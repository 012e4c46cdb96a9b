"""The SQL of a job in groups, for its report."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from typing import Final

from xoxo_async.bulk.ledger.facts import RUNS
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
    RunNote,
    beat_width,
    bought,
    receivers_of,
    with_note,
)
from xoxo_async.bulk.ledger.postgres.columns import LINE_COLUMNS, line_of
from xoxo_async.bulk.ledger.postgres.facts import lock_fact, set_facts
from xoxo_async.bulk.ledger.postgres.labels import read_labels
from xoxo_async.bulk.ledger.postgres.sums import count_in
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["note_run", "read_overview"]

_GROUPED: Final = "state, delivery, evidence, error_id, currency, amount_charged, worth, lines = 1"
# The request is canonical: product, quantity and denomination come first, and a quote within a text is escaped.
_THING: Final = (
    "CASE WHEN strpos(body, '\"poNumber\"') > 0 THEN left(body, strpos(body, '\"poNumber\"') - 1) ELSE body END"
)
_TRAVELS: Final = "(SELECT {} FROM xoxo.packed_line AS p WHERE p.pack = line.id AND NOT p.unpacked)"
_GROUPS: Final = (
    f"SELECT {_THING} AS thing, {_GROUPED} AS single, count(*) AS orders,"
    f" sum(CASE WHEN lines = 1 THEN 1 ELSE {_TRAVELS.format('count(*)')} END)::bigint AS lines,"
    f" sum(CASE WHEN lines = 1 THEN 0 ELSE {_TRAVELS.format('coalesce(sum(p.pieces), 0)')} END)::bigint AS pieces"
    f" FROM xoxo.line WHERE job = $1 GROUP BY {_THING}, {_GROUPED}"
)
_HAS_EMAIL: Final = 'strpos(body, \'"email":"\') > 0'
_HAS_PHONE: Final = 'strpos(body, \'"contact":"\') > 0'
_IS_MAILED: Final = "strpos(body, '\"notifyReceiverEmail\":1') > 0"
_RECEIVERS: Final = (
    f"SELECT CASE WHEN {_HAS_EMAIL} THEN"
    " lower(split_part(substr(body, strpos(body, '@') + 1), '\"', 1))"
    f" WHEN {_HAS_PHONE} THEN '#' ELSE '' END AS domain,"
    f" {_IS_MAILED} AS mailed, sum(lines)::bigint AS lines"
    " FROM xoxo.line WHERE job = $1 AND state = 'placed' GROUP BY 1, 2 ORDER BY 3 DESC, 1"
)
_SPAN: Final = "SELECT min(first_sent_at) AS first, max(first_sent_at) AS last FROM xoxo.line WHERE job = $1"
# When an answer places an order that was sent once, it is the last thing known of the send.
_TOOK_S: Final = "greatest(last_sent_at - first_sent_at, 0)"
_BEATS: Final = (
    "SELECT floor(first_sent_at / $2) * $2 AS at, state, (CASE WHEN NOT (state = 'placed'"
    " AND evidence = 'answered_placed' AND NOT suspect) THEN NULL"
    f" WHEN {_TOOK_S} < 1 THEN floor({_TOOK_S} * 100) * 10 WHEN {_TOOK_S} < 10 THEN floor({_TOOK_S} * 10) * 100"
    f" ELSE floor({_TOOK_S}) * 1000 END)::bigint AS ms, count(*) AS orders"
    " FROM xoxo.line WHERE job = $1 AND first_sent_at IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 NULLS FIRST"
)
_REFUSED: Final = (
    "SELECT state, error_id, max(error) AS error, sum(lines)::bigint AS lines, min(row) AS row,"
    " evidence = 'person_rejected' AS by_person FROM xoxo.line"
    " WHERE job = $1 AND state IN ('rejected', 'unknown', 'conflict', 'manual')"
    " AND (lines = 1 OR state <> 'rejected' OR evidence <> 'refused_no_order')"  # such a pack gave its lines back
    " GROUP BY state, error_id, 6 ORDER BY 4 DESC, 1, 2, 6"
)
# What was cancelled comes last: a thousand such rows must not hide one whose cancellation is in doubt.
_OPEN: Final = (
    f"SELECT {', '.join(LINE_COLUMNS)} FROM xoxo.line WHERE job = $1 AND state = $2"
    " AND (state <> 'placed' OR delivery <> 'delivered')"
    " ORDER BY delivery = 'cancelled', id LIMIT $3"
)
_PAUSES: Final = (
    "SELECT at, evidence = 'paused' AS paused, reason FROM xoxo.journal"
    " WHERE line = 0 AND job = $1 AND evidence IN ('paused', 'unpaused') ORDER BY id"
)


async def read_overview(connection: DatabaseConnection, job: int) -> Overview:
    """Return a job in groups, from one snapshot; reads every line a few times.

    Args:
        connection: To read with, outside a transaction.
        job: The job's number; 0 is an empty job.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        groups = await _read_groups(connection, job)
        span = await connection.fetchrow(_SPAN, job)
        width_s = beat_width(*(span["first"], span["last"]) if span is not None else (None, None))
        beats = await connection.fetch(_BEATS, job, float(width_s))
        receivers, domains = await _read_receivers(connection, job)
        return Overview(
            counts=await count_in(connection, job),
            groups=groups,
            receivers=receivers,
            domains=domains,
            width_s=width_s,
            beats=[Beat(row["at"], LineState(row["state"]), row["ms"], row["orders"]) for row in beats],
            refused=[
                Refused(
                    LineState(row["state"]),
                    row["error_id"],
                    row["error"],
                    row["lines"],
                    row["row"],
                    by_person=row["by_person"],
                )
                for row in await connection.fetch(_REFUSED, job)
            ],
            labels=await read_labels(connection, job),
            pauses=[PauseMark(row["at"], row["paused"], row["reason"]) for row in await connection.fetch(_PAUSES, job)],
            open=await _read_open(connection, job, groups),
        )


async def _read_groups(connection: DatabaseConnection, job: int) -> list[LineGroup]:
    groups: list[LineGroup] = []
    for row in await connection.fetch(_GROUPS, job):
        product_id, denomination, quantity = bought(row["thing"])
        groups.append(
            LineGroup(
                product_id=product_id,
                denomination=denomination,
                state=LineState(row["state"]),
                delivery=Delivery(row["delivery"]),
                evidence=row["evidence"],
                error_id=row["error_id"],
                currency=row["currency"],
                charged=row["amount_charged"],
                worth=row["worth"],
                single=row["single"],
                orders=row["orders"],
                lines=row["lines"],
                pieces=quantity * row["orders"] if row["single"] else row["pieces"],
            )
        )
    return groups


async def _read_receivers(connection: DatabaseConnection, job: int) -> tuple[list[Receivers], int]:
    found = [(row["domain"], row["mailed"], row["lines"]) for row in await connection.fetch(_RECEIVERS, job)]
    return receivers_of(found), len({domain for domain, _, _ in found} - {"", "#"})


async def _read_open(connection: DatabaseConnection, job: int, groups: list[LineGroup]) -> list[LedgerLine]:
    there: set[LineState] = {one.state for one in groups if one.state in OPEN_STATES}
    if any(one.state is LineState.PLACED and one.delivery is not Delivery.DELIVERED for one in groups):
        there.add(LineState.PLACED)
    return [
        line_of(row)
        for state in (*OPEN_STATES, LineState.PLACED)
        if state in there
        for row in await connection.fetch(_OPEN, job, state.value, OPEN_SHOWN)
    ]


async def note_run(connection: DatabaseConnection, job: int, note: RunNote) -> None:
    """Keep what a run says about itself.

    Args:
        connection: In a transaction.
        job: The job's number.
        note: The note.
    """
    await set_facts(connection, job, {RUNS: with_note(await lock_fact(connection, job, RUNS), note)})
