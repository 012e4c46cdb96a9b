"""`xoxo bulk plan`: check every row, and print what the job costs and how long it takes. No money moves."""

import math
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.options import LedgerPath, row_options
from xoxo_async.cli.bulk.problems import noting, problems_file, say_problems
from xoxo_async.cli.bulk.reading import reading_flags, reading_options
from xoxo_async.cli.bulk.servers import address_of, books_of
from xoxo_async.cli.bulk.totals import print_totals, summary, totals_to_json
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connect import open_client
from xoxo_async.cli.connection import Connection
from xoxo_async.cli.event_loop import run_async
from xoxo_async.cli.invocation import Command, complete_files
from xoxo_async.cli.json_output import empty_counts, print_json
from xoxo_async.cli.numbers import RATE
from xoxo_async.cli.options import connection_options, json_option
from xoxo_async.cli.output import say, say_command
from xoxo_async.errors import ConfigError

if TYPE_CHECKING:
    from xoxo_async.bulk.intake.problems import ProblemSink
    from xoxo_async.bulk.ledger.protocol import Ledger
    from xoxo_async.bulk.planning.totals import PlanTotals
    from xoxo_async.client import XoxoClient

__all__ = ["PlanRequest", "plan", "run_plan", "totals_of"]


class PlanRequest(msgspec.Struct, frozen=True):
    """Which rows to plan, and how.

    Attributes:
        orders: The orders file.
        connection: The server and account whose catalog and balance count.
        pack: Whether rows may share orders.
        skip_invalid: Whether to leave out bad rows.
        notify: Whether the vendor mails the codes of every row with an address.
        ledger: The ledger for the plan, and the job that was asked for; None only checks the rows.
        missing: What to do with planned rows of the ledger that the file lacks.
        problems: The file for every problem of the rows; None for none.
        reading: How the file is read, where a flag says so.
    """

    orders: str
    connection: Connection
    pack: bool = False
    skip_invalid: bool = False
    notify: bool = False
    ledger: LedgerAddress | None = None
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"
    problems: Path | None = None
    reading: ReadingChoices = NO_CHOICE


@click.command(cls=Command, counts_rows=True, epilog="Example:  xoxo bulk plan orders.csv --pack")
@click.argument("orders", shell_complete=complete_files)
@row_options
@reading_options
@click.option("--ledger", type=LedgerPath(), metavar="PATH|URL",
              help="Write the plan into this ledger; `resume` sends it later.")  # fmt: skip
@click.option(
    "--job", default="", metavar="NAME", help="The name of the job in that ledger [default: the ledger file's name]."
)
@click.option("--rate", type=RATE, metavar="N|none", help="Orders a minute [default: the vendor's 100].")
@json_option
@connection_options
def plan(
    orders: str,
    pack: bool,
    skip_invalid: bool,
    notify: bool,
    missing: Literal["refuse", "withdraw", "keep"],
    problems: Path | None,
    reading: ReadingChoices,
    ledger: LedgerAddress | None,
    job: str,
    as_json: bool,
    **where: Any,
) -> int:
    """Check every row of ORDERS against the catalog and the balance. Moves no money.

    ORDERS is CSV, TSV or a workbook (.xlsx, .xls, .ods) with a header row, or JSONL; - is standard input. Columns: key,
    product_id, denomination, quantity, email, contact, tag, notify_receiver, notify_admin, po_number; and currency and
    country, which are compared with the product and not sent. Usual names such as Employee ID, Amount and E-mail are
    recognised.
    """
    if ledger is None and job:
        raise click.UsageError("--job names the job in a ledger: give --ledger too")
    ledger = ledger.with_job(job) if ledger is not None else None
    connection = Connection(books=books_of(ledger) if ledger is not None else None, **where)
    request = PlanRequest(
        orders,
        connection,
        pack=pack,
        skip_invalid=skip_invalid,
        notify=notify,
        ledger=ledger,
        missing=missing,
        problems=problems,
        reading=reading,
    )
    return run_plan(request, as_json=as_json)


def run_plan(request: PlanRequest, *, as_json: bool) -> int:
    """Check the rows as a run would, and print their sums.

    Args:
        request: The rows, and how to plan them.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 0; 3 if bad rows were left out; 5 if the balance is too low.
    """
    started = time.monotonic()
    problems = problems_file(request.problems)
    with noting(problems):
        totals = totals_of(request, None if problems is None else problems.add)
        say_problems(problems)
    if not as_json:
        print_totals(totals)
    for line in summary(totals):
        say(line)
    kept = f"; the plan is in {request.ledger}" if request.ledger is not None else ""
    say(f"{'all other rows are' if totals.skipped else 'every row is'} good{kept}; nothing was sent")
    code = exits.of_plan(totals)
    follow = _again(request, as_json=as_json) if code else ""
    if follow:
        say_command("continue with", follow)
    if as_json:
        job = request.ledger.first_job if request.ledger is not None else _job_of(request.orders)
        facts = empty_counts(job=job, ledger=str(request.ledger or ""), elapsed_s=time.monotonic() - started)
        facts |= {"not_sent": totals.lines, **totals_to_json(totals)}
        print_json({**facts, "exit_code": code, "continue_with": follow})
    return code


def _again(request: PlanRequest, *, as_json: bool) -> str:
    """Return the same command, to run once rows are corrected or funds are added."""
    flags = [
        flag
        for flag, on in (
            ("--pack", request.pack),
            ("--skip-invalid", request.skip_invalid),
            ("--notify", request.notify),
        )
        if on
    ]
    rate = request.connection.rate
    if (ledger := request.ledger) is not None:
        flags += ["--ledger", ledger.argument]
        flags += ["--job", ledger.job] if ledger.job and ledger.is_file else []
    flags += [f"--{request.missing}-missing"] if request.missing != "refuse" else []
    flags += reading_flags(request.reading)
    flags += ["--problems", str(request.problems)] if request.problems is not None else []
    flags += ["--rate", "none" if rate == math.inf else f"{rate:g}"] if rate is not None else []
    return command_line("bulk", "plan", request.orders, *flags, *request.connection.flags, *["--json"] * as_json)


def totals_of(request: PlanRequest, problems: "ProblemSink | None" = None) -> "PlanTotals":
    """Plan the rows as a run would, in the ledger of the request or in a temporary one.

    Args:
        request: The rows, and how to plan them.
        problems: Takes every problem of the rows.
    """
    from xoxo_async.bulk.ledger.opening import open_ledger

    async def work() -> "PlanTotals":
        async with open_client(request.connection) as client:
            if request.ledger is not None:
                async with open_ledger(request.ledger, keep_unused=False) as ledger:
                    job = ledger.job or request.ledger.first_job
                    return await _plan_into(ledger, client, request, job, problems)
            with _temporary_folder() as folder:
                async with open_ledger(folder / "plan.db", codes_key="") as ledger:
                    return await _plan_into(ledger, client, request, _job_of(request.orders), problems)

    return run_async(work)


@contextmanager
def _temporary_folder() -> Generator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="xoxo-plan-")
    except OSError:  # a container with a read-only root
        raise ConfigError(
            "there is no folder for a temporary ledger: set TMPDIR to one that can be written, or give --ledger"
        ) from None
    with made as folder:
        yield Path(folder)


async def _plan_into(
    ledger: "Ledger", client: "XoxoClient", request: PlanRequest, job: str, problems: "ProblemSink | None"
) -> "PlanTotals":
    from xoxo_async.bulk.intake.orders_file import ORDERS
    from xoxo_async.bulk.intake.rows_file import RowsFile
    from xoxo_async.bulk.issuer import BulkIssuer

    issuer = BulkIssuer(
        client,
        ledger,
        job=job,
        pack=request.pack,
        skip_invalid=request.skip_invalid,
        missing=request.missing,
        notify=request.notify or None,
        address=address_of(request.connection),
    )
    return await issuer.plan(RowsFile(request.orders, ORDERS, choices=request.reading), problems=problems)


def _job_of(orders: str) -> str:
    return "plan" if orders == "-" else Path(orders).stem or "plan"
