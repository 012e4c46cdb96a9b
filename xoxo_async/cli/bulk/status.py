"""`xoxo bulk status`: print the counts of a ledger and its troubled lines, without a network or credentials."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.alarms import print_alarms
from xoxo_async.cli.bulk.continuing import continue_ledger, next_command, stopped_by_refusals
from xoxo_async.cli.bulk.ledgers import with_ledger
from xoxo_async.cli.bulk.options import ledger_option
from xoxo_async.cli.bulk.outcome import count_line, counted_lines
from xoxo_async.cli.bulk.servers import check_sandbox
from xoxo_async.cli.bulk.troubled import Troubled, line_to_json, lines_in, print_troubled, troubled_lines
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import COUNTS, empty_counts, print_json
from xoxo_async.cli.options import NewFile, json_option
from xoxo_async.cli.output import out, say, say_command
from xoxo_async.cli.signals import as_before
from xoxo_async.cli.wording import amounts, count

if TYPE_CHECKING:
    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts
    from xoxo_async.bulk.ledger.protocol import Holder, Ledger

__all__ = ["Status", "show_status", "status"]

_SHOWN: Final = 10
"""Rows of each state on the screen and in the JSON."""


@click.command(
    cls=Command,
    counts_rows=True,
    epilog="""\b
Examples:
  xoxo bulk status --ledger march.db
  xoxo bulk status --ledger march.db --problems march-problems.csv       every row that needs somebody
  xoxo bulk status --ledger postgresql://xoxo@db/xoxo#march --watch      over all workers, until Ctrl-C""",
)
@ledger_option
@click.option("--watch", is_flag=True, help="Show the job and its workers until nothing is left, or until Ctrl-C.")
@click.option("--sandbox", is_flag=True, help="The orders are in the ledger's own sandbox; refused if they are not.")
@click.option("--problems", type=NewFile(), metavar="FILE",
              help="Write every troubled row into this .csv or .jsonl file; the screen and --json have the first ten of"
              " each state.")  # fmt: skip
@json_option
def status(ledger: "LedgerAddress", watch: bool, sandbox: bool, problems: Path | None, as_json: bool) -> int:
    """Show the counts of a job and its troubled rows, also while it runs. Needs no network and no credentials."""
    if watch and as_json:
        raise click.UsageError("--watch shows a job again and again, and --json prints one object: give one of them")
    if watch and problems is not None:
        raise click.UsageError("--watch shows a job again and again, and --problems writes one file: give one of them")
    if watch:
        from xoxo_async.cli.bulk.watch import watch as watch_job

        async def watch_it(opened: "Ledger") -> "Counts":
            check_sandbox(opened, sandbox=sandbox)
            return await watch_job(opened)

        with as_before():
            return exits.of_status(with_ledger(ledger, watch_it, read_only=True))
    return show_status(ledger, sandbox=sandbox, problems=problems, as_json=as_json)


class Status(msgspec.Struct, frozen=True):
    """The state of a job.

    Attributes:
        job: The name of the job.
        kind: What it is of.
        where: The place of its ledger.
        counts: The counts of its ledger.
        holder: The id of a process that works on it; None if no process does.
        workers: All processes that work on it.
        paused: Why the job is paused; None if it is not.
        follow: The command that continues it; empty if nothing is left to do, or if a process works on it.
        troubled: The first lines of each troubled state.
        written: How many troubled rows were written into the file of `--problems`; None without one.
    """

    job: str
    kind: JobKind
    where: "LedgerAddress"
    counts: "Counts"
    holder: int | None
    workers: "list[Holder]"
    paused: str | None
    follow: str
    troubled: Troubled
    written: int | None

    def to_json(self) -> dict[str, object]:
        """Return the object that `--json` prints."""
        facts = empty_counts(job=self.job, ledger=self.where.name, elapsed_s=0.0)
        for name in (
            *COUNTS,
            "orders",
            "delivery_cancelled",
            "taken_back",
            "states",
            "charged",
            "alarms",
            "alarms_total",
        ):
            facts[name] = getattr(self.counts, name)
        problems = [line_to_json(line, self.where, self.kind) for line in self.troubled.lines]
        workers = [worker._asdict() for worker in self.workers]
        return {
            **facts,
            "kind": self.kind.value,
            "holder_pid": self.holder,
            "workers": workers,
            "paused": self.paused,
            "continue_with": self.follow,
            "problems": problems,
            "problems_total": self.troubled.total,
            "problems_file": self.troubled.file,
        }


def show_status(where: "LedgerAddress", *, sandbox: bool = False, problems: Path | None = None, as_json: bool) -> int:
    """Print the counts of a job and its first troubled lines, also while a process works on it.

    Args:
        where: The ledger.
        sandbox: Whether to refuse a ledger whose orders are not in its own sandbox.
        problems: The file that gets all troubled lines; None writes none.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 4 for an alarm, 0 otherwise.
    """

    async def read(ledger: "Ledger") -> Status:
        check_sandbox(ledger, sandbox=sandbox)
        workers, paused, counts = await ledger.holders(), await ledger.paused(), await ledger.counts()
        holder = workers[0].pid if workers else None
        kind, at_work = ledger.kind or JobKind.ORDERS, holder is not None
        lines = [line async for line in troubled_lines(ledger, counts, at_work=at_work, most=_SHOWN)]
        written = None
        if problems is not None:
            from xoxo_async.cli.bulk.problem_rows import write_problems

            written = await write_problems(problems, troubled_lines(ledger, counts, at_work=at_work), where, kind)
        more: list[str] = []
        if holder is None and await stopped_by_refusals(ledger):
            paused = paused or "more rows were refused than --max-errors allows"
            more = ["--max-errors", "none"]
        return Status(
            job=ledger.job or "",
            kind=kind,
            where=where,
            counts=counts,
            holder=holder,
            workers=workers,
            paused=paused,
            # A paused job goes on with `resume` alone, also one of which nothing is left: messages wait.
            follow=await next_command(ledger, where, counts, holder)
            if paused is None
            else await continue_ledger(ledger, where, "resume", *more),
            troubled=Troubled(where, kind, counts, at_work, lines, "" if problems is None else str(problems)),
            written=written,
        )

    if problems is not None:
        from xoxo_async.cli.bulk.problem_rows import check_problems_file

        check_problems_file(problems)
    found = with_ledger(where, read, read_only=True)
    code = exits.of_status(found.counts)
    if as_json:
        print_json({**found.to_json(), "exit_code": code})
    else:
        _print(found)
    if found.written is not None:
        say(f"{count(found.written, 'troubled row')}: {problems}")
    return code


def _print(found: Status) -> None:
    counts = found.counts
    out(f"job {found.job or '(none yet)'} · {count(counts.rows, 'row')} · ledger {found.where}")
    open_ = counts.unknown > lines_in(counts, "sending") or found.holder is None
    for name in COUNTS[1:]:
        out(*count_line(name, getattr(counts, name), open_=open_))
    for line in counted_lines(counts.delivery_cancelled, counts.taken_back, lines_in(counts, "cancelled")):
        out(line)
    out(f"  charged   {amounts(counts.charged)}")
    if found.holder is not None:
        in_flight = lines_in(counts, "sending")
        who = f"process {found.holder} is" if len(found.workers) == 1 else f"{len(found.workers)} processes are"
        out(f"{who} working on it; {in_flight:,} of the unknown rows are in flight")
    if found.paused is not None:
        out(f"the job is paused: {scrub(found.paused)}", "yellow")
    print_troubled(found.troubled)
    print_alarms(counts.alarms, counts.alarms_total, settled_in=found.where if found.kind is JobKind.LINKS else None)
    if found.follow:
        say_command("continue with", found.follow)
