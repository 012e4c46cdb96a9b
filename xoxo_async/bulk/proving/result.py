"""The result of a proof: what agrees, what does not, and what cannot be known."""

from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

__all__ = ["KINDS", "MOST_FINDINGS", "Finding", "FindingKind", "Proof", "ProofSums"]

FindingKind = Literal["missing", "repeated", "unlisted", "different", "charges", "delivery", "wallet", "unknown"]
"""What a finding is about. `unknown` cannot be decided; all others say that ledger and vendor do not agree."""

KINDS: Final[tuple[FindingKind, ...]] = (
    "missing",
    "repeated",
    "unlisted",
    "different",
    "charges",
    "delivery",
    "wallet",
    "unknown",
)

MOST_FINDINGS: Final = 1000
"""Findings of one kind that a result names; `Proof.found` counts all of them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not agree, or that cannot be known.

    Attributes:
        kind: What it is about: see `FindingKind`.
        why: It in words.
        po_number: The poNumber it is about; empty if it is about the whole job.
        key: The key of the row; empty if there is no row.
        row: The row's number in the input; 0 if there is no row.
        order_id: The vendor's order it is about.
        ledger: What the ledger says.
        vendor: What the vendor says.
    """

    kind: FindingKind
    why: str
    po_number: str = ""
    key: str = ""
    row: int = 0
    order_id: int | None = None
    ledger: str = ""
    vendor: str = ""


class ProofSums(msgspec.Struct, frozen=True, kw_only=True):
    """The money, in the account's currency. An amount is None where the payment report does not tell it.

    Of a job of points or links, `currency`, `ledger` and `vendor` count points, or the campaign's currency; all other
    amounts are in the account's currency.

    Attributes:
        currency: The currency.
        ledger: What the placed lines cost, by the ledger. Points that were cancelled cost nothing.
        vendor: What their orders cost, by the order history; of points and links, what the payment report bears out.
        paid: What the payment report says was paid for them.
        refunded: What it says was paid back for them.
        added: Funds that were added to the wallet; they are not this job's.
        unlisted: What orders of this job cost that the ledger has no row for, by the history.
        other_orders: How many orders of other jobs the history has; of points and links, rows of the payment report
            that name nothing of this job.
        other: What those orders cost.
        unnamed: What was paid for orders that are not in the history.
        opening: The wallet's balance before the first row of the payment report.
        closing: Its balance after the last row.
        rate: What the payment report took for a point, or for a unit of the links' value, by most of its rows; None for
            orders, and where no row shows it.
    """

    currency: str = ""
    ledger: Decimal = Decimal(0)
    vendor: Decimal = Decimal(0)
    paid: Decimal | None = None
    refunded: Decimal = Decimal(0)
    added: Decimal = Decimal(0)
    unlisted: Decimal = Decimal(0)
    other_orders: int = 0
    other: Decimal = Decimal(0)
    unnamed: Decimal = Decimal(0)
    opening: Decimal | None = None
    closing: Decimal | None = None
    rate: Decimal | None = None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the ledger of a job and the vendor agree. It holds no code and no personal data but the rows' keys.

    Of a job of points, links or mails, an order is a row, and `order_id` is the id of the credit.

    A list of findings has the first thousand of its kind; `found` has the counts of all.

    Attributes:
        ok: Whether everything agrees and nothing is unknown.
        job: The job's name.
        ledger: The ledger.
        address: The server's address, as the ledger names it.
        since: The first day of the history that was read, `YYYY-MM-DD`.
        until: The last day.
        began_at: When the proof began, in UTC.
        ended_at: When it ended, in UTC.
        kind: What the job is of: `orders`, `points`, `links` or `link_mails`.
        thorough: Whether each order was looked up.
        orders: Orders of the ledger, in any state.
        placed: Placed orders of the ledger.
        agree: Orders of the ledger that agree with the vendor's order and payment.
        differ: Orders of the ledger that do not.
        undecided: Orders of the ledger of which it cannot be known.
        found: The number of findings, by kind.
        missing: Placed lines without an order at the vendor, or without a row in the payment report that names others.
        repeated: poNumbers of this job with more than one order.
        unlisted: Orders of this job that belong to no placed line.
        different: Orders with another id, product, value or quantity than their line.
        charges: Orders that cost something else than the ledger says.
        delivery: Orders whose delivery is not as the ledger says.
        wallet: Where the wallet's movement does not fit the charges.
        unknown: What cannot be known, and why.
        sums: The money.
        notes: What a reader has to know about this result.
        calls: The calls that were made, by operation; an interrupted proof counts all its runs.
        format: The version of this shape.
    """

    ok: bool
    job: str
    ledger: str
    address: str
    since: str
    until: str
    began_at: str
    ended_at: str
    kind: str = "orders"
    thorough: bool = False
    orders: int = 0
    placed: int = 0
    agree: int = 0
    differ: int = 0
    undecided: int = 0
    found: dict[str, int] = {}
    missing: tuple[Finding, ...] = ()
    repeated: tuple[Finding, ...] = ()
    unlisted: tuple[Finding, ...] = ()
    different: tuple[Finding, ...] = ()
    charges: tuple[Finding, ...] = ()
    delivery: tuple[Finding, ...] = ()
    wallet: tuple[Finding, ...] = ()
    unknown: tuple[Finding, ...] = ()
    sums: ProofSums = ProofSums()
    notes: tuple[str, ...] = ()
    calls: dict[str, int] = {}
    format: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values; amounts are texts, so that no reader rounds them."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def findings(self, kind: FindingKind) -> tuple[Finding, ...]:
        """Return the findings of one kind.

        Args:
            kind: The kind.
        """
        found: tuple[Finding, ...] = getattr(self, kind)
        return found
