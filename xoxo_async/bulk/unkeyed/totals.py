"""The sums of a plan of points, links or mails."""

from decimal import Decimal

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind

__all__ = ["UnkeyedTotals"]


class UnkeyedTotals(msgspec.Struct):
    """What a job of points, links or mails is about to send, in sums.

    Attributes:
        kind: What the job is of.
        rows: Rows to send now, this ledger's earlier ones included.
        total: Points, links or mails in all.
        calls: Calls at most that this takes.
        worth: What they may cost at most, in `unit`. None if that is not known.
        unit: What `worth` and `max_spend` count: points, or the currency of a campaign. Empty if that is not known.
        available: The company's points, as the vendor tells them now; None where it does not tell, or for links.
        added: Rows of the input that are new to the ledger.
        absent: Rows that were planned or sent before and that the input lacks; 0 where it brings no new ones. Withdrawn
            rows do not count.
        withdrawn: Rows that the input no longer has, and that were withdrawn.
        in_doubt: Rows whose answer was lost, or that a person has to decide: they are not sent.
        skipped: Bad rows that were left out.
        problems: The problems of the skipped rows, one a line.
        warned: Rows that are sent, and that a person should look at: their key may have lost zeros.
        warnings: The first of them, each with its row number and key.
        recognised: What was recognised in the file, in words; empty for a file that a program wrote.
        expected_s: How long sending takes at the present limits; None without a limit.
    """

    kind: JobKind
    rows: int = 0
    total: Decimal = Decimal(0)
    calls: int = 0
    worth: Decimal | None = None
    unit: str = ""
    available: Decimal | None = None
    added: int = 0
    absent: int = 0
    withdrawn: int = 0
    in_doubt: int = 0
    skipped: int = 0
    problems: str = ""
    warned: int = 0
    warnings: tuple[str, ...] = ()
    recognised: str = ""
    expected_s: float | None = None

    @property
    def covered(self) -> bool:
        """Whether the company's points cover all of it; also True where cost or points are not known."""
        return self.worth is None or self.available is None or self.worth <= self.available
