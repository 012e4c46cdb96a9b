"""What an error says: to a person in a line, to a script in JSON, without a secret in either."""

import os
import re
import traceback
from typing import Final, cast

from xoxo_async.cli.output import say
from xoxo_async.errors import PlanError, XoxoError

__all__ = ["error_to_json", "one_error", "say_error", "scrub", "show_origin"]

_SECRETS: Final = ("XOXO_CLIENT_SECRET", "XOXO_REFRESH_TOKEN", "XOXO_ACCESS_TOKEN", "XOXO_LEDGER_KEY")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def one_error(error: BaseException) -> BaseException:
    """Return the one error of a group that a person has to read: the SDK's before any other.

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
    """Write the traceback of an error to standard error, secrets masked.

    Args:
        error: The error.
    """
    say(scrub("".join(traceback.format_exception(error))))


def error_to_json(error: XoxoError, code: int) -> dict[str, object]:
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

    No error holds a secret. This is a second guard, for an error that does all the same.

    Args:
        text: The text.
    """
    for name in _SECRETS:
        secret = os.environ.get(name, "").strip()
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return _CONTROL.sub("", text)
