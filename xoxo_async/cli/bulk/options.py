"""Flags that the commands of `xoxo bulk` share."""

from pathlib import Path
from typing import Any, Final

import click

from xoxo_async.cli.numbers import AMOUNT, CONCURRENCY, RATE, SECONDS
from xoxo_async.cli.options import Decorator, connection_options, json_option, with_options, yes_option

__all__ = [
    "LedgerPath",
    "ledger_option",
    "reason_option",
    "row_options",
    "spend_options",
    "work_options",
]


class LedgerPath(click.Path):
    """The path of a ledger: not empty, and not that of a folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if "://" in str(value):
            # Without the URL: it may hold a password.
            self.fail("a ledger is a file: give its path, not a URL", param, ctx)
        if not str(value).strip() or not Path(value).name:
            self.fail(f"{str(value)!r} is not a file's name", param, ctx)
        return super().convert(value, param, ctx)


ledger_option: Final[Decorator] = click.option(
    "--ledger", type=LedgerPath(), required=True, metavar="FILE", help="The job's ledger: the truth about it."
)
reason_option: Final[Decorator] = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; kept in the journal."
)

work_options: Final[Decorator] = with_options(
    ledger_option,
    click.option("--job", default="", metavar="NAME", help="The job's name [default: the ledger's own]."),
    click.option("--concurrency", type=CONCURRENCY, metavar="N|auto",
                 help="Orders in flight at most; auto has as many as the allowance needs [default: what the ledger"
                 " keeps, else auto]."),
    click.option("--rate", type=RATE, metavar="N|none",
                 help="Orders a minute [default: what the ledger keeps, else the vendor's 100]."),
    click.option("--settle", type=SECONDS, metavar="S",
                 help="Seconds until a lost order counts as absent [default: what the ledger keeps, else 150]."),
    click.option("--resend", type=click.Choice(["settled", "never"]),
                 help="Whether what is proven absent is placed again, or left to a person [default: what the ledger"
                 " keeps, else settled]."),
    click.option("--no-codes", is_flag=True, help="Keep no voucher codes in the ledger, only order ids."),
    click.option("--pause-limit", type=SECONDS, default=60.0, show_default=True, metavar="S",
                 help="Seconds a dead server, or a penalty's end, is waited for before the run pauses (exit 5)."),
    click.option("--grace", type=SECONDS, default=30.0, show_default=True, metavar="S",
                 help="Seconds that requests in flight get after Ctrl-C."),
    json_option,
    connection_options,
)  # fmt: skip
"""The flags of commands that work on a ledger's lines."""

spend_options: Final[Decorator] = with_options(
    click.option("--max-spend", type=AMOUNT, metavar="N",
                 help="What the job may cost, in the account's currency; it pauses before it could go over [default:"
                 " what the ledger keeps]."),
    click.option("--restore", is_flag=True,
                 help="This ledger replaces a lost one, or is an older copy: look every planned row up before it is"
                 " sent, and adopt the orders that match."),
    yes_option,
)  # fmt: skip
"""The flags of commands that place orders."""

row_options: Final[Decorator] = with_options(
    click.option("--pack", is_flag=True,
                 help="Let rows of one product and value that want only codes share orders, up to its limit."),
    click.option("--skip-invalid", is_flag=True, help="Leave bad rows out (exit 3) instead of sending nothing."),
    click.option("--withdraw-missing", "missing", flag_value="withdraw", default="refuse",
                 help="Withdraw planned rows of the ledger that ORDERS no longer has."),
    click.option("--keep-missing", "missing", flag_value="keep",
                 help="Send planned rows of the ledger although ORDERS no longer has them."),
)  # fmt: skip
"""The flags that say how rows become orders."""
