"""One `xoxo bulk run`, `resume` or `reconcile`, as it was asked for, and the command that goes on with it."""

import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from xoxo_async.cli.command_line import command_line
from xoxo_async.cli.connection import Connection, is_real_money

if TYPE_CHECKING:
    from xoxo_async.bulk.settings import Bounds

__all__ = ["RunRequest"]

_SANDBOX_SETTLE_S: Final = 1.0
"""The sandbox ends with its command, so no order of an earlier command can still be on its way."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One `xoxo bulk run`, `resume` or `reconcile`, as it was asked for.

    Attributes:
        action: `run`, `resume` or `reconcile`.
        orders: The orders file of a run.
        ledger: The ledger.
        connection: Where orders go.
        job: The job's name; empty takes the ledger's.
        concurrency: Requests in flight at most; None takes what the ledger keeps.
        settle: Seconds after a lost answer before absence counts; None takes what the ledger keeps.
        resend: Whether what is proven absent is placed again, or left to a person; None takes what the ledger keeps.
        no_codes: Whether the ledger keeps no voucher codes.
        max_spend: What the job may cost, in the account's currency; None takes what the ledger keeps.
        pack: Whether rows may share orders.
        skip_invalid: Whether bad rows are left out.
        pause_limit: Seconds that the run waits for the vendor before it pauses.
        grace: Seconds that requests in flight get after the first signal.
        restore: Whether the ledger replaces a lost one.
        missing: What becomes of planned rows that the file no longer has.
        yes: Whether nobody has to be asked.
        as_json: Whether to print JSON.
    """

    action: str
    orders: str
    ledger: Path
    connection: Connection
    job: str = ""
    concurrency: int | Literal["auto"] | None = None
    settle: float | None = None
    resend: Literal["settled", "never"] | None = None
    no_codes: bool = False
    max_spend: Decimal | None = None
    pack: bool = False
    skip_invalid: bool = False
    pause_limit: float = 60.0
    grace: float = 30.0
    restore: bool = False
    missing: Literal["refuse", "withdraw", "keep"] = "refuse"
    yes: bool = False
    as_json: bool = False

    @property
    def asks(self) -> bool:
        """Whether a person has to agree before anything is sent."""
        return self.action != "reconcile" and not self.yes and is_real_money(self.connection)

    def settle_within(self, kept: "Bounds") -> float | None:
        """Return the seconds after a lost answer before absence counts; None leaves that to the ledger's bounds.

        Args:
            kept: The bounds that the ledger keeps.
        """
        if self.settle is None and kept.settle_s is None and self.connection.sandbox:
            return _SANDBOX_SETTLE_S
        return self.settle

    def connection_within(self, kept: "Bounds") -> Connection:
        """Return the connection at the rate, and with room for the concurrency, that the ledger keeps.

        Args:
            kept: The bounds that the ledger keeps; a flag that was given goes before them.
        """
        connection = self.connection
        if connection.rate is None and kept.rate is not None:
            rate = math.inf if kept.rate == "none" else kept.rate
            connection = msgspec.structs.replace(connection, rate=rate)
        if self.concurrency is None and isinstance(kept.concurrency, int):
            connection = msgspec.structs.replace(connection, connections=kept.concurrency)
        return connection

    def continued_by(self, action: str, *, anew: bool = False) -> str:
        """Return the command line that goes on with this work under the same settings.

        Args:
            action: `run`, `resume` or `reconcile`.
            anew: Whether nothing of this work is in the ledger yet. Once it is, the ledger knows that it was restored.
        """
        orders = [self.orders] if action == "run" else []
        flags = self.flags(action) + (["--restore"] if self.restore and anew else [])
        flags += ["--json"] if self.as_json else []
        return command_line("bulk", action, *orders, "--ledger", str(self.ledger), *flags)

    def flags(self, action: str) -> list[str]:
        """Return the flags of the same settings: what is spent, resent and asked for must not change on the way.

        Args:
            action: `run`, `resume` or `reconcile`.
        """
        command: list[str] = []
        if action == "run":
            command += [flag for flag, on in (("--pack", self.pack), ("--skip-invalid", self.skip_invalid)) if on]
            command += [f"--{self.missing}-missing"] if self.missing != "refuse" else []
        command += ["--job", self.job] if self.job else []
        command += ["--concurrency", str(self.concurrency)] if isinstance(self.concurrency, int) else []
        command += ["--rate", _number(self.connection.rate)] if self.connection.rate is not None else []
        command += ["--settle", _number(self.settle)] if self.settle is not None else []
        command += ["--resend", self.resend] if self.resend == "never" else []
        command += ["--no-codes"] if self.no_codes else []
        command += ["--pause-limit", _number(self.pause_limit)] if self.pause_limit != 60.0 else []
        command += ["--grace", _number(self.grace)] if self.grace != 30.0 else []
        command += self.connection.flags
        if action != "reconcile":
            command += ["--max-spend", f"{self.max_spend:f}"] if self.max_spend is not None else []
            command += ["--yes"] if self.yes else []
        return command


def _number(value: float | None) -> str:
    return "none" if value == float("inf") else f"{value:g}"
