"""`xoxo ledger`: make, update, check and purge a database of ledgers. Moves no money and needs no account."""

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.options import LedgerPath
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.consent import answer_to
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.exits import DeclinedError
from xoxo_async.cli.invocation import Group
from xoxo_async.cli.json_output import print_json
from xoxo_async.cli.listing import Output, listing_options, print_listing
from xoxo_async.cli.numbers import Whole
from xoxo_async.cli.options import Decorator, json_option
from xoxo_async.cli.output import is_terminal, out, say
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import count, duration
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.postgres.checking import Checked, CheckedJob
    from xoxo_async.postgres.purging import FinishedJob

__all__ = ["ledger"]

_JOBS: Final = ("job", "state", "orders", "open", "workers", "dead", "oldest in flight", "why")

_database_option: Final[Decorator] = click.option(
    "--ledger", "where", type=LedgerPath(), required=True, metavar="URL",
    help="The database: postgresql://USER@HOST/DATABASE.",
)  # fmt: skip


@click.group(cls=Group)
def ledger() -> None:
    """Make, update, check and purge the PostgreSQL database of shared ledgers.

    A ledger in a file needs none of this.
    """


@ledger.command(
    epilog="""\b
Examples:
  xoxo ledger migrate --ledger postgresql://admin@db/plum
  xoxo ledger migrate --ledger postgresql://admin@db/plum --roles apply
  xoxo ledger migrate --ledger postgresql://admin@db/plum --roles print > roles.sql""",
)
@_database_option
@click.option("--roles", type=click.Choice(["apply", "print"]),
              help="apply: make the roles xoxo_owner, xoxo_worker and xoxo_reader as well; print: only print their"
              " SQL.")  # fmt: skip
@json_option
def migrate(where: LedgerAddress, roles: str | None, as_json: bool) -> None:
    """Make the schema `xoxo` in a database, or update it to this version. Safe to repeat."""
    url = _url_of(where)
    if roles == "print":
        from xoxo_async.postgres.roles import roles_sql

        print_json({"sql": roles_sql()}) if as_json else out(roles_sql())
        return
    from xoxo_async.postgres.operations import migrate_database

    done = run_async(lambda: migrate_database(url, roles=roles == "apply"))
    if as_json:
        print_json({"ledger": where.name, "before": done.before, "after": done.after, "roles": done.roles})
        return
    if done.before == done.after:
        out(f"{where}: version {done.after} already")
    else:
        out(f"{where}: version {done.before or 'none'} before, {done.after} now")
    if done.roles:
        out("the roles xoxo_owner, xoxo_worker and xoxo_reader have their rights; grant one to each user that logs in")
    elif done.before not in {0, done.after}:
        say("the roles need rights to what is new: run it with --roles apply")


@ledger.command(epilog="Example:  xoxo ledger check --ledger postgresql://plum@db/plum")
@_database_option
@click.option("--restored", is_flag=True,
              help="The database was restored from a backup, or lost commits in a fail-over: planned orders of its jobs"
              " are looked up before they are sent.")  # fmt: skip
@listing_options
def check(where: LedgerAddress, restored: bool, output: Output) -> int:
    """Check a database: version, settings, rights, clock, jobs, dead workers, and a recount of its orders.

    Exit code 2: a worker would refuse this database. 4: its counts are wrong.
    """
    url = _url_of(where)
    from xoxo_async.postgres.operations import check_database, raise_generation

    if restored:
        generation = run_async(lambda: raise_generation(url))
        say(
            f"generation {generation}: workers claim nothing until their job is opened anew, and then look planned"
            " orders up first"
        )
    found = run_async(lambda: check_database(url))
    code = exits.of_check(found)
    match output:
        case "json":
            print_json({"ledger": where.name, **_check_to_json(found), "exit_code": code})
        case "csv":
            print_listing(output, lambda: (_JOBS, [_row(job) for job in found.jobs]), facts=dict)
            _say_what_is_wrong(found)
        case "table":
            _print_check(where, found)
    return code


@ledger.command(
    epilog="""\b
Examples:
  xoxo ledger purge --ledger postgresql://admin@db/plum --job march
  xoxo ledger purge --ledger postgresql://admin@db/plum --older-than 400 --yes""",
)
@_database_option
@click.option("--job", metavar="NAME", help="The job to purge.")
@click.option("--older-than", "days", type=Whole(0), metavar="DAYS",
              help="Purge finished jobs about which nothing was recorded for so many days.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(where: LedgerAddress, job: str | None, days: int | None, yes: bool, as_json: bool) -> None:
    """Remove what finished jobs ordered: keys, receivers, voucher codes, journal. It cannot be undone.

    A job is finished if nothing is planned, in doubt, pending or left to a person. Its poNumbers and order ids stay, so
    that nothing is bought again under them. Export the codes first.
    """
    job = where.with_job(job).job if job or where.job else None
    if job is None and days is None:
        raise click.UsageError("name the jobs with --job NAME or --older-than DAYS")
    url = _url_of(where)
    from xoxo_async.postgres.operations import find_purgeable, purge_jobs

    found = run_async(lambda: find_purgeable(url, job=job, older_than_days=days))
    if job is not None and job in found.open:
        raise ConfigError(f"the job {job!r} is not finished ({found.open[job]}): nothing was purged")
    names = [finished.name for finished in found.finished]
    if names:
        _ask(found.finished, where, yes=yes)
    purged = run_async(lambda: purge_jobs(url, names)) if names else []
    for name in sorted(set(names) - {done.name for done in purged}):
        say(f"job {name}: it is being planned or worked on, so it stays as it is")
    if as_json:
        facts = [{"job": done.name, "rows": done.rows, "orders": done.orders} for done in purged]
        print_json({"ledger": where.name, "purged": facts, "open": found.open})
        return
    for done in purged:
        out(f"job {done.name}: {count(done.rows, 'row')} purged; {count(done.orders, 'poNumber')} kept")
    if not purged:
        out("nothing to purge")


def _ask(finished: "tuple[FinishedJob, ...]", where: LedgerAddress, *, yes: bool) -> None:
    """Show what would be purged, and ask a person."""
    for job in finished:
        say(f"job {job.name}: {count(job.rows, 'row')}, last recorded {_day(job.last_at)}")
    if yes:
        return
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise DeclinedError("a purge cannot be undone: without a terminal it needs --yes; nothing was purged")
    question = f"{where}: purge {count(len(finished), 'job')}? Their voucher codes are gone then. [y/N]: "
    if answer_to(question).lower() not in {"y", "yes"}:
        raise DeclinedError("declined, nothing was purged")


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" if at else "never"


def _url_of(where: LedgerAddress) -> str:
    if where.is_file:
        status = command_line("bulk", "status", "--ledger", where.argument)
        raise ConfigError(
            f"{where} is a file: it needs no migration and no purge, and `{status}` checks it. Give the"
            " postgresql:// URL of a database"
        )
    if find_spec("asyncpg") is None:
        raise ConfigError("a ledger in PostgreSQL needs asyncpg: pip install 'xoxo-async[postgres]'")
    return where.url


def _check_to_json(found: "Checked") -> dict[str, object]:
    shown = ("server", "version", "generation", "clock_ahead_s", "hot", "refused", "wrong", "warnings", "pooler")
    facts: dict[str, object] = {name: getattr(found, name) for name in shown}
    facts["rights"] = None if found.rights is None else found.rights._asdict()
    facts["jobs"] = [job._asdict() for job in found.jobs]
    return facts


def _print_check(where: LedgerAddress, found: "Checked") -> None:
    user = f", user {found.rights.user} ({found.rights.role or 'no role'})" if found.rights is not None else ""
    out(f"{where} · PostgreSQL {found.server} · schema version {found.version}, generation {found.generation}{user}")
    hot = "" if found.hot is None else f" · {found.hot:.1%} of the updates of lines are HOT"
    pooler = f" · a pooler in {found.pooler} mode" if found.pooler else ""
    out(f"clock {found.clock_ahead_s:+.2f} s{hot}{pooler}")
    if found.jobs:
        out("")
        table(_JOBS, [_row(job) for job in found.jobs])
    _say_what_is_wrong(found)
    if not (found.refused or found.wrong):
        out("all counts agree with a recount" if found.jobs else "no jobs yet")


def _say_what_is_wrong(found: "Checked") -> None:
    for kind, texts in (("refused", found.refused), ("wrong", found.wrong), ("warning", found.warnings)):
        for text in texts:
            say(f"{kind}: {text}")


def _row(job: "CheckedJob") -> tuple[object, ...]:
    over = sum(lines for state, lines in job.orders.items() if state in {"placed", "rejected", "cancelled"})
    orders = sum(job.orders.values())
    oldest = "" if job.oldest_sending_s is None else duration(job.oldest_sending_s)
    return job.name, job.state, orders, orders - over, job.workers, job.expired, oldest, job.reason
