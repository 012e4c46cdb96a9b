"""The SQL of a job's sums: its numbers, its alarms, and what it has committed."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

from typing import Final

from xoxo_async.bulk.ledger.budget import Spending, is_unpriced, total_committed
from xoxo_async.bulk.ledger.budget import first_unpriced as first_of
from xoxo_async.bulk.ledger.counting import (
    ALARMS_SHOWN,
    SETTLED,
    SETTLED_BY,
    TOLD_AT_ONCE,
    OrderGroup,
    PackedGroup,
    add_up,
)
from xoxo_async.bulk.ledger.lines import Alarm, Counts, Delivery, LineState
from xoxo_async.bulk.ledger.tallying import Spent, TallyRow, groups_of
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["add_to_tally", "count", "count_in", "count_orders", "first_unpriced", "read_committed", "read_spent"]

# The sums over all workers. A full count finds the same; a test compares the two.
_TALLY: Final = (
    "SELECT state, delivery, currency, single, sum(orders)::bigint AS orders, sum(priced)::bigint AS priced,"
    " sum(charged) AS charged FROM xoxo.tally WHERE job = $1 GROUP BY state, delivery, currency, single"
)
_ORDERS: Final = (
    "SELECT state, delivery, currency, amount_charged, lines = 1 AS single, count(*) AS orders FROM xoxo.line"
    " WHERE job = $1 GROUP BY state, delivery, currency, amount_charged, lines = 1"
)
_PACKED: Final = (
    "SELECT o.state, o.delivery, o.state = 'placed' AND o.held >= p.first + p.pieces AS dealt, count(*) AS lines"
    " FROM xoxo.packed_line AS p JOIN xoxo.line AS o ON o.id = p.pack WHERE p.job = $1 AND NOT p.unpacked"
    " GROUP BY 1, 2, 3"
)
# A refused order that gave its lines back is no longer a pack.
_PACKS: Final = "SELECT count(DISTINCT pack) FROM xoxo.packed_line WHERE job = $1 AND NOT unpacked"
_QUOTED: Final = ", ".join(f"'{fact.value}'" for fact in TOLD_AT_ONCE)
# What `counting.alarms_of` says, in SQL: the index of alarms makes it fast, and a test compares the two.
_ALARMS: Final = (
    "SELECT l.key, l.row, l.order_id, min(j.at) AS at, j.reason FROM xoxo.journal AS j"
    " JOIN xoxo.line AS l ON l.id = j.line"
    f" WHERE j.job = $1 AND j.transition = '!' AND j.evidence NOT IN ({_QUOTED})"
    f" AND NOT (j.evidence = '{SETTLED.value}' AND l.evidence = '{SETTLED_BY.value}')"
    " GROUP BY l.key, l.row, l.order_id, j.line, j.reason ORDER BY min(j.id)"
)
_COMMITTED: Final = "SELECT committed FROM xoxo.job WHERE id = $1"
_SPENDING: Final = (
    "SELECT state, worth, amount_charged, currency, count(*) AS orders, min(id) AS first FROM xoxo.line"
    " WHERE job = $1 AND state NOT IN ('planned', 'rejected', 'cancelled')"
    " GROUP BY state, worth, amount_charged, currency"
)
_KEY: Final = "SELECT key, row FROM xoxo.line WHERE id = $1"
_ADD: Final = (
    "INSERT INTO xoxo.tally AS t (job, worker, state, delivery, currency, single, orders, priced, charged)"
    " SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::bigint[],"
    " $9::numeric[]) ON CONFLICT (job, worker, state, delivery, currency, single) DO UPDATE"
    " SET orders = t.orders + excluded.orders, priced = t.priced + excluded.priced,"
    " charged = t.charged + excluded.charged"
)


async def count(connection: DatabaseConnection, job: int) -> Counts:
    """Return a job in numbers, from one snapshot. It adds up the workers' counts, and reads no line.

    The lines that share orders are the exception: whose codes have come is seen only in the lines.

    Args:
        connection: To read with, outside a transaction.
        job: The job's number.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await count_in(connection, job)


async def count_in(connection: DatabaseConnection, job: int) -> Counts:
    """Return a job in numbers.

    Args:
        connection: To read with, in a transaction with one snapshot.
        job: The job's number.
    """
    rows = [
        TallyRow(
            LineState(row["state"]), Delivery(row["delivery"]), row["currency"], row["single"], row["orders"],
            row["priced"], row["charged"],
        )
        for row in await connection.fetch(_TALLY, job)
    ]  # fmt: skip
    has_packs = any(not row.single for row in rows)
    packed = [
        PackedGroup(LineState(row["state"]), Delivery(row["delivery"]), row["dealt"], row["lines"])
        for row in (await connection.fetch(_PACKED, job) if has_packs else ())
    ]
    packs = int(await connection.fetchval(_PACKS, job)) if has_packs else 0
    alarms, alarms_total = await _read_alarms(connection, job)
    return add_up(groups_of(rows), packed, packs=packs, alarms=alarms, alarms_total=alarms_total)


async def count_orders(connection: DatabaseConnection, job: int) -> list[OrderGroup]:
    """Return a job's orders as a full count finds them: reads every line.

    Args:
        connection: To read with.
        job: The job's number.
    """
    return [
        OrderGroup(
            LineState(row["state"]), Delivery(row["delivery"]), row["currency"], row["amount_charged"], row["single"],
            row["orders"],
        )
        for row in await connection.fetch(_ORDERS, job)
    ]  # fmt: skip


async def _read_alarms(connection: DatabaseConnection, job: int) -> tuple[tuple[Alarm, ...], int]:
    """Return the first alarms, each once, and how many there are."""
    rows = await connection.fetch(f"{_ALARMS} LIMIT {ALARMS_SHOWN + 1}", job)
    alarms = [
        Alarm(key=row["key"], row=row["row"], order_id=row["order_id"], at=row["at"], text=row["reason"])
        for row in rows
    ]
    total = len(rows)
    if total > ALARMS_SHOWN:
        total = int(await connection.fetchval(f"SELECT count(*) FROM ({_ALARMS}) AS alarms", job))
    return tuple(alarms[:ALARMS_SHOWN]), total


async def read_committed(connection: DatabaseConnection, job: int) -> int:
    """Return what a job has cost, and what its orders under way may cost, in ten-thousandths.

    Args:
        connection: To read with.
        job: The job's number.
    """
    return int(await connection.fetchval(_COMMITTED, job))


async def read_spent(connection: DatabaseConnection, job: int, currency: str) -> Spent:
    """Return what a job has committed in a currency; reads every line.

    Args:
        connection: To read with.
        job: The job's number.
        currency: The account's.
    """
    groups = await _read_spending(connection, job)
    unpriced = sum(group.orders for group in groups if is_unpriced(group.line(), currency))
    return Spent(total_committed(groups, currency), unpriced)


async def first_unpriced(connection: DatabaseConnection, job: int, currency: str) -> tuple[str, int] | None:
    """Return key and row of the first order whose cost nobody can bound, None where there is none; reads every line.

    Args:
        connection: To read with.
        job: The job's number.
        currency: The account's.
    """
    first = first_of(await _read_spending(connection, job), currency)
    row = None if first is None else await connection.fetchrow(_KEY, first)
    return None if row is None else (row["key"], row["row"])


async def _read_spending(connection: DatabaseConnection, job: int) -> list[Spending]:
    return [
        Spending(
            LineState(row["state"]), row["worth"], row["amount_charged"], row["currency"], row["orders"], row["first"]
        )
        for row in await connection.fetch(_SPENDING, job)
    ]


async def add_to_tally(connection: DatabaseConnection, job: int, worker: int, rows: list[TallyRow]) -> None:
    """Add changes to a worker's counts.

    Args:
        connection: In the transaction of the changes.
        job: The job's number.
        worker: Whose counts.
        rows: The changes.
    """
    if rows:
        columns = zip(*((row.state.value, row.delivery.value, *row[2:]) for row in rows), strict=True)
        await connection.execute(_ADD, job, worker, *(list(column) for column in columns))
