"""`xoxo bulk status`: print the counts of a ledger and its troubled lines, without a network or credentials."""

import time
from typing import TYPE_CHECKING, Final, NamedTuple

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
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.failures import scrub
from xoxo_async.cli.invocation import Command
from xoxo_async.cli.json_output import COUNTS, empty_counts, print_json
from xoxo_async.cli.options import json_option
from xoxo_async.cli.output import out, out_command, say_command
from xoxo_async.cli.signals import as_before
from xoxo_async.cli.tables import table
from xoxo_async.cli.wording import age, amounts, count

if TYPE_CHECKING:
    from decimal import Decimal

    from xoxo_async.bulk.ledger.address import LedgerAddress
    from xoxo_async.bulk.ledger.lines import Counts, LedgerLine
    from xoxo_async.bulk.ledger.protocol import Holder, Ledger

__all__ = ["Status", "decisions", "show_status", "status"]

_TROUBLED: Final = ("manual", "conflict", "unknown", "sending", "rejected")
"""The states that a person should look at. Lines that a person must decide come first."""
_SHOWN: Final = 10

_FACTS: Final = {
    "ledger_restored": "the ledger was restored, so the row may have been sent",
    "ledger_copied": "the ledger is a copy or an older state, so the row may have been sent",
    "sender_died": "its sender ended before the answer",
}
"""Why a row without an error is in doubt, by the fact that moved it last."""


@click.command(
    cls=Command,
    counts_rows=True,
    epilog="""\b
Examples:
  xoxo bulk status --ledger march.db
  xoxo bulk status --ledger postgresql://xoxo@db/xoxo#march --watch      over all workers, until Ctrl-C""",
)
@ledger_option
@click.option("--watch", is_flag=True, help="Show the job and its workers until nothing is left, or until Ctrl-C.")
@click.option("--sandbox", is_flag=True, help="The orders are in the ledger's own sandbox; refused if they are not.")
@json_option
def status(ledger: "LedgerAddress", watch: bool, sandbox: bool, as_json: bool) -> int:
    """Show the counts of a job and its troubled rows, also while it runs. Needs no network and no credentials."""
    if watch and as_json:
        raise click.UsageError("--watch shows a job again and again, and --json prints one object: give one of them")
    if watch:
        from xoxo_async.cli.bulk.watch import watch as watch_job

        async def watch_it(opened: "Ledger") -> "Counts":
            check_sandbox(opened, sandbox=sandbox)
            return await watch_job(opened)

        with as_before():
            return exits.of_status(with_ledger(ledger, watch_it, read_only=True))
    return show_status(ledger, sandbox=sandbox, as_json=as_json)


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
        lines: The first lines of each troubled state.
    """

    job: str
    kind: JobKind
    where: "LedgerAddress"
    counts: "Counts"
    holder: int | None
    workers: "list[Holder]"
    paused: str | None
    follow: str
    lines: "list[LedgerLine]"

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
        problems = [_line_to_json(line, self.where, self.kind) for line in self.lines]
        workers = [worker._asdict() for worker in self.workers]
        return {
            **facts,
            "kind": self.kind.value,
            "holder_pid": self.holder,
            "workers": workers,
            "paused": self.paused,
            "continue_with": self.follow,
            "problems": problems,
        }


def _line_to_json(line: "LedgerLine", where: "LedgerAddress", kind: JobKind) -> dict[str, object]:
    return {
        "key": line.key,
        "row": line.row,
        "po_number": line.po_number,
        "order_id": line.order_id,
        "age_s": _age_s(line),
        "state": line.state.value,
        "attempts": line.attempts,
        "error_id": line.error_id,
        "error": _why(line),
        **({"balances": _balances(line)} if kind is JobKind.POINTS else {}),
        "resolve": decisions(line, where, kind) if _is_for_a_person(line) else {},
    }


def decisions(line: "LedgerLine", where: "LedgerAddress", kind: JobKind = JobKind.ORDERS) -> dict[str, str]:
    """Return the commands that decide a line, by what a person finds in the vendor's dashboard.

    Args:
        line: The line.
        where: Its ledger.
        kind: What its job is of.
    """
    key = ["--", line.key] if line.key.startswith("-") else [line.key]
    if line.delivery.value == "cancelling":
        cancel = ("points", "cancel", "--ledger", where.argument, "--found")
        return {found: command_line(*cancel, found, "--reason", "seen", *key) for found in ("cancelled", "kept")}
    found = str(line.order_id or "ORDERID")
    placed = {"placed": ["--placed", found]} if kind is JobKind.ORDERS else {"done": ["--done"]}
    flags = {**placed, "resend": ["--resend"], "reject": ["--reject", "--reason", "not wanted"]}
    return {
        name: command_line("bulk", "resolve", "--ledger", where.argument, *chosen, *key)
        for name, chosen in flags.items()
    }


def _balances(line: "LedgerLine") -> "dict[str, Decimal]":
    from xoxo_async.bulk.unkeyed.balances import balances_in

    return balances_in(line.error)


def _is_for_a_person(line: "LedgerLine") -> bool:
    return line.state.value == "manual" or line.delivery.value == "cancelling"


def _age_s(line: "LedgerLine") -> float | None:
    """Return how many seconds ago a line was sent last; None if it never was."""
    return None if line.last_sent_at is None else round(max(time.time() - line.last_sent_at, 0.0), 1)


def _age(line: "LedgerLine") -> str:
    seconds = _age_s(line)
    return "-" if seconds is None else age(seconds)


def _why(line: "LedgerLine") -> str:
    """Return why a line is in its state: its error, or where it has none, the fact that moved it."""
    return scrub(line.error) or _FACTS.get(line.evidence, "")


def show_status(where: "LedgerAddress", *, sandbox: bool = False, as_json: bool) -> int:
    """Print the counts of a job and its first troubled lines, also while a process works on it.

    Args:
        where: The ledger.
        sandbox: Whether to refuse a ledger whose orders are not in its own sandbox.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 4 for an alarm, 0 otherwise.
    """

    async def read(ledger: "Ledger") -> Status:
        check_sandbox(ledger, sandbox=sandbox)
        workers, paused, counts = await ledger.holders(), await ledger.paused(), await ledger.counts()
        holder = workers[0].pid if workers else None
        more: list[str] = []
        if holder is None and await stopped_by_refusals(ledger):
            paused = paused or "more rows were refused than --max-errors allows"
            more = ["--max-errors", "none"]
        return Status(
            job=ledger.job or "",
            kind=ledger.kind or JobKind.ORDERS,
            where=where,
            counts=counts,
            holder=holder,
            workers=workers,
            paused=paused,
            # A paused job goes on with `resume` alone, also one of which nothing is left: messages wait.
            follow=await next_command(ledger, where, counts, holder)
            if paused is None
            else await continue_ledger(ledger, where, "resume", *more),
            lines=await _troubled(ledger, counts, at_work=holder is not None),
        )

    found = with_ledger(where, read, read_only=True)
    code = exits.of_status(found.counts)
    if as_json:
        print_json({**found.to_json(), "exit_code": code})
    else:
        _print(found)
    return code


async def _troubled(ledger: "Ledger", counts: "Counts", *, at_work: bool) -> "list[LedgerLine]":
    """Return the first lines of each troubled state, and of those whose cancellation is in doubt.

    Args:
        ledger: The ledger.
        counts: Its counts.
        at_work: Whether a process works on it. Then a line in flight is no trouble.
    """
    from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LineState

    found: list[LedgerLine] = []
    for state in map(LineState, _TROUBLED):
        if at_work and state is LineState.SENDING:
            continue
        left = _SHOWN
        async for line in ledger.lines(states=(state,)):
            if line.lines > 1 and line.evidence == Evidence.REFUSED_NO_ORDER:
                continue  # its rows have got orders of their own since then
            found.append(line)
            left -= 1
            if not left:
                break
    left = min(counts.cancels_in_doubt, _SHOWN)
    if left > 0:
        async for line in ledger.lines(states=(LineState.PLACED,)):
            if line.delivery is Delivery.CANCELLING:
                found.append(line)
                left -= 1
                if not left:
                    break
    return found


def _print(found: Status) -> None:
    counts = found.counts
    out(f"job {found.job or '(none yet)'} · {count(counts.rows, 'row')} · ledger {found.where}")
    open_ = counts.unknown > _lines_in(counts, "sending") or found.holder is None
    for name in COUNTS[1:]:
        out(*count_line(name, getattr(counts, name), open_=open_))
    for line in counted_lines(counts.delivery_cancelled, counts.taken_back, _lines_in(counts, "cancelled")):
        out(line)
    out(f"  charged   {amounts(counts.charged)}")
    if found.holder is not None:
        in_flight = _lines_in(counts, "sending")
        who = f"process {found.holder} is" if len(found.workers) == 1 else f"{len(found.workers)} processes are"
        out(f"{who} working on it; {in_flight:,} of the unknown rows are in flight")
    if found.paused is not None:
        out(f"the job is paused: {scrub(found.paused)}", "yellow")
    _print_troubled(found)
    print_alarms(counts.alarms, counts.alarms_total)
    if found.follow:
        say_command("continue with", found.follow)


def _lines_in(counts: "Counts", state: str) -> int:
    return next((lines for known, lines in counts.states.items() if known.value == state), 0)


def _print_troubled(found: Status) -> None:
    if not found.lines:
        return
    out("")
    rows = [(_state(line), line.key, line.row, _age(line), line.error_id, _why(line)) for line in found.lines]
    table(("state", "key", "row", "age", "error id", "why"), rows)
    counts = found.counts
    in_flight = _lines_in(counts, "sending") if found.holder is not None else 0
    troubled = sum(_lines_in(counts, state) for state in _TROUBLED) + counts.cancels_in_doubt
    more = troubled - in_flight - sum(line.lines for line in found.lines)
    if more > 0:
        out(f"… and {more:,} more")
    _print_decisions(found)
    _print_cancels(found)


def _state(line: "LedgerLine") -> str:
    return "cancelling" if line.delivery.value == "cancelling" else line.state.value


def _print_cancels(found: Status) -> None:
    """Print each line whose cancellation is in doubt, with the commands for it."""
    lines = [line for line in found.lines if line.delivery.value == "cancelling"]
    if not lines:
        return
    rows = found.counts.cancels_in_doubt
    what = f"The cancellation of {count(rows, 'row')} is in doubt."
    out("")
    out(
        f"{what} Look for the credit in the vendor's dashboard first; a command takes several keys:",
        "yellow",
        wrap=True,
    )
    for line in lines:
        commands = decisions(line, found.where, found.kind)
        out("")
        out(f"  {line.key} (row {line.row}): unique id {line.order_id}", wrap=True)
        out_command("    it is gone", commands["cancelled"])
        out_command("    it is there, and may be cancelled again", commands["kept"])


def _print_decisions(found: Status) -> None:
    """Print each line that needs a person, with the commands for it."""
    lines = [line for line in found.lines if line.state.value == "manual"]
    if not lines:
        return
    rows = _lines_in(found.counts, "manual")
    words = _WORDS[found.kind]
    needs = f"{count(rows, 'row')} {'needs' if rows == 1 else 'need'} your decision."
    out("")
    out(f"{needs} Look for {words.sought} in the vendor's dashboard first:", "yellow", wrap=True)
    for line in lines:
        commands = decisions(line, found.where, found.kind)
        out("")
        out(f"  {line.key} (row {line.row}{_shared(line)}): {_last_sent(line)}, {_id_of(line, words)}", wrap=True)
        if found.kind is JobKind.ORDERS:
            out(f"  poNumber {line.po_number}")
        out_command(f"    {words.there}", commands.get("placed") or commands["done"])
        out_command(f"    {words.missing}, and {words.still} wanted", commands["resend"])
        out_command(f"    {words.missing}, and {words.no_longer} wanted", commands["reject"])
    if rows > 1:
        out("")
        out("  One command decides several rows: add their keys to it.")


def _last_sent(line: "LedgerLine") -> str:
    return f"sent {_age(line)} ago" if line.last_sent_at is not None else "never sent from this ledger"


def _shared(line: "LedgerLine") -> str:
    return f", shared by {count(line.lines, 'row')}" if line.lines > 1 else ""


def _id_of(line: "LedgerLine", words: "_Words") -> str:
    return f"{words.id} {line.order_id}" if line.order_id is not None else f"no {words.id} known"


class _Words(NamedTuple):
    """What a person looks for in the dashboard, and what may be found."""

    sought: str
    id: str
    there: str
    missing: str
    still: str
    no_longer: str


_WORDS: Final = {
    JobKind.ORDERS: _Words("the poNumber", "order id", "the order exists", "it does not exist", "is still", "is not"),
    JobKind.POINTS: _Words(
        "the recipient and the points",
        "unique id",
        "the points are there",
        "they are not there",
        "are still",
        "are not",
    ),
    JobKind.LINKS: _Words(
        "links of the campaign made at that time",
        "id",
        "the links are there",
        "they are not there",
        "are still",
        "are not",
    ),
    JobKind.LINK_MAILS: _Words("the address", "id", "the mail was sent", "it was not sent", "is still", "is not"),
}
