"""What is said when a run has ended: the counts, the exit code, and what to do next."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.events import Pause
from xoxo_async.bulk.report import Report
from xoxo_async.cli import exits
from xoxo_async.cli.alarms import tell_alarms
from xoxo_async.cli.bulk_work import Ended, Work
from xoxo_async.cli.render import amounts, count, json_text, out, say

__all__ = ["tell", "tell_failure"]


def tell(work: Work, report: Report, ended: Ended) -> int:
    """Print a report, and what to do next.

    Args:
        work: What was asked for.
        report: Its report.
        ended: How it ended.

    Returns:
        The exit code.
    """
    code = report.exit_code or (exits.REJECTED if ended.skipped else 0)
    write = say if work.as_json else out
    waiting = report.pending - ended.cancelled
    if ended.idle and code == 0:
        delivered = f"{report.issued:,} of {report.rows:,} issued"
        write(f"nothing left to do: {delivered}" + (f", {report.pending:,} pending delivery" if report.pending else ""))
    if report.rows or ended.began:
        for line in _summary(report):
            write(line)
    if ended.skipped:
        write(f"  skipped  {ended.skipped:>10,} bad {'row' if ended.skipped == 1 else 'rows'}, not in the ledger")
    if not ended.began and code == exits.INTERRUPTED:
        say("interrupted, nothing was sent")
    elif report.pause:
        say(f"paused ({report.pause.value}): {exits.scrub(report.reason)}")
    tell_alarms(report.alarms, report.alarms_total)
    follow = _follow(work, report, ended, code, waiting)
    if code == 0 and report.issued and not work.as_json:
        _tell_codes(work)
    if follow:
        _tell_next(report, ended, code, waiting, follow)
    if work.as_json:
        told = msgspec.to_builtins(report, builtin_types=(Decimal,))
        told["job"] = report.job or work.job
        out(json_text({**told, "skipped": ended.skipped, "exit_code": code, "continue_with": follow}))
    return code


def _summary(report: Report) -> list[str]:
    """Return a report in lines for people."""
    names = ("issued", "pending", "rejected", "unknown", "not_sent")
    shared = f" in {count(report.orders, 'order')}" if report.orders != report.rows else ""
    job = f"job {report.job} · {count(report.rows, 'row')}{shared} · ledger {report.ledger} · {report.elapsed_s:.1f} s"
    lines = [f"  {name.replace('_', ' '):<9}{getattr(report, name):>10,}" for name in names]
    if report.withdrawn:
        lines.append(f"  withdrawn {report.withdrawn:>9,} of the not sent, never to be sent")
    return [job, *lines, f"  charged   {amounts(report.charged)}"]


def _tell_codes(work: Work) -> None:
    elsewhere = work.connection.flags if work.no_codes else []
    target = f"{work.ledger.stem}-codes.csv"
    command = exits.command("bulk", "export", "--ledger", work.ledger, *elsewhere, "--out", target, "--reveal")
    say(f"the codes: {command}")


def _tell_next(report: Report, ended: Ended, code: int, waiting: int, follow: str) -> None:
    """Say what is left to do, and the command for it."""
    if waiting and not report.pause:
        say(f"{count(waiting, 'row')} {'waits' if waiting == 1 else 'wait'} for codes that are still to be delivered")
    if code == 0:
        say(f"collect them with: {follow}")
        return
    if code == exits.REJECTED and report.rejected:
        say(f"{count(report.rejected, 'row')} rejected, for good; which and why, says the next command")
    elif code == exits.REJECTED:
        say("all good rows are issued; mend the bad ones, then run it again: what is issued stays issued")
    elif report.unknown and _is_for_a_person(report, ended):
        said = f"{count(ended.manual, 'row')} only a person can decide, with `xoxo bulk resolve`"
        say(f"{said}; which and how, says the next command")
    say(f"continue with: {follow}")


def _is_for_a_person(report: Report, ended: Ended) -> bool:
    return bool(report.unknown or report.alarms) and ended.manual == report.unknown and not report.not_sent


def _follow(work: Work, report: Report, ended: Ended, code: int, waiting: int) -> str:
    """Return the command that continues; empty when nothing is left to continue."""
    if code == 0:
        return work.continued_by("reconcile") if waiting > 0 else ""
    if code == exits.INTERRUPTED and not ended.began:
        return work.continued_by(work.action, anew=True)
    if code == exits.REJECTED and not report.rejected:
        return work.continued_by("run")  # only rows that were left out
    if code == exits.REJECTED or _is_for_a_person(report, ended):
        return exits.command("bulk", "status", "--ledger", work.ledger)
    if work.action == "reconcile" and not report.not_sent:
        return work.continued_by("reconcile")
    return work.continued_by("resume")


def tell_failure(work: Work, ended: Ended, elapsed_s: float) -> int:
    """Print what ended the work before it was done.

    Args:
        work: What was asked for.
        ended: How it ended.
        elapsed_s: How long it took.

    Returns:
        The exit code.
    """
    error, told = ended.error, work.facts(elapsed_s)
    if ended.report is not None:
        # What ended it is the error; how far it came is in the counts.
        report = msgspec.structs.replace(ended.report, pause=Pause.NONE, reason="", elapsed_s=elapsed_s)
        told |= msgspec.to_builtins(report, builtin_types=(Decimal,))
        told["job"] = report.job or work.job
        if ended.began:
            for line in _summary(report):
                say(line)
        tell_alarms(report.alarms, report.alarms_total)
    if error is None:
        code = exits.INTERRUPTED
        told |= {"error": "interrupted, nothing was sent", "exit_code": code}
        say("interrupted, nothing was sent")
    else:
        # Once orders were sent, a ledger that fails is no wrong usage: the run goes on when it is mended.
        code = exits.PAUSED if ended.began else exits.exit_code_of(error, bulk=True)
        told |= exits.told(error, code)
        exits.show_origin(error)
        say(f"error: {exits.say_error(error)}")
    told["continue_with"] = ""
    if code > exits.USAGE:
        told["continue_with"] = (
            work.continued_by("resume" if work.action == "run" else work.action)
            if ended.began
            else work.continued_by(work.action, anew=True)
        )
        say(f"continue with: {told['continue_with']}")
    if work.as_json:
        out(json_text(told))
    return code
