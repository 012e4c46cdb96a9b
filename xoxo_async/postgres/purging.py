"""Purge finished jobs of a database: what they ordered and for whom goes, that they ordered it stays."""

from typing import Final, NamedTuple

from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["PURGED_AT", "FinishedJob", "Found", "find_finished", "purge_job"]

PURGED_AT: Final = "purged_at"
"""The fact of a purged job: when it was purged."""

_FIND: Final = """
SELECT job.id, job.name, job.lines,
       coalesce((SELECT max(at) FROM xoxo.journal WHERE journal.job = job.id), 0) AS last_at,
       (SELECT count(*) FROM xoxo.line WHERE line.job = job.id) AS orders,
       (SELECT coalesce(sum(lines), 0)::bigint FROM xoxo.line WHERE line.job = job.id) AS rows,
       (SELECT count(*) FROM xoxo.line WHERE line.job = job.id AND state IN ('planned', 'sending')) AS unsent,
       (SELECT count(*) FROM xoxo.line WHERE line.job = job.id AND state IN ('unknown', 'conflict')) AS doubted,
       (SELECT count(*) FROM xoxo.line WHERE line.job = job.id AND state = 'manual') AS manual,
       (SELECT count(*) FROM xoxo.line
         WHERE line.job = job.id AND state = 'placed' AND delivery = 'pending') AS pending,
       (SELECT count(*) FROM xoxo.worker WHERE worker.job = job.id AND lease_until > now()) AS workers
  FROM xoxo.job
 WHERE NOT facts ? 'purged_at' AND ($1::text IS NULL OR name = $1)
 ORDER BY job.id
"""
_OPEN: Final = (
    ("unsent", "not sent yet"),
    ("doubted", "in doubt"),
    ("manual", "waiting for a person"),
    ("pending", "waiting for their codes"),
    ("workers", "workers at it"),
)
# A plan of the job holds the same lock until it commits.
_PLANS: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('xoxo plan ' || $1, 0))"
_LOCK: Final = "SELECT id FROM xoxo.job WHERE id = $1 FOR UPDATE"
# A line stays as its poNumber and its order: both stay unique, so neither a plan nor an answer can have them again. Its
# key gets no poNumber: that may be the key of another line, and each key is there once in a job.
_STEPS: Final = (
    "UPDATE xoxo.line SET key = 'purged:' || id, body = '', digest = '', error = '', rev = rev + 1 WHERE job = $1",
    "UPDATE xoxo.packed_line SET key = 'purged:' || pack || ':' || first, body = '', digest = '' WHERE job = $1",
    "UPDATE xoxo.placed SET codes = NULL FROM xoxo.line WHERE line.id = placed.id AND line.job = $1",
    "DELETE FROM xoxo.kept WHERE job = $1",
    "DELETE FROM xoxo.journal WHERE job = $1",
    "DELETE FROM xoxo.claim WHERE job = $1",
    "DELETE FROM xoxo.worker WHERE job = $1",
    "UPDATE xoxo.job SET state = 'done', reason = '', facts = jsonb_build_object('purged_at', now()) WHERE id = $1",
)


class FinishedJob(NamedTuple):
    """A job that may be purged.

    Attributes:
        name: Its name.
        rows: Its order lines.
        orders: Its orders.
        last_at: When something was last recorded about it, in epoch seconds.
    """

    name: str
    rows: int
    orders: int
    last_at: float


class Found(NamedTuple):
    """The jobs that may be purged, and those that may not.

    Attributes:
        finished: Those that may.
        open: Why each of the others may not, by its name, such as `3 not sent yet`.
    """

    finished: tuple[FinishedJob, ...]
    open: dict[str, str]


async def find_finished(
    connection: DatabaseConnection, *, job: str | None = None, before: float | None = None
) -> Found:
    """Return the jobs that may be purged. A job may if every order is delivered, refused or withdrawn, for good.

    Args:
        connection: To the database.
        job: Only this job; None is every job.
        before: Only jobs about which nothing was recorded since this moment, in epoch seconds; None is any time.
    """
    finished: list[FinishedJob] = []
    still_open: dict[str, str] = {}
    for row in await connection.fetch(_FIND, job):
        left = [f"{row[name]:,} {what}" for name, what in _OPEN if row[name]]
        if left:
            still_open[row["name"]] = ", ".join(left)
        elif before is None or row["last_at"] < before:
            finished.append(FinishedJob(row["name"], row["rows"], row["orders"], row["last_at"]))
    return Found(tuple(finished), still_open)


async def purge_job(connection: DatabaseConnection, name: str) -> FinishedJob | None:
    """Purge one finished job, in one transaction. What stays is a short row an order: its poNumber and its order id.

    Keys, receivers, products, columns that rode along, codes and the journal go. So the job cannot be worked on, looked
    at or exported any more, its poNumbers cannot be planned again, and its orders cannot become another job's.

    Args:
        connection: To the database, as its owner.
        name: The job's name.

    Returns:
        The job as it was; None if it is not there, is purged already, is not finished any more, or is being planned.
    """
    async with connection.transaction():
        found = await connection.fetchval("SELECT id FROM xoxo.job WHERE name = $1", name)
        if found is None or not await connection.fetchval(_PLANS, name):
            return None
        await connection.execute(_LOCK, found)
        finished = (await find_finished(connection, job=name)).finished
        if not finished:
            return None
        for step in _STEPS:
            await connection.execute(step, found)
    return finished[0]
