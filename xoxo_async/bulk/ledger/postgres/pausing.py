"""The SQL of a job's pause."""

from typing import Final

from xoxo_async.bulk.ledger.postgres.whole import note_job
from xoxo_async.bulk.ledger.postgres.work import bound_wait
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["read_pause", "set_pause"]

_PAUSE: Final = (
    "UPDATE xoxo.job SET state = 'paused', reason = $2 WHERE id = $1 AND (state <> 'paused' OR reason <> $2)"
    " RETURNING id"
)
_UNPAUSE: Final = "UPDATE xoxo.job SET state = 'running', reason = '' WHERE id = $1 AND state = 'paused' RETURNING id"
_PAUSED: Final = "SELECT reason FROM xoxo.job WHERE id = $1 AND state = 'paused'"


async def set_pause(connection: DatabaseConnection, job: int, reason: str, at: float) -> None:
    """Pause a job, or let it go on; journalled where something changes.

    Args:
        connection: To write with.
        job: The job's number.
        reason: Why; empty lets it go on.
        at: For the journal, in epoch seconds.
    """
    async with connection.transaction():
        await bound_wait(connection)
        if reason:
            changed = await connection.fetchval(_PAUSE, job, reason)
        else:
            changed = await connection.fetchval(_UNPAUSE, job)
        if changed is not None:
            await note_job(connection, job, at, "paused" if reason else "unpaused", reason)


async def read_pause(connection: DatabaseConnection, job: int) -> str | None:
    """Return why a job is paused, None when it is not.

    Args:
        connection: To read with.
        job: The job's number.
    """
    reason: str | None = await connection.fetchval(_PAUSED, job)
    return reason
