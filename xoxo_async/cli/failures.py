"""Show an error: as a line for a person, as JSON for a script. Neither has a secret."""

import os
import re
import traceback
from collections.abc import Iterable
from typing import Final, cast

from xoxo_async.cli.output import say
from xoxo_async.errors import PlanError, XoxoError

__all__ = ["error_to_json", "forget_hidden", "hide", "one_error", "say_error", "scrub", "show_origin"]

_SECRETS: Final = ("XOXO_CLIENT_SECRET", "XOXO_REFRESH_TOKEN", "XOXO_ACCESS_TOKEN", "XOXO_LEDGER_KEY", "PGPASSWORD")
_IN_URL: Final = re.compile(
    r"((?:postgres(?:ql)?|rediss?)://[^\s:/@]*):\S*@|((?:ssl)?password=)[^\s&#]*", re.IGNORECASE
)
"""The password in the URL of a database. It ends at the last @, because one that is not escaped may have others."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


_hidden: Final[set[str]] = set()
"""Secrets of this command that no variable holds: from files, profiles, the keyring."""


def hide(secrets: Iterable[str]) -> None:
    """Have `scrub` remove secrets that are not in variables.

    Args:
        secrets: The secrets; those of less than four characters are not removed.
    """
    _hidden.update(secret for secret in secrets if len(secret) > 3)


def forget_hidden() -> None:
    """Forget the secrets of an earlier command of this process."""
    _hidden.clear()


def one_error(error: BaseException) -> BaseException:
    """Return the error of a group that a person should read: an SDK error if there is one, else the first.

    Args:
        error: An error, or a group of errors.
    """
    while isinstance(error, BaseExceptionGroup):
        inner = cast("tuple[BaseException, ...]", error.exceptions)
        ours = [one for one in inner if isinstance(one, XoxoError)]
        error = ours[0] if ours else inner[0]
    return error


def say_error(error: XoxoError) -> str:
    """Return an error in one line. The error of a plan also has one line for each bad row.

    Args:
        error: The error.
    """
    text = scrub(str(error))
    return text if isinstance(error, PlanError) else " ".join(text.split())


def show_origin(error: BaseException) -> None:
    """Write the traceback of an error to standard error, with its secrets masked.

    Args:
        error: The error.
    """
    say(scrub("".join(traceback.format_exception(error))))


def error_to_json(error: XoxoError, code: int) -> dict[str, object]:
    """Return the object that `--json` prints for an error.

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

    No error should contain a secret. This is a second guard, in case one does.

    Args:
        text: The text.
    """
    for name in _SECRETS:
        secret = os.environ.get(name, "").strip()
        if len(secret) > 3:
            text = text.replace(secret, "***")
    for secret in _hidden:
        text = text.replace(secret, "***")
    text = _IN_URL.sub(lambda found: f"{found[1]}:***@" if found[1] is not None else f"{found[2]}***", text)
    return _CONTROL.sub("", text)
