"""The SQL of jobs: their names, accounts and generations."""

from typing import Any, Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.facts import KIND, PLANNED_AT
from xoxo_async.bulk.ledger.kinds import JobKind, kind_of
from xoxo_async.bulk.ledger.owners import Identity
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerConflictError, LedgerError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.connecting import connect
from xoxo_async.postgres.driver import DatabaseConnection, Row
from xoxo_async.postgres.failures import FOREIGN, DatabaseError, explain, is_repeated
from xoxo_async.postgres.purging import PURGED_AT
from xoxo_async.postgres.roles import read_rights

__all__ = [
    "JobRow",
    "account_of",
    "bind",
    "bound_meanwhile",
    "find_job",
    "job_name",
    "make_job",
    "only_job",
    "read_open",
    "require_fit",
    "reread",
]

_NO_ADDRESS: Final = ""
"""The address of a job whose account is not known yet. Its account is a row of its own, with the job's name: poNumbers,
orders and codes are unique in an account, and nobody knows that two such jobs are of one."""

_NAMED: Final = 5

_JOBS: Final = (
    "SELECT j.id, j.name, j.account, a.address, a.account AS account_name, j.state, j.reason, j.generation,"
    " (SELECT m.value::integer FROM xoxo.meta AS m WHERE m.name = 'generation') AS current, j.lines, j.facts"
    " FROM xoxo.job AS j JOIN xoxo.account AS a ON a.id = j.account"
)
_MAKE: Final = (
    "INSERT INTO xoxo.job (name, account, generation)"
    " SELECT $1, $2, m.value::integer FROM xoxo.meta AS m WHERE m.name = 'generation' ON CONFLICT DO NOTHING"
)
_ACCOUNT: Final = "SELECT id FROM xoxo.account WHERE address = $1 AND account = $2"
_ADD_ACCOUNT: Final = "INSERT INTO xoxo.account (address, account) VALUES ($1, $2) ON CONFLICT DO NOTHING"
# A write that waits here for one of its lines rests on the old account; with another revision it is refused.
_BIND: Final = (
    "UPDATE xoxo.line SET account = $2, rev = rev + 1 WHERE job = $1",
    "UPDATE xoxo.packed_line SET account = $2 WHERE job = $1",
    "UPDATE xoxo.placed AS p SET account = $2 FROM xoxo.line AS l WHERE l.job = $1 AND l.id = p.id",
    "UPDATE xoxo.code_mark AS m SET account = $2 FROM xoxo.line AS l WHERE l.job = $1 AND l.id = m.line",
    "UPDATE xoxo.job SET account = $2 WHERE id = $1",
)
_LOCK: Final = "SELECT account FROM xoxo.job WHERE id = $1 FOR NO KEY UPDATE"
# Orders may wait for their codes; what else has no key is never asked for again.
_OPEN: Final = (
    "SELECT j.name, j.facts->>'kind' AS kind FROM xoxo.job AS j JOIN xoxo.tally AS t ON t.job = j.id"
    " WHERE j.state <> 'done' AND (t.state IN ('planned', 'sending', 'unknown', 'conflict')"
    " OR (t.state = 'placed' AND t.delivery = 'pending' AND NOT j.facts ? 'kind'))"
    " GROUP BY j.id, j.name HAVING sum(t.orders) > 0 ORDER BY j.id"
)

_facts: Final = msgspec.json.Decoder(dict[str, str]).decode


class JobRow(NamedTuple):
    """A job as the database has it.

    Attributes:
        id: Its number.
        name: Its name, unique in the database.
        account: The number of its account.
        address: The API's address of that account; empty if the job was planned without one.
        account_name: Its fingerprint, see `Identity`.
        state: `running`, `paused` or `done`.
        reason: Why it is paused.
        generation: The state of the database that its records go back to.
        current: The state that the database is in: a restored backup has a new one.
        lines: The greatest `ordinal` of its orders.
        facts: The facts about its runs.
    """

    id: int
    name: str
    account: int
    address: str
    account_name: str
    state: str
    reason: str
    generation: int
    current: int
    lines: int
    facts: dict[str, str]

    @property
    def identity(self) -> Identity | None:
        """Its account and address; None if it was planned without them."""
        return Identity(self.address, self.account_name) if self.address else None

    @property
    def is_planned(self) -> bool:
        """Whether it had a plan; a fact may have been set, or an account bound, before."""
        return PLANNED_AT in self.facts

    @property
    def kind(self) -> JobKind | None:
        """What it is of; None before its first line."""
        return kind_of(self.facts.get(KIND)) if self.is_planned else None

    @property
    def effect(self) -> EffectClass:
        """What may follow a lost answer of its calls."""
        return (self.kind or JobKind.ORDERS).effect

    @property
    def copied(self) -> bool:
        """Whether the database is an older state of itself, so that this job's planned lines may have been sent."""
        return self.generation < self.current


def _job(row: Row | None) -> JobRow | None:
    if row is None:
        return None
    columns: dict[str, Any] = {**row, "facts": _facts(row["facts"])}
    return JobRow(**columns)


async def find_job(connection: DatabaseConnection, name: str) -> JobRow | None:
    """Return a job, None when there is none of that name.

    Args:
        connection: To read with.
        name: The job's.

    Raises:
        LedgerError: When it was purged: its lines are no orders any more.
    """
    job = _job(await connection.fetchrow(f"{_JOBS} WHERE j.name = $1", name))
    if job is not None and PURGED_AT in job.facts:
        raise LedgerError(
            f"the job {name!r} was purged ({job.facts[PURGED_AT][:10]}): its poNumbers stay taken, so a new job needs"
            " another name"
        )
    return job


async def reread(connection: DatabaseConnection, job: JobRow) -> JobRow:
    """Return a job as it is now: another worker may have set a fact, or a person may have raised the generation.

    Args:
        connection: To read with.
        job: The job as it was.

    Raises:
        LedgerError: When it is no longer there.
    """
    found = await find_job(connection, job.name)
    if found is None:
        raise LedgerError(f"the job {job.name!r} is no longer in the database")
    return found


async def only_job(connection: DatabaseConnection) -> JobRow | None:
    """Return the one job of a database, for a ledger that names none; None when there is no job.

    Args:
        connection: To read with.

    Raises:
        LedgerError: When there are several; it names some.
    """
    jobs = await connection.fetch(f"{_JOBS} WHERE NOT j.facts ? '{PURGED_AT}' ORDER BY j.id LIMIT {_NAMED + 1}")
    if len(jobs) > 1:
        names = ", ".join(str(job["name"]) for job in jobs[:_NAMED])
        more = " and others" if len(jobs) > _NAMED else ""
        raise LedgerError(f"the database holds several jobs ({names}{more}): name one, as in postgresql://…#JOB")
    return _job(jobs[0]) if jobs else None


async def job_name(connection: DatabaseConnection, job: int) -> str:
    """Return the name of a job, by its number; for messages.

    Args:
        connection: To read with.
        job: Its number.
    """
    return str(await connection.fetchval("SELECT name FROM xoxo.job WHERE id = $1", job))


async def make_job(connection: DatabaseConnection, name: str, identity: Identity | None = None) -> JobRow:
    """Make a job, and return it; return the one of that name if another program has just made it.

    Args:
        connection: To write with. Another program that makes the same job waits for the end of its transaction.
        name: Its name.
        identity: Its account and address; None where they are not known yet.
    """
    await connection.execute(_MAKE, name, await account_of(connection, identity or Identity(_NO_ADDRESS, name)))
    job = await find_job(connection, name)
    if job is None:
        raise LedgerError(f"the job {name!r} cannot be read by the user that made it")
    return job


async def bind(connection: DatabaseConnection, job: JobRow, identity: Identity) -> JobRow:
    """Bind a job, with all its orders and codes, to an account and address.

    The job's row is locked first, and every claim waits for it: keep the transaction short.

    Args:
        connection: In a transaction.
        job: The job.
        identity: The account and address.

    Raises:
        LedgerConflictError: When another program has bound it meanwhile: it is neither of the account that `job` says,
            nor of the wanted one.
        LedgerError: When another job of that account has one of its poNumbers, orders or codes.
    """
    bound = await connection.fetchval(_LOCK, job.id)
    account = await account_of(connection, identity)
    if bound not in {job.account, account}:
        raise bound_meanwhile(job.name)
    if bound != account:  # otherwise another worker of the same account was first
        for statement in _BIND:
            try:
                async with connection.transaction():
                    await connection.execute(statement, job.id, account)
            except FOREIGN as error:
                if not is_repeated(error):
                    raise
                raise LedgerError(
                    f"the job {job.name!r} cannot belong to {identity.address}: another job of that account has one of"
                    " its poNumbers, orders or voucher codes"
                ) from None
    return job._replace(account=account, address=identity.address, account_name=identity.account)


def bound_meanwhile(name: str) -> LedgerConflictError:
    """Return the error for a job that is not of the account that the caller knows.

    Args:
        name: The job's.
    """
    return LedgerConflictError(
        f"another program has bound the job {name!r} to an account or address meanwhile; nothing was changed"
    )


async def account_of(connection: DatabaseConnection, identity: Identity) -> int:
    """Return the number of an account, which is made if it is new.

    Args:
        connection: To write with. Until the end of its transaction, others wait that make the same account.
        identity: The account and address.
    """
    values = (identity.address, identity.account)
    found = await connection.fetchval(_ACCOUNT, *values)
    if found is None:
        await connection.execute(_ADD_ACCOUNT, *values)
        found = await connection.fetchval(_ACCOUNT, *values)
    return int(found)


async def read_open(where: str) -> dict[str, str]:
    """Return the jobs of a database with lines that are planned, under way, in doubt, or wait for codes.

    A paused job is among them: its lines in doubt are still settled, and a worker says that it is paused. It reads
    only, also from a standby, and moves no money.

    Args:
        where: The database's URL.

    Returns:
        The kind of each by its name, oldest first: a `JobKind`, or what a newer version of this package wrote.

    Raises:
        LedgerError: The database cannot be read.
    """
    address = DatabaseAddress.read(where)
    try:
        connection = await connect(address, purpose="jobs", read_only=True)
        try:
            return {row["name"]: row["kind"] or JobKind.ORDERS for row in await connection.fetch(_OPEN)}
        except FOREIGN as error:
            raise explain(error, address) from None
        finally:
            await connection.close()
    except DatabaseError as error:
        raise LedgerError(error.message) from None


async def require_fit(where: str) -> None:
    """Refuse a database that no worker can work on, also while no job in it has open lines. It changes nothing.

    Args:
        where: The database's URL.

    Raises:
        LedgerError: The database cannot be reached, has another version of the schema, is read-only, or may lose what
            it has confirmed; or its user lacks the rights of a worker.
    """
    address = DatabaseAddress.read(where)
    try:
        connection = await connect(address, purpose="jobs")
        try:
            rights = await read_rights(connection)
        except FOREIGN as error:
            raise explain(error, address) from None
        finally:
            await connection.close()
    except DatabaseError as error:
        raise LedgerError(error.message) from None
    if rights.missing:
        lacks = "only reads" if rights.only_reads else f"lacks {', '.join(rights.missing)}"
        raise LedgerError(
            f"the database {address.name} does not give this user the rights of a worker: {rights.user} {lacks}; see"
            f" `{address.command('ledger', 'migrate', '--roles', 'print')}`"
        )
