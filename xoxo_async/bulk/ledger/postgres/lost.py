"""Notice that the database has lost commits that it had confirmed: a fail-over, or a backup that was put back.

A worker knows the lines that it is sending as it wrote them. The database never goes back before that, unless it lost
the write. Then other lines of its jobs may have been sent, too, and look planned. So every job becomes `copied`: nobody
gets lines of it until they were put in doubt, and they are looked up before they are sent.
"""

import logging
from typing import Final

from xoxo_async.bulk.ledger.postgres.columns import Stored
from xoxo_async.bulk.ledger.postgres.work import Found, Work, read_stored
from xoxo_async.postgres.driver import DatabaseConnection

__all__ = ["check_held", "stop_if_lost"]

_LOG: Final = logging.getLogger("xoxo_async")

_REASON: Final = (
    "the database has lost commits that it had confirmed, as after a fail-over or with an older backup: orders may have"
    " been sent that it shows as planned. They are looked up before they are sent; resume the job once the database is"
    " the right one"
)
# A generation before the database's. Not a new one for the database: a worker's role may not write that.
_STOP: Final = (
    "WITH m AS (SELECT value::integer AS generation FROM xoxo.meta WHERE name = 'generation'),"
    " stopped AS (UPDATE xoxo.job AS j SET generation = least(j.generation, m.generation - 1),"
    " state = CASE WHEN j.id = $1 THEN 'paused' ELSE j.state END,"
    " reason = CASE WHEN j.id = $1 THEN $2 ELSE j.reason END"
    " FROM m WHERE j.generation >= m.generation OR j.id = $1 RETURNING j.id)"
    " INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, worker,"
    " reason) SELECT id, 0, $3, '', '', '-', 'lost commits', 0, 0, $4, $2 FROM stopped"
)


async def check_held(work: Work) -> None:
    """Compare the lines that this worker sends with the database.

    Args:
        work: Of the ledger.

    Raises:
        DatabaseError: When the database cannot be used.
    """
    held = work.holding.all()
    if held:
        await stop_if_lost(work, held, await work.writer.run(lambda c: read_stored(c, list(held)), again=True))


async def stop_if_lost(work: Work, held: dict[int, Stored], found: Found) -> None:
    """Stop all jobs if the database lacks what it has confirmed; this job is paused as well.

    Args:
        work: Of the ledger.
        held: Lines that this worker sends, as it held them before they were read.
        found: The same lines as they were read.

    Raises:
        DatabaseError: When the database cannot be used.
    """
    lost = [one.line for seq, one in held.items() if seq not in found.lines or found.lines[seq].rev < one.rev]
    if not lost:
        return
    _LOG.error("%s: %s", work.name, _REASON)
    job = work.known_job().id

    async def stop(connection: DatabaseConnection) -> None:
        await connection.execute(_STOP, job, _REASON, work.clock.now(), work.worker)

    await work.writer.run(stop, again=True)
    work.holding.drop(lost)  # told once; their results are late proofs, or doubts that the look-up settles
    await work.reread_job()
