"""The SQL of the columns that ride along with lines."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from xoxo_async.bulk.ledger.facts import KEPT_NAMES
from xoxo_async.bulk.ledger.kept import KeptNames, decode_kept, names_of
from xoxo_async.bulk.ledger.lines import PlannedLine
from xoxo_async.bulk.ledger.postgres.facts import get_fact, set_facts
from xoxo_async.bulk.ledger.postgres.work import bound_wait
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["add_kept_names", "insert_kept", "keep", "read_kept", "read_kept_names"]

_KEEP: Final = (
    "INSERT INTO xoxo.kept (job, key, value) SELECT $1, new.* FROM unnest($2::text[], $3::text[]) AS new"
    " ON CONFLICT DO NOTHING"
)
_READ: Final = "SELECT key, value FROM xoxo.kept WHERE job = $1 AND key = ANY ($2)"


async def insert_kept(connection: DatabaseConnection, job: int, lines: Iterable[PlannedLine]) -> list[str]:
    """Keep the columns that ride along with some lines; of a key that has some already, the first ones stay.

    Args:
        connection: To write with.
        job: The job's number.
        lines: The lines.

    Returns:
        What was given of each line that has such columns.
    """
    rows = [(line.key, line.kept) for line in lines if line.kept]
    if rows:
        await connection.execute(_KEEP, job, [key for key, _ in rows], [kept for _, kept in rows])
    return [kept for _, kept in rows]


async def read_kept(connection: DatabaseConnection, job: int, keys: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the columns that ride along with some lines, by key.

    Args:
        connection: To read with.
        job: The job's number.
        keys: The keys.
    """
    return {row["key"]: decode_kept(row["value"]) for row in await connection.fetch(_READ, job, list(keys))}


async def read_kept_names(connection: DatabaseConnection, job: int) -> list[str]:
    """Return the names of the columns that ride along with the job's lines, in order.

    Args:
        connection: To read with.
        job: The job's number.
    """
    return names_of(await get_fact(connection, job, KEPT_NAMES))


async def add_kept_names(connection: DatabaseConnection, job: int, names: Collection[str]) -> None:
    """Add names of columns to those that the job has.

    Args:
        connection: In a transaction.
        job: The job's number.
        names: The names, in the order of the input; with none, nothing is read or written.
    """
    if not names:
        return
    known = KeptNames(await read_kept_names(connection, job))
    if known.merge(names):
        await set_facts(connection, job, {KEPT_NAMES: known.fact()})


async def keep(connection: DatabaseConnection, job: int, lines: Sequence[PlannedLine]) -> None:
    """Keep the columns that ride along with lines that no plan adds, and their names.

    Args:
        connection: To write with.
        job: The job's number.
        lines: The lines; without such columns, nothing is written.
    """
    names = KeptNames()
    if any(line.kept for line in lines):
        async with connection.transaction():
            await bound_wait(connection)
            names.add(await insert_kept(connection, job, lines))
            await add_kept_names(connection, job, names.names)
