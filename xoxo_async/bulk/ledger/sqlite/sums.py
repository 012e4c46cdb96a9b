"""The SQL of a ledger's sums: its numbers, its alarms, and what the job has committed."""

# ruff: noqa: S608 - the only names put into SQL are this package's own

import sqlite3
from decimal import Decimal
from typing import Final

from xoxo_async.bulk.ledger.budget import Funds, Spending, first_unpriced, total_committed
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
from xoxo_async.bulk.ledger.sqlite.statements import IS_OPEN

__all__ = ["count_groups", "count_orders", "read_committed", "read_funds"]

# The lines of a pack are counted separately.
_PACKED: Final = (
    "SELECT o.state, o.delivery, o.state = 'placed' AND o.held >= p.first + p.pieces, count(*)"
    " FROM packed_lines AS p JOIN lines AS o ON o.seq = p.pack WHERE p.unpacked = 0 GROUP BY 1, 2, 3"
)
# A refused order that gave its lines back is no longer a pack.
_PACKS: Final = "SELECT count(DISTINCT pack) FROM packed_lines WHERE unpacked = 0"
_QUOTED: Final = ", ".join(f"'{fact.value}'" for fact in TOLD_AT_ONCE)
# What `counting.alarms_of` says, in SQL: the index of alarms makes it fast, and a test compares the two.
_ALARMS: Final = (
    "SELECT key, row, lines.order_id, min(at), reason FROM journal JOIN lines USING (seq)"
    f" WHERE transition = '!' AND journal.evidence NOT IN ({_QUOTED})"
    f" AND NOT (journal.evidence = '{SETTLED.value}' AND lines.evidence = '{SETTLED_BY.value}')"
    " GROUP BY seq, reason ORDER BY min(id)"
)
_COMMITTED: Final = (
    "SELECT state, worth, amount_charged, currency, count(*), min(seq) FROM lines"
    " WHERE state NOT IN ('planned', 'rejected', 'cancelled') GROUP BY state, worth, amount_charged, currency"
)
_KEY: Final = "SELECT key, row FROM lines WHERE seq = ?"


def count_groups(connection: sqlite3.Connection, orders: list[OrderGroup], *, has_packs: bool) -> Counts:
    """Return the ledger in numbers, once its orders are grouped.

    Args:
        connection: To read with, in the transaction that grouped them.
        orders: All orders.
        has_packs: Whether lines share some of them.
    """
    packed = [
        PackedGroup(LineState(state), Delivery(delivery), bool(dealt), number)
        for state, delivery, dealt, number in (connection.execute(_PACKED) if has_packs else ())
    ]
    packs = int(connection.execute(_PACKS).fetchone()[0]) if has_packs else 0
    alarms, alarms_total = _read_alarms(connection)
    return add_up(orders, packed, packs=packs, alarms=alarms, alarms_total=alarms_total)


def count_orders(connection: sqlite3.Connection, state: LineState) -> int:
    """Return how many orders are in a state; an order of many lines counts once.

    Args:
        connection: To read with.
        state: The state.
    """
    short = "" if state is LineState.PLACED else f" AND {IS_OPEN}"
    query = f"SELECT count(*) FROM lines WHERE state = ?{short}"
    return int(connection.execute(query, (state.value,)).fetchone()[0])


def _read_alarms(connection: sqlite3.Connection) -> tuple[tuple[Alarm, ...], int]:
    """Return the first alarms, each once, and how many there are."""
    rows = connection.execute(f"{_ALARMS} LIMIT {ALARMS_SHOWN + 1}").fetchall()
    alarms = [Alarm(key=key, row=row, order_id=order_id, at=at, text=text) for key, row, order_id, at, text in rows]
    total = len(rows)
    if total > ALARMS_SHOWN:
        total = connection.execute(f"SELECT count(*) FROM ({_ALARMS})").fetchone()[0]
    return tuple(alarms[:ALARMS_SHOWN]), total


def read_committed(connection: sqlite3.Connection, currency: str) -> int:
    """Return what the job has cost, and what its orders under way may cost, in ten-thousandths.

    Args:
        connection: To read with.
        currency: The account's.
    """
    return total_committed(_read_spending(connection), currency)


def read_funds(connection: sqlite3.Connection, currency: str) -> Funds:
    """Return the state of the job's budget.

    Args:
        connection: To read with.
        currency: The account's.
    """
    groups = _read_spending(connection)
    unpriced = first_unpriced(groups, currency)
    if unpriced is None:
        return Funds(total_committed(groups, currency), currency)
    key, row = connection.execute(_KEY, (unpriced,)).fetchone()
    return Funds(0, currency, (key, row))


def _read_spending(connection: sqlite3.Connection) -> list[Spending]:
    return [
        Spending(LineState(state), worth, _decimal(charged), charged_in, orders, first)
        for state, worth, charged, charged_in, orders, first in connection.execute(_COMMITTED)
    ]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
