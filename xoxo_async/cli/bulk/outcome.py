"""Print how a run ended, for a person or as JSON: its counts, its exit code and the next command."""

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from xoxo_async.bulk.pauses import Pause
from xoxo_async.cli import exits
from xoxo_async.cli.bulk.alarms import print_alarms
from xoxo_async.cli.command_line import command_line, file_for
from xoxo_async.cli.failures import error_to_json, say_error, scrub, show_origin
from xoxo_async.cli.invocation import is_debugging
from xoxo_async.cli.json_output import COUNTS, empty_counts, print_json
from xoxo_async.cli.output import Colour, out, say, say_command
from xoxo_async.cli.wording import amounts, count
from xoxo_async.errors import XoxoError

if TYPE_CHECKING:
    from xoxo_async.bulk.report import Report
    from xoxo_async.cli.bulk.request import WorkRequest

__all__ = ["Outcome", "count_line", "counted_lines", "print_failure", "print_report"]


class Outcome(msgspec.Struct):
    """How a run ended.

    Attributes:
        report: The counts of the job; None if no ledger was opened.
        error: The error that ended the run; None if no error did.
        began: Whether anything may have been sent.
        idle: Whether the run changed nothing.
        manual: How many lines wait for a person.
        cancelled: How many lines never get codes, because the vendor cancelled their delivery.
        skipped: How many bad rows were left out.
        added: How many rows of the input are new to the ledger.
        absent: How many rows of the ledger the input lacks, where it brings new ones.
        needs: After a pause for the budget, the budget in which all that is left fits; None if nobody knows it.
    """

    report: "Report | None" = None
    error: XoxoError | None = None
    began: bool = False
    idle: bool = False
    manual: int = 0
    cancelled: int = 0
    skipped: int = 0
    added: int = 0
    absent: int = 0
    needs: Decimal | None = None


def print_report(request: "WorkRequest", report: "Report", outcome: Outcome) -> int:
    """Print a report, and what to do next.

    Args:
        request: The command.
        report: The report of its run.
        outcome: How the run ended.

    Returns:
        The exit code.
    """
    code = exits.of_report(report, skipped=outcome.skipped)
    waiting = report.pending - outcome.cancelled
    # With --json, only JSON goes to standard output.
    for line, colour in _lines_of(report, outcome, code):
        (say if request.as_json else out)(line, colour)
    if not outcome.began and code == exits.INTERRUPTED:
        say("interrupted, nothing was sent")
    elif report.pause:
        say(f"paused ({report.pause.value}): {scrub(report.reason)}", "yellow")
    if report.superseded:
        results = count(report.superseded, "result")
        say(f"{results} came after another worker had taken the lines over; look-ups settle these lines")
    _print_alarms(request, report)
    follow = _next_command(request, report, outcome, code, waiting)
    if code == exits.DONE and report.issued and request.exports and not request.as_json:
        _say_how_to_export(request)
    if follow:
        if report.pause is Pause.REFUSALS:
            say_command("see which and why", command_line("bulk", "status", "--ledger", request.ledger.argument))
        waiting = waiting if request.exports == "codes" else 0  # no call fetches links that an answer lacked
        _say_what_is_left(report, outcome, code, waiting, follow)
    if request.as_json:
        facts = _report_to_json(request, report)
        facts |= {"skipped": outcome.skipped, "added": outcome.added, "absent": outcome.absent}
        print_json({**facts, "exit_code": code, "continue_with": follow})
    return code


def _print_alarms(request: "WorkRequest", report: "Report") -> None:
    settled_in = request.ledger if request.exports == "links" else None
    print_alarms(report.alarms, report.alarms_total, settled_in=settled_in)


def _report_to_json(request: "WorkRequest", report: "Report") -> dict[str, object]:
    facts: dict[str, object] = msgspec.to_builtins(report, builtin_types=(Decimal,))
    return {**facts, "job": report.job or request.job}


def _lines_of(report: "Report", outcome: Outcome, code: int) -> list[tuple[str, Colour]]:
    """Return the lines for a person after a run that no error ended, with their colours."""
    lines: list[tuple[str, Colour]] = []
    if outcome.idle and code == exits.DONE:
        waiting = report.pending - outcome.cancelled
        pending = f", {waiting:,} pending delivery" if waiting > 0 else ""
        pending += f", {outcome.cancelled:,} cancelled" if outcome.cancelled else ""
        pending += f", {report.taken_back:,} of them cancelled later" if report.taken_back else ""
        lines.append((f"nothing left to do: {report.issued:,} of {report.rows:,} issued{pending}", ""))
    if report.rows or outcome.began:
        lines += _summary(report, cancelled=outcome.cancelled)
    if outcome.skipped:
        rows = "row" if outcome.skipped == 1 else "rows"
        lines.append((f"  skipped  {outcome.skipped:>10,} bad {rows}, not in the ledger", "yellow"))
    return lines


def _summary(report: "Report", *, cancelled: int = 0) -> list[tuple[str, Colour]]:
    """Return the lines of a report for a person, with a colour where something needs a person."""
    shared = f" in {count(report.orders, 'order')}" if report.orders != report.rows else ""
    job = f"job {report.job} · {count(report.rows, 'row')}{shared} · ledger {report.ledger} · {report.elapsed_s:.1f} s"
    lines: list[tuple[str, Colour]] = [(job, "")]
    lines += [count_line(name, getattr(report, name), open_=report.unknown > report.in_flight) for name in COUNTS[1:]]
    if report.in_flight:
        lines.append((f"  in flight {report.in_flight:>9,}, counted as unknown: sent, and not settled yet", ""))
    lines.extend((line, "") for line in counted_lines(cancelled, report.taken_back, report.withdrawn))
    lines.append((f"  charged   {amounts(report.charged)}", ""))
    return lines


def counted_lines(delivery_cancelled: int, taken_back: int, withdrawn: int) -> list[str]:
    """Return what stands below the counts of a job: rows that they count, and that were cancelled or withdrawn.

    Args:
        delivery_cancelled: Rows whose delivery the vendor cancelled.
        taken_back: Rows whose points were cancelled later.
        withdrawn: Rows that are never sent.
    """
    counted = (
        ("cancelled", delivery_cancelled, "pending"),
        ("cancelled", taken_back, "issued: the points were taken back"),
        ("withdrawn", withdrawn, "not sent"),
    )
    return [f"  {name} {number:>9,}, counted as {words}" for name, number, words in counted if number]


def count_line(name: str, number: int, *, open_: bool = True) -> tuple[str, Colour]:
    """Return the line of one count, and its colour: red for refused rows, yellow for rows that are in doubt.

    Args:
        name: The name of the count.
        number: The count.
        open_: Whether rows are in doubt; rows in flight are not.
    """
    colours: dict[str, Colour] = {"rejected": "red", "unknown": "yellow" if open_ else ""}
    return f"  {name.replace('_', ' '):<9}{number:>10,}", colours.get(name, "") if number else ""


def _say_how_to_export(request: "WorkRequest") -> None:
    from xoxo_async.cli.bulk.request import RunRequest

    ledger = request.ledger
    kept_elsewhere = isinstance(request, RunRequest) and request.no_codes
    flags = request.connection.flags if kept_elsewhere else []
    file = file_for(ledger, f"-{request.exports}.csv")
    command = command_line("bulk", "export", "--ledger", ledger.argument, *flags, "--out", file, "--reveal")
    say_command(f"the {request.exports}", command)


def _say_what_is_left(report: "Report", outcome: Outcome, code: int, waiting: int, follow: str) -> None:
    """Print what is left to do, and the command for it."""
    if waiting and not report.pause:
        say(f"{count(waiting, 'row')} {'waits' if waiting == 1 else 'wait'} for codes that are still to be delivered")
    if code == 0:
        say_command("collect them with", follow)
        return
    if code == exits.REJECTED and report.rejected:
        say(f"{count(report.rejected, 'row')} rejected for good; the next command shows which and why")
    elif code == exits.REJECTED:
        say("all good rows are issued; correct the bad rows and run the command again: no issued row is sent again")
    elif report.unknown and _is_for_a_person(report, outcome):
        needs = f"{count(outcome.manual, 'row')} {'needs' if outcome.manual == 1 else 'need'} your decision"
        say_command(f"{needs}. To see {'it' if outcome.manual == 1 else 'them'} and what to do", follow)
        return
    greater = "continue with" if outcome.needs is None else "in which all that is left fits, continue with"
    say_command(f"with a greater budget, {greater}" if report.pause is Pause.BUDGET else "continue with", follow)


def _is_for_a_person(report: "Report", outcome: Outcome) -> bool:
    return bool(report.unknown or report.alarms) and outcome.manual == report.unknown and not report.not_sent


def _next_command(request: "WorkRequest", report: "Report", outcome: Outcome, code: int, waiting: int) -> str:
    """Return the command that continues; empty if nothing is left to continue."""
    if code == 0:
        return request.continued_by("reconcile") if waiting > 0 else ""
    if code == exits.INTERRUPTED and not outcome.began:
        return request.continued_by(request.action, anew=True)
    if code == exits.REJECTED and not report.rejected:
        return request.continued_by("run")  # the only rows left are those that were left out
    if code == exits.REJECTED or _is_for_a_person(report, outcome):
        return command_line("bulk", "status", "--ledger", request.ledger.argument)
    if report.pause is Pause.REFUSALS:
        return _within_bound(request, report).continued_by("resume")
    if report.pause is Pause.BUDGET:
        # With the same budget it would pause at once. Whether that much more may be spent, a person says.
        needs = "N" if outcome.needs is None else f"{outcome.needs.normalize():f}"
        return f"{msgspec.structs.replace(request, max_spend=None).continued_by('resume')} --max-spend {needs}"
    if request.action == "reconcile" and not report.not_sent:
        return request.continued_by("reconcile")
    return request.continued_by("resume")


def _within_bound(request: "WorkRequest", report: "Report") -> "WorkRequest":
    """Return the request with a bound on refusals by which it goes on: its own, if the end of the run is within it."""
    from xoxo_async.bulk.running.refusals import RefusalBound

    most, settled = request.max_errors, report.rejected + report.issued + report.pending
    if most not in {None, "none"} and not RefusalBound(most).passed(report.rejected, settled):
        return request
    return msgspec.structs.replace(request, max_errors="none")


def print_failure(request: "WorkRequest", outcome: Outcome, elapsed_s: float) -> int:
    """Print what ended a run early, and what the run did until then.

    Args:
        request: The command.
        outcome: How the run ended.
        elapsed_s: How long it took, in seconds.

    Returns:
        The exit code.
    """
    error = outcome.error
    code = exits.of_failed_work(error, began=outcome.began)
    facts = empty_counts(job=request.job, ledger=str(request.ledger), elapsed_s=elapsed_s)
    if outcome.report is not None:
        facts |= _print_progress_made(request, outcome.report, elapsed_s, began=outcome.began)
    if error is None:
        facts |= {"error": "interrupted, nothing was sent", "exit_code": code}
        say("interrupted, nothing was sent")
    else:
        facts |= error_to_json(error, code)
        if is_debugging():
            show_origin(error)
        say(f"error: {say_error(error)}", "red")
    facts["continue_with"] = follow = _after_failure(request, code, began=outcome.began)
    if follow:
        say_command("continue with", follow)
    if request.as_json:
        print_json(facts)
    return code


def _print_progress_made(
    request: "WorkRequest", report: "Report", elapsed_s: float, *, began: bool
) -> dict[str, object]:
    """Print the counts of a run that an error ended, and return them for JSON."""
    # The error ended the run. The pause that it caused would say the same a second time.
    report = msgspec.structs.replace(report, pause=Pause.NONE, reason="", elapsed_s=elapsed_s)
    if began:
        for line, colour in _summary(report):
            say(line, colour)
    _print_alarms(request, report)
    return _report_to_json(request, report)


def _after_failure(request: "WorkRequest", code: int, *, began: bool) -> str:
    """Return the command that continues after an error; empty if the same input would be refused again."""
    if code <= exits.USAGE:
        return ""
    if began:
        return request.continued_by("resume" if request.action == "run" else request.action)
    return request.continued_by(request.action, anew=True)
