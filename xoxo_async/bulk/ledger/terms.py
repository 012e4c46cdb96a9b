"""The types of a ledger's methods: whose orders it holds, what a plan asks and gives, and who works on it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.owners import Identity

__all__ = ["NO_TERMS", "Approve", "Holder", "Identity", "PlanTerms", "Planned", "Pricing", "Share"]


class Share(NamedTuple):
    """A part of what a ledger still has to send: all planned orders of one product, denomination and quantity.

    Attributes:
        product_id: The product.
        denomination: The value of one piece, in the product's currency.
        quantity: Pieces in each order.
        orders: Orders.
        rows: Order lines that travel in them.
        worth: What they may cost at most, in ten-thousandths of the account's currency; None if that is not known.
        addressed: Of the lines, those with an e-mail address.
        mailed: Of these, those whose codes the vendor mails.
    """

    product_id: int
    denomination: Decimal
    quantity: int
    orders: int
    rows: int
    worth: int | None
    addressed: int = 0
    mailed: int = 0


class Planned(NamedTuple):
    """The result of planning.

    Attributes:
        added: Lines new to the ledger.
        known: Lines that the ledger had already.
        orders: Orders the new lines travel in.
        withdrawn: Lines that were withdrawn, because the input no longer has them.
        unwanted: Lines in doubt that the input no longer has: they are looked up, and not sent again.
    """

    added: int
    known: int
    orders: int
    withdrawn: int = 0
    unwanted: int = 0


Pricing = Callable[[int, Decimal, int], Decimal | None]
"""Takes a product, a denomination and a quantity. Returns what they may cost at most, in the account's currency; None
if that is not known."""

Approve = Callable[[Planned, list[Share] | None], Awaitable[None]]
"""Is awaited before a plan becomes durable; an error that it raises undoes the plan.

It may read the ledger, which it sees as it was before the plan. It must not write to it: the write would wait for the
plan, and the plan for `approve`. So a ledger raises `LedgerError` instead.

It gets the result of the plan, and all planned lines as shares; None means that only the plan's new lines are planned.
"""


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a plan: what it does besides adding its lines.

    Attributes:
        identity: The account and address of the orders; the ledger keeps them with its first plan.
        missing: What happens to planned lines that the plan does not name: `keep` leaves them planned, `withdraw`
            cancels those that were never sent, `refuse` makes them an error.
        pricing: Updates what planned orders may cost; None leaves it unchanged.
        approve: Called before the plan becomes durable; None calls nothing.
        restored: Why this ledger may lack sends of its planned lines: they are put in doubt (T15) in the same
            transaction. Empty if it lacks none.
        copied: Whether it may be a copy beside another ledger, and no person denies it: then an order older than the
            job is not adopted.
        facts: Facts about the run to keep in the same transaction, as `Ledger.set_fact` does. The lines may still add
            to them: a store reads them after the last line.
        kind: What the lines are. The first plan keeps it; a later plan of another kind is refused.
    """

    identity: Identity | None = None
    missing: Literal["refuse", "withdraw", "keep"] = "keep"
    pricing: Pricing | None = None
    approve: Approve | None = None
    restored: str = ""
    copied: bool = False
    facts: dict[str, str] = {}
    kind: JobKind = JobKind.ORDERS


NO_TERMS: Final = PlanTerms()
"""The terms of a plan that calls no `approve`, and leaves missing lines and prices unchanged."""


class Holder(NamedTuple):
    """A process that works on a ledger.

    Attributes:
        host: The name of its machine; empty if the store does not know it.
        pid: Its process id.
        lines: Orders that it has claimed and whose result is not recorded yet.
        seen_s: Seconds since it last renewed its lease; None for a store without leases.
    """

    host: str
    pid: int
    lines: int
    seen_s: float | None = None
