"""Two forms of one command: one call without a ledger, or a job with one. Which flags belong to which form."""

from collections.abc import Collection
from typing import Final

import click
from click.core import ParameterSource

from xoxo_async.cli.bulk.options import file_options, unkeyed_work_options
from xoxo_async.cli.bulk.reading import reading_options
from xoxo_async.cli.options import Decorator, connection_options, json_option, with_options, yes_option

__all__ = ["FILE_FLAGS", "JOB_FLAGS", "form_options", "lacks", "refuse"]

FILE_FLAGS: Final = (
    *("source", "skip_invalid", "missing", "problems"),
    *("columns", "keep", "sheet", "delimiter", "encoding", "decimal"),
)
"""The parameters that say which rows a job gets."""
JOB_FLAGS: Final = (
    *FILE_FLAGS,
    *("batch", "balances", "concurrency", "rate", "settle", "max_spend", "max_errors", "restore"),
    *("pause_limit", "grace"),
)
"""The parameters that only a job has."""

form_options: Final[Decorator] = with_options(
    file_options, reading_options, unkeyed_work_options, yes_option, json_option, connection_options
)
"""The flags that every command with both forms has."""


def lacks(names: Collection[str], why: str) -> click.UsageError:
    """Return the error for a command line that lacks a flag.

    Args:
        names: The parameters that it needs; all that are missing or empty are named.
        why: What for: `for one person, or --ledger for a job`.
    """
    given = click.get_current_context().params
    missing = [_flag(name) for name in names if not given.get(name)]
    return click.UsageError(f"give {_listed(missing)} {why}")


def refuse(names: Collection[str], why: str) -> None:
    """Refuse a command line with a flag that does not fit its form.

    Args:
        names: The parameters that do not fit.
        why: Why not: `needs --ledger`.

    Raises:
        click.UsageError: One of them is given; it is named.
    """
    for name in names:
        if _is_given(name):
            raise click.UsageError(f"{_flag(name)} {why}")


def _is_given(name: str) -> bool:
    context = click.get_current_context()
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE and context.params.get(name) is not None


def _flag(name: str) -> str:
    """Return the flag of a parameter as a person writes it."""
    context = click.get_current_context()
    found = [parameter for parameter in context.command.params if parameter.name == name]
    if len(found) > 1:  # two flags that set one parameter
        value = context.params.get(name)
        found = [one for one in found if getattr(one, "flag_value", None) == value] or found
    return found[0].opts[0]


def _listed(flags: list[str]) -> str:
    return flags[0] if len(flags) == 1 else f"{', '.join(flags[:-1])} and {flags[-1]}"
