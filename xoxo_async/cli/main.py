"""The command `xoxo`: it lists the commands, and turns an error into a line, JSON and an exit code."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

import xoxo_async
from xoxo_async.cli import exits
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.failures import error_to_json, forget_hidden, one_error, say_error, scrub, show_origin
from xoxo_async.cli.invocation import Group, Invocation
from xoxo_async.cli.json_output import empty_counts, print_json
from xoxo_async.cli.loading import LazyCommands
from xoxo_async.cli.output import lost_output, note_lost, say, say_command
from xoxo_async.cli.signals import interrupt_on_signals
from xoxo_async.errors import XoxoError

__all__ = ["bulk", "run", "xoxo"]

_NOT_KNOWN: Final = (
    "it is not known whether this took effect, and a second run might do it twice: look in the vendor's dashboard"
)
_TEXT_FLAGS: Final = frozenset({"-h", "--help", "--version"})
"""With these flags a command only writes a text, so an OSError means that the text could not be written."""
_NO_COMMAND: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A line that names a group and no command. Since click 8.2 this is an error with the help as its text."""

_BULK: Final = LazyCommands(
    {
        "template": "xoxo_async.cli.bulk.template:template",
        "plan": "xoxo_async.cli.bulk.plan:plan",
        "run": "xoxo_async.cli.bulk.run:run",
        "resume": "xoxo_async.cli.bulk.run:resume",
        "reconcile": "xoxo_async.cli.bulk.run:reconcile",
        "status": "xoxo_async.cli.bulk.status:status",
        "export": "xoxo_async.cli.bulk.export:export",
        "prove": "xoxo_async.cli.bulk.prove:prove",
        "report": "xoxo_async.cli.bulk.report:report",
        "resolve": "xoxo_async.cli.bulk.resolve:resolve",
        "withdraw": "xoxo_async.cli.bulk.withdraw:withdraw",
        "pause": "xoxo_async.cli.bulk.pause:pause",
        "rebind": "xoxo_async.cli.bulk.rebind:rebind",
    }
)
_COMMANDS: Final = LazyCommands(
    {
        "bulk": "xoxo_async.cli.main:bulk",
        "ledger": "xoxo_async.cli.ledger:ledger",
        "token": "xoxo_async.cli.token:token",
        "catalog": "xoxo_async.cli.catalog:catalog",
        "order": "xoxo_async.cli.order:order",
        "points": "xoxo_async.cli.points:points",
        "links": "xoxo_async.cli.links:links",
        "profile": "xoxo_async.cli.profile:profile",
        "balance": "xoxo_async.cli.account:balance",
        "doctor": "xoxo_async.cli.doctor:doctor",
        "sandbox": "xoxo_async.cli.sandbox:sandbox",
        "worker": "xoxo_async.cli.worker:worker",
        "completion": "xoxo_async.cli.manual:completion",
        "man": "xoxo_async.cli.manual:man",
    }
)

Facts = dict[str, object]


@click.group(
    cls=Group,
    commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Try it without an account:
  xoxo bulk run orders.csv --ledger march.db --sandbox
With one:
  export XOXO_BASE_URL=https://accounts.xoxoday.com/chef XOXO_CLIENT_ID=… XOXO_CLIENT_SECRET=…
  xoxo balance
  xoxo bulk plan orders.csv
  xoxo bulk run orders.csv --ledger march.db

Credentials come from XOXO_CLIENT_ID and XOXO_CLIENT_SECRET, with XOXO_REFRESH_TOKEN (or `xoxo token import`) where the
account has one, or from XOXO_ACCESS_TOKEN, or from a profile (--profile). Points need the company's:
XOXO_TOKEN_FAMILY=company.

Exit codes: 0 done, 2 wrong usage or input, 3 refused, 4 unknown, 5 paused, 130 interrupted.""",
)
@click.version_option(xoxo_async.__version__, prog_name="xoxo")
@click.option("--debug", is_flag=True, help="Show the traceback of an error, with secrets masked.")
def xoxo(debug: bool) -> None:
    """Issue Xoxoday Plum vouchers, one at a time or from a file, each exactly once."""


@click.group(cls=Group, commands=_BULK)
def bulk() -> None:
    """Issue many vouchers from a file, each exactly once.

    A ledger file keeps every order line: what was sent, the result, its codes. A second run, also after a crash, does
    only what is left.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: The arguments after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    invocation = Invocation(sys.argv[1:] if arguments is None else arguments)
    forget_hidden()
    _prepare()
    code = _run(invocation)
    lost = lost_output()
    return _say_lost(invocation, code, lost) if lost else code


def _prepare() -> None:
    """Make the streams accept any text, and make signals end a command as Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    interrupt_on_signals()


def _run(invocation: Invocation) -> int:
    """Run a command line, print how it ended, and return the exit code."""
    started = time.monotonic()
    try:
        result = xoxo.main(list(invocation.arguments), prog_name="xoxo", standalone_mode=False, obj=invocation)
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        return exits.DONE
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - any error becomes one line
        if isinstance(error, OSError) and _TEXT_FLAGS & set(invocation.arguments):
            note_lost(error)
            return exits.DONE
        code, facts = _ended_by(one_error(error), invocation)
    else:
        return result if isinstance(result, int) else exits.DONE
    if invocation.as_json:
        print_json({**_counts(invocation, time.monotonic() - started), **facts})
    return code


def _counts(invocation: Invocation, elapsed_s: float) -> Facts:
    """Return the keys that the JSON of a command on a ledger always has; counts of 0, as the ledger was not read."""
    if not invocation.counts_rows:
        return {}
    return empty_counts(job=invocation.job, ledger=invocation.option("ledger"), elapsed_s=elapsed_s)


def _ended_by(error: BaseException, invocation: Invocation) -> tuple[int, Facts]:
    """Print the error that ended a command; return the exit code and the facts for JSON."""
    match error:
        case click.ClickException():
            return exits.USAGE, _say_usage(error)
        case KeyboardInterrupt() | click.Abort():
            return exits.INTERRUPTED, _say_interrupted(invocation)
        case _:
            return _say_failed(error, invocation)


def _say_usage(error: click.ClickException) -> Facts:
    message = scrub(error.format_message())
    if isinstance(error, _NO_COMMAND):
        say(message)
        return {"error": "no command was given", "exit_code": exits.USAGE}
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "xoxo"
    say(f"error: {message}\ntry: {where} --help", "red")
    return {"error": message, "exit_code": exits.USAGE}


def _say_interrupted(invocation: Invocation) -> Facts:
    # bulk/session.py reports a run that had begun. Here the same command continues, if it has a key.
    facts: Facts = {"error": "interrupted", "exit_code": exits.INTERRUPTED, "continue_with": ""}
    if invocation.unkeyed:
        say(f"interrupted: {_NOT_KNOWN}")
        return {**facts, "error": f"interrupted: {_NOT_KNOWN}"}
    again = command_line(*invocation.arguments)
    say("interrupted")
    say_command("continue with", again)
    return {**facts, "continue_with": again}


def _say_failed(error: BaseException, invocation: Invocation) -> tuple[int, Facts]:
    if invocation.debug:
        show_origin(error)
    code = exits.of_error(error, bulk=invocation.in_bulk, unkeyed=invocation.unkeyed)
    facts: Facts
    if isinstance(error, XoxoError):
        message = say_error(error)
        facts = error_to_json(error, code)
    else:
        # A bug in this package. Its text may contain a secret, so only its class is shown, and what the system said.
        message = f"internal fault, {type(error).__name__}{_said_by_system(error)}; run it with --debug to see where"
        facts = {"error": message, "exit_code": code}
    say(message if code == exits.INTERRUPTED else f"error: {message}", "red")
    if invocation.unkeyed:
        if exits.in_doubt(error):
            say(_NOT_KNOWN)
        return code, {**facts, "continue_with": ""}
    if _may_help_again(code, invocation):
        facts["continue_with"] = again = command_line(*invocation.arguments)
        say_command("continue with", again)
    return code, facts


def _said_by_system(error: BaseException) -> str:
    """Return the file and the reason of an error of the system; empty for another error."""
    if not isinstance(error, OSError) or not isinstance(error.errno, int):
        return ""
    what = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f" ({scrub(what)}{os.strerror(error.errno)})"


def _may_help_again(code: int, invocation: Invocation) -> bool:
    """Return whether a second run may help. It does not after a refusal, and a single read has nothing to continue."""
    if code == exits.UNKNOWN:
        return True
    if invocation.in_bulk:
        return code > exits.USAGE
    return invocation.keyed and code > exits.REJECTED


def _say_lost(invocation: Invocation, code: int, why: str) -> int:
    """Print that the result could not be written, and return the exit code, which is never 0."""
    say(f"error: standard output cannot be written ({why}), so the result is lost")
    if not code and invocation.unkeyed:
        say("the command did its work, and a second run would do it twice: look in the vendor's dashboard")
    elif not code:
        say_command("a second run prints it; continue with", command_line(*invocation.arguments))
    return exits.of_lost_output(code, unkeyed=invocation.unkeyed)
