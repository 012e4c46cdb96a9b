"""The SQL of the facts about a job's runs."""

from collections.abc import Mapping
from typing import Final

import msgspec

from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.postgres.sums import read_spent
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["get_fact", "lock_fact", "set_facts"]

_LOCK: Final = "SELECT facts ->> $2 FROM xoxo.job WHERE id = $1 FOR NO KEY UPDATE"
_KEEP: Final = "UPDATE xoxo.job SET facts = facts || $2::jsonb WHERE id = $1"
_SPENT: Final = "UPDATE xoxo.job SET committed = $2, unpriced = $3 WHERE id = $1"
_FACT: Final = "SELECT facts ->> $2 FROM xoxo.job WHERE id = $1"

_encode: Final = msgspec.json.Encoder().encode


async def get_fact(connection: DatabaseConnection, job: int, name: str) -> str | None:
    """Return a fact about a job's runs, None when there is none.

    Args:
        connection: To read with.
        job: The job's number.
        name: The fact's name.
    """
    value: str | None = await connection.fetchval(_FACT, job, name)
    return value


async def set_facts(connection: DatabaseConnection, job: int, facts: Mapping[str, str]) -> None:
    """Keep facts about a job's runs. A new `CURRENCY` counts anew what the job has committed.

    Claims wait for the job's row from here to the end of the transaction.

    Args:
        connection: In a transaction.
        job: The job's number.
        facts: By name.
    """
    if not facts:
        return
    before = await connection.fetchval(_LOCK, job, CURRENCY)
    await connection.execute(_KEEP, job, _encode(dict(facts)).decode())
    currency = facts.get(CURRENCY)
    if currency is not None and currency != before:
        await connection.execute(_SPENT, job, *await read_spent(connection, job, currency))


async def lock_fact(connection: DatabaseConnection, job: int, name: str) -> str | None:
    """Return a fact about a job's runs that is about to change; claims wait to the end of the transaction.

    Args:
        connection: In a transaction.
        job: The job's number.
        name: The fact's name.
    """
    value: str | None = await connection.fetchval(_LOCK, job, name)
    return value
