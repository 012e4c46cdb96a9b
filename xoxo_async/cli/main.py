"""The command `xoxo`: its groups, and the one place where errors become a line and an exit code."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

import xoxo_async
from xoxo_async.cli import exits
from xoxo_async.cli.ask import balance, catalog, order
from xoxo_async.cli.bulk import bulk
from xoxo_async.cli.given import Given
from xoxo_async.cli.render import json_text, lost_output, note_lost, out, say
from xoxo_async.cli.rewards import links, points
from xoxo_async.cli.sandbox import sandbox
from xoxo_async.cli.signals import interrupt_on_signals
from xoxo_async.cli.token import token
from xoxo_async.errors import XoxoError

__all__ = ["run", "xoxo"]

_NOBODY_KNOWS: Final = (
    "nobody knows whether it took effect, and run again it could do so twice: look in the vendor's dashboard"
)
_TEXT_FLAGS: Final = frozenset({"-h", "--help", "--version"})
"""With these a command writes a text and does nothing else, so an error of the system is about the writing."""
_NO_COMMAND: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group alone: since click 8.2 an error, whose text is the help."""


@click.group(
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
account has one, or from XOXO_ACCESS_TOKEN. Points need the company's: XOXO_TOKEN_FAMILY=company.
Exit codes: 0 done, 2 wrong usage or input, 3 refused, 4 unknown, 5 paused, 130 interrupted.""",
)
@click.version_option(xoxo_async.__version__, prog_name="xoxo")
@click.option("--debug", is_flag=True, help="Show where an error came from, secrets masked.")
def xoxo(debug: bool) -> None:
    """Issue Xoxoday Plum vouchers, one at a time or a file of them, each accounted for exactly once."""


for _command in (bulk, balance, token, catalog, order, points, links, sandbox):
    xoxo.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: What follows the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    given = Given(sys.argv[1:] if arguments is None else arguments)
    _prepare()
    code = _ended(given)
    lost = lost_output()
    return _tell_lost(given, code, lost) if lost else code


def _ended(given: Given) -> int:
    """Run a command line, say how it ended, and return the exit code."""
    started = time.monotonic()

    def told(facts: dict[str, object]) -> None:
        if given.as_json:
            out(json_text({**given.facts(time.monotonic() - started), **facts}))

    try:
        result = xoxo.main(list(given.arguments), prog_name="xoxo", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        told(_tell_usage(error))
        return exits.USAGE
    except (KeyboardInterrupt, click.Abort):
        told(_interrupted(given))
        return exits.INTERRUPTED
    except BrokenPipeError:
        return 0
    except BaseExceptionGroup as errors:
        one = exits.one_error(errors)
        if isinstance(one, KeyboardInterrupt):
            told(_interrupted(given))
            return exits.INTERRUPTED
        code, facts = _failed(one, given)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one line
        if isinstance(error, OSError) and _TEXT_FLAGS & set(given.arguments):
            note_lost(error)
            return 0
        code, facts = _failed(error, given)
    else:
        return result if isinstance(result, int) else 0
    told(facts)
    return code


def _prepare() -> None:
    """Make the streams take any text, and signals end a command as Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    interrupt_on_signals()


def _tell_lost(given: Given, code: int, why: str) -> int:
    """Say that the result could not be written; the exit code is never that of a success."""
    say(f"error: standard output cannot be written ({why}), so the result is lost")
    if code:
        return code
    if given.unkeyed:
        say("what was asked for is done, and run again it would be done twice: look in the vendor's dashboard")
        return exits.UNKNOWN
    say(f"it can be had again; continue with: {exits.command(*given.arguments)}")
    return exits.PAUSED


def _tell_usage(error: click.ClickException) -> dict[str, object]:
    message = exits.scrub(error.format_message())
    if isinstance(error, _NO_COMMAND):
        say(message)
        return {"error": "no command was given", "exit_code": exits.USAGE}
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "xoxo"
    say(f"error: {message}\ntry: {where} --help")
    return {"error": message, "exit_code": exits.USAGE}


def _interrupted(given: Given) -> dict[str, object]:
    """A run that had begun says more, see `bulk_run`; here the command itself is what continues, if it has a key."""
    facts: dict[str, object] = {"error": "interrupted", "exit_code": exits.INTERRUPTED, "continue_with": ""}
    if given.unkeyed:
        say(f"interrupted: {_NOBODY_KNOWS}")
        return {**facts, "error": f"interrupted: {_NOBODY_KNOWS}"}
    again = exits.command(*given.arguments)
    say(f"interrupted\ncontinue with: {again}")
    return {**facts, "continue_with": again}


def _failed(error: BaseException, given: Given) -> tuple[int, dict[str, object]]:
    exits.show_origin(error)
    facts: dict[str, object]
    if isinstance(error, XoxoError):
        code, message = exits.exit_code_of(error, bulk=given.in_bulk), exits.say_error(error)
        facts = exits.told(error, code)
        in_doubt = code == exits.UNKNOWN or (code == exits.PAUSED and error.effect == "possible")
    else:
        # A fault of ours. Its text may hold anything, so that only its kind is shown unless asked.
        code, message = exits.PAUSED, f"internal fault, {type(error).__name__}; run it with --debug to see where"
        facts = {"error": message, "exit_code": code}
        in_doubt = True
    say(message if code == exits.INTERRUPTED else f"error: {message}")
    if given.unkeyed:
        if in_doubt:
            code = exits.UNKNOWN
            say(_NOBODY_KNOWS)
        return code, {**facts, "exit_code": code, "continue_with": ""}
    # A refusal stays one when asked again; what continues is said where something is left to continue.
    if code == exits.UNKNOWN or (code > exits.USAGE and (given.in_bulk or (given.keyed and code != exits.REJECTED))):
        facts["continue_with"] = exits.command(*given.arguments)
        say(f"continue with: {facts['continue_with']}")
    return code, facts
