"""The flags of one `xoxo bulk run`, `resume` or `reconcile`, and the command that continues it."""

import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from xoxo_async.bulk.intake.reading import NO_CHOICE, ReadingChoices
from xoxo_async.bulk.ledger.address import LedgerAddress
from xoxo_async.cli.bulk.reading import reading_flags
from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connection import Connection, is_real_money

if TYPE_CHECKING:
    from xoxo_async.bulk.settings import Bounds

__all__ = ["RunRequest"]

_SANDBOX_SETTLE_S: Final = 1.0
"""A sandbox ends with its command, so no order of an earlier command can still be under way."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one `xoxo bulk run`, `resume` or `reconcile`.

    Attributes:
        action: `run`, `resume` or `reconcile`.
        orders: The orders file of a run.
        ledger: The ledger, and the job that was asked for.
        connection: Where orders go.
        concurrency: The most requests in flight; None takes what the ledger keeps.
        settle: Seconds after a lost answer before a missing order counts as absent; None takes what the ledger keeps.
        resend: Whether to place a proven absent order again, or to leave it to a person; None takes what
            the ledger keeps.
        no_codes: Whether the ledger keeps no voucher codes.
        max_spend: The most that the job may cost, in the account's currency; None takes what the ledger keeps.
        max_errors: How many rows may be refused, see `BulkIssuer`; None takes what the ledger keeps.
        pack: Whether rows may share orders.
        skip_invalid: Whether to leave out bad rows.
        notify: Whether the vendor mails the codes of every row with an address.
        pause_limit: Seconds that the run waits for the vendor before it pauses.
        grace: Seconds that requests in flight have after the first signal.
        restore: Whether the ledger replaces a lost one or is an older copy.
        missing: What to do with planned rows that the file lacks.
        problems: The file for every problem of the rows of a run; None for none.
        reading: How the file of a run is read, where a flag says so.
        yes: Whether to send without asking a person.
        as_json: Whether to print JSON.
    """

    action: str
    orders: str
    ledger: LedgerAddress
    connection: Connection
    concurrency: int | Literal["auto"] | None = None
    settle: float | None = None
    resend: Literal["settled", "never"] | None = None
    no_codes: bool = False
    max_spend: Decimal | None = None
    max_errors: int | str | None = None
    pack: bool = False
    skip_invalid: bool = False
    notify: bool = False
    pause_limit: float = 60.0
    grace: float = 30.0
    restore: bool = False
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"
    problems: Path | None = None
    reading: ReadingChoices = NO_CHOICE
    yes: bool = False
    as_json: bool = False

    @property
    def job(self) -> str:
        """The name of the job that was asked for; empty takes the name in the ledger."""
        return self.ledger.job or ""

    @property
    def asks(self) -> bool:
        """Whether a person must agree before an order is sent."""
        return self.action != "reconcile" and not self.yes and is_real_money(self.connection)

    def settle_within(self, kept: "Bounds") -> float | None:
        """Return the seconds after a lost answer before a missing order counts as absent; None takes the ledger's.

        Args:
            kept: The bounds that the ledger keeps.
        """
        if self.settle is None and kept.settle_s is None and self.connection.sandbox:
            return _SANDBOX_SETTLE_S
        return self.settle

    def connection_within(self, kept: "Bounds") -> Connection:
        """Return the connection with the rate and the concurrency that the ledger keeps.

        Args:
            kept: The bounds that the ledger keeps. A flag replaces its bound.
        """
        connection = self.connection
        if connection.rate is None and kept.rate is not None:
            rate = math.inf if kept.rate == "none" else kept.rate
            connection = msgspec.structs.replace(connection, rate=rate)
        if self.concurrency is None and isinstance(kept.concurrency, int):
            connection = msgspec.structs.replace(connection, connections=kept.concurrency)
        return connection

    def continued_by(self, action: str, *, anew: bool = False) -> str:
        """Return the command line that continues this work with the same settings.

        Args:
            action: `run`, `resume` or `reconcile`.
            anew: Whether the ledger has nothing of this work yet, so that the command still needs --restore.
        """
        orders = [self.orders] if action == "run" else []
        flags = self.flags(action) + (["--restore"] if self.restore and anew else [])
        flags += ["--json"] if self.as_json else []
        return command_line("bulk", action, *orders, "--ledger", self.ledger.argument, *flags)

    def flags(self, action: str, *, bounds: bool = True) -> list[str]:
        """Return the flags with the same settings, so that the next command has the same bounds.

        Args:
            action: `run`, `resume` or `reconcile`.
            bounds: Whether to include the flags whose values the ledger keeps itself, see `Bounds`. A copy of them that
                is kept apart could be older than the ledger's.
        """
        command: list[str] = []
        if action == "run":
            command += [
                flag
                for flag, on in (
                    ("--pack", self.pack),
                    ("--skip-invalid", self.skip_invalid),
                    ("--notify", self.notify),
                )
                if on
            ]
            command += [f"--{self.missing}-missing"] if self.missing != "refuse" else []
            command += reading_flags(self.reading)
            command += ["--problems", str(self.problems)] if self.problems is not None else []
        command += ["--job", self.job] if self.job and self.ledger.is_file else []
        if bounds:
            command += ["--concurrency", str(self.concurrency)] if isinstance(self.concurrency, int) else []
            command += ["--rate", _number(self.connection.rate)] if self.connection.rate is not None else []
            command += ["--settle", _number(self.settle)] if self.settle is not None else []
            command += ["--resend", self.resend] if self.resend == "never" else []
        command += ["--no-codes"] if self.no_codes else []
        command += ["--pause-limit", _number(self.pause_limit)] if self.pause_limit != 60.0 else []
        command += ["--grace", _number(self.grace)] if self.grace != 30.0 else []
        command += self.connection.flags
        if action != "reconcile":
            command += ["--max-spend", f"{self.max_spend:f}"] if bounds and self.max_spend is not None else []
            command += ["--max-errors", str(self.max_errors)] if bounds and self.max_errors is not None else []
            command += ["--yes"] if self.yes else []
        return command


def _number(value: float | None) -> str:
    return "none" if value == float("inf") else f"{value:g}"
