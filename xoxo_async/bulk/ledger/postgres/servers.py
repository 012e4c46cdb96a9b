"""Which server of a database answers: after a fail-over it is another one, and it may lack what was confirmed.

A standby that takes over begins a new timeline, and so does a backup that is restored to a point in time. Where commits
waited for a standby, it has them all; otherwise it may lack the last ones. These two look alike, and a backup that is
started as it is, without `recovery.signal`, keeps its timeline. So a person says so after every restore.
"""

# ruff: noqa: S608 - the only text put into SQL is this module's own

from typing import Final, NamedTuple, Self

from xoxo_async.postgres.driver import DatabaseConnection
from xoxo_async.postgres.failures import FOREIGN

__all__ = ["LOST", "STARTED", "Server", "note_server", "read_server", "stop_jobs", "taken_over"]

LOST: Final = (
    "the database has lost commits that it had confirmed, as after a fail-over or with an older backup: orders may have"
    " been sent that it shows as planned. They are looked up before they are sent; resume the job once the database is"
    " the right one"
)
"""Why a job is paused whose database lacks what this worker has written."""

STARTED: Final = "extract(epoch FROM pg_postmaster_start_time())::double precision"
"""When the server started that answers: behind a pooler another server may answer on the same connection."""

_READ: Final = (
    f"SELECT {STARTED} AS started, (SELECT system_identifier FROM pg_control_system())::text AS system,"
    " left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline,"
    " current_setting('synchronous_standby_names') <> ''"
    " AND current_setting('synchronous_commit') NOT IN ('off', 'local') AS synchronous"
)
_READ_START: Final = f"SELECT {STARTED} AS started, '' AS system, '' AS timeline, false AS synchronous"
_UNTOLD: Final = ("0A", "42", "55")
"""Classes of SQLSTATE of a server that does not have or give these facts."""

# A generation before the database's. Not a new one for the database: a worker's role may not write that.
_STOP: Final = (
    "WITH m AS (SELECT value::integer AS generation FROM xoxo.meta WHERE name = 'generation'),"
    " left_behind AS (UPDATE xoxo.worker SET lease_until = 'epoch' WHERE id = $4),"
    " stopped AS (UPDATE xoxo.job AS j SET generation = least(j.generation, m.generation - 1),"
    " state = CASE WHEN j.id = $1 THEN 'paused' ELSE j.state END,"
    " reason = CASE WHEN j.id = $1 THEN $2 ELSE j.reason END"
    " FROM m WHERE j.generation >= m.generation OR j.id = $1 RETURNING j.id)"
    " INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch, worker,"
    " reason) SELECT id, 0, $3, '', '', '-', 'lost commits', 0, 0, $4, $2 FROM stopped"
)
_NOTE: Final = (
    "WITH m AS (SELECT value::integer AS generation FROM xoxo.meta WHERE name = 'generation'),"
    " noted AS (UPDATE xoxo.job AS j SET facts = j.facts || jsonb_build_object('server', $3::text),"
    " generation = CASE WHEN $4 = '' THEN j.generation ELSE least(j.generation, m.generation - 1) END"
    " FROM m WHERE j.id = $1 AND coalesce(j.facts ->> 'server', '') = $2 RETURNING j.id),"
    " told AS (INSERT INTO xoxo.journal (job, line, at, from_state, to_state, transition, evidence, attempts, epoch,"
    " worker, reason) SELECT id, 0, $5, '', '', '-', 'another server', 0, 0, $6, $4 FROM noted WHERE $4 <> '')"
    " SELECT count(*) FROM noted"
)


class Server(NamedTuple):
    """The server that answers.

    Attributes:
        started: When it started, in epoch seconds by its clock.
        system: The number of its cluster: a standby has its primary's. Empty where the server does not tell.
        timeline: Its history. It changes when a standby takes over, or a backup is restored to a point in time.
        synchronous: Whether a commit waits for a standby.
    """

    started: float
    system: str
    timeline: str
    synchronous: bool

    @property
    def noted(self) -> str:
        """The server as a job notes it; empty where the server does not tell enough."""
        return f"{self.system}/{self.timeline}/{'waits' if self.synchronous else 'alone'}" if self.system else ""

    @classmethod
    def read(cls, noted: str) -> Self | None:
        """Return a server as a job has noted it; None if it has noted none.

        Args:
            noted: What `noted` was.
        """
        parts = noted.split("/")
        return cls(0.0, parts[0], parts[1], parts[2] == "waits") if len(parts) == 3 else None


async def read_server(connection: DatabaseConnection) -> Server:
    """Return the server that answers. Some that are no plain PostgreSQL tell only when they started.

    Args:
        connection: To a server that can be written to, outside a transaction.
    """
    try:
        row = await connection.fetchrow(_READ)
    except FOREIGN as error:
        if not str(getattr(error, "sqlstate", None) or "").startswith(_UNTOLD):
            raise
        row = await connection.fetchrow(_READ_START)
    if row is None:
        raise EOFError
    return Server(*row.values())


def taken_over(before: Server | None, now: Server) -> str:
    """Return why a server that has taken over may lack commits; empty if it has them all, or is the same one.

    Args:
        before: The server that answered before; None if there is none.
        now: The one that answers now.
    """
    if before is None or not before.system or not now.system:
        return ""
    same = before.system == now.system
    if same and (before.timeline == now.timeline or before.synchronous):
        return ""
    how = f"timeline {int(now.timeline, 16)} after {int(before.timeline, 16)}" if same else f"cluster {now.system}"
    return (
        f"another server has taken over the database ({how}), and commits did not wait for it: it may lack the last"
        " ones. Planned orders are looked up before they are sent"
    )


async def note_server(
    connection: DatabaseConnection, job: int, before: str, now: Server, why: str, *, at: float, worker: int
) -> bool:
    """Note in a job which server answers. Return whether it is noted; not if another worker has noted one since.

    Args:
        connection: To write with.
        job: The job.
        before: What it has noted.
        now: The server.
        why: Why the job's planned lines have to be looked up, for its journal; empty if they need not be.
        at: When, by the ledger's clock.
        worker: Who says so.
    """
    return bool(await connection.fetchval(_NOTE, job, before, now.noted, why, at, worker))


async def stop_jobs(connection: DatabaseConnection, job: int, *, at: float, worker: int) -> None:
    """Stop all jobs: nobody gets lines of one until they were put in doubt, to be looked up before they are sent.

    The lease of the worker that says so ends as well. Its claims are as the database has them now, and may have been
    sent and answered since: whoever recovers them puts them in doubt.

    Args:
        connection: To write with.
        job: The worker's job; it is paused.
        at: When, by the ledger's clock.
        worker: Who says so.
    """
    await connection.execute(_STOP, job, LOST, at, worker)
