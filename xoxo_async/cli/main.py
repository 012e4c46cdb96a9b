"""The command `xoxo`: its groups, and the one place where errors become a line and an exit code."""

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

import xoxo_async
from xoxo_async.cli import exits
from xoxo_async.cli.ask import balance, catalog, order
from xoxo_async.cli.bulk import bulk
from xoxo_async.cli.render import json_text, out, say
from xoxo_async.cli.rewards import links, points
from xoxo_async.cli.sandbox import sandbox
from xoxo_async.cli.token import token
from xoxo_async.errors import XoxoError

__all__ = ["run", "xoxo"]


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
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare()
    try:
        result = xoxo.main(given, prog_name="xoxo", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        _tell_usage(error, given)
        return exits.USAGE
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(given)
    except BrokenPipeError:
        return 0
    except BaseExceptionGroup as errors:
        one = exits.one_error(errors)
        return _interrupted(given) if isinstance(one, KeyboardInterrupt) else _failed(one, given)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one line
        return _failed(error, given)
    return result if isinstance(result, int) else 0


def _prepare() -> None:
    """Make the streams take any text, and signals end a command as Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    with suppress(ValueError):  # not the main thread: somebody else's process
        for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a script's background jobs begin with it ignored
            signal.signal(number, stop)


def _tell_usage(error: click.ClickException, given: Sequence[str]) -> None:
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "xoxo"
    message = exits.scrub(error.format_message())
    say(f"error: {message}\ntry: {where} --help")
    if "--json" in given:
        out(json_text({"error": message, "exit_code": exits.USAGE}))


def _interrupted(given: Sequence[str]) -> int:
    """A run that had begun says more, see `bulk_run`; here the command itself is what continues."""
    again = exits.command(*given)
    unsure = given[:1] in (["points"], ["links"])
    say(f"interrupted{': look in the dashboard whether it took effect' if unsure else ''}\ncontinue with: {again}")
    if "--json" in given:
        out(json_text({"error": "interrupted", "exit_code": exits.INTERRUPTED, "continue_with": again}))
    return exits.INTERRUPTED


def _failed(error: BaseException, given: Sequence[str]) -> int:
    exits.show_origin(error)
    if isinstance(error, XoxoError):
        code, message = exits.exit_code_of(error, bulk=given[:1] == ["bulk"]), exits.say_error(error)
    else:
        # A fault of ours. Its text may hold anything, so that only its kind is shown unless asked.
        code, message = exits.PAUSED, f"internal fault, {type(error).__name__}; run it with --debug to see where"
    say(f"error: {message}")
    told = exits.told(error, code) if isinstance(error, XoxoError) else {"error": message, "exit_code": code}
    # A refusal stays one when asked again; what continues is said where something is left to continue.
    if code == exits.UNKNOWN or (code > exits.USAGE and given[:1] == ["bulk"]):
        told["continue_with"] = exits.command(*given)
        say(f"continue with: {told['continue_with']}")
    if "--json" in given:
        out(json_text(told))
    return code
