"""Flags that the commands of `xoxo bulk` share."""

import unicodedata
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.numbers import AMOUNT, CONCURRENCY, ERRORS, RATE, SECONDS, Whole
from xoxo_async.cli.options import Decorator, NewFile, connection_options, json_option, with_options, yes_option
from xoxo_async.cli.output import say
from xoxo_async.errors import ConfigError

__all__ = [
    "LedgerPath",
    "batch_option",
    "file_options",
    "ledger_option",
    "max_spend_option",
    "maybe_ledger_option",
    "one_line",
    "order_options",
    "reason_option",
    "row_options",
    "spend_options",
    "unkeyed_work_options",
    "work_options",
]


class LedgerPath(click.Path):
    """The place of a ledger: the path of a file, or a postgresql:// URL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the place, or fail with a usage error. No message shows a URL, because that may hold a password."""
        try:
            address = LedgerAddress.read(value)
        except ConfigError as error:
            self.fail(error.message, param, ctx)
        if address.has_password and not (ctx is not None and ctx.resilient_parsing):
            say(
                "other users of this machine can read the password in the ledger's URL: put it into PGPASSWORD or"
                " ~/.pgpass. Printed commands are without it"
            )
        return address


def _of_one_job(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that gets `ledger` and `job` as the place of one job."""

    @wraps(command)
    def with_one_job(*args: Any, ledger: LedgerAddress, job: str, **flags: Any) -> Any:
        return command(*args, ledger=ledger.with_job(job), **flags)

    return with_one_job


def _ledger(*, required: bool, more: str = "") -> Decorator:
    return click.option(
        "--ledger",
        type=LedgerPath(),
        required=required,
        metavar="PATH|URL",
        help=f"The ledger of the job: a file, or postgresql://USER@HOST/DATABASE#JOB.{more}",
    )


def _with_the_job(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that gets `ledger` as the place of one job, or None without the flag."""

    @wraps(command)
    def with_the_job(*args: Any, ledger: LedgerAddress | None, job: str, **flags: Any) -> Any:
        if ledger is None and job:
            raise click.UsageError("--job names the job in a ledger: give --ledger too")
        return command(*args, ledger=None if ledger is None else ledger.with_job(job), **flags)

    return with_the_job


def one_line(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """Refuse a text that would break a line of a log, or move a terminal's cursor. A callback of options.

    Args:
        text: The value.

    Raises:
        click.BadParameter: It has a line break or another control character.
    """
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise click.BadParameter("it must be one line, without control characters")
    return text


_JOB: Final[Decorator] = click.option(
    "--job", default="", metavar="NAME",
    help="The name of the job [default: the one after # in the URL, or the file's own].",
)  # fmt: skip

ledger_option: Final[Decorator] = with_options(_of_one_job, _ledger(required=True), _JOB)
"""The ledger of a command that works on one job; the command gets it as `ledger`."""
maybe_ledger_option: Final[Decorator] = with_options(
    _with_the_job, _ledger(required=False, more=" Without it, one call is made, and nothing is kept."), _JOB
)
"""The ledger of a command that also works without one; the command gets it as `ledger`, or None."""
reason_option: Final[Decorator] = click.option(
    "--reason", required=True, metavar="TEXT", callback=one_line, help="The reason, which the journal keeps."
)

_CONCURRENCY: Final[Decorator] = click.option(
    "--concurrency", type=CONCURRENCY, metavar="N|auto",
    help="The most requests in flight; auto: as many as the rate limit needs [default: what the ledger keeps, or"
    " auto].",
)  # fmt: skip
_MAX_ERRORS: Final[Decorator] = click.option(
    "--max-errors", type=ERRORS, metavar="N|P%",
    help="Pause (exit 5) once more rows of the job are refused: a number, or a share of the settled rows, which counts"
    " from 20 of them on; none lifts the bound [default: what the ledger keeps].",
)  # fmt: skip
_PATIENCE: Final[Decorator] = with_options(
    click.option("--pause-limit", type=SECONDS, default=60.0, show_default=True, metavar="S",
                 help="Seconds to wait for a dead server or the end of a penalty, before the run pauses (exit 5)."),
    click.option("--grace", type=SECONDS, default=30.0, show_default=True, metavar="S",
                 help="Seconds that requests in flight have after Ctrl-C."),
)  # fmt: skip


def batch_option(rows: str, why: str = "") -> Decorator:
    """Return `--batch`.

    Args:
        rows: What travels in a call: `people`.
        why: Why the default is 1, as a sentence.
    """
    return click.option(
        "--batch", type=Whole(1, 10_000), default=1, show_default=True, metavar="N",
        help=f"{rows.capitalize()} in one call.{why and f' {why}'} If the answer of a call is lost, all its {rows} are"
        " in doubt.",
    )  # fmt: skip


def max_spend_option(what: str, metavar: str = "N") -> Decorator:
    """Return `--max-spend`.

    Args:
        what: What the sum is, and when the job pauses, as sentences.
        metavar: What the number is.
    """
    return click.option("--max-spend", type=AMOUNT, metavar=metavar, help=f"{what} [default: what the ledger keeps].")


order_options: Final[Decorator] = with_options(
    click.option("--settle", type=SECONDS, metavar="S",
                 help="Seconds until a lost order counts as absent [default: what the ledger keeps, or 150]."),
    click.option("--resend", type=click.Choice(["settled", "never"]),
                 help="Place an order again if it is proven absent (settled), or leave it to a person (never) [default:"
                 " what the ledger keeps, or settled]."),
    click.option("--no-codes", is_flag=True, help="Keep order ids in the ledger, and no voucher codes."),
)  # fmt: skip
"""The flags of commands that settle orders."""

work_options: Final[Decorator] = with_options(
    ledger_option,
    _CONCURRENCY,
    click.option("--rate", type=RATE, metavar="N|none",
                 help="Orders a minute [default: what the ledger keeps, or the vendor's 100]."),
    order_options,
    _PATIENCE,
    json_option,
    connection_options,
)  # fmt: skip
"""The flags of commands that work on a ledger's lines."""

spend_options: Final[Decorator] = with_options(
    max_spend_option("The most that the job may cost, in the account's currency. It pauses before it could cost more"),
    _MAX_ERRORS,
    click.option("--restore", is_flag=True,
                 help="Look up every planned row before it is sent, and adopt the orders that match. For a ledger that"
                 " replaces a lost one, or is an older copy."),
    yes_option,
)  # fmt: skip
"""The flags of commands that place orders."""


def _or_refuse(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str:
    """Return `refuse` where neither flag is given.

    This is no `default=`: click 8.1 takes any default of a flag with a value as that value, so `--withdraw-missing`
    would hold for every command without flags.
    """
    return value or "refuse"


_SKIP_INVALID: Final[Decorator] = click.option(
    "--skip-invalid", is_flag=True, help="Leave out bad rows (exit 3) instead of sending nothing."
)


def _missing(file: str) -> Decorator:
    return with_options(
        click.option("--withdraw-missing", "missing", flag_value="withdraw", callback=_or_refuse,
                     help=f"Withdraw planned rows of the ledger that {file} lacks."),
        click.option("--keep-missing", "missing", flag_value="keep", callback=_or_refuse,
                     help=f"Send planned rows of the ledger that {file} lacks."),
        click.option("--problems", type=NewFile(), metavar="FILE",
                     help="Write every bad row into this .csv or .xlsx file: column, value and reason, beside the"
                     " row."),
    )  # fmt: skip


row_options: Final[Decorator] = with_options(
    click.option("--pack", is_flag=True,
                 help="Put rows with one product and value that need only codes into shared orders."),
    _SKIP_INVALID,
    click.option("--notify", is_flag=True,
                 help="Have the vendor mail the codes of every row with an address, as notify_receiver does for one"
                 " row. The ledger keeps it."),
    _missing("ORDERS"),
)  # fmt: skip
"""The flags that decide how rows become orders."""

unkeyed_work_options: Final[Decorator] = with_options(
    _CONCURRENCY,
    click.option("--rate", type=RATE, metavar="N|none",
                 help="Calls a minute [default: what the ledger keeps, or no limit; the vendor states none]."),
    click.option("--settle", type=SECONDS, metavar="S",
                 help="Seconds after a lost answer until a person may decide that its call did nothing [default: what"
                 " the ledger keeps, or 150]."),
    _MAX_ERRORS,
    click.option("--restore", is_flag=True,
                 help="Leave every planned row to a person: it may have been sent. For a ledger that replaces a lost"
                 " one, or is an older copy."),
    _PATIENCE,
)  # fmt: skip
"""The flags of commands that send calls without a key."""

file_options: Final[Decorator] = with_options(_SKIP_INVALID, _missing("the file"))
"""The flags that say what happens to the rows of a file."""
