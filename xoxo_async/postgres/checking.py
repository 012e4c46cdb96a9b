"""Check a database that holds ledgers: its settings, rights and clock, its jobs, and whether its counts are right."""

import ipaddress
import time
from decimal import Decimal
from typing import Final, NamedTuple

from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.driver import DatabaseConnection, Row
from xoxo_async.postgres.migrating import SCHEMA_VERSION, version_of
from xoxo_async.postgres.pooling import own_setting
from xoxo_async.postgres.roles import Rights, read_rights

__all__ = ["Checked", "CheckedJob", "check"]

_CLOCK_S: Final = 2.0
_HOT_FROM: Final = 10_000
"""Below so many updates the share of HOT updates says nothing."""
_HOT_LEAST: Final = 0.9

_SETTINGS: Final = f"""
SELECT current_setting('server_version') AS server, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS pages, {own_setting("synchronous_commit")} AS commits,
       current_setting('transaction_read_only') = 'on' AS read_only, pg_is_in_recovery() AS standby,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
       host(inet_server_addr()) AS host
"""  # noqa: S608 - this package's own names
_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::double precision"
_GENERATION: Final = "SELECT value FROM xoxo.meta WHERE name = 'generation'"

_COUNTED: Final = """
SELECT job, state, delivery, CASE WHEN state = 'placed' THEN currency ELSE '' END AS currency, lines = 1 AS single,
       count(*) AS orders, count(amount_charged) FILTER (WHERE state = 'placed') AS priced,
       coalesce(sum(amount_charged) FILTER (WHERE state = 'placed'), 0) AS charged
  FROM xoxo.line GROUP BY 1, 2, 3, 4, 5
"""
_TALLIED: Final = """
SELECT job, state, delivery, currency, single,
       sum(orders)::bigint AS orders, sum(priced)::bigint AS priced, sum(charged) AS charged
  FROM xoxo.tally GROUP BY 1, 2, 3, 4, 5
"""
_JOBS: Final = """
SELECT job.id, job.name, job.state, job.reason, job.generation, job.facts->>'purged_at' AS purged_at,
       (SELECT count(*) FROM xoxo.worker WHERE worker.job = job.id AND lease_until > now()) AS workers,
       (SELECT count(DISTINCT claim.worker) FROM xoxo.claim JOIN xoxo.worker ON worker.id = claim.worker
         WHERE claim.job = job.id AND lease_until <= now()) AS expired,
       (SELECT extract(epoch FROM now() - min(claim.at))::double precision FROM xoxo.claim
         JOIN xoxo.line ON line.id = ANY (claim.seqs)
         WHERE claim.job = job.id AND line.state = 'sending' AND line.epoch = claim.epoch) AS oldest_s
  FROM xoxo.job ORDER BY job.id
"""
_LOOKS: Final = "SELECT job, look, count(*) AS lines FROM xoxo.line WHERE look IS NOT NULL GROUP BY 1, 2 ORDER BY 2"
_HOT: Final = (
    "SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables"
    " WHERE schemaname = 'xoxo' AND relname = 'line'"
)

_Group = tuple[str, str, str, bool]
_Sums = tuple[int, int, Decimal]


class CheckedJob(NamedTuple):
    """A job of the database.

    Attributes:
        name: Its name.
        state: `running`, `paused`, `done` or `purged`.
        reason: Why it is paused; empty otherwise.
        orders: Its orders, by state. Rows that share an order count once.
        looks: Orders that wait for something, by what for: `send` (given back), `settle` (in doubt), `person`, `codes`.
        workers: Workers with a lease.
        expired: Workers whose lease has ended and who still hold orders. The next worker, or a run, takes these over.
        oldest_sending_s: How long ago the oldest order that is being sent was claimed; None without one.
        behind: Whether the database was restored after the job's last run: its planned orders are looked up first.
        differences: Counts that a recount of the orders does not confirm; empty where all agree.
    """

    name: str
    state: str
    reason: str
    orders: dict[str, int]
    looks: dict[str, int]
    workers: int
    expired: int
    oldest_sending_s: float | None
    behind: bool
    differences: tuple[str, ...]


class Checked(NamedTuple):
    """What is known about a database.

    Attributes:
        server: The server's version.
        version: The version of the schema; 0 without one.
        generation: Raised by each restored backup; 0 without a schema.
        rights: What the user may do; None without a schema.
        clock_ahead_s: By how many seconds the server's clock is ahead of this machine's.
        hot: The share of cheap (HOT) updates of lines, from 0 to 1; None before there are enough.
        jobs: Its jobs.
        refused: Why a worker would refuse this database.
        wrong: What no automatic step puts right.
        warnings: What an operator should know.
        pooler: The mode of a pooler such as pgbouncer on the way, `session` or `transaction`; empty without one.
    """

    server: str
    version: int
    generation: int
    rights: Rights | None
    clock_ahead_s: float
    hot: float | None
    jobs: tuple[CheckedJob, ...]
    refused: tuple[str, ...]
    wrong: tuple[str, ...]
    warnings: tuple[str, ...]
    pooler: str = ""


async def check(connection: DatabaseConnection, address: DatabaseAddress) -> Checked:
    """Check a database. It only reads, from one snapshot, also while workers write.

    A recount reads every line: about a second for a million.

    Args:
        connection: To the database, opened with `check=False`.
        address: The database's, for the commands that it names.
    """
    settings = await connection.fetchrow(_SETTINGS)
    if settings is None:
        raise EOFError
    refused, warnings = _judge(settings)
    ahead = await _clock_ahead(connection)
    if abs(ahead) > _CLOCK_S:
        warnings.append(f"the server's clock is {ahead:+.1f} s off this machine's: set one of them right")
    version = await version_of(connection)
    if version != SCHEMA_VERSION:
        migrate = f"run `{address.command('ledger', 'migrate')}`"
        advice = "install the xoxo-async that made it" if version > SCHEMA_VERSION else migrate
        refused.append(f"the schema `xoxo` has version {version}, and this program needs {SCHEMA_VERSION}: {advice}")
        return Checked(settings["server"], version, 0, None, ahead, None, (), tuple(refused), (), tuple(warnings))
    rights = await read_rights(connection)
    if rights.only_reads:
        warnings.append(f"the user {rights.user} only reads: its rights suffice for this check, and for no worker")
    elif rights.missing:
        roles = address.command("ledger", "migrate", "--roles", "print")
        refused.append(f"the user {rights.user} lacks {', '.join(rights.missing)}: see `{roles}`")
    if not rights.role:
        return Checked(settings["server"], version, 0, rights, ahead, None, (), tuple(refused), (), tuple(warnings))
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        generation = int(await connection.fetchval(_GENERATION))
        jobs = await _jobs(connection, generation)
    wrong = [f"job {job.name}: {difference}" for job in jobs for difference in job.differences]
    warnings += [warning for job in jobs for warning in _warnings_of(job, address)]
    hot = await _hot(connection)
    if hot is not None and hot < _HOT_LEAST:
        warnings.append(
            f"only {hot:.0%} of the updates of lines are HOT: does a foreign index or trigger stand on them?"
        )
    return Checked(
        settings["server"], version, generation, rights, ahead, hot, jobs, tuple(refused), tuple(wrong), tuple(warnings)
    )


def _judge(settings: Row) -> tuple[list[str], list[str]]:
    """Return what a worker refuses about the settings, and what an operator should know."""
    refused = [
        f"{name} = off: a crash would lose intents whose orders were sent. Set it to on"
        for name, value in (("fsync", settings["fsync"]), ("synchronous_commit", settings["commits"]))
        if value == "off"
    ]
    if settings["standby"] or settings["read_only"]:
        refused.append("it is read-only: a standby, or an operator has set it so")
    warnings: list[str] = []
    if settings["pages"] == "off":
        warnings.append("full_page_writes = off: a crash may tear pages, unless the file system prevents it")
    host = settings["host"]
    if host is not None and not settings["tls"] and not ipaddress.ip_address(host).is_loopback:
        warnings.append("the connection is not encrypted, and leaves this machine: add ?sslmode=require")
    return refused, warnings


async def _clock_ahead(connection: DatabaseConnection) -> float:
    before = time.time()
    theirs = float(await connection.fetchval(_CLOCK))
    return theirs - (before + time.time()) / 2


async def _jobs(connection: DatabaseConnection, generation: int) -> tuple[CheckedJob, ...]:
    counted, tallied = await _sums(connection, _COUNTED), await _sums(connection, _TALLIED)
    looks: dict[int, dict[str, int]] = {}
    for row in await connection.fetch(_LOOKS):
        looks.setdefault(row["job"], {})[row["look"]] = row["lines"]
    jobs: list[CheckedJob] = []
    for row in await connection.fetch(_JOBS):
        number = row["id"]
        orders: dict[str, int] = {}
        for (state, *_), (lines, *_) in sorted(counted.get(number, {}).items()):
            orders[state] = orders.get(state, 0) + lines
        jobs.append(
            CheckedJob(
                name=row["name"],
                state="purged" if row["purged_at"] else row["state"],
                reason=row["reason"],
                orders=orders,
                looks=looks.get(number, {}),
                workers=row["workers"],
                expired=row["expired"],
                oldest_sending_s=row["oldest_s"],
                behind=row["generation"] < generation and not row["purged_at"],
                differences=_differences(counted.get(number, {}), tallied.get(number, {})),
            )
        )
    return tuple(jobs)


async def _sums(connection: DatabaseConnection, query: str) -> dict[int, dict[_Group, _Sums]]:
    jobs: dict[int, dict[_Group, _Sums]] = {}
    for row in await connection.fetch(query):
        group = (row["state"], row["delivery"], row["currency"], row["single"])
        sums = (row["orders"], row["priced"], row["charged"])
        if any(sums):
            jobs.setdefault(row["job"], {})[group] = sums
    return jobs


def _differences(counted: dict[_Group, _Sums], tallied: dict[_Group, _Sums]) -> tuple[str, ...]:
    nothing = (0, 0, Decimal(0))
    return tuple(
        f"{lines} orders {state}{f' ({delivery})' if delivery else ''} at {charged} {currency or 'of no currency'},"
        f" but its counts say {told[0]} at {told[2]}"
        for group in sorted(counted.keys() | tallied.keys())
        for (state, delivery, currency, _single) in (group,)
        for (lines, priced, charged), told in ((counted.get(group, nothing), tallied.get(group, nothing)),)
        if (lines, priced, charged) != told
    )


def _warnings_of(job: CheckedJob, address: DatabaseAddress) -> list[str]:
    warnings: list[str] = []
    if job.expired and not job.workers:
        resume = address.command("bulk", "resume", job=job.name)
        warnings.append(f"workers that are dead hold orders of it ({job.expired}): `{resume}` settles them")
    if job.behind and job.state in {"running", "paused"}:
        warnings.append("the database was restored: its planned orders are looked up before they are sent")
    if "person" in job.looks:
        orders = f"{job.looks['person']} {'order' if job.looks['person'] == 1 else 'orders'}"
        status = address.command("bulk", "status", job=job.name)
        warnings.append(f"a person must decide {orders}: `{status}` shows the commands")
    return [f"job {job.name}: {warning}" for warning in warnings]


async def _hot(connection: DatabaseConnection) -> float | None:
    row = await connection.fetchrow(_HOT)
    if row is None or row["updates"] < _HOT_FROM:
        return None
    return float(row["hot"]) / float(row["updates"])
