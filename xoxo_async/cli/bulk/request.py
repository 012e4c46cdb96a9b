"""The flags of one command that works on the lines of a ledger, and the command that continues it."""

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

__all__ = ["RunRequest", "WorkRequest"]

_SANDBOX_SETTLE_S: Final = 1.0
"""A sandbox ends with its command, so no call of an earlier command can still be under way."""


class WorkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one command that sends the lines of a ledger, of whatever kind they are.

    Attributes:
        action: `run`, `resume` or `reconcile`.
        source: The file of a run.
        ledger: The ledger, and the job that was asked for.
        connection: Where calls go.
        concurrency: The most requests in flight; None takes what the ledger keeps.
        settle: Seconds after a lost answer before its outcome counts as final; None takes what the ledger keeps.
        max_spend: The most that the job may cost; None takes what the ledger keeps.
        max_errors: How many rows may be refused, see `BulkIssuer`; None takes what the ledger keeps.
        skip_invalid: Whether to leave out bad rows.
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
    source: str
    ledger: LedgerAddress
    connection: Connection
    concurrency: int | Literal["auto"] | None = None
    settle: float | None = None
    max_spend: Decimal | None = None
    max_errors: int | str | None = None
    skip_invalid: bool = False
    pause_limit: float = 60.0
    grace: float = 30.0
    restore: bool = False
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"
    problems: Path | None = None
    reading: ReadingChoices = NO_CHOICE
    yes: bool = False
    as_json: bool = False

    @property
    def exports(self) -> str:
        """What the rows get that an export writes: `codes`. Empty for nothing."""
        return ""

    @property
    def job(self) -> str:
        """The name of the job that was asked for; empty takes the name in the ledger."""
        return self.ledger.job or ""

    @property
    def asks(self) -> bool:
        """Whether a person must agree before anything is sent."""
        return self.action != "reconcile" and not self.yes and is_real_money(self.connection)

    def settle_within(self, kept: "Bounds") -> float | None:
        """Return the seconds after a lost answer before its outcome counts as final; None takes the ledger's.

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
        flags = self.flags(action) + (["--restore"] if self.restore and anew else [])
        flags += ["--json"] if self.as_json else []
        return command_line(*self.words(action), "--ledger", self.ledger.argument, *flags)

    def flags(self, action: str, *, bounds: bool = True) -> list[str]:
        """Return the flags with the same settings, so that the next command has the same bounds.

        Args:
            action: `run`, `resume` or `reconcile`.
            bounds: Whether to include the flags whose values the ledger keeps itself, see `Bounds`. A copy of them that
                is kept apart could be older than the ledger's.
        """
        command: list[str] = []
        if action == "run":
            command += self.row_flags()
            command += [f"--{self.missing}-missing"] if self.missing != "refuse" else []
            command += reading_flags(self.reading)
            command += ["--problems", str(self.problems)] if self.problems is not None else []
        command += ["--job", self.job] if self.job and self.ledger.is_file else []
        if bounds:
            command += ["--concurrency", str(self.concurrency)] if isinstance(self.concurrency, int) else []
            command += ["--rate", _number(self.connection.rate)] if self.connection.rate is not None else []
            command += ["--settle", _number(self.settle)] if self.settle is not None else []
        command += self.work_flags(bounds=bounds)
        command += ["--pause-limit", _number(self.pause_limit)] if self.pause_limit != 60.0 else []
        command += ["--grace", _number(self.grace)] if self.grace != 30.0 else []
        command += self.connection.flags
        if action != "reconcile":
            command += ["--max-spend", f"{self.max_spend:f}"] if bounds and self.max_spend is not None else []
            command += ["--max-errors", str(self.max_errors)] if bounds and self.max_errors is not None else []
            command += ["--yes"] if self.yes else []
        return command

    # What a kind of job may say otherwise.

    def words(self, action: str) -> list[str]:
        """Return the words of the command that does an action, with the file of a run: a command of `xoxo bulk`.

        Args:
            action: `run`, `resume` or `reconcile`.
        """
        return ["bulk", action, *([self.source] if action == "run" else [])]

    def row_flags(self) -> list[str]:
        """Return the flags that say how rows become calls."""
        return ["--skip-invalid"] if self.skip_invalid else []

    def work_flags(self, *, bounds: bool) -> list[str]:  # noqa: ARG002 - for the kinds that have bounds of their own
        """Return the flags that say how calls are made.

        Args:
            bounds: As for `flags`.
        """
        return []


class RunRequest(WorkRequest, frozen=True, kw_only=True):
    """The flags of one `xoxo bulk run`, `resume` or `reconcile`.

    Attributes:
        resend: Whether to place a proven absent order again, or to leave it to a person; None takes what
            the ledger keeps.
        no_codes: Whether the ledger keeps no voucher codes.
        pack: Whether rows may share orders.
        notify: Whether the vendor mails the codes of every row with an address.
    """

    resend: Literal["settled", "never"] | None = None
    no_codes: bool = False
    pack: bool = False
    notify: bool = False

    @property
    def exports(self) -> str:
        """Orders get codes."""
        return "codes"

    def row_flags(self) -> list[str]:
        """Return the flags that say how rows become orders."""
        given = (("--pack", self.pack), ("--skip-invalid", self.skip_invalid), ("--notify", self.notify))
        return [flag for flag, on in given if on]

    def work_flags(self, *, bounds: bool) -> list[str]:
        """Return the flags that say how orders are placed.

        Args:
            bounds: As for `flags`.
        """
        flags = ["--resend", self.resend] if bounds and self.resend == "never" else []
        return flags + (["--no-codes"] if self.no_codes else [])


def _number(value: float | None) -> str:
    return "none" if value == float("inf") else f"{value:g}"
