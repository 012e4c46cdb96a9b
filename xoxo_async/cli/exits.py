"""How a command ends: exit codes for errors, the words for them, and the command that continues."""

import os
import re
import shlex
import shutil
import sys
import traceback
from pathlib import Path
from typing import Final, cast

from xoxo_async.cli.render import say
from xoxo_async.errors import (
    ApiError,
    AuthError,
    BulkError,
    ConfigError,
    DecodeError,
    OutcomeUnknownError,
    PlanError,
    RateLimitedError,
    ServerError,
    TransportError,
    XoxoError,
)

__all__ = [
    "INTERRUPTED",
    "PAUSED",
    "REJECTED",
    "UNKNOWN",
    "USAGE",
    "DeclinedError",
    "StoppedError",
    "command",
    "exit_code_of",
    "one_error",
    "say_error",
    "scrub",
    "show_origin",
    "told",
]

USAGE: Final = 2
REJECTED: Final = 3
UNKNOWN: Final = 4
PAUSED: Final = 5
INTERRUPTED: Final = 130

_SECRETS: Final = ("XOXO_CLIENT_SECRET", "XOXO_REFRESH_TOKEN", "XOXO_ACCESS_TOKEN", "XOXO_LEDGER_KEY")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class DeclinedError(XoxoError):
    """A person, or the lack of `--yes`, kept a command from moving money."""


class StoppedError(DeclinedError):
    """A person ended a command at its question: nothing was sent."""


def exit_code_of(error: XoxoError, *, bulk: bool = False) -> int:
    """Return the exit code for an error that ended a command.

    Args:
        error: The error.
        bulk: Whether the command works on many orders, none of which was sent: then what the vendor's side lacks is a
            pause, not a refusal.
    """
    match error:
        case StoppedError():
            return INTERRUPTED
        case ConfigError() | BulkError() | DeclinedError():
            return USAGE
        case OutcomeUnknownError():
            return UNKNOWN
        case AuthError() | TransportError() | RateLimitedError() | ServerError() | DecodeError():
            return PAUSED
        case ApiError():
            return PAUSED if bulk else REJECTED
        case _:
            return PAUSED


def one_error(error: BaseException) -> BaseException:
    """Return the one error of a group: task groups wrap what a person wants to read.

    Args:
        error: What was raised.
    """
    while isinstance(error, BaseExceptionGroup):
        inner = cast("tuple[BaseException, ...]", error.exceptions)
        ours = [one for one in inner if isinstance(one, XoxoError)]
        error = ours[0] if ours else inner[0]
    return error


def say_error(error: XoxoError) -> str:
    """Return an error in one line; a plan's error lists its rows, a line each.

    Args:
        error: The error.
    """
    text = scrub(str(error))
    return text if isinstance(error, PlanError) else " ".join(text.split())


def show_origin(error: BaseException) -> None:
    """Write where an error came from, secrets masked, if `--debug` asked for it.

    Args:
        error: The error.
    """
    if "--debug" in sys.argv:
        say(scrub("".join(traceback.format_exception(error))))


def told(error: XoxoError, code: int) -> dict[str, object]:
    """Return an error as the object that `--json` prints.

    Args:
        error: The error.
        code: The exit code.
    """
    facts: dict[str, object] = {"error": say_error(error), "exit_code": code, "kind": type(error).__name__}
    if isinstance(error, PlanError):
        facts |= {"problems": [scrub(problem) for problem in error.problems], "problems_total": error.total}
    return facts


def scrub(text: str) -> str:
    """Return a text without the secrets of the environment, and without control characters.

    No error is made with a secret in it; this is for the day when one is.

    Args:
        text: The text.
    """
    for name in _SECRETS:
        secret = os.environ.get(name, "").strip()
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return _CONTROL.sub("", text)


def command(*arguments: str | os.PathLike[str]) -> str:
    """Return a `xoxo` command line that works where this one did, quoted for a shell.

    Args:
        arguments: What follows the program's name.
    """
    return shlex.join([*_program(), *(os.fspath(argument) for argument in arguments)])


def _program() -> list[str]:
    """Return how this program is called: its name where the PATH finds it, its own path otherwise."""
    beside = Path(sys.executable).with_name("xoxo")
    on_path = shutil.which("xoxo")
    if on_path and beside.exists() and Path(on_path).samefile(beside):
        return ["xoxo"]
    if sys.argv[0] and Path(sys.argv[0]).name == "xoxo" and Path(sys.argv[0]).exists():
        return ["xoxo"] if on_path and Path(on_path).samefile(sys.argv[0]) else [_short(Path(sys.argv[0]))]
    if beside.exists():
        return [_short(beside)]
    return [_short(Path(sys.executable)), "-m", "xoxo_async"]


def _short(path: Path) -> str:
    """Return a path from here where that is the shorter way to write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
